//! The claim in force of a gate, in its row of `gates`, and what becomes of the row when the
//! claim is proven.

use anyhow::Context;
use shared::{
    ids::{Digest, JournalEpoch},
    journal::ChainState,
    keys::PublicKey,
};
use tokio_postgres::Row;

use super::Connection;
use crate::{
    ids::{GateId, SchoolId},
    instant::UtcInstant,
};

/// A claim in force; its secret is not stored anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredClaim {
    /// The gate's school.
    pub school_id: SchoolId,
    /// What the secret is derived from.
    pub nonce: [u8; 16],
    /// First instant at which it is no longer good.
    pub expires_at: UtcInstant,
    /// SHA-256 of the signed root set that it pins.
    pub root_set: Digest,
    /// The newest epoch of the gate's journal so far; 0 before the first.
    pub journal_epoch: JournalEpoch,
}

/// An identity that a box has proven its claim for.
#[derive(Clone, Debug)]
pub struct Enrolled<'a> {
    /// The gate.
    pub gate_id: GateId,
    /// The box's key.
    pub public_key: PublicKey,
    /// What both screens show.
    pub fingerprint: &'a str,
    /// Version of the box's software.
    pub agent_version: &'a str,
    /// The journal that it begins.
    pub journal_epoch: JournalEpoch,
    /// When.
    pub at: UtcInstant,
}

/// Puts a claim in force in place of any earlier one; `None` when the gate does not exist or is
/// retired, else its name.
///
/// # Errors
/// When the database fails.
pub async fn put(
    connection: &Connection,
    gate_id: GateId,
    nonce: &[u8; 16],
    expires_at: UtcInstant,
    root_set: Digest,
) -> anyhow::Result<Option<String>> {
    let row = connection
        .query_opt(
            "UPDATE gates SET claim_nonce = $2, claim_expires_at = $3, claim_root_set = $4 \
             WHERE gate_id = $1 AND state <> 'retired' RETURNING name",
            &[
                &gate_id,
                &nonce.as_slice(),
                &expires_at,
                &root_set.0.as_slice(),
            ],
        )
        .await
        .with_context(|| format!("cannot store a claim for gate {gate_id}"))?;
    Ok(row.map(|row| row.get(0)))
}

/// The claim in force, expired or not, with the gate's row locked.
///
/// # Errors
/// When the database fails.
pub async fn lock(connection: &Connection, gate_id: GateId) -> anyhow::Result<Option<StoredClaim>> {
    let row = connection
        .query_opt(
            "SELECT school_id, claim_nonce, claim_expires_at, claim_root_set, journal_epoch FROM gates \
             WHERE gate_id = $1 AND state <> 'retired' AND claim_nonce IS NOT NULL FOR UPDATE",
            &[&gate_id],
        )
        .await
        .with_context(|| format!("cannot read the claim of gate {gate_id}"))?;
    row.as_ref()
        .map(claim)
        .transpose()
        .with_context(|| format!("the claim of gate {gate_id} in the database"))
}

fn claim(row: &Row) -> anyhow::Result<StoredClaim> {
    let root_set: Option<&[u8]> = row.get("claim_root_set");
    Ok(StoredClaim {
        school_id: row.get("school_id"),
        nonce: row.get::<_, &[u8]>("claim_nonce").try_into()?,
        expires_at: row
            .get::<_, Option<UtcInstant>>("claim_expires_at")
            .context("it never expires")?,
        root_set: Digest(root_set.context("it pins no root set")?.try_into()?),
        journal_epoch: JournalEpoch(u32::try_from(row.get::<_, i32>("journal_epoch"))?),
    })
}

/// Gives the gate a box's identity and uses the claim up; the row is locked. What the box before
/// it had begun is over: its counters, its journal and that journal's quarantine.
///
/// # Errors
/// When the database fails.
pub async fn consume(connection: &Connection, enrolled: &Enrolled<'_>) -> anyhow::Result<()> {
    let gate_id = enrolled.gate_id;
    let context = || format!("cannot store the identity of gate {gate_id}");
    let start = ChainState::start(gate_id.into(), enrolled.journal_epoch);
    let epoch = i32::try_from(enrolled.journal_epoch.0).with_context(context)?;
    connection
        .execute(
            "UPDATE gates SET state = 'enrolled', enrolled_at = $2, public_key = $3, kid = $4, fingerprint = $5, \
                 agent_version = $6, claim_nonce = NULL, claim_expires_at = NULL, claim_root_set = NULL, \
                 counter_floor = 0, counter_window = 0, journal_epoch = $7, journal_seq = 0, journal_hash = $8, \
                 journal_head = NULL, journal_head_seq = 0, quarantined_at = NULL, quarantine_reason = NULL, \
                 health = NULL, last_seen_at = $2 \
             WHERE gate_id = $1",
            &[
                &gate_id,
                &enrolled.at,
                &enrolled.public_key.0.as_slice(),
                &enrolled.public_key.kid().0.as_slice(),
                &enrolled.fingerprint,
                &enrolled.agent_version,
                &epoch,
                &start.hash.0.as_slice(),
            ],
        )
        .await
        .with_context(context)?;
    Ok(())
}

//! Table `gates`, as far as administrators see it.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::keys::PublicKey;
use tokio_postgres::{Row, types::Json};
use utoipa::ToSchema;

use super::{Connection, Word};
use crate::{
    ids::{AreaId, GateId, SchoolId},
    instant::UtcInstant,
    paging::PageRequest,
    policy::{GatePolicies, SyncIntervals},
    text::Name,
};

/// The appliance at one or more doors.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Gate {
    /// Its id.
    pub gate_id: GateId,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub fields: GateFields,
    /// How far it has come.
    pub state: GateState,
    /// When it was made here.
    pub created_at: UtcInstant,
    /// When the appliance proved its claim.
    pub enrolled_at: Option<UtcInstant>,
    /// What both screens showed at enrolment.
    pub fingerprint: Option<String>,
    /// The version of its software.
    pub agent_version: Option<String>,
    /// When central last heard it.
    pub last_seen_at: Option<UtcInstant>,
    /// The last record of its journal that central has.
    pub journal: JournalMark,
    /// When its journal was found to contradict itself; nothing is taken from it since.
    pub quarantined_at: Option<UtcInstant>,
    /// In what.
    pub quarantine_reason: Option<String>,
    /// What it last said about itself.
    #[schema(value_type = Option<Object>)]
    pub health: Option<serde_json::Value>,
}

/// What is said about a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GateFields {
    /// What people call it.
    #[schema(example = "Main gate")]
    pub name: Name,
    /// Policies and limits of the gate as a whole.
    #[serde(default)]
    pub policies: GatePolicies,
    /// How often it talks to central.
    #[serde(default)]
    pub sync: SyncIntervals,
}

/// How far a gate has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateState {
    /// No appliance has its identity yet.
    Created,
    /// An appliance has.
    Enrolled,
    /// Its identity is revoked for ever.
    Retired,
}

/// A place in a gate's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct JournalMark {
    /// Counts up each time the journal starts over.
    pub epoch: i32,
    /// The record's number; 0 before the first.
    pub seq: i64,
}

const COLUMNS: &str = "gate_id, name, policies, sync, state, created_at, enrolled_at, fingerprint, \
    agent_version, last_seen_at, journal_epoch, journal_seq, quarantined_at, quarantine_reason, health";

fn gate(row: &Row) -> anyhow::Result<Gate> {
    let Json(policies) = row
        .try_get("policies")
        .context("a gate's policies in the database")?;
    let Json(sync) = row
        .try_get("sync")
        .context("a gate's intervals in the database")?;
    let Word(state) = row
        .try_get("state")
        .context("a gate's state in the database")?;
    Ok(Gate {
        gate_id: row.get("gate_id"),
        fields: GateFields {
            name: row.get("name"),
            policies,
            sync,
        },
        state,
        created_at: row.get("created_at"),
        enrolled_at: row.get("enrolled_at"),
        fingerprint: row.get("fingerprint"),
        agent_version: row.get("agent_version"),
        last_seen_at: row.get("last_seen_at"),
        journal: JournalMark {
            epoch: row.get("journal_epoch"),
            seq: row.get("journal_seq"),
        },
        quarantined_at: row.get("quarantined_at"),
        quarantine_reason: row.get("quarantine_reason"),
        health: row.get("health"),
    })
}

/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &Connection,
    school_id: SchoolId,
    gate_id: GateId,
    fields: &GateFields,
    now: UtcInstant,
) -> anyhow::Result<Gate> {
    let row = connection
        .query_one(
            &format!(
                "INSERT INTO gates (gate_id, school_id, name, policies, sync, state, created_at) \
                 VALUES ($1, $2, $3, $4, $5, 'created', $6) RETURNING {COLUMNS}"
            ),
            &[
                &gate_id,
                &school_id,
                &fields.name,
                &Json(fields.policies),
                &Json(fields.sync),
                &now,
            ],
        )
        .await
        .context("cannot store a gate")?;
    gate(&row)
}

/// # Errors
/// When the database fails.
pub async fn get(connection: &Connection, gate_id: GateId) -> anyhow::Result<Option<Gate>> {
    let sql = format!("SELECT {COLUMNS} FROM gates WHERE gate_id = $1");
    let row = connection
        .query_opt(&sql, &[&gate_id])
        .await
        .with_context(|| format!("cannot read the gate {gate_id}"))?;
    row.as_ref().map(gate).transpose()
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    page: &PageRequest<GateId>,
) -> anyhow::Result<Vec<Gate>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM gates \
         WHERE school_id = $1 AND ($2::uuid IS NULL OR gate_id > $2) ORDER BY gate_id LIMIT $3"
    );
    let rows = connection
        .query(&sql, &[&school_id, &page.after, &page.sql_limit()])
        .await
        .context("cannot list the gates")?;
    rows.iter().map(gate).collect()
}

/// Enrolled gates of the school, other than this one, with an access point from or to one of
/// these areas; and their keys. Ascending.
///
/// # Errors
/// When the database fails.
pub async fn sharing_areas(
    connection: &Connection,
    school_id: SchoolId,
    gate_id: GateId,
    areas: &[AreaId],
) -> anyhow::Result<Vec<(GateId, PublicKey)>> {
    let rows = connection
        .query(
            "SELECT DISTINCT gate_id, public_key \
             FROM gates JOIN doors USING (gate_id) JOIN access_points USING (door_id) \
             WHERE gates.school_id = $1 AND gate_id <> $2 AND state = 'enrolled' AND public_key IS NOT NULL \
                AND (from_area_id = ANY($3) OR to_area_id = ANY($3)) \
             ORDER BY gate_id",
            &[&school_id, &gate_id, &areas],
        )
        .await
        .with_context(|| format!("cannot look up the peers of gate {gate_id}"))?;
    let peer = |row: &Row| {
        let key: &[u8] = row.get(1);
        let key = PublicKey(key.try_into().context("a gate's key has no 32 bytes")?);
        Ok((row.get(0), key))
    };
    rows.iter().map(peer).collect()
}

/// Those of a school that are not retired, ascending.
///
/// # Errors
/// When the database fails.
pub async fn in_use(connection: &Connection, school_id: SchoolId) -> anyhow::Result<Vec<GateId>> {
    let rows = connection
        .query(
            "SELECT gate_id FROM gates WHERE school_id = $1 AND state <> 'retired' ORDER BY gate_id",
            &[&school_id],
        )
        .await
        .context("cannot list the gates in use")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The gate as it is afterwards; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn update(
    connection: &Connection,
    gate_id: GateId,
    fields: &GateFields,
) -> anyhow::Result<Option<Gate>> {
    let sql = format!(
        "UPDATE gates SET name = $2, policies = $3, sync = $4 WHERE gate_id = $1 RETURNING {COLUMNS}"
    );
    let row = connection
        .query_opt(
            &sql,
            &[
                &gate_id,
                &fields.name,
                &Json(fields.policies),
                &Json(fields.sync),
            ],
        )
        .await
        .with_context(|| format!("cannot change the gate {gate_id}"))?;
    row.as_ref().map(gate).transpose()
}

/// Locks the row, so that what belongs to the gate is changed by one request at a time; `false`
/// when there is none.
///
/// # Errors
/// When the database fails.
pub async fn lock(connection: &Connection, gate_id: GateId) -> anyhow::Result<bool> {
    let row = connection
        .query_opt(
            "SELECT FROM gates WHERE gate_id = $1 FOR UPDATE",
            &[&gate_id],
        )
        .await
        .with_context(|| format!("cannot lock the gate {gate_id}"))?;
    Ok(row.is_some())
}

/// Revokes its identity: from the commit on it is told nothing and believed nothing.
///
/// # Errors
/// When the database fails.
pub async fn retire(connection: &Connection, gate_id: GateId) -> anyhow::Result<Option<Gate>> {
    let sql = format!(
        "UPDATE gates SET state = 'retired', claim_nonce = NULL, claim_expires_at = NULL \
         WHERE gate_id = $1 RETURNING {COLUMNS}"
    );
    let row = connection
        .query_opt(&sql, &[&gate_id])
        .await
        .with_context(|| format!("cannot retire the gate {gate_id}"))?;
    row.as_ref().map(gate).transpose()
}

/// Deletes a gate that never was enrolled; how many that were: one or none.
///
/// # Errors
/// When a door names it, or the database fails.
pub async fn delete_created(connection: &Connection, gate_id: GateId) -> anyhow::Result<u64> {
    connection
        .execute(
            "DELETE FROM gates WHERE gate_id = $1 AND state = 'created'",
            &[&gate_id],
        )
        .await
        .with_context(|| format!("cannot delete the gate {gate_id}"))
}

//! Tables `journal_forks` and `journal_gaps`: where a gate's journal contradicts itself, and which
//! of its records were lost for good.

use anyhow::Context;
use shared::{
    ids::{Digest, JournalPosition},
    journal::ChainState,
};
use uuid::Uuid;

use super::{Connection, gate_journals::columns};
use crate::{
    ids::{GateId, SchoolId},
    instant::UtcInstant,
};

/// Forks that are kept for one gate: enough for an inquiry, and no way to fill the disk.
const FORKS_MAX: i64 = 16;

/// Two hashes of one record's number.
#[derive(Clone, Copy, Debug)]
pub struct Fork<'a> {
    /// Names it.
    pub journal_fork_id: Uuid,
    /// The gate.
    pub gate_id: GateId,
    /// Its school.
    pub school_id: SchoolId,
    /// The hash that central holds, and where.
    pub held: ChainState,
    /// The hash that the gate offers there.
    pub offered: Digest,
    /// What came: the batch, or the signed head of a heartbeat.
    pub bytes: &'a [u8],
    /// When.
    pub seen_at: UtcInstant,
}

/// Keeps a fork, unless the same one is kept already or there are too many.
///
/// # Errors
/// When the database fails.
pub async fn keep(connection: &Connection, fork: &Fork<'_>) -> anyhow::Result<()> {
    let (epoch, seq) = columns(fork.held.position)?;
    connection
        .execute(
            "INSERT INTO journal_forks (journal_fork_id, gate_id, school_id, journal_epoch, seq, held_hash, \
                 offered_hash, offered_batch, seen_at) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 \
             WHERE (SELECT count(*) FROM journal_forks WHERE gate_id = $2) < $10 \
                 AND NOT EXISTS (SELECT FROM journal_forks \
                     WHERE gate_id = $2 AND journal_epoch = $4 AND seq = $5 AND offered_hash = $7)",
            &[
                &fork.journal_fork_id,
                &fork.gate_id,
                &fork.school_id,
                &epoch,
                &seq,
                &fork.held.hash.0.as_slice(),
                &fork.offered.0.as_slice(),
                &fork.bytes,
                &fork.seen_at,
                &FORKS_MAX,
            ],
        )
        .await
        .with_context(|| format!("cannot keep the journal's fork of gate {}", fork.gate_id))?;
    Ok(())
}

/// Records the loss of the records between `held` and what follows `anchor`.
///
/// # Errors
/// When the database fails.
pub async fn keep_gap(
    connection: &Connection,
    (gate_id, school_id): (GateId, SchoolId),
    held: JournalPosition,
    last_lost: JournalPosition,
    anchor: &[u8],
    now: UtcInstant,
) -> anyhow::Result<()> {
    let (epoch, last_lost) = columns(last_lost)?;
    let (_, held) = columns(held)?;
    connection
        .execute(
            "INSERT INTO journal_gaps (gate_id, school_id, journal_epoch, first_lost_seq, last_lost_seq, anchor, \
                 seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[&gate_id, &school_id, &epoch, &(held + 1), &last_lost, &anchor, &now],
        )
        .await
        .with_context(|| format!("cannot record the journal's gap of gate {gate_id}"))?;
    Ok(())
}

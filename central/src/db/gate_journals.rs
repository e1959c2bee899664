//! How far a gate's journal has arrived: the high-water mark in its row of `gates`, which is
//! locked while records are taken in.

use anyhow::Context;
use shared::{
    ids::{Digest, JournalEpoch, JournalPosition, Kid},
    journal::ChainState,
};

use super::Connection;
use crate::{ids::GateId, instant::UtcInstant};

/// How far a journal has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The last record that is held, and the chain's hash after it.
    pub state: ChainState,
    /// Why nothing more is taken in, when the journal is in quarantine.
    pub quarantine: Option<String>,
    /// The gate's access points.
    pub access_points: Vec<i32>,
}

/// Locks the gate's row; `None` when the key is not in force any more.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &Connection,
    gate_id: GateId,
    kid: Kid,
) -> anyhow::Result<Option<Mark>> {
    let context = || format!("cannot read the journal's mark of gate {gate_id}");
    let statement = connection
        .prepare_cached(
            "SELECT journal_epoch, journal_seq, journal_hash, quarantine_reason, \
                 ARRAY(SELECT access_point_id FROM access_points JOIN doors USING (door_id) \
                     WHERE doors.gate_id = gates.gate_id) \
             FROM gates WHERE gate_id = $1 AND kid = $2 AND state = 'enrolled' FOR NO KEY UPDATE",
        )
        .await
        .with_context(context)?;
    let row = connection
        .query_opt(&statement, &[&gate_id, &kid.0.as_slice()])
        .await
        .with_context(context)?;
    let Some(row) = row else { return Ok(None) };
    let epoch = u32::try_from(row.get::<_, i32>(0)).with_context(context)?;
    let start = ChainState::start(gate_id.into(), JournalEpoch(epoch));
    let hash = row
        .get::<_, Option<&[u8]>>(2)
        .map(<[u8; 32]>::try_from)
        .transpose()
        .with_context(context)?;
    Ok(Some(Mark {
        state: ChainState {
            position: JournalPosition {
                seq: u64::try_from(row.get::<_, i64>(1)).with_context(context)?,
                ..start.position
            },
            hash: hash.map_or(start.hash, Digest),
        },
        quarantine: row.get(3),
        access_points: row.get(4),
    }))
}

/// Moves the mark, and keeps the signed head if it stands there: the newest that the records bear
/// out. The row is locked.
///
/// # Errors
/// When the database fails.
pub async fn advance(
    connection: &Connection,
    gate_id: GateId,
    state: &ChainState,
    head: Option<&[u8]>,
) -> anyhow::Result<()> {
    let context = || format!("cannot move the journal's mark of gate {gate_id}");
    let (epoch, seq) = columns(state.position)?;
    let statement = connection
        .prepare_cached(
            "UPDATE gates SET journal_epoch = $2, journal_seq = $3, journal_hash = $4, \
                 journal_head = COALESCE($5, journal_head), \
                 journal_head_seq = CASE WHEN $5 IS NULL THEN journal_head_seq ELSE $3 END \
             WHERE gate_id = $1",
        )
        .await
        .with_context(context)?;
    let hash = state.hash.0.as_slice();
    connection
        .execute(&statement, &[&gate_id, &epoch, &seq, &hash, &head])
        .await
        .with_context(context)?;
    Ok(())
}

/// From now on nothing is taken in; an earlier reason stays.
///
/// # Errors
/// When the database fails.
pub async fn quarantine(
    connection: &Connection,
    gate_id: GateId,
    reason: &str,
    now: UtcInstant,
) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE gates SET quarantined_at = $2, quarantine_reason = $3 \
             WHERE gate_id = $1 AND quarantined_at IS NULL",
            &[&gate_id, &now, &reason],
        )
        .await
        .with_context(|| format!("cannot put the journal of gate {gate_id} into quarantine"))?;
    Ok(())
}

/// Takes records in again; `false` when the journal was not in quarantine.
///
/// # Errors
/// When the database fails.
pub async fn lift_quarantine(connection: &Connection, gate_id: GateId) -> anyhow::Result<bool> {
    let lifted = connection
        .execute(
            "UPDATE gates SET quarantined_at = NULL, quarantine_reason = NULL \
             WHERE gate_id = $1 AND quarantined_at IS NOT NULL",
            &[&gate_id],
        )
        .await
        .with_context(|| format!("cannot lift the quarantine of gate {gate_id}"))?;
    Ok(lifted == 1)
}

/// A position as the columns have it.
///
/// # Errors
/// When it lies beyond what they hold: no gate gets there by counting.
pub fn columns(position: JournalPosition) -> anyhow::Result<(i32, i64)> {
    let epoch = i32::try_from(position.epoch.0);
    let seq = i64::try_from(position.seq);
    let context = || format!("journal position {position} is out of range");
    Ok((epoch.with_context(context)?, seq.with_context(context)?))
}

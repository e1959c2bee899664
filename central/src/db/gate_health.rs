//! What a gate last said about itself, in its row of `gates`.

use anyhow::Context;

use super::Connection;
use crate::{ids::GateId, instant::UtcInstant};

/// Notes a heartbeat; the row is locked.
///
/// # Errors
/// When the database fails.
pub async fn note(
    connection: &Connection,
    gate_id: GateId,
    agent_version: &str,
    health: &serde_json::Value,
    now: UtcInstant,
) -> anyhow::Result<()> {
    let context = || format!("cannot note how gate {gate_id} is");
    let statement = connection
        .prepare_cached(
            "UPDATE gates SET health = $2, agent_version = $3, last_seen_at = GREATEST(last_seen_at, $4) \
             WHERE gate_id = $1",
        )
        .await
        .with_context(context)?;
    connection
        .execute(&statement, &[&gate_id, &health, &agent_version, &now])
        .await
        .with_context(context)?;
    Ok(())
}

/// How many gates central heard since `since`.
///
/// # Errors
/// When the database fails.
pub async fn count_seen(connection: &Connection, since: UtcInstant) -> anyhow::Result<i64> {
    let row = connection
        .query_one(
            "SELECT count(*) FROM gates WHERE state = 'enrolled' AND last_seen_at > $1",
            &[&since],
        )
        .await
        .context("cannot count the gates that were heard")?;
    Ok(row.get(0))
}

//! The one row of facts of the gate itself.

use gate_core::memory::{GateFacts, Lockdown};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::{
    ids::{CentralEpoch, DocumentNumber, ScanId},
    time::UtcSeconds,
};

pub(super) fn set(connection: &Connection, facts: &GateFacts) -> rusqlite::Result<()> {
    let GateFacts {
        mark,
        heads_made_at,
        newest_order,
        newest_clock_reset,
        lockdown,
        next_scan,
    } = facts;
    let lockdown_since = match lockdown {
        Lockdown::Off => None,
        Lockdown::On { since } => Some(since.0),
    };
    connection
        .prepare_cached(
            "INSERT INTO gate_facts (gate_facts_id, mark, heads_made_at, newest_order_epoch,
                 newest_order_n, newest_clock_reset_epoch, newest_clock_reset_n, lockdown_since,
                 next_scan)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (gate_facts_id) DO UPDATE SET mark = excluded.mark,
                 heads_made_at = excluded.heads_made_at,
                 newest_order_epoch = excluded.newest_order_epoch,
                 newest_order_n = excluded.newest_order_n,
                 newest_clock_reset_epoch = excluded.newest_clock_reset_epoch,
                 newest_clock_reset_n = excluded.newest_clock_reset_n,
                 lockdown_since = excluded.lockdown_since, next_scan = excluded.next_scan",
        )?
        .execute(params![
            mark.0,
            heads_made_at.map(|at| at.0),
            newest_order.map(|number| number.epoch.0),
            newest_order.map(|number| number.n),
            newest_clock_reset.map(|number| number.epoch.0),
            newest_clock_reset.map(|number| number.n),
            lockdown_since,
            next_scan.0,
        ])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Option<GateFacts>> {
    connection
        .query_row(
            "SELECT mark, heads_made_at, newest_order_epoch, newest_order_n,
                 newest_clock_reset_epoch, newest_clock_reset_n, lockdown_since, next_scan
             FROM gate_facts",
            [],
            from_row,
        )
        .optional()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<GateFacts> {
    let lockdown = match row.get::<_, Option<u64>>(6)? {
        None => Lockdown::Off,
        Some(since) => Lockdown::On {
            since: UtcSeconds(since),
        },
    };
    Ok(GateFacts {
        mark: UtcSeconds(row.get(0)?),
        heads_made_at: row.get::<_, Option<u64>>(1)?.map(UtcSeconds),
        newest_order: number(row, 2)?,
        newest_clock_reset: number(row, 4)?,
        lockdown,
        next_scan: ScanId(row.get(7)?),
    })
}

/// The document number in two columns from `at` on, both null or neither.
fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<DocumentNumber>> {
    let Some(epoch) = row.get::<_, Option<u32>>(at)? else {
        return Ok(None);
    };
    Ok(Some(DocumentNumber {
        epoch: CentralEpoch(epoch),
        n: row.get(at + 1)?,
    }))
}

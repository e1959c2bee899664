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
                 newest_order_n, lockdown_since, next_scan)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (gate_facts_id) DO UPDATE SET mark = excluded.mark,
                 heads_made_at = excluded.heads_made_at,
                 newest_order_epoch = excluded.newest_order_epoch,
                 newest_order_n = excluded.newest_order_n,
                 lockdown_since = excluded.lockdown_since, next_scan = excluded.next_scan",
        )?
        .execute(params![
            mark.0,
            heads_made_at.map(|at| at.0),
            newest_order.map(|number| number.epoch.0),
            newest_order.map(|number| number.n),
            lockdown_since,
            next_scan.0,
        ])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Option<GateFacts>> {
    connection
        .query_row(
            "SELECT mark, heads_made_at, newest_order_epoch, newest_order_n, lockdown_since,
                 next_scan
             FROM gate_facts",
            [],
            from_row,
        )
        .optional()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<GateFacts> {
    let newest_order = match row.get::<_, Option<u32>>(2)? {
        None => None,
        Some(epoch) => Some(DocumentNumber {
            epoch: CentralEpoch(epoch),
            n: row.get(3)?,
        }),
    };
    let lockdown = match row.get::<_, Option<u64>>(4)? {
        None => Lockdown::Off,
        Some(since) => Lockdown::On {
            since: UtcSeconds(since),
        },
    };
    Ok(GateFacts {
        mark: UtcSeconds(row.get(0)?),
        heads_made_at: row.get::<_, Option<u64>>(1)?.map(UtcSeconds),
        newest_order,
        lockdown,
        next_scan: ScanId(row.get(5)?),
    })
}

//! How often the passes of a holder were used together.

use gate_core::memory::HolderUse;
use rusqlite::{Connection, Row, params};
use shared::ids::HolderNumber;

pub(super) fn set(connection: &Connection, holder_use: &HolderUse) -> rusqlite::Result<()> {
    let HolderUse { holder, uses } = holder_use;
    connection
        .prepare_cached(
            "INSERT INTO holder_uses (holder, uses) VALUES (?1, ?2)
             ON CONFLICT (holder) DO UPDATE SET uses = excluded.uses",
        )?
        .execute(params![holder.0, uses])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<HolderUse>> {
    let from_row = |row: &Row<'_>| {
        Ok(HolderUse {
            holder: HolderNumber(row.get(0)?),
            uses: row.get(1)?,
        })
    };
    connection
        .prepare("SELECT holder, uses FROM holder_uses")?
        .query_map([], from_row)?
        .collect()
}

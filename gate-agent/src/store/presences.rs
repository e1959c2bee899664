//! Where subjects are.

use gate_core::memory::Presence;
use rusqlite::{Connection, Row, params};
use shared::{cbor, ids::AreaId, order::Subject, time::UtcSeconds};

use super::columns::from_cbor;

pub(super) fn set(connection: &Connection, presence: &Presence) -> rusqlite::Result<()> {
    let Presence {
        subject,
        area,
        since,
    } = presence;
    connection
        .prepare_cached(
            "INSERT INTO presences (subject_cbor, area, since) VALUES (?1, ?2, ?3)
             ON CONFLICT (subject_cbor) DO UPDATE SET area = excluded.area, since = excluded.since",
        )?
        .execute(params![cbor::encode(subject), area.0, since.0])?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, subject: &Subject) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM presences WHERE subject_cbor = ?1")?
        .execute(params![cbor::encode(subject)])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<Presence>> {
    let from_row = |row: &Row<'_>| {
        Ok(Presence {
            subject: from_cbor(row, 0)?,
            area: AreaId(row.get(1)?),
            since: UtcSeconds(row.get(2)?),
        })
    };
    connection
        .prepare("SELECT subject_cbor, area, since FROM presences")?
        .query_map([], from_row)?
        .collect()
}

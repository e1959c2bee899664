//! Grants that are not settled as taken or not taken.

use gate_core::memory::{Presence, Reservation};
use rusqlite::{Connection, Row, params};
use shared::{
    cbor,
    ids::{AccessPointId, AreaId, Kid, PassId, ScanId, Serial},
    time::UtcSeconds,
};

use super::columns::{from_cbor, from_cbor_or_null};

pub(super) fn open(connection: &Connection, reservation: &Reservation) -> rusqlite::Result<()> {
    let Reservation {
        scan,
        access_point,
        subject,
        pass,
        before,
        uses,
        at,
    } = reservation;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO reservations (scan, access_point, subject_cbor, kid, serial,
                 before_subject_cbor, before_area, before_since, uses, granted_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            scan.0,
            access_point.0,
            cbor::encode(subject),
            pass.kid.0,
            pass.serial.0,
            before.map(|presence| cbor::encode(&presence.subject)),
            before.map(|presence| presence.area.0),
            before.map(|presence| presence.since.0),
            uses,
            at.0,
        ])?;
    Ok(())
}

pub(super) fn close(connection: &Connection, scan: ScanId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM reservations WHERE scan = ?1")?
        .execute(params![scan.0])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<Reservation>> {
    connection
        .prepare(
            "SELECT scan, access_point, subject_cbor, kid, serial, before_subject_cbor,
                 before_area, before_since, uses, granted_at
             FROM reservations ORDER BY scan",
        )?
        .query_map([], from_row)?
        .collect()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    let pass = PassId {
        kid: Kid(row.get(3)?),
        serial: Serial(row.get(4)?),
    };
    let before = match from_cbor_or_null(row, 5)? {
        None => None,
        Some(subject) => Some(Presence {
            subject,
            area: AreaId(row.get(6)?),
            since: UtcSeconds(row.get(7)?),
        }),
    };
    Ok(Reservation {
        scan: ScanId(row.get(0)?),
        access_point: AccessPointId(row.get(1)?),
        subject: from_cbor(row, 2)?,
        pass,
        before,
        uses: row.get(8)?,
        at: UtcSeconds(row.get(9)?),
    })
}

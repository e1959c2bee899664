//! Wrong PINs in a row, for each member of staff.

use rusqlite::{Connection, params};
use shared::ids::StaffNumber;

pub(super) fn set(
    connection: &Connection,
    staff: StaffNumber,
    failures: u32,
) -> rusqlite::Result<()> {
    if failures == 0 {
        connection
            .prepare_cached("DELETE FROM pin_failures WHERE staff = ?1")?
            .execute(params![staff.0])?;
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO pin_failures (staff, failures) VALUES (?1, ?2)
             ON CONFLICT (staff) DO UPDATE SET failures = excluded.failures",
        )?
        .execute(params![staff.0, failures])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<(StaffNumber, u32)>> {
    connection
        .prepare("SELECT staff, failures FROM pin_failures")?
        .query_map([], |row| Ok((StaffNumber(row.get(0)?), row.get(1)?)))?
        .collect()
}

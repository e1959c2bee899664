//! Modes of doors, where they are not `Locked`.

use rusqlite::{Connection, params};
use shared::{cbor, ids::DoorId, order::DoorMode};

use super::columns::from_cbor;

pub(super) fn set(connection: &Connection, door: DoorId, mode: DoorMode) -> rusqlite::Result<()> {
    if mode == DoorMode::Locked {
        connection
            .prepare_cached("DELETE FROM door_modes WHERE door = ?1")?
            .execute(params![door.0])?;
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO door_modes (door, mode_cbor) VALUES (?1, ?2)
             ON CONFLICT (door) DO UPDATE SET mode_cbor = excluded.mode_cbor",
        )?
        .execute(params![door.0, cbor::encode(&mode)])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<(DoorId, DoorMode)>> {
    connection
        .prepare("SELECT door, mode_cbor FROM door_modes ORDER BY door")?
        .query_map([], |row| Ok((DoorId(row.get(0)?), from_cbor(row, 1)?)))?
        .collect()
}

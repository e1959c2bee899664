//! How often passes were used.

use gate_core::memory::PassUse;
use rusqlite::{Connection, Row, params};
use shared::{
    ids::{Kid, PassId, Serial},
    time::UtcSeconds,
};

pub(super) fn set(connection: &Connection, pass_use: &PassUse) -> rusqlite::Result<()> {
    let PassUse {
        pass,
        uses,
        last_proof,
    } = pass_use;
    connection
        .prepare_cached(
            "INSERT INTO pass_uses (kid, serial, uses, last_proof) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kid, serial)
             DO UPDATE SET uses = excluded.uses, last_proof = excluded.last_proof",
        )?
        .execute(params![
            pass.kid.0,
            pass.serial.0,
            uses,
            last_proof.map(|at| at.0)
        ])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<PassUse>> {
    let from_row = |row: &Row<'_>| {
        let pass = PassId {
            kid: Kid(row.get(0)?),
            serial: Serial(row.get(1)?),
        };
        Ok(PassUse {
            pass,
            uses: row.get(2)?,
            last_proof: row.get::<_, Option<u64>>(3)?.map(UtcSeconds),
        })
    };
    connection
        .prepare("SELECT kid, serial, uses, last_proof FROM pass_uses")?
        .query_map([], from_row)?
        .collect()
}

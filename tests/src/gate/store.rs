//! Looks into the gate's database from outside, as whoever takes the box apart would.

use std::path::Path;

use anyhow::Context;
use rusqlite::{Connection, OpenFlags};
use shared::{
    cbor,
    cose::Sign1,
    document::SignedKind as _,
    ids::{Kid, Serial},
    status_list::{PassState, StatusBitmaps, StatusList, StatusSets},
};

/// A record as it stands in the gate's own database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRecord {
    /// Its number.
    pub seq: i64,
    /// The chain's hash after it, in hexadecimal.
    pub hash: String,
}

pub(super) fn open(state: &Path) -> anyhow::Result<Connection> {
    let path = state.join("gate.db");
    Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("cannot read {}", path.display()))
}

/// What the status list that the gate holds says of a pass; none without a list.
pub(super) fn status(
    connection: &Connection,
    kid: Kid,
    serial: Serial,
) -> anyhow::Result<Option<PassState>> {
    let mut query = connection.prepare("SELECT bytes FROM documents WHERE kid = ?1")?;
    let lists = query.query_map([kid.0], |row| row.get::<_, Vec<u8>>(0))?;
    for bytes in lists {
        // The issued list of the key lies there too: it is no status list.
        if let Some(sets) = status_sets(&bytes?) {
            return Ok(Some(StatusBitmaps::new(&sets).state(serial)));
        }
    }
    Ok(None)
}

fn status_sets(bytes: &[u8]) -> Option<StatusSets> {
    let parsed = Sign1::parse(bytes).ok()?;
    let list: StatusList = cbor::decode_strict(parsed.payload, StatusList::LIMIT).ok()?;
    StatusSets::decode(&list).ok()
}

/// The journal's numbers and hashes, oldest first.
pub(super) fn records(connection: &Connection) -> anyhow::Result<Vec<KeptRecord>> {
    let mut query = connection
        .prepare("SELECT seq, lower(hex(hash)) FROM journal ORDER BY journal_epoch, seq")?;
    let rows = query.query_map([], |row| {
        Ok(KeptRecord {
            seq: row.get(0)?,
            hash: row.get(1)?,
        })
    })?;
    rows.collect::<Result<_, _>>()
        .context("cannot read the gate's journal")
}

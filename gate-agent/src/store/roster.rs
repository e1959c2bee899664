//! The roster by pass, sealed row by row. A new roster is written beside the old one in steps,
//! so that no decision waits for a hundred thousand rows, and is asked once it is whole.

use gate_core::input::HolderFacts;
use minicbor::{Decode, Encode};
use rusqlite::{Connection, OptionalExtension as _, params};
use shared::{
    cbor,
    cose::Sign1,
    document::SignedKind as _,
    ids::{CentralEpoch, DocumentNumber, HolderNumber, PassId},
    roster::{DoorNeed, Roster},
};

use super::{columns::unreadable, sealing::SealingKey};

/// Rows that one step writes or removes: some milliseconds.
const STEP_ROWS: usize = 500;

/// What a gate shows of a holder, as it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct SealedHolder {
    #[n(0)]
    holder: HolderNumber,
    #[n(1)]
    name: String,
    #[n(2)]
    need: Option<DoorNeed>,
}

/// Largest sealed holder in bytes; a longer name is cut by central.
const SEALED_HOLDER_LIMIT: usize = 4096;

/// A roster that is being written.
#[derive(Debug)]
pub(super) struct RosterInWork {
    generation: i64,
    number: DocumentNumber,
    rows: std::vec::IntoIter<(PassId, SealedHolder)>,
}

/// Has a step more behind it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepLeft {
    More,
    None,
}

/// The generation that is asked and the roster that it was made from.
pub(super) fn asked(connection: &Connection) -> rusqlite::Result<Option<(i64, DocumentNumber)>> {
    connection
        .prepare_cached("SELECT generation, central_epoch, n FROM roster_state")?
        .query_row([], |row| {
            let number = DocumentNumber {
                epoch: CentralEpoch(row.get(1)?),
                n: row.get(2)?,
            };
            Ok((row.get(0)?, number))
        })
        .optional()
}

/// The holder of a pass, where the roster knows one.
pub(super) fn holder(
    connection: &Connection,
    sealing: &SealingKey,
    pass: PassId,
) -> rusqlite::Result<Option<HolderFacts>> {
    let index = sealing.index(pass);
    let sealed: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT sealed FROM roster_passes
             WHERE generation = (SELECT generation FROM roster_state) AND pass_index = ?1",
        )?
        .query_row(params![index], |row| row.get(0))
        .optional()?;
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    let plain = sealing
        .open(&index, &sealed)
        .ok_or_else(|| unreadable(0, Unsealable))?;
    let holder: SealedHolder =
        cbor::decode_strict(&plain, SEALED_HOLDER_LIMIT).map_err(|error| unreadable(0, error))?;
    Ok(Some(HolderFacts {
        number: holder.holder,
        name: holder.name,
        need: holder.need,
    }))
}

#[derive(Debug, thiserror::Error)]
#[error("a roster row cannot be unsealed: the roster key was changed")]
struct Unsealable;

/// Begins to write a roster that the core has checked and that was stored as a document.
pub(super) fn begin(connection: &Connection, signed: &[u8]) -> rusqlite::Result<RosterInWork> {
    let roster: Roster = Sign1::parse(signed)
        .and_then(|envelope| cbor::decode_strict(envelope.payload, Roster::LIMIT))
        .map_err(|error| unreadable(4, error))?;
    let generation: i64 = connection.query_row(
        "SELECT 1 + max(coalesce((SELECT max(generation) FROM roster_passes), 0),
             coalesce((SELECT generation FROM roster_state), 0))",
        [],
        |row| row.get(0),
    )?;
    let number = roster.header.number;
    let rows: Vec<(PassId, SealedHolder)> = roster
        .holders
        .into_iter()
        .flat_map(|entry| {
            let holder = SealedHolder {
                holder: entry.holder,
                name: entry.name,
                need: entry.need,
            };
            entry
                .passes
                .into_iter()
                .map(move |pass| (pass, holder.clone()))
        })
        .collect();
    Ok(RosterInWork {
        generation,
        number,
        rows: rows.into_iter(),
    })
}

/// Writes some rows; with the last of them the new roster takes the old one's place.
pub(super) fn write_step(
    connection: &Connection,
    sealing: &SealingKey,
    work: &mut RosterInWork,
) -> rusqlite::Result<StepLeft> {
    for (pass, holder) in work.rows.by_ref().take(STEP_ROWS) {
        let index = sealing.index(pass);
        let sealed = sealing.seal(&index, &cbor::encode(&holder));
        connection
            .prepare_cached(
                "INSERT INTO roster_passes (generation, pass_index, sealed) VALUES (?1, ?2, ?3)
                 ON CONFLICT (generation, pass_index) DO UPDATE SET sealed = excluded.sealed",
            )?
            .execute(params![work.generation, index, sealed])?;
    }
    if work.rows.len() > 0 {
        return Ok(StepLeft::More);
    }
    connection.execute(
        "INSERT INTO roster_state (roster_state_id, generation, central_epoch, n)
         VALUES (1, ?1, ?2, ?3)
         ON CONFLICT (roster_state_id) DO UPDATE SET generation = excluded.generation,
             central_epoch = excluded.central_epoch, n = excluded.n",
        params![work.generation, work.number.epoch.0, work.number.n],
    )?;
    Ok(StepLeft::None)
}

/// Removes some rows of rosters that are not asked: older ones, and those that were never whole.
pub(super) fn sweep_step(connection: &Connection) -> rusqlite::Result<StepLeft> {
    let removed = connection.execute(
        "DELETE FROM roster_passes WHERE (generation, pass_index) IN (
             SELECT generation, pass_index FROM roster_passes
             WHERE generation IS NOT (SELECT generation FROM roster_state) LIMIT ?1)",
        params![STEP_ROWS as u64],
    )?;
    Ok(if removed == STEP_ROWS {
        StepLeft::More
    } else {
        StepLeft::None
    })
}

/// Forgets all rows: their key is gone.
pub(super) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DELETE FROM roster_passes; DELETE FROM roster_state;")
}

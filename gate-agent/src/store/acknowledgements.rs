//! What central acknowledged, and when by its own clock.

use rusqlite::{Connection, OptionalExtension as _, params};
use shared::{heads::Acknowledgement, ids::JournalEpoch};

use super::journal::KEPT_AFTER_ACKNOWLEDGEMENT_S;

/// One row an hour is enough to tell how old an acknowledged record is.
const ROW_EVERY_S: u64 = 3_600;

/// Remembers an acknowledgement. Between the newest and the next older row may lie less than an
/// hour; between all others no less.
pub(super) fn record(connection: &Connection, ack: &Acknowledgement) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO acknowledgements (made_at, journal_epoch, seq, hash)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (made_at) DO UPDATE SET journal_epoch = excluded.journal_epoch,
                 seq = excluded.seq, hash = excluded.hash",
        )?
        .execute(params![
            ack.made_at.0,
            ack.position.epoch.0,
            ack.position.seq,
            ack.hash.0
        ])?;
    let older: Vec<u64> = connection
        .prepare_cached(
            "SELECT made_at FROM acknowledgements WHERE made_at < ?1
             ORDER BY made_at DESC LIMIT 2",
        )?
        .query_map([ack.made_at.0], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if let [newer, older] = older[..]
        && newer - older < ROW_EVERY_S
    {
        connection
            .prepare_cached("DELETE FROM acknowledgements WHERE made_at = ?1")?
            .execute([newer])?;
    }
    Ok(())
}

/// The last record that central holds, as its newest acknowledgement says (a central restored
/// from a backup may hold less than before); 0 when there is none.
pub(super) fn acknowledged_to(
    connection: &Connection,
    epoch: JournalEpoch,
) -> rusqlite::Result<u64> {
    let seq = connection
        .prepare_cached(
            "SELECT seq FROM acknowledgements WHERE journal_epoch = ?1
             ORDER BY made_at DESC LIMIT 1",
        )?
        .query_row([epoch.0], |row| row.get(0))
        .optional()?;
    Ok(seq.unwrap_or(0))
}

/// The last record whose time to stay is over; 0 when there is none.
pub(super) fn stayed_long_enough_to(
    connection: &Connection,
    epoch: JournalEpoch,
) -> rusqlite::Result<u64> {
    let seq = connection
        .prepare_cached(
            "SELECT seq FROM acknowledgements
             WHERE journal_epoch = ?1
                 AND made_at <= (SELECT max(made_at) - ?2 FROM acknowledgements)
             ORDER BY made_at DESC LIMIT 1",
        )?
        .query_row(params![epoch.0, KEPT_AFTER_ACKNOWLEDGEMENT_S], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(seq.unwrap_or(0))
}

/// Forgets rows that name pruned records alone.
pub(super) fn forget_to(
    connection: &Connection,
    epoch: JournalEpoch,
    seq: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM acknowledgements WHERE journal_epoch = ?1 AND seq <= ?2
                 AND made_at < (SELECT max(made_at) FROM acknowledgements)",
        )?
        .execute(params![epoch.0, seq])?;
    Ok(())
}

//! Counters whose values are never handed out twice: blocks are reserved durably before use.

use std::ops::Range;

use rusqlite::{Connection, params};

/// Counter of signed requests to central.
pub const REQUEST_COUNTER: &str = "request";
/// Values in a block: a commit every thousand requests, and at most a thousand lost in a crash.
pub const BLOCK: u64 = 1_000;

/// Reserves the next block, at or above `floor`.
pub(super) fn reserve(
    connection: &Connection,
    name: &str,
    floor: u64,
) -> rusqlite::Result<Range<u64>> {
    let next: u64 = connection
        .prepare_cached(
            "INSERT INTO counters (name, next) VALUES (?1, max(1, ?2) + ?3)
             ON CONFLICT (name) DO UPDATE SET next = max(next, ?2) + ?3
             RETURNING next",
        )?
        .query_row(params![name, floor, BLOCK], |row| row.get(0))?;
    Ok(next - BLOCK..next)
}

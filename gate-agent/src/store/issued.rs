//! Digests of issued passes, in chunks of one page. Pulled ahead of the signed list that vouches
//! for them; asked only below the count of the list that is held.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use shared::{
    ids::{Digest, Kid, PassDigest, Serial},
    issued_list::{CHAIN_START, extend_chain},
};

/// Digests in a chunk: with its row's overhead it just fits a page of 4096 bytes.
const CHUNK: u32 = 448;

/// How far the digests of an issuer key were pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedProgress {
    /// Serials 0 to `pulled - 1` are stored.
    pub pulled: u32,
    /// The chain over them.
    pub chain: Digest,
}

impl IssuedProgress {
    /// Nothing yet.
    pub const NONE: Self = Self {
        pulled: 0,
        chain: CHAIN_START,
    };
}

/// Row numbers and progress of the issuer keys: a handful, read once.
#[derive(Debug, Default)]
pub(super) struct IssuedIndex(HashMap<Kid, (i64, IssuedProgress)>);

impl IssuedIndex {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let rows = connection
            .prepare("SELECT kid, issued_id, pulled, chain FROM issued")?
            .query_map([], |row| {
                let progress = IssuedProgress {
                    pulled: row.get(2)?,
                    chain: Digest(row.get(3)?),
                };
                Ok((Kid(row.get(0)?), (row.get(1)?, progress)))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self(rows))
    }

    pub(super) fn progress(&self, kid: Kid) -> IssuedProgress {
        self.0
            .get(&kid)
            .map_or(IssuedProgress::NONE, |(_, progress)| *progress)
    }

    /// The digest of a serial, when it was pulled: one read by the primary key.
    pub(super) fn digest(
        &self,
        connection: &Connection,
        kid: Kid,
        serial: Serial,
    ) -> rusqlite::Result<Option<PassDigest>> {
        let Some((issued_id, progress)) = self.0.get(&kid) else {
            return Ok(None);
        };
        if serial.0 >= progress.pulled {
            return Ok(None);
        }
        let at = serial.0 % CHUNK * 8 + 1;
        connection
            .prepare_cached("SELECT substr(digests, ?2, 8) FROM issued_chunks WHERE chunk_id = ?1")?
            .query_row(params![chunk_id(*issued_id, serial.0), at], |row| {
                row.get(0).map(PassDigest)
            })
            .optional()
    }

    /// Stores digests behind those that are there, and gives the row to keep in the index once
    /// the transaction is committed.
    pub(super) fn append(
        &self,
        connection: &Connection,
        kid: Kid,
        digests: &[PassDigest],
    ) -> rusqlite::Result<(i64, IssuedProgress)> {
        let before = self.progress(kid);
        let issued_id = self.row(connection, kid)?;
        let mut next = before.pulled;
        let mut rest = digests;
        while !rest.is_empty() {
            let room = (CHUNK - next % CHUNK) as usize;
            let (now, later) = rest.split_at(room.min(rest.len()));
            let bytes: Vec<u8> = now.iter().flat_map(|digest| digest.0).collect();
            // What lies behind the last digest is left over from a range that was not believed.
            connection
                .prepare_cached(
                    "INSERT INTO issued_chunks (chunk_id, digests) VALUES (?1, ?2)
                     ON CONFLICT (chunk_id) DO UPDATE
                     SET digests = CAST(substr(digests, 1, ?3) || excluded.digests AS BLOB)",
                )?
                .execute(params![chunk_id(issued_id, next), bytes, next % CHUNK * 8])?;
            next += u32::try_from(now.len()).expect("a chunk's worth");
            rest = later;
        }
        let progress = IssuedProgress {
            pulled: next,
            chain: extend_chain(before.chain, digests.iter().copied()),
        };
        self.set(connection, issued_id, progress)?;
        Ok((issued_id, progress))
    }

    /// Goes back to what a signed list vouches for.
    pub(super) fn rewind(
        &self,
        connection: &Connection,
        kid: Kid,
        to: IssuedProgress,
    ) -> rusqlite::Result<(i64, IssuedProgress)> {
        let issued_id = self.row(connection, kid)?;
        self.set(connection, issued_id, to)?;
        Ok((issued_id, to))
    }

    /// Takes over what was committed.
    pub(super) fn keep(&mut self, kid: Kid, row: (i64, IssuedProgress)) {
        self.0.insert(kid, row);
    }

    fn row(&self, connection: &Connection, kid: Kid) -> rusqlite::Result<i64> {
        if let Some((issued_id, _)) = self.0.get(&kid) {
            return Ok(*issued_id);
        }
        connection.query_row(
            "INSERT INTO issued (kid, pulled, chain) VALUES (?1, 0, ?2)
             ON CONFLICT (kid) DO UPDATE SET pulled = 0, chain = excluded.chain
             RETURNING issued_id",
            params![kid.0, CHAIN_START.0],
            |row| row.get(0),
        )
    }

    fn set(
        &self,
        connection: &Connection,
        issued_id: i64,
        progress: IssuedProgress,
    ) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE issued SET pulled = ?2, chain = ?3 WHERE issued_id = ?1")?
            .execute(params![issued_id, progress.pulled, progress.chain.0])?;
        Ok(())
    }
}

fn chunk_id(issued_id: i64, serial: u32) -> i64 {
    issued_id << 32 | i64::from(serial / CHUNK)
}

//! The journal's table: appends records to the chain, reads stretches of it, prunes its front
//! behind a signed anchor.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::{
    document,
    ids::{Digest, GateId, JournalEpoch, JournalPosition},
    journal::{
        self, ChainState, JournalAnchor, PersonalPart, PublicPart, Record, SALT_LENGTH, SaltedPart,
    },
};

use super::columns::unreadable;
use crate::gate_key::GateKey;

/// How many records a gate keeps. 2,000,000 are some 600 MB: a year of a busy gate.
pub const RECORDS_LIMIT: u64 = 2_000_000;
/// From here on only grants, overrides, alarms and faults are appended: the last tenth is kept
/// for them.
pub const ORDINARY_RECORDS_LIMIT: u64 = RECORDS_LIMIT / 10 * 9;
/// How long acknowledged records stay, by central's clock: a central restored from a backup can
/// ask for them again.
pub const KEPT_AFTER_ACKNOWLEDGEMENT_S: u64 = 14 * 86_400;
/// Records that one step of pruning removes: no commit waits behind more.
pub const PRUNE_STEP: u64 = 1_000;

/// How much the journal holds; [`JournalLimits::STANDARD`] outside tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// All records.
    pub records: u64,
    /// From here on no ordinary ones.
    pub ordinary_records: u64,
    /// Records that one step of pruning removes.
    pub prune_step: u64,
}

impl JournalLimits {
    /// The limits of the design.
    pub const STANDARD: Self = Self {
        records: RECORDS_LIMIT,
        ordinary_records: ORDINARY_RECORDS_LIMIT,
        prune_step: PRUNE_STEP,
    };
}

/// Where the journal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalTail {
    /// The last record, and the chain's hash after it.
    pub last: ChainState,
    /// The last record that pruning removed; 0 when all are there.
    pub pruned_to: u64,
    /// The last record that central acknowledged.
    pub acknowledged_to: u64,
    /// The last record that overrides, alarms or faults wrote: it leaves at once, and so does what an
    /// earlier run of the agent left behind, for that may hold some.
    pub urgent_to: u64,
}

impl JournalTail {
    /// Records that are kept.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.last.position.seq - self.pruned_to
    }

    /// Records that central has not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        self.last.position.seq.saturating_sub(self.acknowledged_to)
    }
}

/// Appends one record behind `last`.
pub(super) fn append(
    connection: &Connection,
    last: ChainState,
    public: &PublicPart,
    personal: Option<(&PersonalPart, [u8; SALT_LENGTH])>,
) -> rusqlite::Result<ChainState> {
    let record = Record::new(public, personal);
    let hash = journal::link(last.hash, &record);
    connection
        .prepare_cached(
            "INSERT INTO journal (journal_epoch, seq, public, commitment, salt, personal, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            public.position.epoch.0,
            public.position.seq,
            &record.public[..],
            record.commitment.0,
            record.personal.as_ref().map(|salted| salted.salt),
            record.personal.as_ref().map(|salted| &salted.part[..]),
            hash.0,
        ])?;
    Ok(ChainState {
        position: public.position,
        hash,
    })
}

/// Where the journal of this database stands.
pub(super) fn tail(
    connection: &Connection,
    gate: GateId,
    epoch: JournalEpoch,
) -> rusqlite::Result<JournalTail> {
    let anchor = anchor(connection)?;
    let start = anchor.as_ref().map_or_else(
        || ChainState::start(gate, epoch),
        |(anchor, _)| ChainState {
            position: anchor.position,
            hash: anchor.hash,
        },
    );
    let last = connection
        .query_row(
            "SELECT seq, hash FROM journal WHERE journal_epoch = ?1 ORDER BY seq DESC LIMIT 1",
            [epoch.0],
            |row| Ok((row.get(0)?, Digest(row.get(1)?))),
        )
        .optional()?;
    let last = last.map_or(start, |(seq, hash)| ChainState {
        position: JournalPosition { epoch, seq },
        hash,
    });
    let acknowledged_to = super::acknowledgements::acknowledged_to(connection, epoch)?;
    let is_all_acknowledged = acknowledged_to >= last.position.seq;
    Ok(JournalTail {
        last,
        pruned_to: start.position.seq,
        acknowledged_to,
        urgent_to: if is_all_acknowledged {
            0
        } else {
            last.position.seq
        },
    })
}

/// The hash after a record that is kept.
pub(super) fn hash_at(
    connection: &Connection,
    position: JournalPosition,
) -> rusqlite::Result<Option<Digest>> {
    connection
        .prepare_cached("SELECT hash FROM journal WHERE journal_epoch = ?1 AND seq = ?2")?
        .query_row(params![position.epoch.0, position.seq], |row| {
            row.get(0).map(Digest)
        })
        .optional()
}

/// A record with its place and the hash after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRecord {
    /// Where.
    pub position: JournalPosition,
    /// The record.
    pub record: Record,
    /// The chain's hash after it.
    pub hash: Digest,
}

/// Records behind `after`, oldest first, for as long as `take` wants more.
pub(super) fn read_after(
    connection: &Connection,
    after: JournalPosition,
    mut take: impl FnMut(KeptRecord) -> TakeMore,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, public, commitment, salt, personal, hash FROM journal
         WHERE journal_epoch = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![after.epoch.0, after.seq])?;
    while let Some(row) = rows.next()? {
        let position = JournalPosition {
            epoch: after.epoch,
            seq: row.get(0)?,
        };
        let kept = KeptRecord {
            position,
            record: record_from_row(row)?,
            hash: Digest(row.get(5)?),
        };
        match take(kept) {
            TakeMore::Yes => {}
            TakeMore::No => break,
        }
    }
    Ok(())
}

/// Does a reader of the journal want more?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeMore {
    /// Go on.
    Yes,
    /// Enough.
    No,
}

fn record_from_row(row: &Row<'_>) -> rusqlite::Result<Record> {
    let personal = match row.get::<_, Option<[u8; SALT_LENGTH]>>(3)? {
        None => None,
        Some(salt) => Some(SaltedPart {
            salt,
            part: row.get::<_, Vec<u8>>(4)?.into(),
        }),
    };
    Ok(Record {
        public: row.get::<_, Vec<u8>>(1)?.into(),
        commitment: Digest(row.get(2)?),
        personal,
    })
}

/// Removes the front of the journal up to and with `position`, whose hash is `hash`, and leaves
/// a signed anchor in its place.
pub(super) fn prune(
    connection: &Connection,
    anchor: &JournalAnchor,
    key: &GateKey,
) -> rusqlite::Result<()> {
    let JournalAnchor {
        gate: _,
        position,
        hash,
    } = anchor;
    connection
        .prepare_cached(
            "INSERT INTO journal_anchor (journal_anchor_id, journal_epoch, seq, hash, signed)
             VALUES (1, ?1, ?2, ?3, ?4)
             ON CONFLICT (journal_anchor_id) DO UPDATE SET journal_epoch = excluded.journal_epoch,
                 seq = excluded.seq, hash = excluded.hash, signed = excluded.signed",
        )?
        .execute(params![
            position.epoch.0,
            position.seq,
            hash.0,
            document::sign(anchor, key).map_err(|error| unreadable(3, error))?,
        ])?;
    connection
        .prepare_cached("DELETE FROM journal WHERE journal_epoch = ?1 AND seq <= ?2")?
        .execute(params![position.epoch.0, position.seq])?;
    Ok(())
}

/// The newest anchor, with its signed bytes.
pub(super) fn anchor(connection: &Connection) -> rusqlite::Result<Option<(ChainState, Vec<u8>)>> {
    let from_row = |row: &Row<'_>| {
        let position = JournalPosition {
            epoch: JournalEpoch(row.get(0)?),
            seq: row.get(1)?,
        };
        let hash = Digest(row.get(2)?);
        Ok((ChainState { position, hash }, row.get(3)?))
    };
    connection
        .query_row(
            "SELECT journal_epoch, seq, hash, signed FROM journal_anchor",
            [],
            from_row,
        )
        .optional()
}

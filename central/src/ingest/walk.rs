//! Where a batch meets what is held, and whether it says the same there.

use std::{cmp::Ordering, collections::BTreeMap};

use shared::{
    ids::{AccessPointId, Digest, JournalPosition},
    journal::{ChainState, PersonalPart, PublicPart, Record},
};

use super::{check::Checked, facts};
use crate::{
    db::{
        Connection,
        erasure::Erased,
        gate_journals::Mark,
        journal_records::{self, NewRecord},
    },
    ids::GateId,
    instant::UtcInstant,
};

/// Where a batch begins.
pub(super) enum Start {
    /// Behind a record whose hash is known.
    Known {
        /// The chain before the batch.
        before: ChainState,
        /// Hashes that are held within the batch, ascending.
        held: Vec<(u64, Digest)>,
        /// Records before it that are lost for good.
        gap: Option<Gap>,
    },
    /// Behind a record that is not held.
    Unknown,
}

/// Records that are lost for good.
pub(super) struct Gap {
    /// The last before them.
    pub(super) held: JournalPosition,
    /// The last of them.
    pub(super) last_lost: JournalPosition,
}

/// What a batch turns out to be.
pub(super) enum Walked<'a> {
    /// It says the same where it meets what is held, and goes on in order.
    Whole(New<'a>),
    /// It says another thing about a record that is held.
    Forked {
        /// What is held.
        held: ChainState,
        /// The hash that the batch gives there.
        offered: Digest,
    },
    /// It does not say anything in order.
    Broken(String),
    /// It speaks of records that are not held any more.
    Gap,
}

/// What a batch adds to what is held.
pub(super) struct New<'a> {
    /// Its records that are not held yet.
    pub(super) records: Vec<NewRecord<'a>>,
    /// The chain behind it.
    pub(super) state: ChainState,
    /// How many of each sort the records are.
    pub(super) events: BTreeMap<&'static str, u64>,
    /// What they add to the count of verifications.
    pub(super) verifications: BTreeMap<(&'static str, AccessPointId), u64>,
}

/// Finds where a batch begins.
///
/// # Errors
/// When the database fails.
pub(super) async fn start(
    connection: &Connection,
    gate_id: GateId,
    checked: &Checked<'_>,
    mark: &Mark,
) -> anyhow::Result<Start> {
    let first = checked.batch.first;
    let before_seq = first.seq - 1;
    let newest = mark.state.position;
    let held_up_to = match first.epoch.cmp(&newest.epoch) {
        Ordering::Greater => 0,
        Ordering::Equal => newest.seq,
        // Of an earlier epoch nothing more is taken in.
        Ordering::Less => checked.last.seq,
    };
    let held = if first.seq > held_up_to {
        Vec::new()
    } else {
        let range = (before_seq.max(1), checked.last.seq.min(held_up_to));
        journal_records::held_hashes(connection, gate_id, first.epoch, range).await?
    };
    let before = if before_seq == 0 {
        Some(ChainState::start(gate_id.into(), first.epoch))
    } else if newest.epoch == first.epoch && newest.seq == before_seq {
        Some(mark.state)
    } else {
        held.first()
            .filter(|(seq, _)| *seq == before_seq)
            .map(|(_, hash)| at(first, before_seq, *hash))
    };
    if let Some(before) = before {
        let gap = None;
        return Ok(Start::Known { before, held, gap });
    }
    // The anchor of a journal that had to be cut stands for what was before it.
    let anchor = checked.anchor.map(|anchor| ChainState {
        position: anchor.position,
        hash: anchor.hash,
    });
    let Some(before) = anchor.filter(|anchor| *anchor == at(first, before_seq, anchor.hash)) else {
        return Ok(Start::Unknown);
    };
    let gap = (before_seq > held_up_to).then(|| Gap {
        held: last_held(checked, mark),
        last_lost: before.position,
    });
    Ok(Start::Known { before, held, gap })
}

fn at(first: JournalPosition, seq: u64, hash: Digest) -> ChainState {
    ChainState {
        position: JournalPosition { seq, ..first },
        hash,
    }
}

/// The last record that is held, of the batch's epoch if that is the newest.
pub(super) fn last_held(checked: &Checked<'_>, mark: &Mark) -> JournalPosition {
    let epoch = checked.batch.first.epoch;
    if epoch > mark.state.position.epoch {
        return JournalPosition { epoch, seq: 0 };
    }
    mark.state.position
}

/// Walks along the chain.
pub(super) fn walk<'a>(
    before: ChainState,
    held: &[(u64, Digest)],
    checked: &Checked<'a>,
    mark: &Mark,
) -> Walked<'a> {
    let mut new = New {
        records: Vec::with_capacity(checked.batch.records.len()),
        state: before,
        events: BTreeMap::new(),
        verifications: BTreeMap::new(),
    };
    for record in &checked.batch.records {
        let (state, (public, personal)) = match new.state.append_and_read(record) {
            Ok(appended) => appended,
            Err(problem) => return Walked::Broken(problem.to_string()),
        };
        new.state = state;
        // The mark says it: all records up to it are held, and none behind it.
        if state.position > mark.state.position {
            new.push(record, &public, personal.as_ref());
            continue;
        }
        let found = held.binary_search_by_key(&state.position.seq, |(seq, _)| *seq);
        let Ok(index) = found else { return Walked::Gap };
        let (_, hash) = held[index];
        if hash != state.hash {
            return Walked::Forked {
                held: ChainState { hash, ..state },
                offered: state.hash,
            };
        }
        #[cfg(portcullis_defects)]
        if super::defects::takes_again() {
            new.push(record, &public, personal.as_ref());
            super::defects::put_off(&mut new.records);
        }
    }
    Walked::Whole(new)
}

impl<'a> New<'a> {
    /// Leaves out whose the records of erased persons were: a gate may have been cut off while one
    /// was erased.
    pub(super) fn forget(&mut self, erased: &Erased) {
        for new in &mut self.records {
            if erased.concerns(&new.facts) {
                new.forget_person();
            }
        }
    }

    /// Adds the record behind which the chain stands now.
    fn push(&mut self, record: &'a Record, public: &PublicPart, personal: Option<&PersonalPart>) {
        self.records.push(NewRecord {
            position: self.state.position,
            recorded_at: UtcInstant::from_unix_seconds(public.utc.0),
            record,
            personal: record.personal.as_ref(),
            hash: self.state.hash,
            facts: facts::of(&public.event, personal),
        });
        *self
            .events
            .entry(facts::kind_name(&public.event))
            .or_default() += 1;
        for (status, place, count) in facts::verifications(&public.event) {
            *self.verifications.entry((status, place)).or_default() += count;
        }
    }
}

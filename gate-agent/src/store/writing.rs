//! One transaction's appending to the journal: room for it, its place, its salt, its hash.

use std::path::Path;

use gate_core::action::RecordDraft;
use rusqlite::Connection;
use shared::{
    ids::JournalPosition,
    journal::{ClockTrust, Event, JournalAnchor, PersonalPart, Priority, PublicPart, SALT_LENGTH},
    policy::FullJournalPolicy,
    time::{Uptime, UtcSeconds},
};

use super::{
    EnrolledStore, acknowledgements,
    journal::{self, JournalLimits, JournalTail},
    problem::StoreProblem,
};

/// When something that no record draft tells of happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The wall clock.
    pub utc: UtcSeconds,
    /// Milliseconds since boot.
    pub uptime: Uptime,
    /// Whether the clock was believed.
    pub clock: ClockTrust,
}

/// How full the journal may be, and what to do when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) limits: JournalLimits,
    pub(super) when_full: FullJournalPolicy,
}

/// The journal's end within a transaction; taken over by the store once that is committed.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) path: &'a Path,
    pub(super) enrolled: &'a EnrolledStore,
    pub(super) capacity: Capacity,
    pub(super) tail: JournalTail,
    pub(super) left_out: u64,
}

/// Was there something to prune?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Made,
    None,
}

impl Writing<'_> {
    /// Appends a record, unless it is an ordinary one and the journal is nearly full.
    pub(super) fn append(&mut self, draft: &RecordDraft) -> Result<(), StoreProblem> {
        let priority = draft.event.priority();
        let stamp = Stamp {
            utc: draft.utc,
            uptime: draft.uptime,
            clock: draft.clock,
        };
        let limits = self.capacity.limits;
        let fits = match priority {
            Priority::Ordinary => self.tail.kept() < limits.ordinary_records,
            Priority::Urgent | Priority::Grant => self.tail.kept() < limits.records,
        };
        if !fits && self.drop_acknowledged(stamp)? == Room::None {
            match (priority, self.capacity.when_full) {
                (Priority::Ordinary, _) => {
                    self.left_out += 1;
                    return Ok(());
                }
                (Priority::Urgent | Priority::Grant, FullJournalPolicy::Deny) => {
                    let limit = limits.records;
                    return Err(StoreProblem::JournalFull { limit });
                }
                (Priority::Urgent | Priority::Grant, FullJournalPolicy::DropOldest) => {
                    self.prune_to(self.tail.pruned_to + limits.prune_step, stamp)?;
                }
            }
        }
        self.write(stamp, &draft.event, draft.personal.as_ref())?;
        match priority {
            Priority::Urgent => self.tail.urgent_to = self.tail.last.position.seq,
            Priority::Grant | Priority::Ordinary => {}
        }
        Ok(())
    }

    /// Removes the front of the journal up to and with `seq` and records that.
    pub(super) fn prune_to(&mut self, seq: u64, stamp: Stamp) -> Result<(), StoreProblem> {
        let identity = &self.enrolled.identity;
        let position = JournalPosition {
            epoch: identity.journal_epoch,
            seq,
        };
        let hash = journal::hash_at(self.connection, position)
            .map_err(|error| self.problem(&error))?
            .ok_or_else(|| StoreProblem::Damaged {
                path: self.path.to_path_buf(),
                detail: format!("record {position} is missing"),
            })?;
        let anchor = JournalAnchor {
            gate: identity.gate,
            position,
            hash,
        };
        journal::prune(self.connection, &anchor, &self.enrolled.key)
            .and_then(|()| acknowledgements::forget_to(self.connection, position.epoch, seq))
            .map_err(|error| self.problem(&error))?;
        self.tail.pruned_to = seq;
        let first_kept = seq + 1;
        self.write(stamp, &Event::Pruned { first_kept }, None)
    }

    /// Two go for one: the record that tells of it needs a place too.
    fn drop_acknowledged(&mut self, stamp: Stamp) -> Result<Room, StoreProblem> {
        let to = self
            .tail
            .acknowledged_to
            .min(self.tail.pruned_to + self.capacity.limits.prune_step);
        if to < self.tail.pruned_to + 2 {
            return Ok(Room::None);
        }
        self.prune_to(to, stamp)?;
        Ok(Room::Made)
    }

    fn write(
        &mut self,
        stamp: Stamp,
        event: &Event,
        personal: Option<&PersonalPart>,
    ) -> Result<(), StoreProblem> {
        let position = JournalPosition {
            epoch: self.enrolled.identity.journal_epoch,
            seq: self.tail.last.position.seq + 1,
        };
        let public = PublicPart {
            position,
            utc: stamp.utc,
            uptime: stamp.uptime,
            clock: stamp.clock,
            event: event.clone(),
        };
        let personal = match personal {
            None => None,
            Some(part) => Some((part, random_salt(self.path)?)),
        };
        self.tail.last = journal::append(self.connection, self.tail.last, &public, personal)
            .map_err(|error| self.problem(&error))?;
        Ok(())
    }

    fn problem(&self, error: &rusqlite::Error) -> StoreProblem {
        StoreProblem::from_sqlite(self.path, error)
    }
}

fn random_salt(path: &Path) -> Result<[u8; SALT_LENGTH], StoreProblem> {
    let mut salt = [0; SALT_LENGTH];
    getrandom::fill(&mut salt).map_err(|error| StoreProblem::Failed {
        path: path.to_path_buf(),
        detail: format!("the system gives no random bytes: {error}"),
    })?;
    Ok(salt)
}

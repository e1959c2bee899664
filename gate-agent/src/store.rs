//! The gate's store: one SQLite file whose commits are durable before anything acts on them.
//! Decides nothing; [`thread`] gives it a thread of its own.

mod acknowledgements;
mod columns;
pub mod counters;
mod documents;
mod door_modes;
mod gate_facts;
mod holder_uses;
mod identity;
mod issued;
pub mod journal;
mod loading;
mod lookup;
pub mod migrations;
mod opening;
mod pass_uses;
mod pin_failures;
mod presences;
pub mod problem;
mod reader;
mod replacing;
mod reservations;
mod roster;
mod sealing;
#[cfg(test)]
mod tests;
pub mod thread;
mod upkeep;
mod writing;

pub use identity::Identity;
pub use issued::IssuedProgress;
pub use loading::LoadedState;
pub use opening::DATABASE_FILE;
pub use reader::{JournalStretch, StoreReader};
pub use replacing::{Former, FormerJournal, SetAside};
pub use upkeep::Upkeep;
pub use writing::Stamp;

use std::{ops::Range, path::PathBuf, sync::Arc};

use gate_core::{
    action::{Commit, StoredDocument, StoredKind},
    input::Lookup,
    memory::{GateFacts, MemoryChange},
};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use shared::{
    gate_api::DocumentName,
    heads::Acknowledgement,
    ids::{JournalPosition, Kid, PassDigest, PassId, Serial, StaffNumber},
    journal::BATCH_RECORDS_LIMIT,
    policy::FullJournalPolicy,
    time::UtcSeconds,
};

use crate::gate_key::GateKey;
use issued::IssuedIndex;
use journal::{JournalLimits, JournalTail};
use loading::{FIRST_FACTS, KeyOrigin};
use lookup::HeldIssuedLists;
use problem::StoreProblem;
use sealing::SealingKey;
use writing::{Capacity, Writing};

/// Where the store lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePlaces {
    /// Directory of the database.
    pub state: PathBuf,
    /// Directory of the key files; best on other storage than `state`.
    pub keys: PathBuf,
}

/// What enrolment stores in one transaction.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// Who the gate is.
    pub identity: Identity,
    /// Root set and trust list.
    pub documents: Vec<StoredDocument>,
    /// Central's time: the first mark.
    pub mark: UtcSeconds,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The journal behind it.
    pub tail: JournalTail,
    /// Ordinary records that were left out, because the journal is nearly full.
    pub left_out: u64,
}

/// The one writer of a gate's database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    sealing: SealingKey,
    identity: Option<EnrolledStore>,
    capacity: Capacity,
    roster_work: upkeep::RosterWork,
    /// Records have stayed for their time since an acknowledgement that came then.
    prune_due: Option<Stamp>,
    _lock: opening::WriterLock,
}

/// What there is only once the gate is enrolled.
#[derive(Debug)]
struct EnrolledStore {
    identity: Identity,
    key: Arc<GateKey>,
    tail: JournalTail,
    issued: IssuedIndex,
    held_lists: HeldIssuedLists,
}

impl Store {
    /// Opens the store, makes it when there is none, and brings it up to date.
    ///
    /// # Errors
    /// [`StoreProblem`] says what to do; nothing was changed then.
    pub fn open(places: &StorePlaces) -> Result<Self, StoreProblem> {
        Self::open_with(places, JournalLimits::STANDARD)
    }

    /// [`Self::open`] with other limits of the journal, for tests.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(places: &StorePlaces, limits: JournalLimits) -> Result<Self, StoreProblem> {
        let path = places.state.join(DATABASE_FILE);
        loading::make_directory(&places.state, &path)?;
        loading::make_directory(&places.keys, &path)?;
        let lock = opening::lock(&places.state)?;
        Self::open_locked(places, limits, lock)
    }

    fn open_locked(
        places: &StorePlaces,
        limits: JournalLimits,
        lock: opening::WriterLock,
    ) -> Result<Self, StoreProblem> {
        let path = places.state.join(DATABASE_FILE);
        let connection = opening::open_writer(&places.state)?;
        let (sealing, origin) = loading::sealing_key(&places.keys)?;
        let sqlite = |error| StoreProblem::from_sqlite(&path, &error);
        if origin == KeyOrigin::Made {
            roster::clear(&connection).map_err(sqlite)?;
        }
        let identity = match identity::load(&connection).map_err(sqlite)? {
            None => None,
            Some(identity) => {
                let key = loading::gate_key(&places.keys, &identity)?;
                Some(EnrolledStore::load(&connection, identity, key, &sealing).map_err(sqlite)?)
            }
        };
        Ok(Self {
            connection,
            path,
            sealing,
            identity,
            capacity: Capacity {
                limits,
                when_full: FullJournalPolicy::Deny,
            },
            roster_work: upkeep::RosterWork::Unknown,
            prune_due: None,
            _lock: lock,
        })
    }

    /// Who the gate is, once it is enrolled.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref().map(|enrolled| &enrolled.identity)
    }

    /// The gate's key, once it is enrolled.
    #[must_use]
    pub fn key(&self) -> Option<Arc<GateKey>> {
        self.identity
            .as_ref()
            .map(|enrolled| Arc::clone(&enrolled.key))
    }

    /// Where the journal stands.
    ///
    /// # Errors
    /// [`StoreProblem::NotEnrolled`].
    pub fn tail(&self) -> Result<JournalTail, StoreProblem> {
        Ok(self.enrolled()?.tail)
    }

    /// Everything that the gate starts from.
    ///
    /// # Errors
    /// [`StoreProblem::NotEnrolled`], or what the disk says.
    pub fn load(&self) -> Result<LoadedState, StoreProblem> {
        let identity = self.enrolled()?.identity.clone();
        loading::load(&self.connection, identity, &self.sealing)
            .map_err(|error| self.problem(&error))
    }

    /// Stores an identity, in one transaction. The gate's key file was written before.
    ///
    /// # Errors
    /// [`StoreProblem::AlreadyEnrolled`], a wrong key file, or what the disk says.
    pub fn enrol(&mut self, places: &StorePlaces, enrolled: &Enrolled) -> Result<(), StoreProblem> {
        if let Some(before) = self.identity() {
            return Err(StoreProblem::AlreadyEnrolled { gate: before.gate });
        }
        let key = loading::gate_key(&places.keys, &enrolled.identity)?;
        let facts = GateFacts {
            mark: enrolled.mark,
            ..FIRST_FACTS
        };
        let tx = begin(&mut self.connection, &self.path)?;
        let written = identity::insert(&tx, &enrolled.identity)
            .and_then(|()| gate_facts::set(&tx, &facts))
            .and_then(|()| {
                enrolled
                    .documents
                    .iter()
                    .try_for_each(|document| documents::put(&tx, document, &self.sealing))
            })
            .and_then(|()| tx.commit());
        written.map_err(|error| self.problem(&error))?;
        let loaded = EnrolledStore::load(
            &self.connection,
            enrolled.identity.clone(),
            key,
            &self.sealing,
        )
        .map_err(|error| self.problem(&error))?;
        self.identity = Some(loaded);
        Ok(())
    }

    /// What to do when the journal is full of records that central has not acknowledged.
    pub fn set_full_journal_policy(&mut self, policy: FullJournalPolicy) {
        self.capacity.when_full = policy;
    }

    /// Writes everything of a commit in one durable transaction.
    ///
    /// # Errors
    /// [`StoreProblem`]; nothing of it was written then.
    pub fn commit(&mut self, commit: &Commit) -> Result<Committed, StoreProblem> {
        let enrolled = self.identity.as_mut().ok_or(StoreProblem::NotEnrolled)?;
        let tx = begin(&mut self.connection, &self.path)?;
        let mut writing = Writing {
            connection: &tx,
            path: &self.path,
            enrolled: &*enrolled,
            capacity: self.capacity,
            tail: enrolled.tail,
            left_out: 0,
        };
        for draft in &commit.records {
            writing.append(draft)?;
        }
        let (tail, left_out) = (writing.tail, writing.left_out);
        let sqlite = |error| StoreProblem::from_sqlite(&self.path, &error);
        for change in &commit.changes {
            apply_change(&tx, change).map_err(sqlite)?;
        }
        for document in &commit.documents {
            documents::put(&tx, document, &self.sealing).map_err(sqlite)?;
        }
        tx.commit().map_err(sqlite)?;
        enrolled.tail = tail;
        for document in &commit.documents {
            self.taken(document);
        }
        Ok(Committed { tail, left_out })
    }

    /// What the store knows of a verified pass.
    ///
    /// # Errors
    /// What the disk says: the scan cannot be decided.
    pub fn look_up(&self, pass: PassId, digest: PassDigest) -> Result<Lookup, StoreProblem> {
        let enrolled = self.enrolled()?;
        let found = lookup::look_up(
            &self.connection,
            &enrolled.issued,
            &enrolled.held_lists,
            &self.sealing,
            (pass, digest),
        );
        found.map_err(|error| self.problem(&error))
    }

    /// Remembers an acknowledgement that the core has checked, and prunes what has stayed for
    /// its time.
    ///
    /// # Errors
    /// [`StoreProblem::AcknowledgedFork`] when it names another record than was written.
    pub fn acknowledge(
        &mut self,
        ack: &Acknowledgement,
        stamp: Stamp,
    ) -> Result<JournalTail, StoreProblem> {
        let enrolled = self.identity.as_mut().ok_or(StoreProblem::NotEnrolled)?;
        let sqlite = |error| StoreProblem::from_sqlite(&self.path, &error);
        let epoch = enrolled.identity.journal_epoch;
        let tx = begin(&mut self.connection, &self.path)?;
        if ack.position.epoch != epoch {
            return Ok(enrolled.tail);
        }
        match journal::hash_at(&tx, ack.position).map_err(sqlite)? {
            Some(hash) if hash == ack.hash => {}
            // Pruned long ago, or the empty journal's end.
            None if ack.position.seq <= enrolled.tail.pruned_to => {}
            Some(_) | None => {
                let position = ack.position;
                return Err(StoreProblem::AcknowledgedFork { position });
            }
        }
        acknowledgements::record(&tx, ack).map_err(sqlite)?;
        let mut tail = enrolled.tail;
        tail.acknowledged_to = acknowledgements::acknowledged_to(&tx, epoch).map_err(sqlite)?;
        tx.commit().map_err(sqlite)?;
        enrolled.tail = tail;
        // One that covers weeks leaves the rest to upkeep: no commit waits for it.
        self.prune_due = Some(stamp);
        self.prune_step()?;
        self.tail()
    }

    /// Removes a step's worth of records whose time to stay is over, while there are so many.
    fn prune_step(&mut self) -> Result<Upkeep, StoreProblem> {
        let Some(stamp) = self.prune_due else {
            return Ok(Upkeep::Done);
        };
        let enrolled = self.identity.as_mut().ok_or(StoreProblem::NotEnrolled)?;
        let sqlite = |error| StoreProblem::from_sqlite(&self.path, &error);
        let epoch = enrolled.identity.journal_epoch;
        let tx = begin(&mut self.connection, &self.path)?;
        let stayed = acknowledgements::stayed_long_enough_to(&tx, epoch)
            .map_err(sqlite)?
            .min(enrolled.tail.acknowledged_to);
        let to = enrolled.tail.pruned_to + self.capacity.limits.prune_step;
        if stayed < to {
            self.prune_due = None;
            return Ok(Upkeep::Done);
        }
        let mut writing = Writing {
            connection: &tx,
            path: &self.path,
            enrolled: &*enrolled,
            capacity: self.capacity,
            tail: enrolled.tail,
            left_out: 0,
        };
        writing.prune_to(to, stamp)?;
        let tail = writing.tail;
        tx.commit().map_err(sqlite)?;
        enrolled.tail = tail;
        Ok(Upkeep::More)
    }

    /// Reserves a block of counter values, at or above `floor`.
    ///
    /// # Errors
    /// What the disk says; no value was handed out.
    pub fn reserve_counters(&mut self, floor: u64) -> Result<Range<u64>, StoreProblem> {
        counters::reserve(&self.connection, counters::REQUEST_COUNTER, floor)
            .map_err(|error| self.problem(&error))
    }

    /// A batch of records behind `after`, at most `bytes` in all, but at least one when there is
    /// one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn journal_stretch(
        &self,
        after: JournalPosition,
        bytes: usize,
    ) -> Result<JournalStretch, StoreProblem> {
        reader::journal_stretch(&self.connection, after, BATCH_RECORDS_LIMIT, bytes)
            .map_err(|error| self.problem(&error))
    }

    /// How far digests of an issuer key were pulled.
    ///
    /// # Errors
    /// [`StoreProblem::NotEnrolled`].
    pub fn issued_progress(&self, kid: Kid) -> Result<IssuedProgress, StoreProblem> {
        Ok(self.enrolled()?.issued.progress(kid))
    }

    /// Stores pulled digests behind those that are there. They are asked only once a signed list
    /// that covers them is stored.
    ///
    /// # Errors
    /// [`StoreProblem::RangeOutOfPlace`] when they do not begin there.
    pub fn store_issued_range(
        &mut self,
        kid: Kid,
        first: Serial,
        digests: &[PassDigest],
    ) -> Result<IssuedProgress, StoreProblem> {
        self.change_issued(kid, |tx, issued| {
            if issued.progress(kid).pulled != first.0 {
                return Ok(None);
            }
            issued.append(tx, kid, digests).map(Some)
        })?
        .ok_or(StoreProblem::RangeOutOfPlace)
    }

    /// Forgets pulled digests that no signed list vouches for: they led to another chain.
    ///
    /// # Errors
    /// What the disk says.
    pub fn rewind_issued(&mut self, kid: Kid) -> Result<IssuedProgress, StoreProblem> {
        let to = self.enrolled()?.held_lists.vouched(kid);
        let progress =
            self.change_issued(kid, |tx, issued| issued.rewind(tx, kid, to).map(Some))?;
        Ok(progress.unwrap_or(to))
    }

    /// Remembers how often in a row a PIN was wrong.
    ///
    /// # Errors
    /// What the disk says.
    pub fn set_pin_failures(
        &mut self,
        staff: StaffNumber,
        failures: u32,
    ) -> Result<(), StoreProblem> {
        pin_failures::set(&self.connection, staff, failures).map_err(|error| self.problem(&error))
    }

    fn change_issued(
        &mut self,
        kid: Kid,
        change: impl FnOnce(
            &Transaction<'_>,
            &IssuedIndex,
        ) -> rusqlite::Result<Option<(i64, IssuedProgress)>>,
    ) -> Result<Option<IssuedProgress>, StoreProblem> {
        let enrolled = self.identity.as_mut().ok_or(StoreProblem::NotEnrolled)?;
        let sqlite = |error| StoreProblem::from_sqlite(&self.path, &error);
        let tx = begin(&mut self.connection, &self.path)?;
        let Some(row) = change(&tx, &enrolled.issued).map_err(sqlite)? else {
            return Ok(None);
        };
        tx.commit().map_err(sqlite)?;
        enrolled.issued.keep(kid, row);
        Ok(Some(row.1))
    }

    /// Follows up a document that was committed; nothing here may fail any more.
    fn taken(&mut self, document: &StoredDocument) {
        match document.kind {
            StoredKind::Named(DocumentName::IssuedList(_)) => {
                if let Some(enrolled) = &mut self.identity {
                    enrolled.held_lists.take(document);
                }
            }
            StoredKind::Named(DocumentName::Roster) => {
                self.roster_work = upkeep::RosterWork::Unknown;
            }
            StoredKind::Named(
                DocumentName::RootSet
                | DocumentName::TrustList
                | DocumentName::Configuration
                | DocumentName::StatusList(_),
            )
            | StoredKind::Heads
            | StoredKind::Order
            | StoredKind::FormerTrustList
            | StoredKind::FormerRootSet => {}
        }
    }

    fn enrolled(&self) -> Result<&EnrolledStore, StoreProblem> {
        self.identity.as_ref().ok_or(StoreProblem::NotEnrolled)
    }

    fn problem(&self, error: &rusqlite::Error) -> StoreProblem {
        StoreProblem::from_sqlite(&self.path, error)
    }
}

impl EnrolledStore {
    fn load(
        connection: &Connection,
        identity: Identity,
        key: Arc<GateKey>,
        sealing: &SealingKey,
    ) -> rusqlite::Result<Self> {
        let documents = documents::load(connection, sealing)?;
        Ok(Self {
            tail: journal::tail(connection, identity.gate, identity.journal_epoch)?,
            issued: IssuedIndex::load(connection)?,
            held_lists: HeldIssuedLists::of(&documents),
            identity,
            key,
        })
    }
}

fn apply_change(connection: &Connection, change: &MemoryChange) -> rusqlite::Result<()> {
    match change {
        MemoryChange::SetPresence(presence) => presences::set(connection, presence),
        MemoryChange::ForgetPresence(subject) => presences::forget(connection, subject),
        MemoryChange::SetPassUse(pass_use) => pass_uses::set(connection, pass_use),
        MemoryChange::SetHolderUse(holder_use) => holder_uses::set(connection, holder_use),
        MemoryChange::OpenReservation(reservation) => reservations::open(connection, reservation),
        MemoryChange::CloseReservation(scan) => reservations::close(connection, *scan),
        MemoryChange::SetDoorMode(door, mode) => door_modes::set(connection, *door, *mode),
        MemoryChange::SetFacts(facts) => gate_facts::set(connection, facts),
    }
}

fn begin<'a>(
    connection: &'a mut Connection,
    path: &std::path::Path,
) -> Result<Transaction<'a>, StoreProblem> {
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| StoreProblem::from_sqlite(path, &error))
}

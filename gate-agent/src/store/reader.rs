//! Reads a gate's database beside the agent that writes it: for exports, dry runs and `verify`.

use std::path::PathBuf;

use rusqlite::Connection;
use shared::{
    cbor,
    ids::{JournalPosition, PassDigest, PassId},
    journal::ChainState,
};

use super::{
    Identity, LoadedState, StorePlaces,
    issued::IssuedIndex,
    journal::{self, JournalTail, KeptRecord, TakeMore},
    loading,
    lookup::{self, HeldIssuedLists},
    opening,
    problem::StoreProblem,
    sealing::SealingKey,
};

/// Records that are read at once: less than two megabytes.
const PAGE_RECORDS: usize = 1_000;

/// A store that is only read.
#[derive(Debug)]
pub struct StoreReader {
    connection: Connection,
    path: PathBuf,
    sealing: SealingKey,
    identity: Identity,
}

impl StoreReader {
    /// Opens the store of an enrolled gate for reading.
    ///
    /// # Errors
    /// [`StoreProblem`] says what to do.
    pub fn open(places: &StorePlaces) -> Result<Self, StoreProblem> {
        let path = places.state.join(opening::DATABASE_FILE);
        let connection = opening::open_reader(&places.state)?;
        let identity = super::identity::load(&connection)
            .map_err(|error| StoreProblem::from_sqlite(&path, &error))?
            .ok_or(StoreProblem::NotEnrolled)?;
        let secret =
            crate::gate_key::read_secret(&places.keys.join(crate::gate_key::ROSTER_KEY_FILE))?;
        Ok(Self {
            connection,
            path,
            sealing: SealingKey::new(&secret),
            identity,
        })
    }

    /// Who the gate is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Everything that the gate would start from.
    ///
    /// # Errors
    /// What the disk says.
    pub fn load(&self) -> Result<LoadedState, StoreProblem> {
        loading::load(&self.connection, self.identity.clone(), &self.sealing)
            .map_err(|error| self.problem(&error))
    }

    /// What the store knows of a verified pass.
    ///
    /// # Errors
    /// What the disk says.
    pub fn look_up(
        &self,
        pass: PassId,
        digest: PassDigest,
    ) -> Result<gate_core::input::Lookup, StoreProblem> {
        let found = (|| {
            let documents = super::documents::load(&self.connection, &self.sealing)?;
            let held = HeldIssuedLists::of(&documents);
            let issued = IssuedIndex::load(&self.connection)?;
            lookup::look_up(
                &self.connection,
                &issued,
                &held,
                &self.sealing,
                (pass, digest),
            )
        })();
        found.map_err(|error| self.problem(&error))
    }

    /// Where the journal stands.
    ///
    /// # Errors
    /// What the disk says.
    pub fn tail(&self) -> Result<JournalTail, StoreProblem> {
        let Identity {
            gate,
            journal_epoch,
            ..
        } = &self.identity;
        journal::tail(&self.connection, *gate, *journal_epoch).map_err(|error| self.problem(&error))
    }

    /// Where pruning cut the journal, with the signed anchor.
    ///
    /// # Errors
    /// What the disk says.
    pub fn anchor(&self) -> Result<Option<(ChainState, Vec<u8>)>, StoreProblem> {
        journal::anchor(&self.connection).map_err(|error| self.problem(&error))
    }

    /// Some records behind `after`, oldest first; none when there are no more.
    ///
    /// # Errors
    /// What the disk says.
    pub fn page(&self, after: JournalPosition) -> Result<Vec<KeptRecord>, StoreProblem> {
        journal_stretch(&self.connection, after, PAGE_RECORDS, usize::MAX)
            .map(|stretch| stretch.records)
            .map_err(|error| self.problem(&error))
    }

    fn problem(&self, error: &rusqlite::Error) -> StoreProblem {
        StoreProblem::from_sqlite(&self.path, error)
    }
}

/// Records that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalStretch {
    /// The records, oldest first.
    pub records: Vec<KeptRecord>,
    /// The signed anchor right before them, when records that were asked for are pruned.
    pub anchor: Option<Vec<u8>>,
}

/// Records behind `after`: at most `records` of them and `bytes` in all, but always one.
pub(super) fn journal_stretch(
    connection: &Connection,
    after: JournalPosition,
    records: usize,
    bytes: usize,
) -> rusqlite::Result<JournalStretch> {
    let pruned = journal::anchor(connection)?
        .filter(|(state, _)| state.position.epoch == after.epoch && state.position > after);
    let (after, anchor) = match pruned {
        Some((state, signed)) => (state.position, Some(signed)),
        None => (after, None),
    };
    let mut taken: Vec<KeptRecord> = Vec::new();
    let mut length = 0;
    journal::read_after(connection, after, |kept| {
        length += cbor::encode(&kept.record).len();
        if !taken.is_empty() && (length > bytes || taken.len() == records) {
            return TakeMore::No;
        }
        taken.push(kept);
        TakeMore::Yes
    })?;
    Ok(JournalStretch {
        records: taken,
        anchor,
    })
}

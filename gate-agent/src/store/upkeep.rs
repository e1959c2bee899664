//! Work that waits for a quiet moment, in steps of some milliseconds: writing a new roster row
//! by row, and sweeping the old one.

use gate_core::action::StoredKind;
use shared::gate_api::DocumentName;

use super::{
    Store, begin, documents,
    problem::StoreProblem,
    roster::{self, RosterInWork, StepLeft},
};

/// Is there more to do?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Call again when nothing else waits.
    More,
    /// Nothing until the next roster.
    Done,
}

/// How far the roster is.
#[derive(Debug)]
pub(super) enum RosterWork {
    /// To be compared with the stored document.
    Unknown,
    /// Being written.
    Writing(RosterInWork),
    /// Written; rows of older ones are being removed.
    Sweeping,
    /// As it should be.
    Idle,
}

impl Store {
    /// Does one step of the work that waits.
    ///
    /// # Errors
    /// What the disk says; the step is done again at the next call.
    pub fn upkeep_step(&mut self) -> Result<Upkeep, StoreProblem> {
        match std::mem::replace(&mut self.roster_work, RosterWork::Unknown) {
            RosterWork::Unknown => {
                self.roster_work = self.compare_roster()?;
                Ok(Upkeep::More)
            }
            RosterWork::Writing(mut work) => {
                let tx = begin(&mut self.connection, &self.path)?;
                let left = roster::write_step(&tx, &self.sealing, &mut work)
                    .and_then(|left| tx.commit().map(|()| left))
                    .map_err(|error| StoreProblem::from_sqlite(&self.path, &error))?;
                self.roster_work = match left {
                    StepLeft::More => RosterWork::Writing(work),
                    StepLeft::None => RosterWork::Sweeping,
                };
                Ok(Upkeep::More)
            }
            RosterWork::Sweeping => {
                let left = roster::sweep_step(&self.connection)
                    .map_err(|error| StoreProblem::from_sqlite(&self.path, &error))?;
                match left {
                    StepLeft::More => {
                        self.roster_work = RosterWork::Sweeping;
                        Ok(Upkeep::More)
                    }
                    StepLeft::None => {
                        self.roster_work = RosterWork::Idle;
                        Ok(Upkeep::Done)
                    }
                }
            }
            RosterWork::Idle => {
                self.roster_work = RosterWork::Idle;
                Ok(Upkeep::Done)
            }
        }
    }

    fn compare_roster(&self) -> Result<RosterWork, StoreProblem> {
        let found = (|| {
            let asked = roster::asked(&self.connection)?.map(|(_, number)| number);
            let stored = documents::load(&self.connection, &self.sealing)?
                .into_iter()
                .find(|one| one.kind == StoredKind::Named(DocumentName::Roster));
            match stored {
                Some(stored) if asked != Some(stored.number) => {
                    roster::begin(&self.connection, &stored.bytes).map(RosterWork::Writing)
                }
                Some(_) | None => Ok(RosterWork::Sweeping),
            }
        })();
        found.map_err(|error| StoreProblem::from_sqlite(&self.path, &error))
    }
}

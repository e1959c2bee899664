//! Work that waits for a quiet moment, in steps of some milliseconds: writing a new roster row
//! by row, sweeping the rows of all but the one in force, and removing what has stayed in the
//! journal for its time.

use gate_core::action::StoredKind;
use rusqlite::TransactionBehavior;
use shared::gate_api::DocumentName;

use super::{
    Store, documents,
    problem::StoreProblem,
    roster::{self, RosterInWork, StepLeft},
};

/// Is there more to do?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Call again when nothing else waits.
    More,
    /// Nothing until the next roster or acknowledgement, or until [`Store::retry_upkeep`].
    Done,
}

/// How far the roster is.
#[derive(Debug)]
pub(super) enum RosterWork {
    /// To be compared with the stored document.
    Unknown,
    /// Another one is to be written; rows of those that were never whole are removed before, so
    /// that it finds their room.
    Clearing,
    /// Being written.
    Writing(RosterInWork),
    /// Written; rows of older ones are being removed.
    Sweeping,
    /// It could not be written; what was written of it is being removed.
    TakingBack,
    /// It could not be written, and is not until it is tried again.
    Failed,
    /// As it should be.
    Idle,
}

impl RosterWork {
    /// What follows when this step fails.
    fn after_failure(&self) -> Self {
        match self {
            Self::Writing(_) => Self::TakingBack,
            Self::Unknown | Self::Clearing | Self::Sweeping | Self::TakingBack | Self::Failed => {
                Self::Failed
            }
            Self::Idle => Self::Idle,
        }
    }
}

impl Store {
    /// Does one step of the work that waits.
    ///
    /// # Errors
    /// What the disk says. What was begun is taken back by the next calls, and begun anew at the
    /// next roster or at [`Self::retry_upkeep`].
    pub fn upkeep_step(&mut self) -> Result<Upkeep, StoreProblem> {
        match self.prune_step() {
            Ok(Upkeep::More) => return Ok(Upkeep::More),
            Ok(Upkeep::Done) => {}
            Err(problem) => {
                // Tried again behind the next acknowledgement.
                self.prune_due = None;
                return Err(problem);
            }
        }
        let work = std::mem::replace(&mut self.roster_work, RosterWork::Failed);
        let after_failure = work.after_failure();
        match self.roster_step(work) {
            Ok(next) => {
                self.roster_work = next;
                Ok(match self.roster_work {
                    RosterWork::Idle | RosterWork::Failed => Upkeep::Done,
                    RosterWork::Unknown
                    | RosterWork::Clearing
                    | RosterWork::Writing(_)
                    | RosterWork::Sweeping
                    | RosterWork::TakingBack => Upkeep::More,
                })
            }
            Err(error) => {
                self.roster_work = after_failure;
                Err(StoreProblem::from_sqlite(&self.path, &error))
            }
        }
    }

    /// Has work that failed done anew by the next steps.
    pub fn retry_upkeep(&mut self) {
        match self.roster_work {
            RosterWork::Failed => self.roster_work = RosterWork::Unknown,
            RosterWork::Unknown
            | RosterWork::Clearing
            | RosterWork::Writing(_)
            | RosterWork::Sweeping
            | RosterWork::TakingBack
            | RosterWork::Idle => {}
        }
    }

    fn roster_step(&mut self, work: RosterWork) -> rusqlite::Result<RosterWork> {
        match work {
            RosterWork::Unknown => Ok(if self.roster_to_write()?.is_some() {
                RosterWork::Clearing
            } else {
                RosterWork::Sweeping
            }),
            RosterWork::Clearing => match roster::sweep_step(&self.connection)? {
                StepLeft::More => Ok(RosterWork::Clearing),
                StepLeft::None => match self.roster_to_write()? {
                    Some(signed) => {
                        roster::begin(&self.connection, &signed).map(RosterWork::Writing)
                    }
                    None => Ok(RosterWork::Sweeping),
                },
            },
            RosterWork::Writing(mut work) => {
                let tx = self
                    .connection
                    .transaction_with_behavior(TransactionBehavior::Immediate)?;
                let left = roster::write_step(&tx, &self.sealing, &mut work)?;
                tx.commit()?;
                Ok(match left {
                    StepLeft::More => RosterWork::Writing(work),
                    StepLeft::None => RosterWork::Sweeping,
                })
            }
            RosterWork::Sweeping => Ok(match roster::sweep_step(&self.connection)? {
                StepLeft::More => RosterWork::Sweeping,
                StepLeft::None => RosterWork::Idle,
            }),
            RosterWork::TakingBack => Ok(match roster::sweep_step(&self.connection)? {
                StepLeft::More => RosterWork::TakingBack,
                StepLeft::None => RosterWork::Failed,
            }),
            RosterWork::Failed => Ok(RosterWork::Failed),
            RosterWork::Idle => Ok(RosterWork::Idle),
        }
    }

    /// The stored roster, as it was signed, when it is another than the one that is asked.
    fn roster_to_write(&self) -> rusqlite::Result<Option<Vec<u8>>> {
        let asked = roster::asked(&self.connection)?.map(|(_, number)| number);
        let stored = documents::load(&self.connection, &self.sealing)?
            .into_iter()
            .find(|one| one.kind == StoredKind::Named(DocumentName::Roster));
        Ok(stored
            .filter(|stored| asked != Some(stored.number))
            .map(|stored| stored.bytes))
    }
}

//! Publishes whatever is behind: at start, every minute, and after each change by an
//! administrator.

use shared::{
    configuration::Configuration, document::SignedKind as _, issued_list::IssuedList,
    roster::Roster, status_list::StatusList,
};

use super::{Outcome, Publisher, RENEW_BEFORE_S};
use crate::{
    db::publications::{self, Lag},
    ids::SchoolId,
};

/// Whose documents to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those of a school that do not hold all changes.
    ChangedIn(SchoolId),
    /// Those that do not hold all changes or expire before long, of every school.
    All,
}

impl Publisher {
    /// Publishes every document that is behind; how many that were. One that fails does not keep
    /// the others back. Nothing is done before there are keys.
    ///
    /// # Errors
    /// The first failure, after everything was tried.
    pub async fn catch_up(&self, which: Which) -> anyhow::Result<usize> {
        let now = self.clock.now();
        let (school_id, renew) = match which {
            Which::ChangedIn(school_id) => (Some(school_id), None),
            Which::All => (None, Some(now.plus_seconds(RENEW_BEFORE_S))),
        };
        let transaction = self.db.begin_across_schools().await?;
        let lists = [StatusList::EXTERNAL_DATA, IssuedList::EXTERNAL_DATA];
        let issuers =
            publications::issuers_behind(&transaction, school_id, lists, now, renew).await?;
        let documents = [Configuration::EXTERNAL_DATA, Roster::EXTERNAL_DATA];
        let gates = publications::gates_behind(&transaction, school_id, documents, renew).await?;
        transaction.commit().await?;
        if issuers.is_empty() && gates.is_empty() {
            return Ok(0);
        }
        if !self.statements.has_key().await? {
            return Ok(0);
        }
        let mut tally = Tally::default();
        for kid in issuers {
            tally.count(self.issued_list(kid).await);
            tally.count(self.status_list(kid).await);
        }
        for gate in gates {
            if gate.configuration == Lag::Behind {
                tally.count(self.configuration(gate.gate_id).await);
            }
            if gate.roster == Lag::Behind {
                tally.count(self.roster(gate.gate_id).await);
            }
        }
        tally.outcome()
    }
}

#[derive(Default)]
struct Tally {
    published: usize,
    failure: Option<anyhow::Error>,
}

impl Tally {
    fn count(&mut self, outcome: anyhow::Result<Outcome>) {
        match outcome {
            Ok(Outcome::Published(_)) => self.published += 1,
            Ok(Outcome::Unchanged) => {}
            Err(error) if self.failure.is_none() => self.failure = Some(error),
            Err(error) => tracing::warn!("gates are not told everything: {error:#}"),
        }
    }

    fn outcome(self) -> anyhow::Result<usize> {
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.published),
        }
    }
}

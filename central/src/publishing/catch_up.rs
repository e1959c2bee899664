//! Publishes whatever is behind: at start, every minute, and after each change by an
//! administrator.

use shared::{
    configuration::Configuration, document::SignedKind as _, ids::HolderNumber,
    issued_list::IssuedList, roster::Roster, status_list::StatusList,
};

use super::{Outcome, Publisher, RENEW_BEFORE_S, roster::Occasion};
use crate::{
    db::{
        behind::{self, Lag},
        publications,
    },
    ids::SchoolId,
};

/// Which documents to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Lists and configurations of a school that do not hold all changes.
    ChangedIn(SchoolId),
    /// Rosters that do not hold all changes, of every school.
    Rosters,
    /// Everything that does not hold all changes or expires before long.
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
            Which::Rosters => (None, None),
            Which::All => (None, Some(now.plus_seconds(RENEW_BEFORE_S))),
        };
        let transaction = self.db.begin_across_schools().await?;
        let lists = [StatusList::EXTERNAL_DATA, IssuedList::EXTERNAL_DATA];
        let issuers = match which {
            Which::ChangedIn(_) | Which::All => {
                behind::issuers(&transaction, school_id, lists, now, renew).await?
            }
            Which::Rosters => Vec::new(),
        };
        let documents = [Configuration::EXTERNAL_DATA, Roster::EXTERNAL_DATA];
        let gates = behind::gates(&transaction, school_id, documents, renew).await?;
        transaction.commit().await?;
        if issuers.is_empty() && gates.is_empty() || !self.statements.has_key().await? {
            return Ok(0);
        }
        let mut tally = Tally::default();
        for kid in issuers {
            tally.count(self.issued_list(kid).await);
            tally.count(self.status_list(kid).await);
        }
        for gate in gates {
            if gate.configuration == Lag::Behind && which != Which::Rosters {
                tally.count(self.configuration(gate.gate_id).await);
            }
            if gate.roster == Lag::Behind && !matches!(which, Which::ChangedIn(_)) {
                tally.count(self.roster(gate.gate_id, Occasion::Change).await);
            }
        }
        tally.outcome()
    }

    /// Publishes the rosters of a school's gates that still name a holder who was erased: when this
    /// returns, none does. One that fails does not keep the others back.
    ///
    /// # Errors
    /// The first failure, after everything was tried: what is left is published within a minute.
    pub async fn rosters_without(
        &self,
        school_id: SchoolId,
        holder: HolderNumber,
    ) -> anyhow::Result<usize> {
        let transaction = self.db.begin_across_schools().await?;
        let gates = publications::gates_with_roster(&transaction, school_id).await?;
        transaction.commit().await?;
        let mut tally = Tally::default();
        for gate_id in gates {
            tally.count(self.roster(gate_id, Occasion::Erasure(holder)).await);
        }
        tally.outcome()
    }

    /// Tells the gates of a school what was just committed there, rosters a moment later. What was
    /// committed stands whatever comes of this; what stays behind is published within a minute.
    pub async fn tell_gates(&self, school_id: SchoolId) {
        if let Err(error) = self.catch_up(Which::ChangedIn(school_id)).await {
            tracing::warn!(
                school.id = %school_id,
                "gates of school {school_id} are not told everything yet: {error:#}"
            );
        }
        self.rosters.publish_soon();
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

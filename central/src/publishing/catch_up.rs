//! Publishes whatever is behind: at start, every minute, and after each change by an
//! administrator.

use std::time::Duration;

use shared::{
    configuration::Configuration, document::SignedKind as _, issued_list::IssuedList,
    roster::Roster, status_list::StatusList,
};

use super::{Outcome, Publisher, RENEW_BEFORE_S};
use crate::{
    db::publications::{self, Lag},
    shutdown::Shutdown,
};

/// How long what a crash left behind stays behind, at most.
const INTERVAL: Duration = Duration::from_secs(60);

/// Publishes what is behind at once and then every minute, until `shutdown`.
pub async fn publish_behind(publisher: Publisher, shutdown: Shutdown) {
    loop {
        match publisher.catch_up().await {
            Ok(0) => {}
            Ok(published) => tracing::info!(
                documents = published,
                "published {published} documents that were behind"
            ),
            // Without keys there is nothing to publish yet; `serve` says so once.
            Err(error) => tracing::warn!("gates are not told everything: {error:#}"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shutdown.requested() => return,
        }
    }
}

impl Publisher {
    /// Publishes every document that does not hold all changes or expires before long; how many
    /// that were. One that fails does not keep the others back.
    ///
    /// # Errors
    /// The first failure, after everything was tried.
    pub async fn catch_up(&self) -> anyhow::Result<usize> {
        let now = self.clock.now();
        let renew = now.plus_seconds(RENEW_BEFORE_S);
        let transaction = self.db.begin_across_schools().await?;
        let lists = [StatusList::EXTERNAL_DATA, IssuedList::EXTERNAL_DATA];
        let issuers = publications::issuers_behind(&transaction, lists, now, renew).await?;
        let documents = [Configuration::EXTERNAL_DATA, Roster::EXTERNAL_DATA];
        let gates = publications::gates_behind(&transaction, documents, renew).await?;
        transaction.commit().await?;
        if issuers.is_empty() && gates.is_empty() {
            return Ok(0);
        }
        // Without it nothing can be published: said once and not for each document.
        self.statements.kid().await?;
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

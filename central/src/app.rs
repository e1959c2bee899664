//! `App` names everything a handler or task depends on; nothing is reached any other way.

use std::sync::Arc;

use crate::{
    changes::Changes,
    claims::ClaimsKey,
    clock::{Clock, Stopwatch},
    configuration::Configuration,
    db::Db,
    gate_api::Traffic,
    issuing::IssuingSigner,
    metrics::Metrics,
    publishing::{Publisher, RostersDue},
    randomness::Randomness,
    shutdown::Shutdown,
    signers::StatementSigner,
};

/// What handlers take as state.
pub type SharedApp = Arc<App>;

/// Central's dependencies.
#[derive(Debug)]
pub struct App {
    /// What the operator set.
    pub configuration: Configuration,
    /// The records.
    pub db: Db,
    /// Signs passes.
    pub issuing: IssuingSigner,
    /// Signs what gates are told.
    pub statements: StatementSigner,
    /// Derives the secrets of claims.
    pub claims: ClaimsKey,
    /// Where gates and people reach central, such as `https://passes.example.org`.
    pub public_url: String,
    /// Word for gates that wait.
    pub changes: Changes,
    /// Word that rosters are behind.
    pub rosters: RostersDue,
    /// What gates are at.
    pub gates: Traffic,
    /// The time.
    pub clock: Clock,
    /// Random bytes.
    pub randomness: Randomness,
    /// What is counted.
    pub metrics: Metrics,
    /// Word that central is to end.
    pub shutdown: Shutdown,
    /// When it started.
    pub started: Stopwatch,
}

impl App {
    /// What publishes signed documents.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher {
            db: self.db.clone(),
            statements: self.statements.clone(),
            clock: self.clock.clone(),
            changes: self.changes.clone(),
            rosters: self.rosters.clone(),
        }
    }
}

//! `App` names everything a handler or task depends on; nothing is reached any other way.

use std::sync::Arc;

use crate::{
    clock::{Clock, Stopwatch},
    configuration::Configuration,
    db::Db,
    issuing::IssuingSigner,
    metrics::Metrics,
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

//! What is counted about gates and their journals.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Numbers about gates.
#[derive(Debug, Default)]
pub struct GateMetrics {
    /// Journal records taken in, each once.
    pub journal_records: Family<JournalLabels, Counter>,
    /// Journals that contradicted themselves: someone must look.
    pub journal_forks: Counter,
    /// Stretches of journals that full gates had to drop.
    pub journal_gaps: Counter,
    /// Requests that were refused.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Heartbeats.
    pub heartbeats: Counter,
    /// Gates that wait for news at this moment.
    pub long_polls: Gauge,
}

/// What a journal record tells of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct JournalLabels {
    /// `scan`, `passage`, `door` …
    pub event: &'static str,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// Stable code.
    pub code: &'static str,
}

impl GateMetrics {
    /// All at zero, and shown by `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // Counters get `_total` appended.
        registry.register(
            "portcullis_journal_records",
            "Journal records taken in, each once",
            metrics.journal_records.clone(),
        );
        registry.register(
            "portcullis_journal_forks",
            "Journals that contradicted themselves and went into quarantine",
            metrics.journal_forks.clone(),
        );
        registry.register(
            "portcullis_journal_gaps",
            "Stretches of journals that full gates dropped before they arrived",
            metrics.journal_gaps.clone(),
        );
        registry.register(
            "portcullis_gate_refusals",
            "Requests of gates that were refused",
            metrics.refusals.clone(),
        );
        registry.register(
            "portcullis_gate_heartbeats",
            "Heartbeats of gates",
            metrics.heartbeats.clone(),
        );
        registry.register(
            "portcullis_long_polls",
            "Gates that wait for news",
            metrics.long_polls.clone(),
        );
        metrics
    }
}

//! What the shell takes from the signed configuration once it is in force: how often to talk to
//! central and by which key to know it, and what to do when the journal is full.

use shared::{gate_api::DocumentName, time::Now};

use super::EventLoop;
use crate::store::thread::StoreRequest;

impl EventLoop {
    /// Takes over a configuration that has come into force.
    pub(super) fn apply_configuration(&mut self, now: Now) {
        let in_force = self.gate.held(DocumentName::Configuration);
        if in_force == self.applied_configuration {
            return;
        }
        self.applied_configuration = in_force;
        let Some(configuration) = self.gate.configuration() else {
            return;
        };
        self.outputs.sync.intervals.send_replace(configuration.sync);
        // Without keys of its own, the configuration leaves those of the claim.
        if !configuration.tls_keys.is_empty() {
            self.outputs
                .sync
                .pinned
                .replace(configuration.tls_keys.clone());
        }
        let policy = configuration.policies.full_journal;
        let request = StoreRequest::SetFullJournalPolicy(policy);
        if let Err(problem) = self.outputs.store.request(request) {
            tracing::error!("the store does not hear the journal's policy: {problem}");
            // Tried again behind the next input.
            self.applied_configuration = None;
        }
        self.compare_locks(now);
        self.compare_wiring(now);
    }
}

//! What sync brings goes through the core; what it asks is answered from it.

use shared::time::Now;

use super::{EventLoop, actions::Whom};
use crate::sync::{Health, NotTaken, OrdersAfter, SignedInput, SyncAsk, SyncInput, WantedNow};

impl EventLoop {
    pub(super) fn handle_sync(&mut self, now: Now, input: SyncInput) {
        match input {
            SyncInput::Signed { kind, bytes, taken } => {
                // What earlier inputs wanted done is done first, so that what follows is this one's.
                self.act(now);
                match self.hand_to_core(now, kind, bytes) {
                    Ok(()) => self.answer_when_durable(now, Whom::Sync(taken)),
                    Err(why) => {
                        // Sync's task may have been cut off.
                        let _ = taken.send(Err(NotTaken::Refused(why)));
                    }
                }
            }
            SyncInput::Ask(ask) => self.answer_sync(now, ask),
            SyncInput::Link(link) => self.gate.handle_link(now, link),
            SyncInput::Fault { part, problem } => self.gate.handle_fault(now, part, problem),
        }
    }

    fn hand_to_core(&mut self, now: Now, kind: SignedInput, bytes: Vec<u8>) -> Result<(), String> {
        let taken = match kind {
            SignedInput::Heads => self.gate.handle_heads(now, bytes),
            SignedInput::Document(name) => self.gate.handle_document(now, name, bytes),
            SignedInput::Order => self.gate.handle_order(now, bytes),
            SignedInput::Time { nonce } => self.gate.handle_signed_time(now, &bytes, nonce),
            SignedInput::Acknowledgement => self.gate.handle_acknowledgement(now, &bytes),
        };
        taken.map_err(|problem| {
            tracing::warn!("{kind:?} from central was refused: {problem}");
            problem.to_string()
        })
    }

    /// Whoever asked may have been cut off.
    fn answer_sync(&self, now: Now, ask: SyncAsk) {
        match ask {
            SyncAsk::Heads(answer) => {
                let _ = answer.send(self.gate.held_heads());
            }
            SyncAsk::Wanted(answer) => {
                let orders = self
                    .gate
                    .wants_orders()
                    .then(|| OrdersAfter(self.gate.newest_order()));
                let _ = answer.send(WantedNow {
                    documents: self.gate.wanted(),
                    orders,
                });
            }
            SyncAsk::StatusList(kid, answer) => {
                let held = self.gate.status_list(kid).cloned().map(Box::new);
                let _ = answer.send(held);
            }
            SyncAsk::Health(answer) => {
                let state = self.gate.state(now);
                let _ = answer.send(Health {
                    freshness: state.freshness,
                    heads: self.gate.held_heads(),
                    configuration: self.configuration,
                    uptime_ms: now.uptime.0,
                    problems: state.faults,
                });
            }
        }
    }
}

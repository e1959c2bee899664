//! The time that the core believes, for whoever needs it between two inputs: TLS and the dates of
//! requests.

use std::sync::{Arc, Mutex, PoisonError};

use shared::time::{Now, Uptime, UtcSeconds};

use crate::clock::Clock;

/// Clones show the same time.
#[derive(Clone, Debug)]
pub struct TrustedTime {
    clock: Clock,
    known: Arc<Mutex<(Uptime, UtcSeconds)>>,
}

impl TrustedTime {
    /// Begins with what is believed now.
    #[must_use]
    pub fn new(clock: Clock, now: Uptime, utc: UtcSeconds) -> Self {
        Self {
            clock,
            known: Arc::new(Mutex::new((now, utc))),
        }
    }

    /// The core believes this now.
    pub fn set(&self, now: Now, utc: UtcSeconds) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = (now.uptime, utc);
    }

    /// What it believed last, and the time since.
    #[must_use]
    pub fn now(&self) -> UtcSeconds {
        let (at, utc) = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        utc.plus(self.clock.uptime().since_ms(at) / 1_000)
    }
}

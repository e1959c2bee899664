//! The only file of central that reads a clock; everything else is handed a `Clock`.
#![expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::instant::UtcInstant;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The operating system's.
    System,
    /// One that stands still until a test moves it.
    Simulated(SimulatedClock),
}

/// A clock in a test's hand; clones show the same time.
#[derive(Clone, Debug)]
pub struct SimulatedClock(Arc<Mutex<UtcInstant>>);

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Clock {
    /// The present instant, in microseconds as PostgreSQL keeps them.
    #[must_use]
    pub fn now(&self) -> UtcInstant {
        match self {
            Self::System => UtcInstant::from(jiff::Timestamp::now()),
            Self::Simulated(clock) => clock.now(),
        }
    }

    /// Starts measuring; real time under every clock, since it measures work done.
    #[must_use]
    pub fn stopwatch(&self) -> Stopwatch {
        Stopwatch(Instant::now())
    }
}

impl SimulatedClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: UtcInstant) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> UtcInstant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.plus(by);
    }
}

impl Stopwatch {
    /// Time since it was started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

//! The one place of this program that reads a clock.
//! Two clocks that are never mixed: time since boot for every timer, and UTC for validity and records.

use rustix::time::{ClockId, clock_gettime};

/// The machine's two clocks. Handed to whoever needs the time, so that tests and simulations can
/// hand in another.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// The clocks of the machine this program runs on.
    #[must_use]
    pub fn system() -> Self {
        Self
    }

    /// Milliseconds since boot, time asleep included. Never goes back; says nothing about the date.
    #[must_use]
    pub fn uptime_ms(&self) -> u64 {
        self.uptime_us() / 1_000
    }

    /// Microseconds since boot, time asleep included.
    #[must_use]
    pub fn uptime_us(&self) -> u64 {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).expect("time since boot is never negative");
        let nanoseconds = u64::try_from(now.tv_nsec).expect("nanoseconds are never negative");
        seconds * 1_000_000 + nanoseconds / 1_000
    }

    /// What the wall clock says, in whole UTC seconds since 1970. It may be wrong by any amount.
    #[must_use]
    pub fn utc_seconds(&self) -> i64 {
        clock_gettime(ClockId::Realtime).tv_sec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_never_goes_back() {
        let clock = Clock::system();
        let first = clock.uptime_us();
        let second = clock.uptime_us();
        assert!(first > 0);
        assert!(second >= first);
        assert!(clock.uptime_ms() >= second / 1_000);
    }
}

//! The one place of this program that reads a clock.
//! Two clocks that are never mixed: time since boot for every timer, and UTC for validity and records.
#![expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]

mod wall;

pub use wall::{ClockConfig, GateClock};

use rustix::time::{ClockId, Timespec, clock_gettime};
use shared::time::{Now, Uptime, UtcSeconds};

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

    /// Both clocks at once, as the core wants them with each input.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            uptime: self.uptime(),
            utc: self.utc(),
        }
    }

    /// Time since boot, time asleep included. Never goes back; says nothing about the date.
    #[must_use]
    pub fn uptime(&self) -> Uptime {
        Uptime(self.uptime_us() / 1_000)
    }

    /// Microseconds since boot, time asleep included: for measuring, where a millisecond is much.
    #[must_use]
    pub fn uptime_us(&self) -> u64 {
        microseconds(clock_gettime(ClockId::Boottime))
    }

    /// Microseconds of the clock that stands while the machine sleeps, by which drivers date what
    /// devices give. Compared with nothing but their dates.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        microseconds(clock_gettime(ClockId::Monotonic))
    }

    /// What the wall clock says, which may be wrong by any amount. Before 1970 it is 1970.
    #[must_use]
    pub fn utc(&self) -> UtcSeconds {
        let seconds = clock_gettime(ClockId::Realtime).tv_sec;
        UtcSeconds(u64::try_from(seconds).unwrap_or(0))
    }
}

fn microseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).expect("time since boot is never negative");
    let nanoseconds = u64::try_from(time.tv_nsec).expect("nanoseconds are never negative");
    seconds * 1_000_000 + nanoseconds / 1_000
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
        assert!(clock.now().uptime.0 >= second / 1_000);
    }
}

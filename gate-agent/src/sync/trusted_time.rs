//! The time that the core believes, for whoever needs it between two inputs: the dates of requests,
//! and what TLS may take for certain.

use std::sync::{Arc, Mutex, PoisonError};

use shared::time::{Now, Uptime, UtcSeconds};

use crate::clock::Clock;

/// Clones show the same time.
#[derive(Clone, Debug)]
pub struct TrustedTime {
    clock: Clock,
    known: Arc<Mutex<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    believed: Anchor,
    /// The high-water mark of signed times, as the core has it.
    mark: UtcSeconds,
    /// The mark that is latest when moved on by uptime.
    floor: Anchor,
}

/// An uptime and what time it was then.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Uptime,
    utc: UtcSeconds,
}

impl Anchor {
    fn moved_on_to(self, uptime: Uptime) -> UtcSeconds {
        self.utc.plus(uptime.since_ms(self.at) / 1_000)
    }
}

impl TrustedTime {
    /// Begins with what is believed now, and with the mark: a time that is certainly past.
    #[must_use]
    pub fn new(clock: Clock, now: Uptime, believed: UtcSeconds, mark: UtcSeconds) -> Self {
        let at = |utc| Anchor { at: now, utc };
        let known = Known {
            believed: at(believed),
            mark,
            floor: at(mark),
        };
        Self {
            clock,
            known: Arc::new(Mutex::new(known)),
        }
    }

    /// The core believes this now, and its mark stands there.
    pub fn set(&self, now: Now, believed: UtcSeconds, mark: UtcSeconds) {
        let at = |utc| Anchor {
            at: now.uptime,
            utc,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.believed = at(believed);
        // Roots may have put the mark back: what was built on it is void then.
        if mark < known.mark || mark > known.floor.moved_on_to(now.uptime) {
            known.floor = at(mark);
        }
        known.mark = mark;
    }

    /// What it believed last, and the time since. A wall clock that nothing signed speaks against
    /// is believed, whatever it says.
    #[must_use]
    pub fn now(&self) -> UtcSeconds {
        self.known().believed.moved_on_to(self.clock.uptime())
    }

    /// It is at least this late: the mark, moved on by uptime. No wall clock has a part in it.
    #[must_use]
    pub fn floor(&self) -> UtcSeconds {
        self.known().floor.moved_on_to(self.clock.uptime())
    }

    fn known(&self) -> Known {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_follows_the_mark_and_uptime_and_no_wall_clock() {
        // An uptime that is yet to come stands still.
        let at = Uptime(u64::MAX);
        let in_2099 = UtcSeconds(4_087_000_000);
        let time = TrustedTime::new(Clock::system(), at, in_2099, UtcSeconds(1_000));
        assert_eq!(time.now(), in_2099);
        assert_eq!(time.floor(), UtcSeconds(1_000));
        let now = Now {
            uptime: at,
            utc: in_2099,
        };
        time.set(now, in_2099, UtcSeconds(2_000));
        assert_eq!(time.floor(), UtcSeconds(2_000));
        time.set(now, in_2099, UtcSeconds(500));
        assert_eq!(time.floor(), UtcSeconds(500), "roots may put the mark back");

        let booted = TrustedTime::new(Clock::system(), Uptime(0), in_2099, UtcSeconds(1_000));
        let up_s = Clock::system().uptime().0 / 1_000;
        assert!(booted.floor() >= UtcSeconds(1_000 + up_s));
        assert!(booted.floor() <= UtcSeconds(1_000 + up_s + 60));
        let just_now = Now {
            uptime: Clock::system().uptime(),
            utc: in_2099,
        };
        booted.set(just_now, in_2099, UtcSeconds(1_001));
        assert!(
            booted.floor() >= UtcSeconds(1_000 + up_s),
            "a later mark that is behind it does not put the floor back"
        );
    }
}

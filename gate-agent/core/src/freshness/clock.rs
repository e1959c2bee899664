//! The high-water mark of signed times, and whether the wall clock is believed.
//!
//! ```text
//!            wall behind the mark, or jumps against uptime, or a signed time disagrees
//!          ┌──────────────────────────────────────────────────────────────────────────┐
//!     Believed                                                                  NotBelieved
//!          └──────────────────────────────────────────────────────────────────────────┘
//!            a signed time agrees with the wall, and the wall is not behind the mark
//! ```

use shared::{
    journal::{ClockEvent, ClockTrust},
    time::{Now, Uptime, UtcSeconds},
};

/// A wall clock this close to a signed time agrees with it, in seconds: as far as a proof's time
/// may be off, so that a believed clock reads proofs rightly.
pub const AGREEMENT_S: u64 = 30;

/// A wall clock that moves this much against uptime has jumped, in seconds.
pub const JUMP_S: u64 = 5;

/// A wall clock may drift (or be slewed by NTP, 500 ppm at most) by one part in so many.
const DRIFT_DIVISOR: u64 = 1000;

/// What admission may assume about the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateTime {
    /// The wall clock is believed.
    Believed(UtcSeconds),
    /// It is not; all that is known is that it is not earlier than this.
    NotBelieved {
        /// The mark, moved on by uptime since a signed time was last taken.
        floor: UtcSeconds,
    },
}

/// How much a signed time says about *now*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Made now, for this gate's nonce: a wall clock that disagrees is wrong.
    Current,
    /// Dated at some moment before now: a wall clock that agrees is right, one that is later may
    /// be right too.
    Dated,
}

/// The mark and the state of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    mark: UtcSeconds,
    /// The signed time that is latest when moved on by uptime: of this run, or the mark at start.
    latest: Anchor,
    wall: Wall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Anchor {
    uptime: Uptime,
    utc: UtcSeconds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wall {
    Believed { since: Anchor },
    NotBelieved,
}

impl Clock {
    /// At start a wall clock that is not behind the mark is believed: a box with a clock chip.
    #[must_use]
    pub fn start(now: Now, mark: UtcSeconds) -> Self {
        // The mark was a time before now, so it moves on from here at the latest: a screenshot of
        // a proof made at the mark must not stay good for as long as no signed time comes.
        let mut clock = Self {
            mark,
            latest: Anchor {
                uptime: now.uptime,
                utc: mark,
            },
            wall: Wall::NotBelieved,
        };
        if !clock.is_behind(now) {
            clock.believe(now);
        }
        clock
    }

    /// Looks at the wall clock; tells when it is no longer believed.
    pub fn observe(&mut self, now: Now) -> Option<ClockEvent> {
        let Wall::Believed { since } = self.wall else {
            return None;
        };
        let elapsed_s = now.uptime.since_ms(since.uptime) / 1000;
        let expected = since.utc.plus(elapsed_s);
        let off_s = expected.0.abs_diff(now.utc.0);
        if off_s <= JUMP_S + elapsed_s / DRIFT_DIVISOR && !self.is_behind(now) {
            return None;
        }
        Some(self.disbelieve(now))
    }

    /// Takes the time of something signed; tells when belief in the wall clock changes. The
    /// caller has made sure that `utc` may raise the mark.
    pub fn take_signed(
        &mut self,
        now: Now,
        utc: UtcSeconds,
        evidence: Evidence,
    ) -> Option<ClockEvent> {
        let known = self.floor(now);
        self.mark = self.mark.max(utc);
        if utc > known {
            self.latest = Anchor {
                uptime: now.uptime,
                utc,
            };
        }
        let agrees = utc.0.abs_diff(now.utc.0) <= AGREEMENT_S;
        // An old date that a moved clock happens to agree with proves nothing.
        let is_recent = utc.plus(AGREEMENT_S) >= known;
        let is_wrong = self.is_behind(now) || (evidence == Evidence::Current && !agrees);
        match self.wall {
            Wall::Believed { .. } if is_wrong => Some(self.disbelieve(now)),
            Wall::Believed { .. } if agrees && is_recent => {
                self.believe(now);
                None
            }
            Wall::NotBelieved if agrees && is_recent && !is_wrong => {
                self.believe(now);
                Some(ClockEvent::Trusted)
            }
            Wall::Believed { .. } | Wall::NotBelieved => None,
        }
    }

    /// Roots say that this is the mark, whatever it was.
    pub fn reset(&mut self, now: Now, mark: UtcSeconds) {
        *self = Self::start(now, mark);
    }

    /// The high-water mark of signed times.
    #[must_use]
    pub fn mark(&self) -> UtcSeconds {
        self.mark
    }

    /// Is the wall clock believed?
    #[must_use]
    pub fn trust(&self) -> ClockTrust {
        match self.wall {
            Wall::Believed { .. } => ClockTrust::Trusted,
            Wall::NotBelieved => ClockTrust::Untrusted,
        }
    }

    /// What admission may assume.
    #[must_use]
    pub fn time(&self, now: Now) -> GateTime {
        match self.wall {
            // A wall clock a few seconds behind a signed time is believed, the mark all the same.
            Wall::Believed { .. } => GateTime::Believed(now.utc.max(self.mark)),
            Wall::NotBelieved => GateTime::NotBelieved {
                floor: self.floor(now),
            },
        }
    }

    /// It is at least this late.
    #[must_use]
    pub fn at_least(&self, now: Now) -> UtcSeconds {
        match self.time(now) {
            GateTime::Believed(utc) => utc,
            GateTime::NotBelieved { floor } => floor,
        }
    }

    /// The mark, moved on by uptime since a signed time was taken or the gate started.
    fn floor(&self, now: Now) -> UtcSeconds {
        let elapsed_s = now.uptime.since_ms(self.latest.uptime) / 1000;
        let moved_on = self.latest.utc.plus(elapsed_s - elapsed_s / DRIFT_DIVISOR);
        self.mark.max(moved_on)
    }

    fn is_behind(&self, now: Now) -> bool {
        now.utc.plus(AGREEMENT_S) < self.floor(now)
    }

    fn believe(&mut self, now: Now) {
        self.wall = Wall::Believed {
            since: Anchor {
                uptime: now.uptime,
                utc: now.utc,
            },
        };
    }

    fn disbelieve(&mut self, now: Now) -> ClockEvent {
        self.wall = Wall::NotBelieved;
        ClockEvent::Untrusted {
            wall: now.utc,
            mark: self.mark,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_800_000_000;
    const HOUR: u64 = 3600;

    fn now(uptime_s: u64, utc: u64) -> Now {
        Now {
            uptime: Uptime(uptime_s * 1000),
            utc: UtcSeconds(utc),
        }
    }

    fn started() -> Clock {
        Clock::start(now(100, T0), UtcSeconds(T0 - HOUR))
    }

    #[test]
    fn a_gate_that_wakes_in_1970_believes_nothing_until_a_signed_time_agrees() {
        let mut clock = Clock::start(now(1, 20), UtcSeconds(T0));
        assert_eq!(clock.trust(), ClockTrust::Untrusted);
        assert_eq!(clock.at_least(now(1, 20)), UtcSeconds(T0));
        assert_eq!(clock.at_least(now(2, 21)), UtcSeconds(T0 + 1));
        let told = clock.take_signed(now(3, 22), UtcSeconds(T0 + 9), Evidence::Current);
        assert_eq!(told, None, "1970 does not agree");
        assert_eq!(clock.at_least(now(13, 32)), UtcSeconds(T0 + 19));
        let told = clock.take_signed(now(20, T0 + 26), UtcSeconds(T0 + 26), Evidence::Current);
        assert_eq!(told, Some(ClockEvent::Trusted));
        assert_eq!(
            clock.time(now(21, T0 + 27)),
            GateTime::Believed(UtcSeconds(T0 + 27))
        );
    }

    #[test]
    fn a_jump_is_not_believed_in_either_direction() {
        for wall in [T0 + 10 + JUMP_S + 1, T0 + 10 - JUMP_S - 1] {
            let mut clock = started();
            assert_eq!(clock.observe(now(110, T0 + 10 + JUMP_S)), None);
            assert!(matches!(
                clock.observe(now(110, wall)),
                Some(ClockEvent::Untrusted { .. })
            ));
            assert_eq!(clock.observe(now(111, wall + 1)), None, "told once");
            assert_eq!(clock.trust(), ClockTrust::Untrusted);
        }
    }

    #[test]
    fn a_clock_that_stands_still_is_not_believed() {
        let mut clock = started();
        assert!(clock.observe(now(200, T0)).is_some());
    }

    #[test]
    fn slow_drift_over_days_is_no_jump_and_many_small_steps_are() {
        let mut clock = started();
        for hour in 1..=240 {
            let drifted = T0 + hour * HOUR + hour; // one second an hour: 280 ppm
            assert_eq!(clock.observe(now(100 + hour * HOUR, drifted)), None);
        }
        let mut clock = started();
        let told = (1..=10).find_map(|second| clock.observe(now(100 + second, T0 - second)));
        assert!(told.is_some(), "a second back each second adds up");
    }

    #[test]
    fn a_current_signed_time_that_disagrees_unmasks_a_clock_that_was_wrong_from_the_start() {
        let mut clock = Clock::start(now(1, T0 + 9 * HOUR), UtcSeconds(T0));
        assert_eq!(clock.trust(), ClockTrust::Trusted);
        let dated = clock.take_signed(now(2, T0 + 9 * HOUR + 1), UtcSeconds(T0), Evidence::Dated);
        assert_eq!(dated, None, "heads may be old");
        let told = clock.take_signed(now(3, T0 + 9 * HOUR + 2), UtcSeconds(T0), Evidence::Current);
        assert!(matches!(told, Some(ClockEvent::Untrusted { .. })));
    }

    #[test]
    fn an_old_date_does_not_vouch_for_a_clock_that_was_moved_back_to_it() {
        let mut clock = started();
        clock.take_signed(now(100, T0), UtcSeconds(T0), Evidence::Current);
        assert!(clock.observe(now(200, T0 - HOUR)).is_some());
        let told = clock.take_signed(now(201, T0 - HOUR), UtcSeconds(T0 - HOUR), Evidence::Dated);
        assert_eq!(told, None);
        let told = clock.take_signed(now(7301, T0), UtcSeconds(T0), Evidence::Current);
        assert_eq!(
            told, None,
            "two hours of uptime have passed since that was now"
        );
    }

    #[test]
    fn a_mark_driven_into_the_future_holds_until_it_is_reset() {
        let mut clock = started();
        let told = clock.take_signed(
            now(101, T0 + 1),
            UtcSeconds(T0 + 900 * HOUR),
            Evidence::Dated,
        );
        assert!(matches!(told, Some(ClockEvent::Untrusted { .. })));
        assert_eq!(
            clock.take_signed(now(102, T0 + 2), UtcSeconds(T0 + 2), Evidence::Current),
            None
        );
        clock.reset(now(103, T0 + 3), UtcSeconds(T0));
        assert_eq!(clock.mark(), UtcSeconds(T0));
        assert_eq!(clock.trust(), ClockTrust::Trusted);
    }
}

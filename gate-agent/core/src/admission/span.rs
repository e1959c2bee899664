//! The stretch of time in which *now* lies, and what a validity says about all of it.

use shared::{
    policy::UntrustedClockPolicy,
    schedule::{OffsetTable, Schedule},
    time::{UtcSeconds, Window},
};

use crate::freshness::GateTime;

/// Longest stretch over which schedules are followed minute by minute; over a longer one nothing
/// is known of them.
const SCHEDULE_SPAN_S: u64 = 7 * 86_400;

/// From the earliest to the latest *now* that has to be good. With a believed clock both are the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) earliest: UtcSeconds,
    pub(super) latest: UtcSeconds,
    certainty: Certainty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certainty {
    Exact,
    /// Now may also be later than `latest`.
    AtLeast,
}

/// What is known of a validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    /// Good at every instant of the span.
    Good,
    /// Over, or certainly not begun.
    Ended,
    NotBegun,
    /// The clock would have to be believed to tell.
    Undecided,
}

impl Span {
    pub(super) fn of(time: GateTime, policy: UntrustedClockPolicy) -> Self {
        match (time, policy) {
            (GateTime::Believed(utc), _) => Self {
                earliest: utc,
                latest: utc,
                certainty: Certainty::Exact,
            },
            (GateTime::NotBelieved { floor }, UntrustedClockPolicy::GrantWithin { gap_s }) => {
                Self {
                    earliest: floor,
                    latest: floor.plus(gap_s),
                    certainty: Certainty::AtLeast,
                }
            }
            (
                GateTime::NotBelieved { floor },
                UntrustedClockPolicy::Deny | UntrustedClockPolicy::AskGuard,
            ) => Self {
                earliest: floor,
                latest: floor,
                certainty: Certainty::AtLeast,
            },
        }
    }

    pub(super) fn validity(&self, window: Window) -> Validity {
        if window.until <= self.earliest {
            return Validity::Ended;
        }
        match self.certainty {
            Certainty::Exact if self.earliest < window.from => Validity::NotBegun,
            Certainty::Exact => Validity::Good,
            Certainty::AtLeast if window.from <= self.earliest && self.latest < window.until => {
                Validity::Good
            }
            Certainty::AtLeast => Validity::Undecided,
        }
    }

    pub(super) fn expiry(&self, expires_at: UtcSeconds) -> Validity {
        self.validity(Window {
            from: UtcSeconds(0),
            until: expires_at,
        })
    }

    /// Is a proof made at `made_at` within the tolerance of every *now* of the span?
    pub(super) fn proof(&self, made_at: UtcSeconds, tolerance_s: u64) -> Validity {
        let earliest_made = self.latest.minus(tolerance_s);
        let latest_made = self.earliest.plus(tolerance_s);
        if made_at.plus(tolerance_s) < self.earliest {
            Validity::Ended
        } else if earliest_made <= made_at && made_at <= latest_made {
            Validity::Good
        } else {
            match self.certainty {
                Certainty::Exact => Validity::NotBegun,
                Certainty::AtLeast => Validity::Undecided,
            }
        }
    }

    /// Does one of the schedules admit at every instant of the span?
    pub(super) fn schedules(&self, schedules: &[&Schedule], offsets: &OffsetTable) -> Validity {
        let admits = |utc| {
            offsets
                .local(utc)
                .is_some_and(|local| schedules.iter().any(|schedule| schedule.admits(local)))
        };
        let admits_throughout = || {
            self.latest.since(self.earliest) <= SCHEDULE_SPAN_S
                && (self.earliest.0..=self.latest.0)
                    .step_by(60)
                    .chain([self.latest.0])
                    .all(|utc| admits(UtcSeconds(utc)))
        };
        match self.certainty {
            Certainty::Exact if admits(self.earliest) => Validity::Good,
            Certainty::Exact => Validity::Ended,
            Certainty::AtLeast if admits_throughout() => Validity::Good,
            Certainty::AtLeast => Validity::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_800_000_000;

    fn window(from: u64, until: u64) -> Window {
        Window {
            from: UtcSeconds(from),
            until: UtcSeconds(until),
        }
    }

    fn unknown(gap_s: u64) -> Span {
        let floor = UtcSeconds(T0);
        Span::of(
            GateTime::NotBelieved { floor },
            UntrustedClockPolicy::GrantWithin { gap_s },
        )
    }

    #[test]
    fn a_believed_clock_decides_everything() {
        let span = Span::of(
            GateTime::Believed(UtcSeconds(T0)),
            UntrustedClockPolicy::Deny,
        );
        assert_eq!(span.validity(window(T0, T0 + 1)), Validity::Good);
        assert_eq!(span.validity(window(T0 - 5, T0)), Validity::Ended);
        assert_eq!(span.validity(window(T0 + 1, T0 + 5)), Validity::NotBegun);
        for (made_at, validity) in [
            (T0 - 31, Validity::Ended),
            (T0 - 30, Validity::Good),
            (T0 + 30, Validity::Good),
            (T0 + 31, Validity::NotBegun),
        ] {
            assert_eq!(span.proof(UtcSeconds(made_at), 30), validity, "{made_at}");
        }
    }

    #[test]
    fn what_the_mark_decides_it_decides_and_the_rest_is_undecided() {
        let span = unknown(100);
        assert_eq!(span.validity(window(0, T0)), Validity::Ended);
        assert_eq!(span.validity(window(T0, T0 + 101)), Validity::Good);
        assert_eq!(span.validity(window(T0, T0 + 100)), Validity::Undecided);
        assert_eq!(span.validity(window(T0 + 1, T0 + 900)), Validity::Undecided);
        assert_eq!(span.proof(UtcSeconds(T0 - 31), 30), Validity::Ended);
        assert_eq!(span.proof(UtcSeconds(T0 + 5), 30), Validity::Undecided);
        assert_eq!(unknown(20).proof(UtcSeconds(T0 + 5), 30), Validity::Good);
    }
}

//! How old what the gate knows is, and whether its clock is believed: the ladder of freshness and
//! the high-water mark of signed times. Reads no clock: `Now` is handed in.

mod clock;

pub use clock::{AGREEMENT_S, Clock, Evidence, GateTime, JUMP_S};

use shared::{
    configuration::FreshnessLimits,
    decision::FreshnessStep,
    time::{Now, Uptime, UtcSeconds},
};

/// The step of the ladder at an age of the last signed heads; never any heads is *expired*.
#[must_use]
pub fn step_at(limits: &FreshnessLimits, heads_age_s: Option<u64>) -> FreshnessStep {
    match heads_age_s {
        None => FreshnessStep::Expired,
        Some(age) if age < limits.fresh_s => FreshnessStep::Fresh,
        Some(age) if age < limits.warn_s => FreshnessStep::Normal,
        Some(age) if age < limits.restrict_s => FreshnessStep::Warn,
        Some(age) if age < limits.expired_s => FreshnessStep::Restrict,
        Some(_) => FreshnessStep::Expired,
    }
}

/// Seconds from this age to the next step; none on the last.
#[must_use]
pub fn seconds_to_next_step(limits: &FreshnessLimits, heads_age_s: Option<u64>) -> Option<u64> {
    let age = heads_age_s?;
    [
        limits.fresh_s,
        limits.warn_s,
        limits.restrict_s,
        limits.expired_s,
    ]
    .into_iter()
    .find(|limit| age < *limit)
    .map(|limit| limit - age)
}

/// The newest heads whose documents the gate holds, and for how long it has known them.
///
/// Heads that name documents which have not arrived renew nothing: whoever lets heads through
/// but holds a status list back would otherwise keep the gate *fresh* on an old list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness(Option<Confirmed>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Confirmed {
    made_at: UtcSeconds,
    /// Age at `since`, as far as it was known then.
    age_s: u64,
    /// The wall clock can be moved back or stand still, so age is counted by uptime as well.
    since: Uptime,
}

impl Freshness {
    /// As remembered from an earlier run: how long ago that was is for the clock to say.
    #[must_use]
    pub fn start(now: Now, clock: &Clock, heads_made_at: Option<UtcSeconds>) -> Self {
        let mut freshness = Self(None);
        if let Some(made_at) = heads_made_at {
            freshness.confirm(now, clock, made_at);
        }
        freshness
    }

    /// Heads of this date, all of whose documents are held, were taken.
    pub fn confirm(&mut self, now: Now, clock: &Clock, made_at: UtcSeconds) {
        if self.made_at() != Some(made_at) {
            self.0 = Some(Confirmed {
                made_at,
                age_s: clock.at_least(now).since(made_at),
                since: now.uptime,
            });
        }
    }

    /// Forgets heads that are dated behind `mark`: roots have said that such a time never was.
    pub fn forget_after(&mut self, mark: UtcSeconds) {
        if self.made_at().is_some_and(|made_at| made_at > mark) {
            self.0 = None;
        }
    }

    /// `made_at` of the heads.
    #[must_use]
    pub fn made_at(&self) -> Option<UtcSeconds> {
        self.0.map(|confirmed| confirmed.made_at)
    }

    /// Age of the heads in seconds: the larger of what the clock and what the uptime says.
    #[must_use]
    pub fn age_s(&self, now: Now, clock: &Clock) -> Option<u64> {
        let confirmed = self.0?;
        let by_clock = clock.at_least(now).since(confirmed.made_at);
        let uptime_s = now.uptime.since_ms(confirmed.since) / 1000;
        let by_uptime = confirmed.age_s.saturating_add(uptime_s);
        Some(by_clock.max(by_uptime))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_800_000_000;

    fn now(uptime_s: u64, utc: u64) -> Now {
        Now {
            uptime: Uptime(uptime_s * 1000),
            utc: UtcSeconds(utc),
        }
    }

    #[test]
    fn each_step_begins_at_its_limit() {
        let limits = FreshnessLimits::STANDARD;
        for (age, step) in [
            (Some(0), FreshnessStep::Fresh),
            (Some(899), FreshnessStep::Fresh),
            (Some(900), FreshnessStep::Normal),
            (Some(86_400), FreshnessStep::Warn),
            (Some(3 * 86_400), FreshnessStep::Restrict),
            (Some(30 * 86_400), FreshnessStep::Expired),
            (None, FreshnessStep::Expired),
        ] {
            assert_eq!(step_at(&limits, age), step, "{age:?}");
        }
        assert_eq!(seconds_to_next_step(&limits, Some(890)), Some(10));
        assert_eq!(seconds_to_next_step(&limits, Some(31 * 86_400)), None);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_keeps_nothing_fresh() {
        let clock = Clock::start(now(10, T0), UtcSeconds(T0));
        let mut freshness = Freshness::start(now(10, T0), &clock, None);
        freshness.confirm(now(10, T0), &clock, UtcSeconds(T0));
        assert_eq!(freshness.age_s(now(10 + 7200, T0), &clock), Some(7200));
        assert_eq!(freshness.age_s(now(10 + 7200, 0), &clock), Some(7200));
    }

    #[test]
    fn after_a_restart_a_believed_clock_says_how_old_the_heads_are() {
        let clock = Clock::start(now(5, T0 + 1000), UtcSeconds(T0));
        let freshness = Freshness::start(now(5, T0 + 1000), &clock, Some(UtcSeconds(T0)));
        assert_eq!(freshness.age_s(now(15, T0 + 1010), &clock), Some(1010));
    }

    #[test]
    fn heads_from_before_a_reset_of_the_mark_are_forgotten() {
        let clock = Clock::start(now(5, T0), UtcSeconds(T0));
        let mut freshness = Freshness::start(now(5, T0), &clock, Some(UtcSeconds(T0 + 500)));
        freshness.forget_after(UtcSeconds(T0 + 500));
        assert!(freshness.made_at().is_some());
        freshness.forget_after(UtcSeconds(T0));
        assert_eq!(freshness.age_s(now(6, T0), &clock), None);
    }
}

//! How long to wait behind a failure: exponential with full jitter, so that a thousand gates that
//! lost central at once do not come back at once. Randomness is handed in.

/// Waits behind failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first_ms: u64,
    most_ms: u64,
    failures: u32,
}

impl Backoff {
    /// Waits of at most `first_ms` behind the first failure, twice that behind the second, and so
    /// on, up to `most_ms`.
    #[must_use]
    pub fn new(first_ms: u64, most_ms: u64) -> Self {
        Self {
            first_ms,
            most_ms,
            failures: 0,
        }
    }

    /// Something worked: the next failure is the first again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Something failed: the wait in ms, evenly drawn by `random` from nothing to the limit of
    /// this failure (both included).
    pub fn failed(&mut self, random: u64) -> u64 {
        let limit = self.limit_ms();
        self.failures = self.failures.saturating_add(1);
        // Of 2^64 values a few fall unevenly: less than one in 10^14 for an hour.
        random % (limit + 1)
    }

    fn limit_ms(&self) -> u64 {
        let doubled = 1_u64
            .checked_shl(self.failures)
            .map_or(u64::MAX, |factor| self.first_ms.saturating_mul(factor));
        doubled.min(self.most_ms).min(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_double_up_to_the_most_and_begin_anew_behind_a_success() {
        let mut backoff = Backoff::new(500, 30_000);
        let mut limits = Vec::new();
        for _ in 0..9 {
            limits.push(backoff.limit_ms());
            backoff.failed(0);
        }
        assert_eq!(
            limits,
            [
                500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000
            ]
        );
        backoff.succeeded();
        assert_eq!(backoff.limit_ms(), 500);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_its_limit(
            first in 1_u64..100_000, more in 0_u64..10_000_000,
            draws in proptest::collection::vec(any::<u64>(), 1..200),
        ) {
            let mut backoff = Backoff::new(first, first + more);
            for (failures, draw) in (0_u32..).zip(draws) {
                let limit = u128::from(first) << failures.min(64);
                let wait = u128::from(backoff.failed(draw));
                prop_assert!(wait <= limit.min(u128::from(first + more)));
            }
        }

        #[test]
        fn waits_are_spread_over_the_whole_range(seed in any::<u64>()) {
            // A thousand gates behind the same outage: every tenth of the range gets its share.
            let mut x = seed;
            let mut tenths = [0_u32; 10];
            for _ in 0..1_000 {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let mut backoff = Backoff::new(1_000, 60_000);
                (0..8).for_each(|_| { backoff.failed(0); });
                let wait = backoff.failed(x >> 16);
                tenths[usize::try_from(wait * 10 / 60_001).unwrap()] += 1;
            }
            prop_assert!(tenths.iter().all(|share| (50..=150).contains(share)), "{:?}", tenths);
        }
    }
}

//! Times two sides turn by turn, so that whatever else the machine does hits both.

use std::time::Duration;

use super::figure::Spread;
use crate::clock::Stopwatch;

/// Rounds that are run and not counted: caches, branch predictors and files get warm.
const WARM_UP_ROUNDS: usize = 2;

/// How long each side took in each round.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    ours: Vec<Duration>,
    bare: Vec<Duration>,
}

/// Times one turn.
pub(super) fn timed<T>(turn: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<Duration> {
    let stopwatch = Stopwatch::start();
    let outcome = turn()?;
    let elapsed = stopwatch.elapsed();
    std::hint::black_box(outcome);
    Ok(elapsed)
}

/// Runs both sides in each round, each first in every other one. A side says itself how long its
/// turn took, so that it can prepare the next one off the clock.
pub(super) fn alternate(
    rounds: usize,
    mut ours: impl FnMut() -> anyhow::Result<Duration>,
    mut bare: impl FnMut() -> anyhow::Result<Duration>,
) -> anyhow::Result<Pair> {
    for _ in 0..WARM_UP_ROUNDS {
        ours()?;
        bare()?;
    }
    let mut pair = Pair {
        ours: Vec::with_capacity(rounds),
        bare: Vec::with_capacity(rounds),
    };
    for round in 0..rounds {
        if round.is_multiple_of(2) {
            pair.ours.push(ours()?);
            pair.bare.push(bare()?);
        } else {
            pair.bare.push(bare()?);
            pair.ours.push(ours()?);
        }
    }
    Ok(pair)
}

impl Pair {
    /// How many times as long as the bare side ours took, round by round.
    pub(super) fn ratio(&self) -> Spread {
        let rounds = self.ours.iter().zip(&self.bare);
        Spread::of(rounds.map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64()))
    }

    /// What ours gets done in the time of the bare side, in percent, round by round.
    pub(super) fn share_percent(&self) -> Spread {
        let rounds = self.ours.iter().zip(&self.bare);
        Spread::of(rounds.map(|(ours, bare)| 100.0 * bare.as_secs_f64() / ours.as_secs_f64()))
    }

    /// Operations in a second, of `each` in a turn of ours.
    pub(super) fn ours_per_second(&self, each: usize) -> Spread {
        per_second(&self.ours, each)
    }

    /// Operations in a second, of `each` in a turn of the bare side.
    pub(super) fn bare_per_second(&self, each: usize) -> Spread {
        per_second(&self.bare, each)
    }

    /// Microseconds of one operation, of `each` in a turn of ours.
    pub(super) fn ours_us(&self, each: usize) -> Spread {
        microseconds(&self.ours, each)
    }

    /// Microseconds of one operation, of `each` in a turn of the bare side.
    pub(super) fn bare_us(&self, each: usize) -> Spread {
        microseconds(&self.bare, each)
    }
}

/// Microseconds of one operation, of `each` in a turn.
pub(super) fn microseconds(turns: &[Duration], each: usize) -> Spread {
    let turns = turns.iter();
    Spread::of(turns.map(|turn| turn.as_secs_f64() * 1e6 / each as f64))
}

/// Milliseconds of each turn.
pub(super) fn milliseconds(turns: &[Duration]) -> Spread {
    Spread::of(turns.iter().map(|turn| turn.as_secs_f64() * 1e3))
}

/// Operations in a second, of `each` in a turn.
pub(super) fn per_second(turns: &[Duration], each: usize) -> Spread {
    Spread::of(turns.iter().map(|turn| each as f64 / turn.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_take_turns_and_the_ratio_is_that_of_each_round() {
        let mut order = Vec::new();
        let ours = [9, 9, 30, 20, 10];
        let bare = [9, 9, 10, 10, 10];
        let order_cell = std::cell::RefCell::new(&mut order);
        let side = |name: char, times: [u64; 5]| {
            let mut turns = times.into_iter();
            let order = &order_cell;
            move || {
                order.borrow_mut().push(name);
                Ok(Duration::from_micros(turns.next().expect("a turn")))
            }
        };
        let pair = alternate(3, side('o', ours), side('b', bare)).unwrap();
        let ratio = pair.ratio();
        assert_eq!((ratio.min, ratio.median, ratio.max), (1.0, 2.0, 3.0));
        assert_eq!(pair.ours_us(10).median, 2.0);
        assert_eq!(pair.bare_us(1).max, 10.0);
        assert_eq!(pair.share_percent().median, 50.0);
        assert_eq!(pair.bare_per_second(5).median.round(), 500_000.0);
        assert_eq!(order.iter().collect::<String>(), "obobobboob");
    }
}

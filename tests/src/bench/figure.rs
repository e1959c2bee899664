//! One measured number: its spread over the rounds, its unit, its goal, and whether it is met.

use std::fmt;

/// A number over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// Half of the rounds lie below it: the figure.
    pub median: f64,
    /// The largest.
    pub max: f64,
    /// How many rounds.
    pub rounds: usize,
}

impl Spread {
    /// Of one number for each round.
    ///
    /// # Panics
    /// Without any round, or when a number is none.
    #[must_use]
    pub fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = rounds.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len() - 1;
        assert!(sorted[last].is_finite(), "nothing was measured");
        Self {
            min: sorted[0],
            median: f64::midpoint(sorted[last / 2], sorted[sorted.len() / 2]),
            max: sorted[last],
            rounds: sorted.len(),
        }
    }

    /// Of a number that no round changes.
    #[must_use]
    pub fn exactly(number: f64) -> Self {
        Self::of([number])
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many times the yardstick.
    Times,
    /// Of the yardstick.
    Percent,
    /// 10^-6 s.
    Microseconds,
    /// 10^-3 s.
    Milliseconds,
    /// 2^20 bytes.
    Mebibytes,
    /// In one second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Whole things.
    Count,
}

impl Unit {
    fn suffix(self) -> &'static str {
        match self {
            Unit::Times | Unit::Count => "",
            Unit::Percent => " %",
            Unit::Microseconds => " µs",
            Unit::Milliseconds => " ms",
            Unit::Mebibytes => " MiB",
            Unit::PerSecond => " /s",
            Unit::Bytes => " B",
        }
    }

    /// A number with its unit, three digits of it.
    #[must_use]
    pub fn show(self, number: f64) -> String {
        let decimals = match number.abs() {
            _ if self == Unit::Count => 0,
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 2,
        };
        format!("{number:.decimals$}{}", self.suffix())
    }
}

/// What a number shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Goal {
    /// The goal in words.
    #[must_use]
    pub fn show(self, unit: Unit) -> String {
        let (sign, number) = match self {
            Goal::AtMost(number) => ('≤', number),
            Goal::AtLeast(number) => ('≥', number),
        };
        format!("{sign} {number}{}", unit.suffix())
    }
}

/// Is a goal met? People judge; this only compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// There is none: the number explains another one.
    NoGoal,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::NoGoal => "",
        })
    }
}

/// A number that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What.
    pub what: String,
    /// Over all rounds.
    pub measured: Spread,
    /// What it counts.
    pub unit: Unit,
    /// What it shall be.
    pub goal: Option<Goal>,
}

impl Figure {
    /// One with a goal.
    #[must_use]
    pub fn with_goal(what: &str, measured: Spread, unit: Unit, goal: Goal) -> Self {
        Self {
            goal: Some(goal),
            ..Self::for_reading(what, measured, unit)
        }
    }

    /// One that explains another.
    #[must_use]
    pub fn for_reading(what: &str, measured: Spread, unit: Unit) -> Self {
        Self {
            what: what.to_owned(),
            measured,
            unit,
            goal: None,
        }
    }

    /// Does the median meet the goal?
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let is_met = match self.goal {
            None => return Verdict::NoGoal,
            Some(Goal::AtMost(limit)) => self.measured.median <= limit,
            Some(Goal::AtLeast(limit)) => self.measured.median >= limit,
        };
        if is_met {
            Verdict::Met
        } else {
            Verdict::Missed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        let spread = Spread::of([5.0, 1.0, 2.0]);
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 5.0));
        assert_eq!(Spread::of([1.0, 2.0, 3.0, 10.0]).median, 2.5);
        assert_eq!(Spread::exactly(7.0).median, 7.0);
    }

    #[test]
    fn a_goal_is_met_up_to_its_limit() {
        let verdict = |median, goal| {
            Figure::with_goal("x", Spread::exactly(median), Unit::Times, goal).verdict()
        };
        assert_eq!(verdict(1.15, Goal::AtMost(1.15)), Verdict::Met);
        assert_eq!(verdict(1.16, Goal::AtMost(1.15)), Verdict::Missed);
        assert_eq!(verdict(50.0, Goal::AtLeast(50.0)), Verdict::Met);
        assert_eq!(verdict(49.9, Goal::AtLeast(50.0)), Verdict::Missed);
    }

    #[test]
    fn numbers_are_shown_with_three_digits_and_their_unit() {
        assert_eq!(Unit::Times.show(1.0449), "1.04");
        assert_eq!(Unit::Microseconds.show(61.24), "61.2 µs");
        assert_eq!(Unit::Count.show(3.0), "3");
        assert_eq!(Unit::PerSecond.show(12_345.6), "12346 /s");
        assert_eq!(Goal::AtMost(1.15).show(Unit::Times), "≤ 1.15");
        assert_eq!(Goal::AtLeast(50.0).show(Unit::Percent), "≥ 50 %");
    }
}

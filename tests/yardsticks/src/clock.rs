//! The one place of this program that reads a clock.
#![allow(clippy::disallowed_methods, reason = "the one place that reads clocks")]

use std::time::Instant;

/// What something gave, and how many milliseconds it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let began = Instant::now();
    let given = work();
    (given, began.elapsed().as_secs_f64() * 1e3)
}

//! What was seen, line by line, as it is seen.

use crate::clock::Stopwatch;

/// The report of a run.
pub(super) struct Report {
    stopwatch: Stopwatch,
    held: u32,
}

impl Report {
    pub(super) fn start() -> Self {
        Self {
            stopwatch: Stopwatch::start(),
            held: 0,
        }
    }

    /// A part begins.
    pub(super) fn part(&self, name: &str) {
        println!("\n{name}");
    }

    /// Something is as it shall be.
    pub(super) fn holds(&mut self, what: &str) {
        self.held += 1;
        println!(
            "  holds  {:6.1} s  {what}",
            self.stopwatch.elapsed().as_secs_f64()
        );
    }

    /// A figure, or something that is neither right nor wrong.
    pub(super) fn note(&self, what: &str) {
        println!(
            "         {:6.1} s  {what}",
            self.stopwatch.elapsed().as_secs_f64()
        );
    }

    /// The last line of a run in which everything held.
    pub(super) fn end(&self) {
        println!(
            "\n{} things hold, after {:.1} s",
            self.held,
            self.stopwatch.elapsed().as_secs_f64()
        );
    }
}

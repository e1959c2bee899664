//! What `cargo xtask bench` measures: one file for each figure of `docs/performance.md`. Each
//! figure that is a ratio is measured beside its yardstick, turn by turn, in the same run.

mod admission;
mod appliance;
pub mod figure;
pub(crate) mod gate_on_disk;
mod grant;
mod ingest;
mod issue;
pub mod machine;
pub mod report;
mod revocation;
mod timing;
mod verify;

use std::path::PathBuf;

pub use figure::{Figure, Goal, Unit, Verdict};

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// As the figures in the documentation.
    Full,
    /// A tenth of it: for a first look.
    Quick,
    /// Just enough to see that everything works; the figures say nothing.
    Glance,
}

impl Effort {
    /// How many rounds, of `full` ones.
    #[must_use]
    pub fn rounds(self, full: usize) -> usize {
        let rounds = match self {
            Effort::Full => full,
            Effort::Quick => full / 10,
            Effort::Glance => 3,
        };
        rounds.max(3)
    }
}

/// What a benchmark measures with.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How long.
    pub effort: Effort,
    /// Where databases of gates are put: their file system is part of the result.
    pub directory: PathBuf,
}

/// Something to measure.
#[derive(Clone, Copy, Debug)]
pub struct Benchmark {
    /// By what it is chosen.
    pub name: &'static str,
    /// What is measured against what.
    pub about: &'static str,
    /// Measures.
    pub run: fn(&Setting) -> anyhow::Result<Measured>,
}

/// What a benchmark found.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The figures.
    pub figures: Vec<Figure>,
    /// What they were measured on, besides the machine.
    pub notes: Vec<String>,
}

impl From<Vec<Figure>> for Measured {
    fn from(figures: Vec<Figure>) -> Self {
        let notes = Vec::new();
        Self { figures, notes }
    }
}

/// All of them, in the order of the documentation.
pub const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "verify",
        about: "QR text to verified pass, against the bare verify_strict calls on the same bytes",
        run: verify::run,
    },
    Benchmark {
        name: "admission",
        about: "a verified pass admitted, with ten million serials on the status list",
        run: admission::run,
    },
    Benchmark {
        name: "grant",
        about: "text to release with its record durable, against a bare SQLite commit",
        run: grant::run,
    },
    Benchmark {
        name: "ingest",
        about: "journals taken in and checked, against a raw COPY of the same rows",
        run: ingest::run,
    },
    Benchmark {
        name: "issue",
        about: "passes issued in batches of 1,000, stored and listed, against bare signing",
        run: issue::run,
    },
    Benchmark {
        name: "appliance",
        about: "the whole box: frame to relay, its processor share, its memory, its start",
        run: appliance::run,
    },
    Benchmark {
        name: "revocation",
        about: "a revocation on its way to a gate that is in touch, by the long poll alone",
        run: revocation::run,
    },
];

/// Those whose name contains one of `filters`; all of them without any.
#[must_use]
pub fn chosen(filters: &[String]) -> Vec<&'static Benchmark> {
    let is_chosen = |benchmark: &&Benchmark| {
        filters.is_empty() || filters.iter().any(|part| benchmark.name.contains(part))
    };
    BENCHMARKS.iter().filter(is_chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_benchmark_measures_something() {
        let directory = tempfile::tempdir().unwrap();
        let setting = Setting {
            effort: Effort::Glance,
            directory: directory.path().to_owned(),
        };
        for benchmark in BENCHMARKS {
            let measured = (benchmark.run)(&setting)
                .unwrap_or_else(|error| panic!("{}: {error:#}", benchmark.name));
            let figures = measured.figures.iter();
            let goals = figures.filter(|figure| figure.goal.is_some());
            assert!(goals.count() > 0, "{} has no goal", benchmark.name);
            for figure in measured.figures {
                assert!(figure.measured.median > 0.0, "{}", figure.what);
                assert!(figure.measured.min <= figure.measured.median);
                assert!(figure.measured.median <= figure.measured.max);
            }
        }
    }

    #[test]
    fn benchmarks_are_chosen_by_a_part_of_their_name() {
        assert_eq!(chosen(&[]).len(), BENCHMARKS.len());
        assert_eq!(chosen(&["erif".to_owned()]).len(), 1);
        assert!(chosen(&["no such".to_owned()]).is_empty());
    }
}

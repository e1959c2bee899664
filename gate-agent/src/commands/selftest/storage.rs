//! How long the disk takes to keep a record: whoever is let in waits for one.

use std::{fs, path::Path};

use anyhow::Context as _;
use rusqlite::Connection;

use super::super::finding::{Finding, Verdict};
use crate::clock::Clock;

const FILE: &str = "selftest.db";
const COMMITS: usize = 50;

/// A commit in the middle of all that takes so long is felt at the door, and one that takes so long
/// is a card that dies, in us.
const SLOW_US: u64 = 50_000;
const FAILING_US: u64 = 500_000;

pub(super) fn finding(state: &Path) -> Finding {
    let part = "storage";
    match commit_times_us(state) {
        Err(error) => Finding::new(part, Verdict::Bad, format!("{error:#}")),
        Ok(mut times) => {
            times.sort_unstable();
            judged(times[times.len() / 2], times[times.len() - 1])
        }
    }
}

fn judged(middle_us: u64, longest_us: u64) -> Finding {
    let part = "storage";
    let ms = |us: u64| us as f64 / 1_000.0;
    let said = format!(
        "{COMMITS} records were kept in {:.1} ms each, the slowest in {:.1} ms",
        ms(middle_us),
        ms(longest_us)
    );
    if middle_us < SLOW_US && longest_us < FAILING_US {
        return Finding::new(part, Verdict::Good, said);
    }
    let verdict = if middle_us < FAILING_US {
        Verdict::Doubtful
    } else {
        Verdict::Bad
    };
    let said = format!(
        "{said}: everybody waits for that at the door. Use a card of class A2, or an SSD, and replace \
         one that has become slow"
    );
    Finding::new(part, verdict, said)
}

/// Commits as the journal's, into a database of their own beside it.
fn commit_times_us(state: &Path) -> anyhow::Result<Vec<u64>> {
    let path = state.join(FILE);
    let remove = || {
        for end in ["", "-wal", "-shm"] {
            // It may never have been there.
            let _ = fs::remove_file(state.join(format!("{FILE}{end}")));
        }
    };
    remove();
    let times = measure(&path).with_context(|| {
        format!(
            "cannot keep a record in {}: look at its file system, its room and its rights",
            state.display()
        )
    });
    remove();
    times
}

fn measure(path: &Path) -> rusqlite::Result<Vec<u64>> {
    let clock = Clock::system();
    let connection = Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE kept (number INTEGER PRIMARY KEY, record BLOB)")?;
    (0..COMMITS)
        .map(|number| {
            let began_us = clock.uptime_us();
            connection
                .prepare_cached("INSERT INTO kept (number, record) VALUES (?1, ?2)")?
                .execute((number as u64, [0x5a_u8; 300]))?;
            Ok(clock.uptime_us() - began_us)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_how_long_somebody_waits_for_it() {
        let verdict = |middle, longest| judged(middle, longest).verdict;
        assert_eq!(verdict(SLOW_US - 1, FAILING_US - 1), Verdict::Good);
        assert_eq!(verdict(SLOW_US, SLOW_US), Verdict::Doubtful);
        assert_eq!(verdict(1, FAILING_US), Verdict::Doubtful);
        assert_eq!(verdict(FAILING_US, FAILING_US), Verdict::Bad);
    }

    #[test]
    fn commits_are_measured_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(commit_times_us(folder.path()).unwrap().len(), COMMITS);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let missing = folder.path().join("missing");
        let said = finding(&missing).said;
        assert!(said.contains("cannot keep a record"), "{said}");
    }
}

//! From a text to the lock's release, its record durable, through the machine and the real store;
//! against a bare SQLite commit that writes as many pages, with the same pragmas, beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use gate_agent::store::DATABASE_FILE;
use rusqlite::{Connection, params};

use super::{
    Effort, Figure, Goal, Measured, Setting, Unit,
    gate_on_disk::{Extent, GateOnDisk},
    timing::{Pair, alternate},
};
use crate::{
    authority::{ENTRY, EXIT, TURNSTILE},
    clock::Stopwatch,
};

const ROUNDS: usize = 400;
/// Grants, and bare commits, in a turn.
const COMMITS: usize = 10;
/// Grants whose pages are counted first.
const COUNTED: usize = 64;
const RATIO_GOAL: Goal = Goal::AtMost(1.3);
/// A page of the database, and what precedes each in the write-ahead log.
const PAGE_BYTES: u64 = 4096;
const FRAME_HEADER_BYTES: u64 = 24;

pub(super) fn run(setting: &Setting) -> anyhow::Result<Measured> {
    let holders = match setting.effort {
        Effort::Full | Effort::Quick => 5_000,
        Effort::Glance => 100,
    };
    let extent = Extent {
        issued: holders * 4,
        revoked: holders / 25,
        suspended: 0,
        holders,
    };
    let directory = setting.directory.join("grant");
    let mut people = People::new(GateOnDisk::new(&directory, extent)?);
    let pages = people.pages_of_a_grant()?;
    let mut bare = Bare::new(&directory.join("bare.db"), pages)?;
    let rounds = setting.effort.rounds(ROUNDS);
    let here = measure(rounds, &mut people, &mut bare)?;
    people.gate.keeper = people.gate.keeper.onto_thread()?;
    let on_thread = measure(rounds, &mut people, &mut bare)?;
    people.gate.keeper.close()?;
    drop(bare);
    fs::remove_dir_all(&directory).context("cannot remove the benchmark's store")?;
    Ok(figures(&here, &on_thread, pages).into())
}

fn measure(rounds: usize, people: &mut People, bare: &mut Bare) -> anyhow::Result<Pair> {
    alternate(
        rounds,
        || (0..COMMITS).map(|_| people.next_grant()).sum(),
        || (0..COMMITS).map(|_| bare.commit()).sum(),
    )
}

fn figures(here: &Pair, on_thread: &Pair, pages: u64) -> Vec<Figure> {
    let us = Unit::Microseconds;
    vec![
        Figure::with_goal(
            "Text → record durable → release handed out, as a ratio to a bare SQLite commit",
            here.ratio(),
            Unit::Times,
            RATIO_GOAL,
        ),
        Figure::for_reading("  text → release", here.ours_us(COMMITS), us),
        Figure::for_reading(
            &format!("  bare commit of {pages} pages"),
            here.bare_us(COMMITS),
            us,
        ),
        Figure::with_goal(
            "The same with the store in its own thread, as in the agent",
            on_thread.ratio(),
            Unit::Times,
            RATIO_GOAL,
        ),
        Figure::for_reading("  text → release", on_thread.ours_us(COMMITS), us),
    ]
}

/// Holders who come in one after the other, then go out.
struct People {
    gate: GateOnDisk,
    /// Texts of passes that are valid.
    texts: Vec<String>,
    next: usize,
}

impl People {
    fn new(gate: GateOnDisk) -> Self {
        let is_valid = |pass: &&_| gate.state(pass) == shared::status_list::PassState::Valid;
        let texts = gate.passes.iter().filter(is_valid);
        Self {
            texts: texts.map(crate::authority::IssuedPass::text).collect(),
            gate,
            next: 0,
        }
    }

    /// How long the next one waited for the release; that they went through is recorded off the
    /// clock.
    fn next_grant(&mut self) -> anyhow::Result<Duration> {
        let elapsed = self.release()?;
        self.gate.pass_through()?;
        Ok(elapsed)
    }

    fn release(&mut self) -> anyhow::Result<Duration> {
        let at = if (self.next / self.texts.len()).is_multiple_of(2) {
            ENTRY
        } else {
            EXIT
        };
        let text = &self.texts[self.next % self.texts.len()];
        self.next += 1;
        self.gate.wait_ms(100);
        let read = self.gate.read(at, text);
        let stopwatch = Stopwatch::start();
        self.gate.gate.handle_texts(self.gate.now, read);
        let released = self.gate.until_release()?;
        let elapsed = stopwatch.elapsed();
        ensure!(released == Some(TURNSTILE), "a valid pass was not let in");
        Ok(elapsed)
    }

    /// Pages that one grant's commit writes, rounded to the nearest whole.
    fn pages_of_a_grant(&mut self) -> anyhow::Result<u64> {
        let log = self.log();
        let second = Connection::open(self.gate.places.state.join(DATABASE_FILE))?;
        let mut written = 0;
        for _ in 0..COUNTED {
            // Emptied each time, the log's length is what one commit writes.
            second.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            let before = length(&log)?;
            self.release()?;
            written += length(&log)? - before;
            self.gate.pass_through()?;
        }
        let frame = PAGE_BYTES + FRAME_HEADER_BYTES;
        Ok((written as f64 / frame as f64 / COUNTED as f64).round() as u64)
    }

    fn log(&self) -> PathBuf {
        let places = &self.gate.places;
        places.state.join(format!("{DATABASE_FILE}-wal"))
    }
}

fn length(file: &Path) -> anyhow::Result<u64> {
    let metadata = fs::metadata(file);
    Ok(metadata
        .with_context(|| format!("{} is missing", file.display()))?
        .len())
}

/// A database of one table, of which each commit writes the same number of pages in place: the
/// least that SQLite can do to make so much durable.
struct Bare {
    connection: Connection,
    pages: u64,
    n: u8,
}

impl Bare {
    fn new(path: &Path, pages: u64) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        for (name, value) in [
            ("journal_mode", "WAL"),
            ("foreign_keys", "ON"),
            ("synchronous", "FULL"),
            ("secure_delete", "ON"),
        ] {
            connection
                .pragma_update_and_check(None, name, value, |_| Ok(()))
                .or_else(|error| match error {
                    rusqlite::Error::QueryReturnedNoRows => Ok(()),
                    error => Err(error),
                })?;
        }
        connection.execute_batch(
            "CREATE TABLE pages (page INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
        )?;
        let bare = Self {
            connection,
            pages,
            n: 0,
        };
        for page in 0..pages {
            bare.connection.execute(
                "INSERT INTO pages (page, bytes) VALUES (?1, ?2)",
                params![page, bare.bytes()],
            )?;
        }
        Ok(bare)
    }

    /// So many that no two rows share a page.
    fn bytes(&self) -> [u8; 3000] {
        [self.n; 3000]
    }

    fn commit(&mut self) -> anyhow::Result<Duration> {
        self.n = self.n.wrapping_add(1);
        let bytes = self.bytes();
        let stopwatch = Stopwatch::start();
        let tx = self.connection.transaction()?;
        for page in 0..self.pages {
            tx.prepare_cached("UPDATE pages SET bytes = ?2 WHERE page = ?1")?
                .execute(params![page, bytes])?;
        }
        tx.commit()?;
        Ok(stopwatch.elapsed())
    }
}

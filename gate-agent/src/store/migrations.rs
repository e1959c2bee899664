//! Brings the gate's database up to date: numbered files within the program, each applied once,
//! in order, in a transaction of its own. Never goes back, never edits.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};
use shared::{ids::Digest, keys::sha256};

use super::problem::StoreProblem;

/// One step of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1 without gaps; the database's `user_version` after it.
    pub number: i64,
    /// Its text.
    pub sql: &'static str,
}

/// The schema as this program knows it, in order. A file that was shipped is never edited.
pub const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    sql: include_str!("../../../migrations/gate/0001_journal_and_memory.sql"),
}];

/// `PCGT`: says that an SQLite file is a gate's.
const APPLICATION_ID: i32 = 0x5043_4754;

const LEDGER: &str = "CREATE TABLE schema_migrations (
    number INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32)
) STRICT";

/// Applies what is missing.
///
/// # Errors
/// When the file is another program's, newer, or holds an edited migration; nothing was changed
/// then.
pub fn apply(
    connection: &mut Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), StoreProblem> {
    let sqlite = |error| StoreProblem::from_sqlite(path, &error);
    let version = check(connection, path, migrations)?;
    for migration in migrations.iter().filter(|one| one.number > version) {
        apply_one(connection, migration).map_err(sqlite)?;
        tracing::info!(
            migration.number,
            "applied migration {} to the gate's database",
            migration.number
        );
    }
    Ok(())
}

fn apply_one(connection: &mut Connection, migration: &Migration) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    if migration.number == 1 {
        tx.execute_batch(LEDGER)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    tx.execute_batch(migration.sql)?;
    tx.execute(
        "INSERT INTO schema_migrations (number, sha256) VALUES (?1, ?2)",
        params![migration.number, digest(migration).0],
    )?;
    tx.pragma_update(None, "user_version", migration.number)?;
    tx.commit()
}

/// The version of the database, 0 for an empty one; for a reader, which applies nothing.
///
/// # Errors
/// As [`apply`].
pub fn check(
    connection: &Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<i64, StoreProblem> {
    let sqlite = |error| StoreProblem::from_sqlite(path, &error);
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(sqlite)?;
    let version = number("user_version").map_err(sqlite)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    if tables == 0 && version == 0 {
        return Ok(0);
    }
    let path = path.to_path_buf();
    if application != i64::from(APPLICATION_ID) {
        return Err(StoreProblem::NotOurs { path });
    }
    let known = migrations.last().map_or(0, |migration| migration.number);
    if version > known {
        let found = version;
        return Err(StoreProblem::Newer { path, found, known });
    }
    for migration in migrations.iter().filter(|one| one.number <= version) {
        let applied = connection.query_row(
            "SELECT sha256 FROM schema_migrations WHERE number = ?1",
            [migration.number],
            |row| row.get(0).map(Digest),
        );
        match applied {
            Ok(applied) if applied == digest(migration) => {}
            Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows) => {
                let number = migration.number;
                return Err(StoreProblem::MigrationEdited { path, number });
            }
            Err(error) => return Err(StoreProblem::from_sqlite(&path, &error)),
        }
    }
    Ok(version)
}

fn digest(migration: &Migration) -> Digest {
    sha256(migration.sql.as_bytes())
}

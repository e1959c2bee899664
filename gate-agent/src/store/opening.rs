//! Opens the database file: one writer at a time, and the pragmas that durability rests on.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use super::{migrations, problem::StoreProblem};

/// The database, in the state directory.
pub const DATABASE_FILE: &str = "gate.db";
const LOCK_FILE: &str = "gate.lock";

/// Held for as long as this process may write the database.
#[derive(Debug)]
pub(super) struct WriterLock {
    _file: File,
}

/// Takes the one writer's place in `state`.
pub(super) fn lock(state: &Path) -> Result<WriterLock, StoreProblem> {
    let path = state.join(DATABASE_FILE);
    let io = |error: std::io::Error| StoreProblem::from_io(&path, &error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(state.join(LOCK_FILE))
        .map_err(io)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut text = String::new();
        // A lock file that cannot be read says nothing of its holder, which is all it is asked.
        let _ = file.read_to_string(&mut text);
        let holder = text.trim().parse().ok();
        return Err(StoreProblem::InUse { path, holder });
    }
    let noted = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(io)?;
    Ok(WriterLock { _file: file })
}

/// Opens the database for writing, makes it when there is none, and brings it up to date.
pub(super) fn open_writer(state: &Path) -> Result<Connection, StoreProblem> {
    let path = state.join(DATABASE_FILE);
    let sqlite = |error| StoreProblem::from_sqlite(&path, &error);
    refuse_what_is_no_database(&path)?;
    refuse_what_is_not_ours(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(sqlite)?;
    restrict(&path)?;
    prepare(&connection).map_err(sqlite)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(sqlite)?;
    if !mode.eq_ignore_ascii_case("wal") {
        let detail = format!("its file system allows no write-ahead log ({mode})");
        return Err(StoreProblem::Failed { path, detail });
    }
    migrations::apply(&mut connection, &path, migrations::MIGRATIONS)?;
    Ok(connection)
}

/// Opens the database for reading beside a running agent.
pub(super) fn open_reader(state: &Path) -> Result<Connection, StoreProblem> {
    let path = state.join(DATABASE_FILE);
    let sqlite = |error| StoreProblem::from_sqlite(&path, &error);
    if !path.exists() {
        return Err(StoreProblem::Missing { path });
    }
    refuse_what_is_no_database(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(sqlite)?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .map_err(sqlite)?;
    let known = migrations::MIGRATIONS;
    if migrations::check(&connection, &path, known)? == known.last().map_or(0, |last| last.number) {
        Ok(connection)
    } else {
        Err(StoreProblem::NotEnrolled)
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // A lost commit would be a lost record: each one waits for the disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Erased personal parts and old rosters do not linger in free pages.
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// SQLite opens some files lazily and explains others badly; the header says it at once.
fn refuse_what_is_no_database(path: &Path) -> Result<(), StoreProblem> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let path_buf = || path.to_path_buf();
    let mut head = [0; 16];
    let read = match File::open(path) {
        Ok(mut file) => file.read(&mut head),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreProblem::from_io(path, &error)),
    };
    match read {
        // A file that was made and never written: SQLite begins in it.
        Ok(0) => Ok(()),
        Ok(_) if head == *MAGIC => Ok(()),
        Ok(_) => Err(StoreProblem::NotOurs { path: path_buf() }),
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
            Err(StoreProblem::NotOurs { path: path_buf() })
        }
        Err(error) => Err(StoreProblem::from_io(path, &error)),
    }
}

/// A database of another program, or of a newer version, is refused before anything of it is
/// changed: its permissions, its journal mode.
fn refuse_what_is_not_ours(path: &Path) -> Result<(), StoreProblem> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreProblem::from_io(path, &error)),
    }
    let sqlite = |error| StoreProblem::from_sqlite(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .map_err(sqlite)?;
    migrations::check(&connection, path, migrations::MIGRATIONS).map(|_| ())
}

/// Records name people's comings and goings: the file is the agent's alone.
fn restrict(path: &Path) -> Result<(), StoreProblem> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(|error| StoreProblem::from_io(path, &error))
}

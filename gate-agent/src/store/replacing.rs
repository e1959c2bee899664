//! A box that gets a new identity: what it was is set aside with its journal and its keys, under
//! one lock from the first look to the new store.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use shared::time::UtcSeconds;

use super::{
    DATABASE_FILE, Identity, Store, StorePlaces, identity,
    journal::{self, JournalLimits},
    loading, opening,
    problem::StoreProblem,
};
use crate::gate_key::{GATE_KEY_FILE, ROSTER_KEY_FILE};

/// The store of a box that is to be another gate. Nothing is asked of its keys: a lost or wrong one
/// is a reason to enrol anew.
#[derive(Debug)]
pub struct Former {
    connection: Connection,
    lock: opening::WriterLock,
    places: StorePlaces,
    path: PathBuf,
    identity: Option<Identity>,
    unacknowledged: u64,
}

/// What was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it lies now.
    pub places: StorePlaces,
    /// Its records that central never acknowledged.
    pub unacknowledged: u64,
    /// Can its journal be exported, which takes its key?
    pub journal: FormerJournal,
}

/// Whether a journal that was set aside can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormerJournal {
    /// Its keys lie beside it.
    Exportable,
    /// The right keys are needed first.
    LacksItsKey,
}

impl Former {
    /// Takes the one writer's place in the store of a box, and looks at whose it is.
    ///
    /// # Errors
    /// [`StoreProblem`] says what to do.
    pub fn open(places: &StorePlaces) -> Result<Self, StoreProblem> {
        let path = places.state.join(DATABASE_FILE);
        loading::make_directory(&places.state, &path)?;
        loading::make_directory(&places.keys, &path)?;
        let lock = opening::lock(&places.state)?;
        let connection = opening::open_writer(&places.state)?;
        let sqlite = |error| StoreProblem::from_sqlite(&path, &error);
        let identity = identity::load(&connection).map_err(sqlite)?;
        let unacknowledged = match &identity {
            None => 0,
            Some(identity) => journal::tail(&connection, identity.gate, identity.journal_epoch)
                .map_err(sqlite)?
                .unacknowledged(),
        };
        Ok(Self {
            connection,
            lock,
            places: places.clone(),
            path,
            identity,
            unacknowledged,
        })
    }

    /// Sets the box's identity and keys aside and opens a store without any. Keys stay in the
    /// directory of keys, and the database on its disk. `utc` names what is set aside.
    ///
    /// # Errors
    /// What the disk says. Until the database has moved, which is the last thing to, the box is
    /// what it was.
    pub fn set_aside(self, utc: UtcSeconds) -> Result<(Store, Option<SetAside>), StoreProblem> {
        let Self {
            connection,
            lock,
            places,
            path,
            identity,
            unacknowledged,
        } = self;
        close(connection, &path)?;
        let io = |error: io::Error| StoreProblem::from_io(&path, &error);
        let old = free_places(&places, identity.as_ref(), utc);
        let moved_keys = keep_keys(&places.keys, &old.keys).map_err(io)?;
        if identity.is_some() {
            move_database(&places.state, &old.state).map_err(io)?;
        }
        remove_keys(&places.keys, &old.keys).map_err(io)?;
        let aside = match &identity {
            Some(identity) => Some(SetAside {
                journal: former_journal(&old, identity),
                places: old,
                unacknowledged,
            }),
            None if moved_keys > 0 => Some(SetAside {
                journal: FormerJournal::LacksItsKey,
                places: old,
                unacknowledged,
            }),
            None => None,
        };
        let store = Store::open_locked(&places, JournalLimits::STANDARD, lock)?;
        Ok((store, aside))
    }
}

/// Nothing may be left in the write-ahead log, which moves apart from its database.
fn close(connection: Connection, path: &Path) -> Result<(), StoreProblem> {
    let sqlite = |error| StoreProblem::from_sqlite(path, &error);
    let is_busy: bool = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(sqlite)?;
    if is_busy {
        let path = path.to_path_buf();
        return Err(StoreProblem::InUse { path, holder: None });
    }
    connection.close().map_err(|(_, error)| sqlite(error))
}

/// Names that nothing bears yet: a box without a clock wakes in the same second each time.
fn free_places(places: &StorePlaces, identity: Option<&Identity>, utc: UtcSeconds) -> StorePlaces {
    let gate = identity.map_or(String::new(), |it| format!("{}-", it.gate));
    let mut name = format!("replaced-{gate}{}", utc.0);
    let mut attempt = 1;
    loop {
        let old = StorePlaces {
            state: places.state.join(&name),
            keys: places.keys.join(&name),
        };
        if !old.state.exists() && !old.keys.exists() {
            return old;
        }
        attempt += 1;
        name = format!("replaced-{gate}{}-{attempt}", utc.0);
    }
}

/// Keeps the keys under a second name, so that the box has them for as long as it has its database.
/// Tells how many there were.
fn keep_keys(keys: &Path, old: &Path) -> io::Result<usize> {
    let mut kept = 0;
    for file in [GATE_KEY_FILE, ROSTER_KEY_FILE] {
        let from = keys.join(file);
        if fs::symlink_metadata(&from).is_err() {
            continue;
        }
        make_private(old)?;
        let to = old.join(file);
        // What is no file, and file systems without links: the key moves before the database does.
        if fs::hard_link(&from, &to).is_err() {
            fs::rename(&from, &to)?;
        }
        kept += 1;
    }
    if kept > 0 {
        sync(old)?;
        sync(keys)?;
    }
    Ok(kept)
}

/// The database last: with it in place, the box is what it was.
fn move_database(state: &Path, old: &Path) -> io::Result<()> {
    make_private(old)?;
    for suffix in ["-wal", "-shm", ""] {
        let name = format!("{DATABASE_FILE}{suffix}");
        match fs::rename(state.join(&name), old.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    sync(old)?;
    sync(state)
}

/// The box forgets the keys that were kept; their files are closed to others where they lie.
fn remove_keys(keys: &Path, old: &Path) -> io::Result<()> {
    for file in [GATE_KEY_FILE, ROSTER_KEY_FILE] {
        match fs::remove_file(keys.join(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        let kept = old.join(file);
        if kept.is_file() {
            fs::set_permissions(&kept, fs::Permissions::from_mode(0o600))?;
        }
    }
    sync(keys)
}

fn former_journal(old: &StorePlaces, identity: &Identity) -> FormerJournal {
    let roster_key = crate::gate_key::read_secret(&old.keys.join(ROSTER_KEY_FILE));
    match loading::gate_key(&old.keys, identity) {
        Ok(_) if roster_key.is_ok() => FormerJournal::Exportable,
        Ok(_) | Err(_) => FormerJournal::LacksItsKey,
    }
}

fn make_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

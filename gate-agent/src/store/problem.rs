//! What can be wrong with the store, in words that say what to do.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use shared::ids::JournalPosition;

/// Why the store cannot do what it was asked. Nothing was changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreProblem {
    /// No room on the disk.
    #[error("the disk that holds {} is full: free space there; records are kept from then on", path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// The disk or the files may not be written.
    #[error("{} cannot be written: check that its disk is mounted read-write and that the files belong to the user of gate-agent", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a gate's database: move it away, then enrol the gate again, or put back the right file", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("the database {} is damaged ({detail}): keep a copy of it, then replace the disk and enrol again with --replace; records that central acknowledged are safe there", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// Written by a newer version.
    #[error("the database {} is at version {found}, written by a newer gate-agent; this one knows versions up to {known}. Start the newer version; nothing was changed", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A migration is not the one that was applied.
    #[error("migration {number} is not the one that was applied to {}: it was edited since. Use an unaltered release of gate-agent; nothing was changed", path.display())]
    MigrationEdited {
        /// The database.
        path: PathBuf,
        /// Its number.
        number: i64,
    },
    /// Another process writes it.
    #[error("{} is in use by another gate-agent{}: stop that one first", path.display(), holder.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// The database.
        path: PathBuf,
        /// The other process, when it said so.
        holder: Option<u32>,
    },
    /// There is none.
    #[error("there is no gate's database at {}: check `state` in the configuration, or enrol the gate first", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The gate has no identity.
    #[error("the gate is not enrolled: run `gate-agent enrol` with a claim from central")]
    NotEnrolled,
    /// The gate has one already.
    #[error("the gate is enrolled as {gate} already: add --replace to give it a new identity")]
    AlreadyEnrolled {
        /// Its name at central.
        gate: shared::ids::GateId,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] crate::gate_key::KeyProblem),
    /// No room in the journal, and the policy is to deny.
    #[error(
        "the journal holds {limit} records that central has not acknowledged: bring the link to central back"
    )]
    JournalFull {
        /// How many fit.
        limit: u64,
    },
    /// Central acknowledged a record that this gate did not write.
    #[error(
        "central acknowledged another record {position} than this gate wrote: the journal is forked; tell your administrator"
    )]
    AcknowledgedFork {
        /// Where.
        position: JournalPosition,
    },
    /// A range of issued digests does not continue what is stored.
    #[error("a range of issued passes does not continue what is stored")]
    RangeOutOfPlace,
    /// The thread that writes has more to do than it may.
    #[error("storage is slower than the scans that wait for it")]
    Overloaded,
    /// The thread that writes has ended.
    #[error("the store has stopped")]
    Stopped,
    /// Anything else that the disk or SQLite says.
    #[error("storage at {} failed: {detail}", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// What was said.
        detail: String,
    },
}

impl StoreProblem {
    /// What an error of SQLite means for the database at `path`.
    #[must_use]
    pub fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let detail = error.to_string();
        if let rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) = error
        {
            return Self::Damaged { path, detail };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::NotADatabase) => Self::NotOurs { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, detail },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::InUse { path, holder: None }
            }
            Some(ErrorCode::CannotOpen) => Self::ReadOnly { path },
            Some(_) | None => Self::Failed { path, detail },
        }
    }

    /// What an error of the file system means for the database at `path`.
    #[must_use]
    pub fn from_io(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            std::io::ErrorKind::StorageFull => Self::DiskFull { path },
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path }
            }
            _ => Self::Failed {
                path,
                detail: error.to_string(),
            },
        }
    }
}

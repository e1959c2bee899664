//! A directory for one test: gone with it, unless it is to be kept.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tempfile::TempDir;

/// A directory of its own below `/tmp`: short enough for sockets, and PostgreSQL's account may
/// pass through it.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
}

impl Scratch {
    /// Makes one.
    ///
    /// # Errors
    /// When `/tmp` cannot be written.
    pub fn new() -> anyhow::Result<Self> {
        Self::below("/tmp")
    }

    /// Makes one elsewhere.
    ///
    /// # Errors
    /// When `parent` cannot be written.
    pub fn below(parent: &str) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("portcullis-")
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a directory in {parent}"))?;
        let mode = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(directory.path(), mode).with_context(|| {
            format!("cannot open a directory in {parent} to PostgreSQL's account")
        })?;
        Ok(Self { directory })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A directory in it, made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn directory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Leaves it where it is.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.directory.keep()
    }
}

//! Where the files of root and registrar keys lie.

use std::path::PathBuf;

use crate::configuration::Configuration;

/// The directory of key files below the data directory.
pub(super) struct KeyFiles(PathBuf);

impl KeyFiles {
    pub(super) fn of(configuration: &Configuration) -> Self {
        Self(configuration.data_directory.join("keys"))
    }

    pub(super) fn directory(&self) -> &PathBuf {
        &self.0
    }

    /// The root key, sealed.
    pub(super) fn root(&self) -> PathBuf {
        self.0.join("root.key")
    }

    /// What opens the root key.
    pub(super) fn root_key_file(&self) -> PathBuf {
        self.0.join("root.kek")
    }

    /// The registrar key, sealed under the registrar's credential.
    pub(super) fn registrar(&self) -> PathBuf {
        self.0.join("registrar.key")
    }
}

//! Private keys as central keeps them: sealed, in files or in the database, under key-encryption
//! keys that never enter the database. Issuer keys are made and named in [`crate::issuing`] alone.

pub mod credentials;
pub mod file;
pub mod pairs;
mod private;
pub mod sealing;

pub use private::PrivateKey;

use std::fmt;

/// What a key may sign. A sealed key is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Names registrars.
    Root,
    /// Signs trust lists.
    Registrar,
    /// Signs statements.
    Statement,
    /// Signs passes; standby keys too.
    Issuer,
}

impl Purpose {
    /// Its name in files and in what a sealed key is bound to.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Registrar => "registrar",
            Self::Statement => "statement",
            Self::Issuer => "issuer",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

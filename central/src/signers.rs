//! The two signer processes, issuing and statements: how they are started, watched and spoken
//! to. The server itself never holds a private key or what seals one.

pub mod link;
pub mod statements;
pub mod wire;

use std::fmt;

use clap::ValueEnum;

pub use link::{Link, Place};
pub use statements::{Statement, StatementDuty, StatementSigner};

/// Which signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignerKind {
    /// Signs passes.
    Issuing,
    /// Signs statements.
    Statements,
}

/// What a signer does with one request. It answers every request, whatever is in it.
pub trait Duty: Send {
    /// The answer's bytes.
    fn answer(&mut self, request: &[u8]) -> Vec<u8>;
}

impl SignerKind {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuing => "issuing",
            Self::Statements => "statements",
        }
    }
}

impl fmt::Display for SignerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

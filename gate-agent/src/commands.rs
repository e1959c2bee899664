//! The subcommands of `gate-agent`, a file each.

pub mod carry;
mod checks;
pub mod config;
pub mod decoder;
pub mod doctor;
pub mod doors;
pub mod enrol;
mod finding;
pub mod journal;
mod owner;
pub mod run;
pub mod scan_image;
pub mod selftest;
pub mod status;
pub mod verify;

use std::{path::PathBuf, process::ExitCode};

use crate::configuration::{AgentConfiguration, DEFAULT_PATH, PATH_VARIABLE};

/// The answer is no: a pass that does not verify, a journal that does not hold.
pub const ANSWER_IS_NO: u8 = 1;
/// It could not be found out or done.
pub const CANNOT_DO: u8 = 3;

/// What every help text ends with.
pub const EXIT_CODES: &str = "\
Exit code: 0 done; 1 the answer is no; 2 wrong command line; 3 it could not be done.";

/// Which configuration a command goes by.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigurationChoice {
    /// The agent's configuration.
    #[arg(long = "config", value_name = "FILE", env = PATH_VARIABLE, default_value = DEFAULT_PATH)]
    path: PathBuf,
}

impl ConfigurationChoice {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read or is not sound.
    pub fn read(&self) -> anyhow::Result<AgentConfiguration> {
        Ok(AgentConfiguration::read(&self.path)?)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}

fn answer_is_no() -> ExitCode {
    ExitCode::from(ANSWER_IS_NO)
}

//! `gate-agent doors`: the child process that holds the doors' lines. Started by the agent itself.

use std::process::ExitCode;

use crate::door_io;

/// Serves the agent at the other end of standard input.
///
/// # Errors
/// When standard input is no agent, or the lines could not be left as configured.
pub fn run() -> anyhow::Result<ExitCode> {
    door_io::serve()?;
    Ok(ExitCode::SUCCESS)
}

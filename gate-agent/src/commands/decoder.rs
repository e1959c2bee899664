//! `gate-agent decoder`: the child process that reads pictures. Started by the program itself.

use std::process::ExitCode;

use crate::decoder;

/// Serves pictures on standard input and output until the input ends.
///
/// # Errors
/// When the pipes break in the middle of a message.
pub fn run() -> anyhow::Result<ExitCode> {
    decoder::serve()?;
    Ok(ExitCode::SUCCESS)
}

//! `gate-agent decoder`: the child process that reads pictures. Started by the program itself.

use std::process::ExitCode;

use crate::decoder::{self, Attempt};

/// Reads pictures from standard input: the child process of the others.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Try what the sandbox must not let happen instead, and say how that went.
    #[arg(long, value_enum)]
    attempt: Option<Attempt>,
}

/// Exit code of an attempt that succeeded: the sandbox has a hole.
const SUCCEEDED: u8 = 1;

/// Serves pictures on standard input and output until the input ends.
///
/// # Errors
/// When the pipes break in the middle of a message, or the sandbox cannot be entered.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some(attempt) = arguments.attempt else {
        decoder::serve()?;
        return Ok(ExitCode::SUCCESS);
    };
    match decoder::attempt(attempt) {
        Ok(()) => {
            println!("it happened");
            Ok(ExitCode::from(SUCCEEDED))
        }
        Err(error) => {
            println!("refused: {error:#}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

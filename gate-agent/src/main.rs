//! The executable `gate-agent`: parses the command line and hands over to a command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gate_agent::commands;

/// The gate of a pass system: reads passes, decides without a network, opens the door, keeps the record.
#[derive(Parser)]
#[command(name = "gate-agent", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    ScanImage(commands::scan_image::Arguments),
    /// Reads pictures from standard input: the child process of the others.
    #[command(hide = true)]
    Decoder,
}

fn main() -> ExitCode {
    #[cfg(portcullis_defects)]
    if let Ok(name) = std::env::var(shared::defects::VARIABLE) {
        shared::defects::plant(shared::defects::Defect::from_name(&name).expect("a defect"));
    }
    let result = match Arguments::parse().command {
        Command::ScanImage(arguments) => commands::scan_image::run(&arguments),
        Command::Decoder => commands::decoder::run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gate-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

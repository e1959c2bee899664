//! The executable `gate-agent`: parses the command line and hands over to a command.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::{Parser, Subcommand};
use gate_agent::commands;
use tracing_subscriber::EnvFilter;

/// The gate of a pass system: reads passes, decides without a network, opens the door, keeps the record.
#[derive(Parser)]
#[command(name = "gate-agent", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(commands::run::Arguments),
    Enrol(commands::enrol::Arguments),
    Status(commands::status::Arguments),
    Verify(commands::verify::Arguments),
    Journal(commands::journal::Arguments),
    ScanImage(commands::scan_image::Arguments),
    Config(commands::config::Arguments),
    Carry(commands::carry::Arguments),
    Doctor(commands::doctor::Arguments),
    Selftest(commands::selftest::Arguments),
    #[command(hide = true)]
    Decoder(commands::decoder::Arguments),
    /// Holds the doors' lines: the child process of `run`.
    #[command(hide = true)]
    Doors,
}

/// What is logged; the shift report unless it says otherwise.
const LOG_VARIABLE: &str = "RUST_LOG";

/// The agent tells what belongs in a shift report, every other command only what is wrong.
fn log_to_stderr(command: &Command) {
    let default = match command {
        Command::Run(_) => "info",
        Command::Enrol(_)
        | Command::Status(_)
        | Command::Verify(_)
        | Command::Journal(_)
        | Command::ScanImage(_)
        | Command::Config(_)
        | Command::Carry(_)
        | Command::Doctor(_)
        | Command::Selftest(_)
        | Command::Decoder(_)
        | Command::Doors => "warn",
    };
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn main() -> ExitCode {
    #[cfg(portcullis_defects)]
    if let Ok(name) = std::env::var(shared::defects::VARIABLE) {
        shared::defects::plant(shared::defects::Defect::from_name(&name).expect("a defect"));
    }
    let command = Arguments::parse().command;
    log_to_stderr(&command);
    let result = match command {
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Enrol(arguments) => commands::enrol::run(&arguments),
        Command::Status(arguments) => commands::status::run(&arguments),
        Command::Verify(arguments) => commands::verify::run(&arguments),
        Command::Journal(arguments) => commands::journal::run(&arguments),
        Command::Carry(arguments) => commands::carry::run(&arguments),
        Command::Config(arguments) => commands::config::run(&arguments),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
        Command::Selftest(arguments) => commands::selftest::run(&arguments),
        Command::ScanImage(arguments) => commands::scan_image::run(&arguments),
        Command::Decoder(arguments) => commands::decoder::run(&arguments),
        Command::Doors => commands::doors::run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gate-agent: {error:#}");
            ExitCode::from(commands::CANNOT_DO)
        }
    }
}

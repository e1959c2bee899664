//! The command line: one file per command.

mod admin_token;
mod config_check;
mod keys;
mod migrate;
mod serve;
mod signer;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::configuration::{Configuration, Flags, LogFormat, ServerFlags};

const EXAMPLES: &str = "\
Examples:
  central serve                               everything on one machine, with a private PostgreSQL
  central serve --listen 0.0.0.0:8480 --public-url https://passes.example.org
  DATABASE_URL=postgresql://… central migrate
  central keys init --small-school            keys for a small school, with one command
  central admin token create --name \"Ms Okafor\"

Exit codes: 0 done, 1 it failed, 2 wrong usage or configuration.
Environment: DATABASE_URL, PORTCULLIS_DATA_DIR, PORTCULLIS_LISTEN, PORTCULLIS_PUBLIC_URL, PORTCULLIS_CONFIG,
PORTCULLIS_LOG_FORMAT, PORTCULLIS_POSTGRES_BIN, RUST_LOG.";

/// The pool warns of each connection that PostgreSQL ends, as it does at every shutdown.
const LOG_FILTER: &str = "info,deadpool=error";

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Portcullis central: issues passes, tells gates whom to let in, collects what they saw.
#[derive(Parser)]
#[command(name = "central", version, after_help = EXAMPLES)]
struct CommandLine {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server
    Serve(serve::Arguments),
    /// Brings the database's schema up to date, then ends
    Migrate,
    /// Looks at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Root set, registrar, statement and issuer keys, trust list
    #[command(subcommand)]
    Keys(keys::Command),
    /// Administrators
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Signs for a running server, which starts it
    #[command(hide = true)]
    Signer(signer::Arguments),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Checks the configuration and shows what is in force; changes nothing
    Check(ServerFlags),
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Bearer tokens for the web API
    #[command(subcommand)]
    Token(admin_token::Command),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let CommandLine { flags, command } = CommandLine::parse();
    if let Command::Signer(arguments) = &command {
        start_log(flags.log_format.unwrap_or(LogFormat::Text));
        return match signer::run(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, FAILED),
        };
    }
    let no_flags = ServerFlags::default();
    let server_flags = match &command {
        Command::Serve(arguments) => &arguments.server,
        Command::Config(ConfigCommand::Check(server)) => server,
        Command::Migrate | Command::Admin(_) | Command::Keys(_) | Command::Signer(_) => &no_flags,
    };
    let configuration = match Configuration::settle(&flags, server_flags) {
        Ok(configuration) => configuration,
        Err(error) => return fail(&error, USAGE),
    };
    start_log(configuration.log_format);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into(), FAILED),
    };
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(arguments) => serve::run(configuration, arguments).await,
            Command::Migrate => migrate::run(&configuration).await,
            Command::Config(ConfigCommand::Check(_)) => config_check::run(&configuration),
            Command::Admin(AdminCommand::Token(command)) => {
                admin_token::run(&configuration, &command).await
            }
            Command::Keys(command) => keys::run(&configuration, command).await,
            Command::Signer(arguments) => signer::run(&arguments),
        }
    });
    // A task that hangs does not keep the process: everything that matters was awaited.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, FAILED),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}

/// To standard error: standard output carries what a command answers.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_FILTER));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

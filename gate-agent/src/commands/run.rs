//! `gate-agent run`: the agent itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigurationChoice, owner};
use crate::{agent::Agent, configuration::AgentConfiguration, watchdog};

const EXAMPLES: &str = "\
Examples:
  gate-agent run
  gate-agent run --config gate.toml --ready-file ready.json

Ends in order on SIGTERM or SIGINT: records are stored and doors left as they shall be.
What is logged follows RUST_LOG (info by default; debug, gate_agent::sync=debug, …).
Exit code: 0 ended in order; 2 wrong command line; 3 could not start, or a part of it failed.";

/// Run the gate: read passes, decide, open the door, keep the record, stay in touch with central.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationChoice,
    /// A file to write once readers read and panels can connect: JSON with `pid` and
    /// `panel_socket`.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Threads of the runtime: one for the loop, one for everything that talks.
const WORKER_THREADS: usize = 2;

/// Runs the command.
///
/// # Errors
/// When the agent cannot start, or a part of it ends unexpectedly.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let configuration = arguments.configuration.read()?;
    owner::work_as_owner_of(&configuration.places.state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let ended = runtime.block_on(run_agent(&configuration, arguments.ready_file.as_deref()));
    // A thread that still blocks has had its time.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

async fn run_agent(
    configuration: &AgentConfiguration,
    ready_file: Option<&Path>,
) -> anyhow::Result<()> {
    // Listened for from the first moment on, so that a stop while starting is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let agent = Agent::start(configuration).await?;
    tracing::info!(
        "gate-agent {} is ready; panels connect to {}",
        env!("CARGO_PKG_VERSION"),
        configuration.panel_socket.display()
    );
    if let Some(path) = ready_file {
        write_ready_file(path, configuration)?;
    }
    watchdog::tell_ready();
    let stop = agent.stop_handle();
    let running = agent.run();
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.stop();
    running.await
}

fn write_ready_file(path: &Path, configuration: &AgentConfiguration) -> anyhow::Result<()> {
    let text = serde_json::json!({
        "pid": std::process::id(),
        "panel_socket": configuration.panel_socket,
    });
    let beside = path.with_extension("new");
    fs::write(&beside, format!("{text}\n"))
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write the ready file {}", path.display()))
}

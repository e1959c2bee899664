//! `gate-agent selftest`: walks somebody who stands before the gate through all of it: what it stands
//! on, its store's speed, its readers, its doors with lamps and sensors.

mod doors;
mod person;
mod readers;
mod storage;

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use gate_core::memory::Lockdown;

use super::{
    ConfigurationChoice, checks,
    finding::{Finding, Findings, Form, Verdict},
    owner, status,
};
use crate::{
    clock::GateClock,
    configuration::AgentConfiguration,
    store::{DATABASE_FILE, Store, problem::StoreProblem},
};
use person::{Person, Said};

const EXAMPLES: &str = "\
Examples:
  systemctl stop gate-agent; gate-agent selftest; systemctl start gate-agent
  gate-agent selftest --part readers                only the readers, with sharpness
  gate-agent selftest --part doors --yes            doors, without the question whether it may
  gate-agent selftest --within 60 --json > selftest.jsonl

Questions stand on standard error and are answered by y, n or s (skip); findings go to standard
output. Releases the doors: a gate that is enrolled records that. The agent must not run meanwhile.

Exit code: 0 nothing is bad; 1 something is; 2 wrong command line; 3 it could not begin.";

/// Try readers, doors, lamps and sensors together with somebody who looks on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationChoice,
    /// Only this part; may be given several times.
    #[arg(long = "part", value_enum)]
    parts: Vec<Part>,
    /// How long to wait for a code, a door, a button, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    within: u64,
    /// Release doors without asking first.
    #[arg(long)]
    yes: bool,
    /// Print a line of JSON for each finding.
    #[arg(long)]
    json: bool,
}

/// A part of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Disk, store, clock, sandbox, central: what `doctor` looks at.
    Ground,
    /// How long the disk takes to keep a record.
    Storage,
    /// Cameras and scanners.
    Readers,
    /// Locks, lamps, contacts, buttons.
    Doors,
}

/// Runs the command.
///
/// # Errors
/// When the configuration is not sound, or the agent runs; what is wrong with the gate is an answer.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let configuration = arguments.configuration.read()?;
    owner::work_as_owner_of(&configuration.places.state)?;
    let form = if arguments.json {
        Form::Json
    } else {
        Form::Words
    };
    let mut findings = Findings::new(form);
    let mut store = store_of_a_stopped_agent(&configuration)?;
    let is_locked_down = match &store {
        Some(store) => store.load()?.memory.facts.lockdown != Lockdown::Off,
        None => false,
    };
    let has = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    if has(Part::Ground) {
        checks::standing(&configuration, &mut findings);
    }
    if has(Part::Storage) {
        findings.tell(storage::finding(&configuration.places.state));
    }
    let within = Duration::from_secs(arguments.within);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let mut person = Person::at_standard_input()?;
    runtime.block_on(async {
        if has(Part::Readers) {
            for place in &configuration.readers {
                findings.tell(readers::finding(place, within).await);
            }
        }
        if has(Part::Doors) && !configuration.doors.is_empty() {
            if is_locked_down {
                let said =
                    "not tried: the gate is locked down, which an order or a supervisor ends";
                findings.tell(Finding::new("doors", Verdict::Doubtful, said));
            } else if may_release(arguments, &mut person).await {
                let clock = GateClock::new(configuration.clock.clone());
                let journal = doors::Journal::new(store.as_mut(), clock);
                doors::walk(&configuration, within, &mut person, journal, &mut findings).await;
            } else {
                let said = "not tried: nobody said that they may be released";
                findings.tell(Finding::new("doors", Verdict::Doubtful, said));
            }
        }
    });
    // What a reader left behind has had its time.
    runtime.shutdown_background();
    Ok(findings.exit_code())
}

async fn may_release(arguments: &Arguments, person: &mut Person) -> bool {
    let question = "The doors of this gate will be released. May they be?";
    arguments.yes || person.asked(question).await == Said::Yes
}

/// The store, for as long as the walk lasts, so that no agent starts meanwhile; none before the gate
/// is enrolled.
fn store_of_a_stopped_agent(configuration: &AgentConfiguration) -> anyhow::Result<Option<Store>> {
    let stop = "stop it first: systemctl stop gate-agent";
    if status::ask(&configuration.panel_socket).is_ok() {
        anyhow::bail!("the agent runs and has readers and doors in its hands: {stop}");
    }
    if !configuration.places.state.join(DATABASE_FILE).exists() {
        return Ok(None);
    }
    match Store::open(&configuration.places) {
        Ok(store) if store.identity().is_some() => Ok(Some(store)),
        Ok(_) => Ok(None),
        Err(problem @ StoreProblem::InUse { .. }) => Err(problem).context(stop),
        Err(problem) => Err(problem.into()),
    }
}

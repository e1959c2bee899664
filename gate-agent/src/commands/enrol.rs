//! `gate-agent enrol`: gives this box its identity, by a claim that central made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use shared::enrolment::Claim;

use super::ConfigurationChoice;
use crate::{
    clock::GateClock,
    enrolment::{self, Enrolment},
    store::{Store, StorePlaces, problem::StoreProblem},
};

const EXAMPLES: &str = "\
Examples:
  gate-agent enrol PC1:6BF…                 the text of a claim
  gate-agent enrol --claim-file claim.toml  a file with the line: claim = \"PC1:6BF…\"
  gate-agent enrol PC1:6BF… --replace       a new identity for a box that has one

Both screens show the same fingerprint: compare them before the gate is put to use.
Exit code: 0 enrolled; 2 wrong command line; 3 not enrolled, with what to do.";

/// Give this box its identity, by a claim that central made.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["text", "claim", "claim_file"]))]
pub struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationChoice,
    /// The text of a claim.
    #[arg(value_name = "CLAIM")]
    text: Option<String>,
    /// The text of a claim.
    #[arg(long, value_name = "CLAIM")]
    claim: Option<String>,
    /// A file with a claim.
    #[arg(long, value_name = "FILE")]
    claim_file: Option<PathBuf>,
    /// Enrol a box that has an identity: its journal begins anew, and the old one is kept aside.
    #[arg(long)]
    replace: bool,
}

/// Runs the command.
///
/// # Errors
/// When the gate is not enrolled; the message says what to do.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let configuration = arguments.configuration.read()?;
    let claim = claim(arguments)?;
    let clock = GateClock::new(configuration.clock.clone());
    let places = &configuration.places;
    let before = Store::open(places)?;
    if let Some(identity) = before.identity()
        && !arguments.replace
    {
        let gate = identity.gate;
        return Err(StoreProblem::AlreadyEnrolled { gate }.into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let enrolment = runtime.block_on(enrolment::exchange(&claim, &clock))?;
    let mut store = make_room(before, places, &clock)?;
    enrolment.keep(&mut store, places)?;
    report(&enrolment, &claim);
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimFile {
    claim: String,
}

fn claim(arguments: &Arguments) -> anyhow::Result<Claim> {
    let text = match (&arguments.text, &arguments.claim, &arguments.claim_file) {
        (Some(text), _, _) | (_, Some(text), _) => text.clone(),
        (None, None, Some(path)) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read the claim file {}", path.display()))?;
            claim_of_file(&text).with_context(|| format!("{} holds no claim", path.display()))?
        }
        (None, None, None) => bail!("name a claim"),
    };
    Claim::from_text(&text).context(
        "this is not the text of a claim: it begins with PC1: and must be copied whole; make a new one when in doubt",
    )
}

/// TOML, or the text alone.
fn claim_of_file(text: &str) -> anyhow::Result<String> {
    if text
        .trim_start()
        .starts_with(shared::enrolment::CLAIM_PREFIX)
    {
        return Ok(text.to_owned());
    }
    let file: ClaimFile = toml::from_str(text)?;
    Ok(file.claim)
}

/// A store without an identity. What the box was before is kept aside with its key, so that its
/// journal can still be exported.
fn make_room(store: Store, places: &StorePlaces, clock: &GateClock) -> anyhow::Result<Store> {
    let Some(identity) = store.identity() else {
        return Ok(store);
    };
    let unacknowledged = store.tail()?.unacknowledged();
    let old = StorePlaces {
        state: places
            .state
            .join(format!("replaced-{}-{}", identity.gate, clock.now().utc.0)),
        keys: places.state.join(format!(
            "replaced-{}-{}/keys",
            identity.gate,
            clock.now().utc.0
        )),
    };
    drop(store);
    move_aside(places, &old)
        .with_context(|| format!("cannot move the old identity to {}", old.state.display()))?;
    println!("The box's former identity lies in {}.", old.state.display());
    if unacknowledged > 0 {
        println!(
            "{unacknowledged} of its records were never acknowledged by central: keep them with `gate-agent journal export --state {}`.",
            old.state.display()
        );
    }
    Ok(Store::open(places)?)
}

fn move_aside(places: &StorePlaces, old: &StorePlaces) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&old.keys)?;
    let rename = |from: &Path, to: &Path| match fs::rename(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // Keys may lie on other storage.
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            fs::copy(from, to).and_then(|_| fs::remove_file(from))
        }
        result => result,
    };
    for key in [
        crate::gate_key::GATE_KEY_FILE,
        crate::gate_key::ROSTER_KEY_FILE,
    ] {
        rename(&places.keys.join(key), &old.keys.join(key))?;
    }
    // The database last: with it in place, the box is what it was.
    for suffix in ["-wal", "-shm", ""] {
        let name = format!("{}{suffix}", crate::store::DATABASE_FILE);
        rename(&places.state.join(&name), &old.state.join(&name))?;
    }
    Ok(())
}

fn report(enrolment: &Enrolment, claim: &Claim) {
    println!("This box is gate {} of {}.", claim.gate, claim.address);
    println!();
    println!("    fingerprint  {}", enrolment.fingerprint);
    println!();
    println!(
        "Central shows the same fingerprint for this gate. If it does not, retire the gate there"
    );
    println!("and enrol again: somebody stood between.");
}

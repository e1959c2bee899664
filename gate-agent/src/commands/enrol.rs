//! `gate-agent enrol`: gives this box its identity, by a claim that central made.

mod showing;

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use shared::{enrolment::Claim, ids::AccessPointId};

use super::{ConfigurationChoice, owner};
use crate::{
    clock::GateClock,
    configuration::{AgentConfiguration, ReaderPlace},
    enrolment::{self, Enrolment},
    store::{Former, FormerJournal, SetAside, Store, StorePlaces, problem::StoreProblem},
};

const EXAMPLES: &str = "\
Examples:
  gate-agent enrol PC1:6BF…                 the text of a claim
  gate-agent enrol --claim-file claim.toml  a file with the line: claim = \"PC1:6BF…\"
  gate-agent enrol --camera                 show the claim's code to any of the gate's readers
  gate-agent enrol --camera=2               to the one at access point 2
  gate-agent enrol PC1:6BF… --replace       a new identity for a box that has one

Both screens show the same fingerprint: compare them before the gate is put to use.
Exit code: 0 enrolled; 2 wrong command line; 3 not enrolled, with what to do.";

/// Give this box its identity, by a claim that central made.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["text", "claim", "claim_file", "camera"]))]
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
    /// The claim is shown to the gate's own readers: to any, or to that of an access point. The
    /// agent must not run meanwhile.
    #[arg(long, value_name = "ACCESS_POINT", num_args = 0..=1, require_equals = true)]
    camera: Option<Option<u32>>,
    /// How long to wait for a claim to be shown, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 120,
        requires = "camera"
    )]
    within: u64,
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
    let typed = typed_claim(arguments)?;
    owner::work_as_owner_of(&configuration.places.state)?;
    let clock = GateClock::new(configuration.clock.clone());
    let places = &configuration.places;
    let before = Before::open(places, arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let claim = match typed {
        Some(claim) => claim,
        None => {
            let readers = readers_to_show(&configuration, arguments)?;
            let within = Duration::from_secs(arguments.within);
            let shown = showing::shown_claim(&readers, &clock, within);
            let claim = runtime.block_on(shown)?;
            println!("The claim is for gate {} of {}.", claim.gate, claim.address);
            claim
        }
    };
    let enrolment = runtime.block_on(enrolment::exchange(&claim, &clock))?;
    let mut store = before.make_room(&clock)?;
    enrolment.keep(&mut store, places)?;
    report(&enrolment, &claim);
    Ok(ExitCode::SUCCESS)
}

/// The box before it is enrolled; nobody else writes its store.
enum Before {
    Unenrolled(Box<Store>),
    ToBeReplaced(Box<Former>),
}

impl Before {
    fn open(places: &StorePlaces, arguments: &Arguments) -> Result<Self, StoreProblem> {
        if arguments.replace {
            return Former::open(places).map(|former| Self::ToBeReplaced(Box::new(former)));
        }
        let store = Store::open(places)?;
        match store.identity() {
            None => Ok(Self::Unenrolled(Box::new(store))),
            Some(identity) => {
                let gate = identity.gate;
                Err(StoreProblem::AlreadyEnrolled { gate })
            }
        }
    }

    /// A store without an identity. What the box was before is kept aside with its keys, so that
    /// its journal can still be exported.
    fn make_room(self, clock: &GateClock) -> anyhow::Result<Store> {
        match self {
            Self::Unenrolled(store) => Ok(*store),
            Self::ToBeReplaced(former) => {
                let (store, aside) = former
                    .set_aside(clock.now().utc)
                    .context("cannot set aside what the box was before")?;
                if let Some(aside) = aside {
                    report_aside(&aside);
                }
                Ok(store)
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimFile {
    claim: String,
}

/// `None` when it is to be shown.
fn typed_claim(arguments: &Arguments) -> anyhow::Result<Option<Claim>> {
    let text = match (&arguments.text, &arguments.claim, &arguments.claim_file) {
        (Some(text), _, _) | (_, Some(text), _) => text.clone(),
        (None, None, Some(path)) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read the claim file {}", path.display()))?;
            claim_of_file(&text).with_context(|| format!("{} holds no claim", path.display()))?
        }
        (None, None, None) => return Ok(None),
    };
    let claim = Claim::from_text(&text).context(
        "this is not the text of a claim: it begins with PC1: and must be copied whole; make a new one when in doubt",
    )?;
    Ok(Some(claim))
}

fn readers_to_show<'a>(
    configuration: &'a AgentConfiguration,
    arguments: &Arguments,
) -> anyhow::Result<Vec<&'a ReaderPlace>> {
    let all = configuration.readers.iter();
    let Some(access_point) = arguments.camera.flatten().map(AccessPointId) else {
        return Ok(all.collect());
    };
    let there: Vec<&ReaderPlace> = all
        .filter(|place| place.access_point == access_point)
        .collect();
    if there.is_empty() {
        bail!("no reader of this box stands at access point {access_point}");
    }
    Ok(there)
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

fn report_aside(aside: &SetAside) {
    let StorePlaces { state, keys } = &aside.places;
    let (state, keys) = (state.display(), keys.display());
    println!("What the box was before lies in {state}, its keys in {keys}.");
    if aside.unacknowledged == 0 {
        return;
    }
    let unacknowledged = aside.unacknowledged;
    let export = format!("gate-agent journal export --state {state} --keys {keys}");
    match aside.journal {
        FormerJournal::Exportable => println!(
            "{unacknowledged} of its records were never acknowledged by central: keep them with `{export}`."
        ),
        FormerJournal::LacksItsKey => println!(
            "{unacknowledged} of its records were never acknowledged by central. Keep both: once the right keys lie in {keys}, `{export}` writes them out."
        ),
    }
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

//! `gate-agent enrol`: gives this box its identity, by a claim that central made.

mod showing;

use std::{fs, io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use shared::{enrolment::Claim, ids::AccessPointId};

use super::{ConfigurationChoice, owner};
use crate::{
    clock::GateClock,
    configuration::{AgentConfiguration, ReaderPlace},
    enrolment::{self, Enrolment, Offer},
    store::{Former, FormerJournal, SetAside, Store, StorePlaces, problem::StoreProblem},
};

const EXAMPLES: &str = "\
Examples:
  gate-agent enrol PC1:6BF…                 the text of a claim
  gate-agent enrol --claim-file claim.toml  a file with the line: claim = \"PC1:6BF…\"
  gate-agent enrol --camera                 show the claim's code to any of the gate's readers
  gate-agent enrol --camera=2               to the one at access point 2
  gate-agent enrol PC1:6BF… --replace       a new identity for a box that has one

Without a network, by two files, within the claim's hour:
  gate-agent enrol PC1:6BF… --request enrol.request
  curl -f -H 'Content-Type: application/cbor' --data-binary @enrol.request \\
       https://central/gate/v1/enrol -o enrol.answer
  gate-agent enrol --answer enrol.answer

Both screens show the same fingerprint: compare them before the gate is put to use.
Exit code: 0 enrolled; 2 wrong command line; 3 not enrolled, with what to do.";

/// Give this box its identity, by a claim that central made.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["text", "claim", "claim_file", "camera", "answer"]))]
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
    /// Write the request to a file, and send nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "answer")]
    request: Option<PathBuf>,
    /// Central's answer to a request that was written before.
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
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
    let by = By::of(arguments)?;
    owner::work_as_owner_of(&configuration.places.state)?;
    let clock = GateClock::new(configuration.clock.clone());
    let places = &configuration.places;
    let before = Before::open(places, arguments)?;
    let enrolment = match by {
        By::Answer(answer) => {
            let enrolment = Offer::waiting(places)?.accept(&answer)?;
            // Before the keys of what the box was are set aside: these are none of them.
            enrolment::forget(places)?;
            enrolment
        }
        By::Request(typed, file) => {
            let claim = the_claim(typed, arguments, &configuration, &clock)?;
            write_request(&Offer::make(claim)?, places, file)?;
            return Ok(ExitCode::SUCCESS);
        }
        By::Network(typed) => {
            let claim = the_claim(typed, arguments, &configuration, &clock)?;
            runtime()?.block_on(enrolment::exchange(&claim, &clock))?
        }
    };
    let mut store = before.make_room(&clock)?;
    enrolment.keep(&mut store, places)?;
    report(&enrolment);
    Ok(ExitCode::SUCCESS)
}

/// How request and answer travel. Files of whoever runs the command are opened before it works as
/// the agent's user, who may not see them.
enum By {
    Network(Option<Claim>),
    Request(Option<Claim>, RequestFile),
    Answer(Vec<u8>),
}

struct RequestFile {
    path: PathBuf,
    file: fs::File,
}

impl By {
    fn of(arguments: &Arguments) -> anyhow::Result<Self> {
        if let Some(path) = &arguments.answer {
            let answer = fs::read(path)
                .with_context(|| format!("cannot read central's answer {}", path.display()))?;
            return Ok(Self::Answer(answer));
        }
        let typed = typed_claim(arguments)?;
        let Some(path) = &arguments.request else {
            return Ok(Self::Network(typed));
        };
        let file = fs::File::create(path)
            .with_context(|| format!("cannot write the request {}", path.display()))?;
        let path = path.clone();
        Ok(Self::Request(typed, RequestFile { path, file }))
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")
}

/// The claim that was typed, or else is shown.
fn the_claim(
    typed: Option<Claim>,
    arguments: &Arguments,
    configuration: &AgentConfiguration,
    clock: &GateClock,
) -> anyhow::Result<Claim> {
    if let Some(claim) = typed {
        return Ok(claim);
    }
    let readers = readers_to_show(configuration, arguments)?;
    let within = Duration::from_secs(arguments.within);
    let claim = runtime()?.block_on(showing::shown_claim(&readers, clock, within))?;
    println!("The claim is for gate {} of {}.", claim.gate, claim.address);
    Ok(claim)
}

/// Keeps the key that is offered, and writes what central is to be sent.
fn write_request(
    offer: &Offer,
    places: &StorePlaces,
    RequestFile { path, mut file }: RequestFile,
) -> anyhow::Result<()> {
    let shown = path.display();
    offer.wait(places)?;
    file.write_all(&offer.request())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write the request {shown}"))?;
    let address = &offer.claim.address;
    println!("Send {shown} to central before the claim expires:");
    println!();
    println!("    curl -f -H 'Content-Type: application/cbor' --data-binary @{shown} \\");
    println!("        {address}/gate/v1/enrol -o enrol.answer");
    println!();
    println!("Then bring the answer here: gate-agent enrol --answer enrol.answer");
    Ok(())
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

fn report(enrolment: &Enrolment) {
    let claim = &enrolment.claim;
    println!("This box is gate {} of {}.", claim.gate, claim.address);
    println!();
    println!("    fingerprint  {}", enrolment.fingerprint);
    println!();
    println!(
        "Central shows the same fingerprint for this gate. If it does not, retire the gate there"
    );
    println!("and enrol again: somebody stood between.");
}

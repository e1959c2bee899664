//! `gate-agent scan-image FILE…`: reads every QR code of each picture and prints a JSON line for it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;
use shared::ids::AccessPointId;
use tokio::runtime;

use crate::clock::{Clock, ClockConfig, GateClock};
use crate::configuration::AgentConfiguration;
use crate::decoder::{Decoder, DecoderSettings, Effort, Request, read_picture_file};
use crate::dry_run::DryRun;
use crate::store::{StorePlaces, StoreReader};

const EXAMPLES: &str = "\
Examples:
  gate-agent scan-image card.png photo.jpg
  gate-agent scan-image pictures/            every file of a folder
  gate-agent scan-image *.png | jq -r 'select(.texts == []) | .file'
  gate-agent scan-image card.png --store /var/lib/portcullis
  gate-agent scan-image card.png --config /etc/portcullis/gate.toml --access-point 2

Each line has: file; texts, every code that was read, empty when there is none; step, the one that
read the first of them (plain, half, sharp, …), null when there is none; ms, the time for unpacking
and reading; error, null or why the picture could not be read; and, when a store is given,
decision, what this gate would say to the picture now (null when there is no code in it). Nothing is
recorded and no door moves.
Exit code: 0 when every file is a picture, with codes or without; 1 when one is not; 2 for a wrong
command line; 3 when it cannot be found out.";

/// Read the QR codes of pictures (PNG, JPEG, WebP) and print a JSON line for each picture.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Pictures, or folders whose files are read in the order of their names; hidden files and
    /// folders in folders are passed over.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// State directory of a gate that says what it would decide; its keys lie in `keys` below it.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub store: Option<PathBuf>,
    /// Configuration of a gate that says what it would decide, with its own clock.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the picture is shown; the gate's first access point when it is not said.
    #[arg(long, value_name = "NUMBER")]
    pub access_point: Option<u32>,
}

/// What is printed for a picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PictureLine {
    /// The file as it was named.
    pub file: String,
    /// The text of every code that was read.
    pub texts: Vec<String>,
    /// The step that read the first of them; none when nothing was read.
    pub step: Option<&'static str>,
    /// Milliseconds for unpacking and reading, to the microsecond.
    pub ms: f64,
    /// Why the picture could not be read.
    pub error: Option<String>,
    /// What a gate would have said to it, where one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<serde_json::Value>,
}

/// Says what a gate would answer to the texts of a picture.
pub type Decide<'a> = dyn FnMut(&[String]) -> anyhow::Result<serde_json::Value> + 'a;

/// Runs the command.
///
/// # Errors
/// When the decoder cannot be started or standard output cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let dry_run = dry_run(arguments)?;
    let mut decide = dry_run
        .as_ref()
        .map(|dry_run| |texts: &[String]| dry_run.decide(texts));
    let decide = decide.as_mut().map(|decide| decide as &mut Decide<'_>);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(async {
        let mut decoder = Decoder::start(DecoderSettings::this_program(), Clock::system()).await?;
        let mut output = io::stdout().lock();
        match scan_pictures(&arguments.files, &mut decoder, decide, &mut output).await {
            Ok(0) => Ok(ExitCode::SUCCESS),
            Ok(_) => Ok(ExitCode::FAILURE),
            Err(error) if is_reader_gone(&error) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error),
        }
    })
}

/// The gate that is asked, when one is named.
fn dry_run(arguments: &Arguments) -> anyhow::Result<Option<DryRun>> {
    let (places, clock) = match (&arguments.store, &arguments.config) {
        (None, None) if arguments.access_point.is_some() => {
            bail!("--access-point needs --store or --config: without a gate there is no decision")
        }
        (None, None) => return Ok(None),
        (Some(state), _) => {
            let places = StorePlaces {
                state: state.clone(),
                keys: state.join("keys"),
            };
            (places, ClockConfig::System {})
        }
        (None, Some(path)) => {
            let configuration = AgentConfiguration::read(path)?;
            (configuration.places, configuration.clock)
        }
    };
    let store = StoreReader::open(&places)?;
    let access_point = arguments.access_point.map(AccessPointId);
    DryRun::new(store, GateClock::new(clock), access_point).map(Some)
}

/// Reads the pictures one after the other and writes each line as soon as it is known. Gives the
/// number of pictures with an error. With `decide`, each picture that could be read gets a decision.
///
/// # Errors
/// When `output` cannot be written, or `decide` fails.
pub async fn scan_pictures(
    named: &[PathBuf],
    decoder: &mut Decoder,
    mut decide: Option<&mut Decide<'_>>,
    output: &mut impl Write,
) -> anyhow::Result<u64> {
    let clock = Clock::system();
    let mut errors = 0;
    for name in named {
        let files = match files_of(name) {
            Ok(files) => files,
            Err(error) => {
                errors += 1;
                let reason = format!("cannot list the folder: {error}");
                write_line(output, &PictureLine::failed(name, 0, reason))?;
                continue;
            }
        };
        for file in files {
            let mut line = scan_picture(&file, decoder, clock).await;
            if line.error.is_some() {
                errors += 1;
            } else if let Some(decide) = &mut decide {
                line.decision = Some(decide(&line.texts)?);
            }
            write_line(output, &line)?;
        }
    }
    Ok(errors)
}

async fn scan_picture(file: &Path, decoder: &mut Decoder, clock: Clock) -> PictureLine {
    let bytes = match read_picture_file(file) {
        Ok(bytes) => bytes,
        Err(error) => return PictureLine::failed(file, 0, error.to_string()),
    };
    let started_us = clock.uptime_us();
    let request = Request::Picture {
        file: &bytes,
        effort: Effort::Thorough,
    };
    match decoder.decode(request).await {
        Ok(decoded) => PictureLine {
            file: file.to_string_lossy().into_owned(),
            ms: milliseconds(decoded.unpack_us + decoded.read_us),
            step: decoded.step.map(code_finder::Step::name),
            texts: decoded.texts,
            error: None,
            decision: None,
        },
        Err(error) => PictureLine::failed(file, clock.uptime_us() - started_us, error.to_string()),
    }
}

impl PictureLine {
    fn failed(file: &Path, took_us: u64, error: String) -> Self {
        Self {
            file: file.to_string_lossy().into_owned(),
            texts: Vec::new(),
            step: None,
            ms: milliseconds(took_us),
            error: Some(error),
            decision: None,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a picture takes far less than 2^53 microseconds"
)]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1_000.0
}

/// The file itself, or the visible files of a folder in the order of their names.
fn files_of(named: &Path) -> io::Result<Vec<PathBuf>> {
    if !named.is_dir() {
        return Ok(vec![named.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(named)? {
        let entry = entry?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && !entry.path().is_dir() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn write_line(output: &mut impl Write, line: &PictureLine) -> anyhow::Result<()> {
    let mut json = serde_json::to_vec(line).context("cannot write a line as JSON")?;
    json.push(b'\n');
    output
        .write_all(&json)
        .and_then(|()| output.flush())
        .context("cannot write to standard output")
}

/// `scan-image … | head` is no error.
fn is_reader_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

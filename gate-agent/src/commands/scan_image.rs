//! `gate-agent scan-image FILE…`: reads every QR code of each picture and prints a JSON line for it.

use std::fs;
use std::io::{self, Read as _, Write};
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
  gate-agent scan-image pictures/            every picture in a folder and the folders in it
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
    /// Pictures, or folders, whose pictures (PNG, JPEG or WebP by their names or their content) are
    /// read in the order of their names, those of the folders in them too; hidden ones are passed over.
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

/// Folders in folders beyond this depth are taken for a loop.
const DEPTH_MAX: u32 = 32;

/// What a picture's name ends in, where a folder is named and not the picture itself.
const PICTURE_ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// The file itself, or the visible pictures of a folder and the folders in it, in the order of their
/// paths.
fn files_of(named: &Path) -> io::Result<Vec<PathBuf>> {
    if !named.is_dir() {
        return Ok(vec![named.to_owned()]);
    }
    let mut files = Vec::new();
    collect(named, DEPTH_MAX, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, files)?;
            }
        } else if path.is_file() && is_picture(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// By its name, or by its first bytes whatever its name.
fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_called_one = ending.is_some_and(|ending| {
        PICTURE_ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    });
    is_called_one || begins_as_one(path).unwrap_or(false)
}

fn begins_as_one(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::with_capacity(12);
    fs::File::open(path)?.take(12).read_to_end(&mut begin)?;
    let is_webp = begin.starts_with(b"RIFF") && begin.ends_with(b"WEBP");
    Ok(is_webp || begin.starts_with(b"\x89PNG") || begin.starts_with(&[0xff, 0xd8, 0xff]))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_pictures_and_those_of_the_folders_in_it_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for inner in ["b", "b/deeper", ".hidden"] {
            fs::create_dir(at(inner)).unwrap();
        }
        for name in [
            "c.PNG",
            "a.jpeg",
            "b/2.webp",
            "b/deeper/1.jpg",
            "notes.txt",
            "b/2.txt",
            ".hidden/x.png",
            ".y.png",
            "without-ending",
        ] {
            fs::write(at(name), b"").unwrap();
        }
        // A link to the folder itself is a file that is no picture's.
        std::os::unix::fs::symlink(folder.path(), at("loop.png")).unwrap();
        fs::write(at("by-content"), b"\x89PNG\r\n").unwrap();
        let wanted = [
            "a.jpeg",
            "b/2.webp",
            "b/deeper/1.jpg",
            "by-content",
            "c.PNG",
        ]
        .map(at);
        assert_eq!(files_of(folder.path()).unwrap(), wanted);
        // Whoever names a file wants it read, whatever it is called.
        assert_eq!(files_of(&at("notes.txt")).unwrap(), [at("notes.txt")]);
        assert!(files_of(&at("b/none")).unwrap() == [at("b/none")]);
    }
}

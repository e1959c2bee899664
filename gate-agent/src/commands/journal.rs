//! `gate-agent journal export` and `gate-agent journal verify`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use shared::{
    document,
    ids::{Digest, JournalPosition},
    journal::{ChainState, JournalHead, Record},
    keys::PublicKey,
};

use super::{ConfigurationChoice, answer_is_no};
use crate::{
    clock::GateClock,
    gate_key::{GATE_KEY_FILE, GateKey, KeyProblem, read_secret},
    journal_file::{Beginning, KeyTrust, Opening, verify_export, write_export},
    store::{StorePlaces, StoreReader},
};

const EXPORT_EXAMPLES: &str = "\
Examples:
  gate-agent journal export --output journal.jsonl
  gate-agent journal export | gzip > journal.jsonl.gz
  gate-agent journal export --state /var/lib/portcullis/replaced-… --keys /…/keys/replaced-…
                                            a box's former identity

The agent may go on running. Exit code: 0 exported; 2 wrong command line; 3 not exported.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  gate-agent journal verify journal.jsonl --gate-key 3b6a27…  the key that central shows
  gate-agent journal verify journal.jsonl

Needs nothing but the file and the gate's public key. Exit code: 0 the journal holds; 1 it does not;
2 wrong command line; 3 it cannot be read.";

/// Export this gate's journal, or check an exported one.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write the journal as JSON lines, signed, so that a stranger can check it.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        #[command(flatten)]
        configuration: ConfigurationChoice,
        /// The state directory of another store, in place of the configuration's.
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
        /// Where the keys of that other store lie; `keys` below it when it is not said.
        #[arg(long, value_name = "DIR", requires = "state")]
        keys: Option<PathBuf>,
        /// Where to write; standard output when it is not said. A file that is there is kept.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check an exported journal: chain, personal parts, anchor, head.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify {
        /// The file.
        file: PathBuf,
        /// The gate's public key, 64 hexadecimal digits; without it, the file's own is taken, and
        /// said.
        #[arg(long, value_name = "HEX", value_parser = parse_key)]
        gate_key: Option<PublicKey>,
    },
}

fn parse_key(text: &str) -> Result<PublicKey, String> {
    Digest::from_hex(text)
        .map(|bytes| PublicKey(bytes.0))
        .ok_or_else(|| "a key has 64 hexadecimal digits".into())
}

/// Runs the command.
///
/// # Errors
/// When the store or the file cannot be read, or the output not written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Export {
            configuration,
            state,
            keys,
            output,
        } => {
            let (places, clock) = match state {
                Some(state) => {
                    let places = StorePlaces {
                        state: state.clone(),
                        keys: keys.clone().unwrap_or_else(|| state.join("keys")),
                    };
                    (places, GateClock::new(crate::clock::ClockConfig::System {}))
                }
                None => {
                    let read = configuration.read()?;
                    (read.places, GateClock::new(read.clock))
                }
            };
            export(&places, &clock, output.as_deref())
        }
        Action::Verify { file, gate_key } => verify(file, *gate_key),
    }
}

fn export(
    places: &StorePlaces,
    clock: &GateClock,
    output: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let store = StoreReader::open(places)?;
    let path = places.keys.join(GATE_KEY_FILE);
    let key = GateKey::new(&read_secret(&path)?);
    if key.public() != store.identity().gate_key {
        return Err(KeyProblem::Other { path }.into());
    }
    let written = match output {
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&store, &key, clock, &mut out)?
        }
        Some(path) => write_new(path, |out| write(&store, &key, clock, out))?,
    };
    eprintln!("Exported the journal up to record {}.", written.position);
    eprintln!("The gate's key is {}.", Digest(key.public().0));
    Ok(ExitCode::SUCCESS)
}

/// Writes a file beside its place and moves it there when it is whole, so that an export that failed
/// leaves nothing in the way of the next. Comings and goings of people are for their reader's eyes.
fn write_new<T>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if fs::symlink_metadata(path).is_ok() {
        bail!(
            "{} is there already and is kept: name another file, or move it away first",
            path.display()
        );
    }
    let cannot = || {
        format!(
            "cannot write {}: its folder must be there, be writable for this user and have room",
            path.display()
        )
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    // What a killed export left.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(cannot);
        }
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .with_context(cannot)?;
    let mut out = BufWriter::new(file);
    let moved = write(&mut out).and_then(|written| {
        let file = out.into_inner().map_err(|error| error.into_error());
        file.and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&beside, path))
            .with_context(cannot)?;
        Ok(written)
    });
    if moved.is_err() {
        // It tells of its own why it cannot be removed, at the next export.
        let _ = fs::remove_file(&beside);
    }
    moved
}

fn write(
    store: &StoreReader,
    key: &GateKey,
    clock: &GateClock,
    out: &mut impl io::Write,
) -> anyhow::Result<ChainState> {
    let identity = store.identity();
    let (start, anchor) = match store.anchor()? {
        Some((start, signed)) => (start, Some(signed)),
        None => (
            ChainState::start(identity.gate, identity.journal_epoch),
            None,
        ),
    };
    let opening = Opening {
        gate: identity.gate,
        gate_key: identity.gate_key,
        start,
        anchor,
    };
    let sign_head = |end: &ChainState| {
        let head = JournalHead {
            gate: identity.gate,
            position: end.position,
            hash: end.hash,
            made_at: clock.now().utc,
        };
        Ok(document::sign(&head, key)?)
    };
    let written = write_export(out, &opening, Pages::new(store, start.position), sign_head)?;
    out.flush().context("cannot write the exported journal")?;
    Ok(written)
}

/// Records of a store, read page by page.
struct Pages<'a> {
    store: &'a StoreReader,
    after: JournalPosition,
    page: std::vec::IntoIter<Record>,
}

impl<'a> Pages<'a> {
    fn new(store: &'a StoreReader, after: JournalPosition) -> Self {
        Self {
            store,
            after,
            page: Vec::new().into_iter(),
        }
    }
}

impl Iterator for Pages<'_> {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 {
            let page = match self.store.page(self.after) {
                Ok(page) => page,
                Err(problem) => return Some(Err(problem.into())),
            };
            self.after = page.last()?.position;
            let records: Vec<Record> = page.into_iter().map(|kept| kept.record).collect();
            self.page = records.into_iter();
        }
        self.page.next().map(Ok)
    }
}

fn verify(path: &Path, gate_key: Option<PublicKey>) -> anyhow::Result<ExitCode> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let report = match verify_export(BufReader::new(file), gate_key) {
        Ok(report) => report,
        Err(refused) => {
            println!("{} does not hold: {refused}", path.display());
            return Ok(answer_is_no());
        }
    };
    let beginning = match report.beginning {
        Beginning::Epoch => "from the beginning of its epoch".to_owned(),
        Beginning::Anchor => format!(
            "behind the signed anchor at {}; earlier records were pruned",
            report.before
        ),
    };
    println!(
        "{} holds: the journal of gate {}, {beginning}.",
        path.display(),
        report.gate
    );
    println!(
        "{} records up to {}, {} with an erased personal part; signed at {}.",
        report.records, report.last, report.erased, report.made_at
    );
    println!("hash      {}", report.hash);
    println!("gate key  {}", Digest(report.gate_key.0));
    match report.key_trust {
        KeyTrust::Given => {}
        KeyTrust::FromFile => println!(
            "The key is the file's own: compare it with the one that central shows for the gate, or name it with --gate-key."
        ),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn an_export_is_its_owners_alone_and_one_that_failed_is_not_in_the_way_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let fails = write_new(&path, |out| {
            out.write_all(&[b'x'; 100_000])?;
            bail!("the disk is full") as anyhow::Result<()>
        });
        assert_eq!(fails.unwrap_err().to_string(), "the disk is full");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // One that was killed left something.
        fs::write(folder.path().join("journal.jsonl.part"), "half").unwrap();
        let writes =
            |text: &'static str| move |out: &mut BufWriter<File>| Ok(write!(out, "{text}")?);
        write_new(&path, writes("whole")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let error = write_new(&path, writes("again")).unwrap_err().to_string();
        assert!(error.contains("name another file"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        let nowhere = folder.path().join("nowhere/journal.jsonl");
        let error = write_new(&nowhere, writes("")).unwrap_err().to_string();
        assert!(error.contains("its folder must be there"), "{error}");
    }
}

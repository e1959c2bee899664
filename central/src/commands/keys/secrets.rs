//! Passphrases and key files that open root and registrar keys.

use std::{
    fs,
    io::{IsTerminal, Write, stderr, stdin},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::Work;
use crate::{
    keys::{
        PrivateKey, Purpose,
        credentials::{self, Credential},
        file::{self, Needs, Protection},
        sealing::KeyEncryptionKey,
    },
    randomness::Randomness,
};

/// A shorter one is guessed by whoever has the file.
const PASSPHRASE_LEN_MIN: usize = 12;
const PASSPHRASE_LEN_MAX: u64 = 1024;

/// How a key file is sealed.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Seal {
    /// File whose first line is the passphrase [default: asked for on the terminal]
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    passphrase_file: Option<PathBuf>,
    /// File of 32 bytes that seals the key, in place of a passphrase
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// The registrar's key.
#[derive(Args, Clone, Debug)]
pub(super) struct Registrar {
    /// The registrar's key file [default: keys/registrar.key in the data directory]
    #[arg(long, value_name = "FILE")]
    registrar: Option<PathBuf>,
    #[command(flatten)]
    seal: Seal,
}

impl Seal {
    /// What seals a new key; a passphrase is asked for twice.
    pub(super) fn for_new(&self, what: &Path) -> anyhow::Result<Protection> {
        if let Some(protection) = self.given()? {
            return Ok(protection);
        }
        let prompt = format!("New passphrase for {}: ", what.display());
        let first = ask(&prompt)?;
        check(&first)?;
        let again = ask("The same again: ")?;
        ensure!(*first == *again, "the two passphrases differ");
        Ok(Protection::Passphrase(first))
    }

    /// What opens a key file.
    pub(super) fn for_opening(&self, what: &Path) -> anyhow::Result<Protection> {
        if let Some(protection) = self.given()? {
            return Ok(protection);
        }
        ask(&format!("Passphrase of {}: ", what.display())).map(Protection::Passphrase)
    }

    fn is_given(&self) -> bool {
        self.passphrase_file.is_some() || self.key_file.is_some()
    }

    fn given(&self) -> anyhow::Result<Option<Protection>> {
        if let Some(path) = &self.passphrase_file {
            return read_passphrase(path).map(Protection::Passphrase).map(Some);
        }
        let Some(path) = &self.key_file else {
            return Ok(None);
        };
        let key = KeyEncryptionKey::new(&*credentials::read_file(path)?);
        Ok(Some(Protection::KeyFile(key)))
    }
}

impl Registrar {
    /// Opens the registrar's key: by its own key-encryption key unless it says otherwise.
    pub(super) fn open(&self, work: &Work) -> anyhow::Result<PrivateKey> {
        let path = match &self.registrar {
            Some(path) => path.clone(),
            None => work.keys_directory.join(REGISTRAR_FILE),
        };
        let label = file::label(&path, Purpose::Registrar)?;
        let protection = match label.needs {
            Needs::KeyFile if !self.seal.is_given() => {
                Protection::KeyFile(work.credentials.key(Credential::Registrar)?)
            }
            Needs::KeyFile | Needs::Passphrase => self.seal.for_opening(&path)?,
        };
        file::open(&path, Purpose::Registrar, &protection)
    }
}

/// The registrar's key file in the directory of key files.
pub(super) const REGISTRAR_FILE: &str = "registrar.key";

/// Reads a passphrase: the first line of a file.
pub(super) fn read_passphrase(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let shown = path.display();
    let length = fs::metadata(path)
        .with_context(|| format!("cannot read the passphrase file {shown}"))?
        .len();
    ensure!(
        length <= PASSPHRASE_LEN_MAX,
        "{shown} is no passphrase file: it has {length} bytes"
    );
    let text = fs::read_to_string(path)
        .map(Zeroizing::new)
        .with_context(|| format!("cannot read the passphrase file {shown}"))?;
    let line = Zeroizing::new(text.lines().next().unwrap_or("").to_owned());
    check(&line).with_context(|| format!("the first line of {shown}"))?;
    Ok(line)
}

/// A passphrase of 120 random bits, in letters and digits that are not mistaken for each other.
pub(super) fn new_passphrase(randomness: &Randomness) -> Zeroizing<String> {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bytes = Zeroizing::new(randomness.bytes::<24>());
    let mut text = Zeroizing::new(String::with_capacity(30));
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    text
}

fn check(passphrase: &str) -> anyhow::Result<()> {
    ensure!(
        passphrase.chars().count() >= PASSPHRASE_LEN_MIN,
        "a passphrase must have at least {PASSPHRASE_LEN_MIN} characters"
    );
    Ok(())
}

/// Asks on the terminal, without showing what is typed.
fn ask(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    if !stdin().is_terminal() {
        bail!("there is no terminal to ask for the passphrase: name a file with --passphrase-file");
    }
    eprint!("{prompt}");
    stderr().flush().context("cannot ask for the passphrase")?;
    let settings = tcgetattr(stdin()).context("cannot ask for the passphrase")?;
    let mut silent = settings.clone();
    silent.local_modes -= LocalModes::ECHO;
    tcsetattr(stdin(), OptionalActions::Flush, &silent).context("cannot hide the passphrase")?;
    let mut line = Zeroizing::new(String::new());
    let read = stdin().read_line(&mut line);
    // Whatever came of it, the terminal shows again what is typed.
    let restored = tcsetattr(stdin(), OptionalActions::Flush, &settings);
    eprintln!();
    read.context("cannot read the passphrase")?;
    restored.context("cannot restore the terminal")?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_passphrase_is_long_and_new_each_time() {
        let [one, two] = [(), ()].map(|()| new_passphrase(&Randomness::System));
        assert_eq!(one.len(), 29);
        assert_ne!(*one, *two);
        assert!(check(&one).is_ok());
    }

    #[test]
    fn a_passphrase_file_has_it_in_its_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        fs::write(&path, "correct horse battery\nstaple\n").unwrap();
        assert_eq!(*read_passphrase(&path).unwrap(), "correct horse battery");
        fs::write(&path, "short\n").unwrap();
        let problem = format!("{:#}", read_passphrase(&path).unwrap_err());
        assert!(problem.contains("at least 12"), "{problem}");
        fs::write(&path, [b'x'; 2000]).unwrap();
        assert!(read_passphrase(&path).is_err());
    }
}

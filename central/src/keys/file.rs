//! A root or registrar key as a file: JSON that says what it is, with the private half sealed
//! under a passphrase (argon2id, RFC 9106) or a key file.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use shared::{
    ids::{Digest, Kid},
    keys::PublicKey,
};
use zeroize::Zeroizing;

use super::{
    PrivateKey, Purpose, credentials,
    sealing::{KeyEncryptionKey, SealBroken},
};
use crate::randomness::Randomness;

const FORMAT: &str = "portcullis sealed key, version 1";
/// RFC 9106 §4, second recommended option: 64 MiB, 3 passes, 4 lanes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// A file from elsewhere may not ask for more memory than this.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 32;
const SALT_LEN: usize = 16;
/// A key file is a few hundred bytes.
const FILE_LEN_MAX: u64 = 8 * 1024;

/// What opens and seals a key file.
pub enum Protection {
    /// A passphrase that a person keeps.
    Passphrase(Zeroizing<String>),
    /// 32 bytes of a file or a credential.
    KeyFile(KeyEncryptionKey),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    format: String,
    purpose: String,
    kid: String,
    public_key: String,
    sealed_under: SealedUnder,
    sealed_private_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum SealedUnder {
    KeyFile,
    Argon2id {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        salt: String,
    },
}

/// What a key file says without being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The public half.
    pub public_key: PublicKey,
    /// Must it be opened with a passphrase?
    pub needs: Needs,
}

/// What opens a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A passphrase.
    Passphrase,
    /// A key file or credential.
    KeyFile,
}

/// Writes a new key file, for its owner alone.
///
/// # Errors
/// When there is a file already, or it cannot be written.
pub fn write(
    path: &Path,
    purpose: Purpose,
    key: &PrivateKey,
    protection: &Protection,
    randomness: &Randomness,
) -> anyhow::Result<()> {
    let (sealed_under, kek) = match protection {
        Protection::KeyFile(kek) => (SealedUnder::KeyFile, kek.clone()),
        Protection::Passphrase(passphrase) => {
            let salt: [u8; SALT_LEN] = randomness.bytes();
            let kek = derive(passphrase, &salt, MEMORY_KIB, PASSES, LANES)?;
            let under = SealedUnder::Argon2id {
                memory_kib: MEMORY_KIB,
                passes: PASSES,
                lanes: LANES,
                salt: STANDARD.encode(salt),
            };
            (under, kek)
        }
    };
    let public = key.public();
    let sealed = kek.seal(purpose, &public, &key.seed(), randomness);
    let file = Sealed {
        format: FORMAT.into(),
        purpose: purpose.name().into(),
        kid: public.kid().to_string(),
        public_key: Digest(public.0).to_string(),
        sealed_under,
        sealed_private_key: STANDARD.encode(sealed),
    };
    let mut text = serde_json::to_string_pretty(&file).context("cannot write a key file")?;
    text.push('\n');
    credentials::write_private_file(path, text.as_bytes())
}

/// Reads what a key file says without opening it.
///
/// # Errors
/// When it is no key file of this purpose.
pub fn label(path: &Path, purpose: Purpose) -> anyhow::Result<Label> {
    let file = read(path, purpose)?;
    let needs = match file.sealed_under {
        SealedUnder::KeyFile => Needs::KeyFile,
        SealedUnder::Argon2id { .. } => Needs::Passphrase,
    };
    Ok(Label {
        public_key: public_key(&file, path)?,
        needs,
    })
}

/// Opens a key file.
///
/// # Errors
/// When it is no key file of this purpose, or `protection` does not open it.
pub fn open(path: &Path, purpose: Purpose, protection: &Protection) -> anyhow::Result<PrivateKey> {
    let shown = path.display();
    let file = read(path, purpose)?;
    let public = public_key(&file, path)?;
    let kek = match (&file.sealed_under, protection) {
        (SealedUnder::KeyFile, Protection::KeyFile(kek)) => kek.clone(),
        (
            SealedUnder::Argon2id {
                memory_kib,
                passes,
                lanes,
                salt,
            },
            Protection::Passphrase(passphrase),
        ) => {
            let salt = STANDARD
                .decode(salt)
                .ok()
                .with_context(|| format!("{shown} is damaged: its salt is not Base64"))?;
            if *memory_kib > MEMORY_KIB_MAX || *passes > PASSES_MAX {
                bail!("{shown} asks for more memory or passes than any key file of ours");
            }
            derive(passphrase, &salt, *memory_kib, *passes, *lanes)?
        }
        (SealedUnder::KeyFile, Protection::Passphrase(_)) => {
            bail!("{shown} opens with a key file, not with a passphrase")
        }
        (SealedUnder::Argon2id { .. }, Protection::KeyFile(_)) => {
            bail!("{shown} opens with a passphrase, not with a key file")
        }
    };
    let sealed = STANDARD
        .decode(&file.sealed_private_key)
        .ok()
        .with_context(|| format!("{shown} is damaged: its sealed key is not Base64"))?;
    match kek.open(purpose, &public, &sealed) {
        Ok(seed) => Ok(PrivateKey::from_seed(&seed)),
        Err(SealBroken::WrongKey) => match protection {
            Protection::Passphrase(_) => bail!(
                "{shown} does not open with this passphrase: it is another one, or the file was altered"
            ),
            Protection::KeyFile(_) => bail!(
                "{shown} does not open with this key file: it was sealed under another one, or was altered"
            ),
        },
        Err(SealBroken::Form) => bail!("{shown} is damaged: its sealed key has another form"),
    }
}

fn read(path: &Path, purpose: Purpose) -> anyhow::Result<Sealed> {
    let shown = path.display();
    let length = fs::metadata(path)
        .with_context(|| format!("cannot read the key file {shown}"))?
        .len();
    if length > FILE_LEN_MAX {
        bail!("{shown} is no key file: it has {length} bytes");
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read the key file {shown}"))?;
    let file: Sealed = serde_json::from_str(&text)
        .with_context(|| format!("{shown} is no key file that `central keys` wrote"))?;
    if file.format != FORMAT {
        bail!(
            "{shown} has the format {:?} and this central reads {FORMAT:?}",
            file.format
        );
    }
    if file.purpose != purpose.name() {
        bail!(
            "{shown} is a {} key; a {purpose} key is needed here",
            file.purpose
        );
    }
    Ok(file)
}

fn public_key(file: &Sealed, path: &Path) -> anyhow::Result<PublicKey> {
    let key = Digest::from_hex(&file.public_key)
        .map(|bytes| PublicKey(bytes.0))
        .filter(|key| Kid::from_hex(&file.kid) == Some(key.kid()));
    key.with_context(|| {
        format!(
            "{} is damaged: its public key does not match its kid",
            path.display()
        )
    })
}

fn derive(
    passphrase: &str,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> anyhow::Result<KeyEncryptionKey> {
    let params = Params::new(memory_kib, passes, lanes, Some(32))
        .map_err(|error| anyhow::anyhow!("argon2 takes no such parameters: {error}"))?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .map_err(|error| anyhow::anyhow!("argon2 failed: {error}"))?;
    Ok(KeyEncryptionKey::new(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Protection {
        Protection::Passphrase(Zeroizing::new(text.into()))
    }

    #[test]
    fn a_key_file_opens_with_its_passphrase_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root-1.key");
        let key = PrivateKey::generate(&Randomness::System);
        write(
            &path,
            Purpose::Root,
            &key,
            &passphrase("right"),
            &Randomness::System,
        )
        .unwrap();
        let opened = open(&path, Purpose::Root, &passphrase("right")).unwrap();
        assert_eq!(opened.public(), key.public());
        let text = fs::read(&path).unwrap();
        let hex = Digest(*key.seed()).to_string();
        assert!(!String::from_utf8(text).unwrap().contains(&hex));

        let problem = |opened: anyhow::Result<PrivateKey>| opened.unwrap_err().to_string();
        assert!(
            problem(open(&path, Purpose::Root, &passphrase("wrong")))
                .contains("does not open with this passphrase")
        );
        assert!(
            problem(open(&path, Purpose::Registrar, &passphrase("right")))
                .contains("is a root key; a registrar key is needed")
        );
        let kek = KeyEncryptionKey::generate(&Randomness::System);
        assert!(
            problem(open(&path, Purpose::Root, &Protection::KeyFile(kek)))
                .contains("with a passphrase, not with a key file")
        );
        let again = write(
            &path,
            Purpose::Root,
            &key,
            &passphrase("x"),
            &Randomness::System,
        );
        assert!(again.unwrap_err().to_string().contains("ever overwritten"));
    }

    #[test]
    fn a_key_file_opens_with_its_key_file_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registrar.key");
        let key = PrivateKey::generate(&Randomness::System);
        let kek = KeyEncryptionKey::generate(&Randomness::System);
        let protection = Protection::KeyFile(kek);
        write(
            &path,
            Purpose::Registrar,
            &key,
            &protection,
            &Randomness::System,
        )
        .unwrap();
        assert!(open(&path, Purpose::Registrar, &protection).is_ok());
        assert_eq!(
            label(&path, Purpose::Registrar).unwrap(),
            Label {
                public_key: key.public(),
                needs: Needs::KeyFile
            }
        );
        let other = Protection::KeyFile(KeyEncryptionKey::generate(&Randomness::System));
        let problem = open(&path, Purpose::Registrar, &other)
            .unwrap_err()
            .to_string();
        assert!(
            problem.contains("does not open with this key file"),
            "{problem}"
        );
    }

    #[test]
    fn a_file_that_is_no_key_file_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        for content in [&b"not a key"[..], b"{}", &[0xff; 100], &[b' '; 10_000]] {
            fs::write(&path, content).unwrap();
            let problem = open(&path, Purpose::Root, &passphrase("x")).unwrap_err();
            assert!(format!("{problem:#}").contains("notes.txt"), "{problem:#}");
        }
    }
}

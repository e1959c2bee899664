//! Keys that never leave this box, each in a file of its own that only the agent's user can read:
//! the gate's signing key, and the key that seals the roster.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use ed25519_dalek::{Signer as _, SigningKey};
use shared::{
    ids::Kid,
    keys::{PublicKey, Sign, Signature},
};
use zeroize::Zeroizing;

/// File of the gate's signing key, in the directory of keys.
pub const GATE_KEY_FILE: &str = "gate.key";
/// File of the key that seals the roster.
pub const ROSTER_KEY_FILE: &str = "roster.key";

/// What is wrong with a key file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// It is not there.
    #[error("the key file {} is missing: put it back, or enrol the gate again with --replace", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Others could read it.
    #[error("the key file {} may be read by others (mode {mode:o}): run `chmod 600` on it, and enrol again if it was read", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no key.
    #[error("{} holds no key: it must be 64 hexadecimal digits", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// It holds another key than the gate was enrolled with.
    #[error("{} is not the key with which this gate was enrolled: put the right one back, or enrol again with --replace", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("the key file {} cannot be used: {detail}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
}

impl KeyProblem {
    fn unusable(path: &Path, error: &io::Error) -> Self {
        Self::Unusable {
            path: path.to_path_buf(),
            detail: error.to_string(),
        }
    }
}

/// 32 secret bytes.
pub type Secret = Zeroizing<[u8; 32]>;

/// Fresh random bytes for a key.
///
/// # Errors
/// When the system has none, which ends all work with keys.
pub fn random_secret() -> Result<Secret, getrandom::Error> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret)?;
    Ok(secret)
}

/// Reads a key file.
///
/// # Errors
/// [`KeyProblem`] when it is missing, may be read by others, or holds no key.
pub fn read_secret(path: &Path) -> Result<Secret, KeyProblem> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyProblem::Missing {
            path: path.to_path_buf(),
        },
        _ => KeyProblem::unusable(path, &error),
    })?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_path_buf();
        return Err(KeyProblem::Exposed { path, mode });
    }
    let malformed = || KeyProblem::Malformed {
        path: path.to_path_buf(),
    };
    if metadata.len() > 128 {
        return Err(malformed());
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(|error| KeyProblem::unusable(path, &error))?);
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    let digits = text.trim_end().as_bytes();
    if digits.len() != 64 {
        return Err(malformed());
    }
    let mut secret = Zeroizing::new([0; 32]);
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: u8| char::from(at).to_digit(16).ok_or_else(malformed);
        let value = digit(pair[0])? << 4 | digit(pair[1])?;
        *byte = u8::try_from(value).expect("two hexadecimal digits are one byte");
    }
    Ok(secret)
}

/// Writes a key file durably, readable for its owner alone; one that is there is replaced whole.
///
/// # Errors
/// [`KeyProblem::Unusable`] when it cannot be written; a file that was there is unchanged then.
pub fn write_secret(path: &Path, secret: &Secret) -> Result<(), KeyProblem> {
    let beside = path.with_extension("key.new");
    let written = (|| {
        if let Err(error) = fs::remove_file(&beside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        let mut text = Zeroizing::new(String::with_capacity(65));
        for byte in secret.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).expect("below 16"));
            }
        }
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let folder = path.parent().expect("a key file lies in a directory");
        fs::File::open(folder)?.sync_all()
    })();
    written.map_err(|error| KeyProblem::unusable(path, &error))
}

/// The gate's signing key.
pub struct GateKey {
    key: SigningKey,
    public: PublicKey,
}

impl GateKey {
    /// The key that these bytes are.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        let key = SigningKey::from_bytes(secret);
        let public = PublicKey(key.verifying_key().to_bytes());
        Self { key, public }
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }
}

impl std::fmt::Debug for GateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GateKey({})", self.public.kid())
    }
}

impl Sign for GateKey {
    fn kid(&self) -> Kid {
        self.public.kid()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_comes_back_from_its_file_which_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(GATE_KEY_FILE);
        let secret = random_secret().unwrap();
        write_secret(&path, &secret).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(*read_secret(&path).unwrap(), *secret);
        let other = random_secret().unwrap();
        write_secret(&path, &other).unwrap();
        assert_eq!(*read_secret(&path).unwrap(), *other);
    }

    #[test]
    fn files_that_others_read_or_that_hold_no_key_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(GATE_KEY_FILE);
        assert!(matches!(
            read_secret(&path),
            Err(KeyProblem::Missing { .. })
        ));
        write_secret(&path, &random_secret().unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            read_secret(&path),
            Err(KeyProblem::Exposed { mode: 0o644, .. })
        ));
        for garbage in [
            "",
            "abc",
            &"g".repeat(64),
            &"a".repeat(66),
            &"a".repeat(4000),
        ] {
            fs::write(&path, garbage).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(
                matches!(read_secret(&path), Err(KeyProblem::Malformed { .. })),
                "{garbage}"
            );
        }
    }
}

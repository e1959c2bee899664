//! Where the key-encryption keys and the claims key lie: in systemd's credentials directory when
//! it has one of that name, else in the data directory.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use super::sealing::KeyEncryptionKey;
use crate::{configuration::Configuration, randomness::Randomness};

/// Names a directory of credentials that systemd fills (systemd.exec(5), `LoadCredential=`).
pub const DIRECTORY_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// A secret of 32 bytes that central needs and the database must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Seals issuer keys.
    Issuing,
    /// Seals statement keys.
    Statements,
    /// Seals registrar keys.
    Registrar,
    /// Derives the secrets of claims.
    Claims,
}

/// Where to look for credentials, and where to make them.
#[derive(Clone, Debug)]
pub struct Credentials {
    systemd: Option<PathBuf>,
    directory: PathBuf,
}

impl Credential {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Issuing,
        Self::Statements,
        Self::Registrar,
        Self::Claims,
    ];

    /// The file's name.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Issuing => "issuing.kek",
            Self::Statements => "statements.kek",
            Self::Registrar => "registrar.kek",
            Self::Claims => "claims.key",
        }
    }
}

impl Credentials {
    /// Those of this process.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        Self {
            systemd: std::env::var_os(DIRECTORY_VARIABLE).map(PathBuf::from),
            directory: configuration.data_directory.join("credentials"),
        }
    }

    /// Those of a directory.
    #[must_use]
    pub fn within(directory: &Path) -> Self {
        Self {
            systemd: None,
            directory: directory.to_owned(),
        }
    }

    /// Where the credential is; where it would be made when there is none.
    #[must_use]
    pub fn path(&self, credential: Credential) -> PathBuf {
        let given = self
            .systemd
            .as_ref()
            .map(|directory| directory.join(credential.file_name()));
        match given {
            Some(path) if path.exists() => path,
            Some(_) | None => self.directory.join(credential.file_name()),
        }
    }

    /// Is it there?
    #[must_use]
    pub fn has(&self, credential: Credential) -> bool {
        self.path(credential).exists()
    }

    /// Reads the credential.
    ///
    /// # Errors
    /// When there is none, or it is not 32 bytes, or everybody may read it.
    pub fn read(&self, credential: Credential) -> anyhow::Result<Zeroizing<[u8; 32]>> {
        read_file(&self.path(credential))
    }

    /// Reads a key-encryption key.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn key(&self, credential: Credential) -> anyhow::Result<KeyEncryptionKey> {
        Ok(KeyEncryptionKey::new(&*self.read(credential)?))
    }

    /// Makes the credential unless it is there.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn ensure(&self, credential: Credential, randomness: &Randomness) -> anyhow::Result<()> {
        if self.has(credential) {
            return Ok(());
        }
        make_private_directory(&self.directory)?;
        let mut secret = Zeroizing::new([0; 32]);
        randomness.fill(&mut *secret);
        write_private_file(&self.path(credential), &*secret)
    }
}

/// Reads 32 secret bytes.
///
/// # Errors
/// When the file is missing, has another length, or everybody may read it.
pub fn read_file(path: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "there is no {shown}: make the keys with `central keys init --small-school`, or give the file as a \
             systemd credential"
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    let mode = metadata.permissions().mode();
    if mode & 0o007 != 0 {
        bail!(
            "{shown} can be read by everybody (mode {:o}): run `chmod 600 {shown}`",
            mode & 0o777
        );
    }
    let bytes = Zeroizing::new(fs::read(path).with_context(|| format!("cannot read {shown}"))?);
    let mut secret = Zeroizing::new([0; 32]);
    if bytes.len() != secret.len() {
        bail!(
            "{shown} has {} bytes and must have 32: it is not the file that `central keys` wrote",
            bytes.len()
        );
    }
    secret.copy_from_slice(&bytes);
    Ok(secret)
}

/// Makes a directory that only its owner may enter.
///
/// # Errors
/// When it cannot be made.
pub fn make_private_directory(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the directory {}", path.display()))
}

/// Writes a new file that only its owner may read, durably.
///
/// # Errors
/// When there is a file already: no secret is ever overwritten.
pub fn write_private_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let shown = path.display();
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} exists, and no key is ever overwritten: move it away first")
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {shown}")),
    };
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {shown}"))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("cannot make {shown} durable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_made_once_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let credentials = Credentials::within(&directory.path().join("credentials"));
        for credential in Credential::ALL {
            credentials.ensure(credential, &Randomness::System).unwrap();
            let first = credentials.read(credential).unwrap();
            credentials.ensure(credential, &Randomness::System).unwrap();
            assert_eq!(first, credentials.read(credential).unwrap());
            let mode = fs::metadata(credentials.path(credential))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn systemds_credential_wins_over_the_data_directorys() {
        let (systemd, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let credentials = Credentials {
            systemd: Some(systemd.path().to_owned()),
            directory: own.path().to_owned(),
        };
        credentials
            .ensure(Credential::Claims, &Randomness::System)
            .unwrap();
        write_private_file(&systemd.path().join("claims.key"), &[7; 32]).unwrap();
        assert_eq!(*credentials.read(Credential::Claims).unwrap(), [7; 32]);
    }

    #[test]
    fn a_credential_that_is_missing_short_or_open_to_all_is_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let credentials = Credentials::within(directory.path());
        let problem = |credential| credentials.read(credential).unwrap_err().to_string();
        assert!(problem(Credential::Issuing).contains("central keys init"));
        write_private_file(&directory.path().join("issuing.kek"), &[1; 31]).unwrap();
        assert!(problem(Credential::Issuing).contains("31 bytes"));
        let open = directory.path().join("claims.key");
        write_private_file(&open, &[1; 32]).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(problem(Credential::Claims).contains("chmod 600"));
    }
}

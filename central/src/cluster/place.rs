//! Where a private PostgreSQL keeps its files and its socket: a place its account can reach, with
//! a socket path short enough for the kernel.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::account::Account;

/// `sun_path` holds 108 bytes with its closing zero (unix(7)); PostgreSQL appends this name.
const SOCKET_NAME: &str = ".s.PGSQL.5432.lock";
const SOCKET_PATH_LEN_MAX: usize = 107;

/// Home of clusters whose data directory lies where their account cannot go, such as below /root.
const ELSEWHERE: &str = "/var/lib/portcullis-postgres";

/// In the data directory: says that the cluster is elsewhere, and where.
const POINTER: &str = "postgres-location";

const CLUSTER: &str = "postgres";

/// Where `initdb` works, so that one cut short leaves no half-made cluster; a random name follows.
const UNFINISHED: &str = "postgres-unfinished-";

/// The settled paths of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// PostgreSQL's data directory; it exists once `initdb` has finished.
    pub(super) cluster: PathBuf,
    /// Holds `cluster` and the directories in which `initdb` works.
    home: PathBuf,
    /// Holds the socket and nothing else; mode 0700, owned by `account`.
    pub(super) socket: PathBuf,
    pub(super) account: Account,
}

impl Place {
    /// The place that belongs to `data_directory`: the one it already has, otherwise a new one.
    ///
    /// # Errors
    /// When no place can be made, or what is there is lost or belongs to somebody else.
    pub(super) fn settle(data_directory: &Path) -> anyhow::Result<Self> {
        let pointer = data_directory.join(POINTER);
        let home = match fs::read_to_string(&pointer) {
            Ok(text) => Some(PathBuf::from(text.trim_end_matches('\n'))),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", pointer.display()));
            }
        };
        if let Some(home) = &home
            && !home.is_dir()
        {
            bail!(
                "{} says that the database is kept in {}, which is not there. Mount or restore it; remove {} only \
                 to begin with an empty database",
                pointer.display(),
                home.display(),
                pointer.display()
            );
        }
        let known = home.as_deref().unwrap_or(data_directory);
        if known.join(CLUSTER).exists() {
            return Self::below(known, Account::owner_of(&known.join(CLUSTER))?);
        }
        let account = Account::choose()?;
        if account.can_reach(known) {
            return Self::below(known, account);
        }
        Self::elsewhere(&pointer, data_directory, account)
    }

    fn elsewhere(pointer: &Path, data_directory: &Path, account: Account) -> anyhow::Result<Self> {
        let home = Path::new(ELSEWHERE).join(random_name()?);
        make_shared_directory(&home)?;
        if !account.can_reach(&home) {
            bail!(
                "PostgreSQL's account (user number {}) can reach neither {} nor {}: choose a place that it can reach \
                 with --data-dir, e.g. /var/lib/portcullis",
                account.uid(),
                data_directory.display(),
                home.display()
            );
        }
        write_pointer(pointer, &home)?;
        tracing::warn!(
            cluster.directory = %home.display(),
            "PostgreSQL's account cannot reach {}, so the database is kept in {}",
            data_directory.display(),
            home.display()
        );
        Self::below(&home, account)
    }

    /// A place that nobody used before, for a cluster that is thrown away.
    pub(super) fn temporary() -> anyhow::Result<Self> {
        let account = Account::choose()?;
        let name = format!("portcullis-test-{}", random_name()?);
        let mut roots = vec![std::env::temp_dir(), PathBuf::from("/tmp")];
        roots.retain(|root| account.can_reach(root));
        let root = roots
            .first()
            .context("no directory for temporary files: set TMPDIR")?;
        Self::below(&root.join(name), account)
    }

    /// Makes a directory for one run of `initdb`.
    ///
    /// Each run has its own: when central is killed, what `initdb` started goes on writing for a
    /// moment, and must not write into the files of the next.
    pub(super) fn make_unfinished(&self) -> anyhow::Result<PathBuf> {
        let path = self.home.join(format!("{UNFINISHED}{}", random_name()?));
        make_private_directory(&path, self.account)?;
        Ok(path)
    }

    /// Removes what runs of `initdb` that were cut short have left, as far as it can: one that is
    /// still being written to goes at a later start.
    pub(super) fn forget_unfinished(&self) {
        let Ok(entries) = fs::read_dir(&self.home) else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::info!("{} stays for now: {error}", entry.path().display());
            }
        }
    }

    fn below(home: &Path, account: Account) -> anyhow::Result<Self> {
        make_shared_directory(home)?;
        let cluster = home.join(CLUSTER);
        let mut socket = home.join("postgres-socket");
        if !fits(&socket) {
            socket = short_socket_directory(&cluster, account)?;
        }
        make_private_directory(&socket, account)?;
        Ok(Self {
            cluster,
            home: home.to_owned(),
            socket,
            account,
        })
    }
}

fn fits(directory: &Path) -> bool {
    directory.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_LEN_MAX
}

/// A directory for the socket of a cluster that lies too deep, the same at each start.
fn short_socket_directory(cluster: &Path, account: Account) -> anyhow::Result<PathBuf> {
    let name = format!("portcullis-{}-{}", account.uid(), short_hash(cluster));
    let runtime = match account {
        Account::Other { .. } => Some(PathBuf::from("/run")),
        Account::Own { .. } => std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
    };
    let candidates = [
        runtime,
        Some(std::env::temp_dir()),
        Some(PathBuf::from("/tmp")),
    ];
    candidates
        .into_iter()
        .flatten()
        .map(|root| (root.is_dir(), root.join(&name)))
        .find_map(|(usable, path)| (usable && fits(&path)).then_some(path))
        .context(
            "no directory with a path short enough for PostgreSQL's socket: set XDG_RUNTIME_DIR",
        )
}

/// Makes a directory that PostgreSQL's account may pass through but not list.
fn make_shared_directory(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .with_context(|| format!("cannot make the directory {}", path.display()))
}

/// Makes `path` with mode 0700 for `account`; what is there already must be just that, since
/// whoever owns the socket's directory can pose as the database.
pub(super) fn make_private_directory(path: &Path, account: Account) -> anyhow::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return account.take(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot make the directory {}", path.display()));
        }
    }
    let metadata =
        fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    if !metadata.is_dir() || metadata.mode() & 0o077 != 0 {
        bail!(
            "{} is not a directory that its owner alone may enter: remove it, or `chmod 700` it",
            path.display()
        );
    }
    if metadata.uid() == account.uid() {
        return Ok(());
    }
    // A start that was cut short between making the directory and giving it away.
    if metadata.uid() == 0 && matches!(account, Account::Other { .. }) {
        return account.take(path);
    }
    bail!(
        "{} belongs to user number {}, not to {}: remove it, or start central as its owner",
        path.display(),
        metadata.uid(),
        account.uid()
    )
}

fn write_pointer(pointer: &Path, home: &Path) -> anyhow::Result<()> {
    let write = || {
        let mut file = fs::File::create(pointer)?;
        file.write_all(format!("{}\n", home.display()).as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", pointer.display()))
}

fn random_name() -> anyhow::Result<String> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).context("the operating system gives no randomness")?;
    Ok(hex(&random))
}

fn short_hash(path: &Path) -> String {
    hex(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..6])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_data_directory_gets_a_short_socket_path_of_its_own() {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let deep = directory.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let place = Place::below(
            &deep,
            Account::Own {
                uid: rustix::process::geteuid().as_raw(),
            },
        );
        let place = place.unwrap();
        assert!(fits(&place.socket), "{}", place.socket.display());
        assert!(place.cluster.starts_with(&deep));
        fs::remove_dir(&place.socket).unwrap();
    }

    #[test]
    fn a_socket_directory_that_others_may_enter_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("open");
        fs::DirBuilder::new().mode(0o755).create(&open).unwrap();
        let account = Account::Own {
            uid: rustix::process::geteuid().as_raw(),
        };
        let error = make_private_directory(&open, account)
            .unwrap_err()
            .to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn a_lost_cluster_is_not_replaced_by_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        write_pointer(
            &directory.path().join(POINTER),
            Path::new("/nowhere/at/all"),
        )
        .unwrap();
        let error = Place::settle(directory.path()).unwrap_err().to_string();
        assert!(error.contains("Mount or restore"), "{error}");
    }
}

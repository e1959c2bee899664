//! The operating-system account PostgreSQL runs as: it refuses to run as root.

use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

/// Accounts that serve when central runs as root, best first. An account of our own keeps other
/// programs' `postgres` away from our files.
const UNPRIVILEGED: [&str; 3] = ["portcullis", "postgres", "nobody"];

/// Who PostgreSQL runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Central is not root: as central itself.
    Own { uid: u32 },
    /// Central is root: as this unprivileged account.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// The account for a new data directory.
    ///
    /// # Errors
    /// When central is root and no unprivileged account exists.
    pub(super) fn choose() -> anyhow::Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            return Ok(Self::Own { uid });
        }
        let accounts = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        UNPRIVILEGED.iter().find_map(|name| find(&accounts, name)).context(
            "PostgreSQL does not run as root, and this machine has no account named portcullis, postgres or nobody: \
             add one (`useradd --system portcullis`), or start central as an ordinary user",
        )
    }

    /// The account that already owns `directory`.
    ///
    /// # Errors
    /// When this process may not act for it.
    pub(super) fn owner_of(directory: &Path) -> anyhow::Result<Self> {
        let metadata = std::fs::metadata(directory)
            .with_context(|| format!("cannot look at {}", directory.display()))?;
        let uid = rustix::process::geteuid().as_raw();
        match (uid, metadata.uid()) {
            (0, 0) => bail!(
                "{} belongs to root, as which PostgreSQL does not run: give it to the account that made it \
                 (`chown -R postgres: {}`)",
                directory.display(),
                directory.display()
            ),
            (0, owner) => Ok(Self::Other {
                uid: owner,
                gid: metadata.gid(),
            }),
            (own, owner) if own == owner => Ok(Self::Own { uid }),
            (own, owner) => bail!(
                "{} belongs to user number {owner}, but central runs as {own}: start it as that user or as root, \
                 or choose another place with --data-dir",
                directory.display()
            ),
        }
    }

    pub(super) fn uid(self) -> u32 {
        match self {
            Self::Own { uid } | Self::Other { uid, .. } => uid,
        }
    }

    /// A command that runs as this account, in a process group of its own, so that Ctrl-C in a
    /// terminal reaches central alone.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::null());
        match self {
            Self::Own { .. } => {}
            Self::Other { uid, gid } => {
                // Setting the uid as root also drops the supplementary groups.
                command.uid(uid).gid(gid).env("HOME", "/");
            }
        }
        command
    }

    /// Gives `path` to this account.
    pub(super) fn take(self, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Own { .. } => Ok(()),
            Self::Other { uid, gid } => std::os::unix::fs::chown(path, Some(uid), Some(gid))
                .with_context(|| format!("cannot give {} to user number {uid}", path.display())),
        }
    }

    /// Can this account get to `directory`? The kernel is asked, so that access lists and
    /// read-only mounts count too.
    pub(super) fn can_reach(self, directory: &Path) -> bool {
        match self {
            Self::Own { .. } => true,
            Self::Other { .. } => self
                .command(Path::new("/bin/sh"))
                .args(["-c", "cd -- \"$1\"", "sh"])
                .arg(directory)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(Account::Other { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name_and_is_never_root() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres2:x:5:6::/:/bin/sh\npostgres:x:101:104::/var/lib/postgresql:/bin/bash\nportcullis:x:0:0::/:/bin/sh\n";
        assert_eq!(
            find(passwd, "postgres"),
            Some(Account::Other { uid: 101, gid: 104 })
        );
        assert_eq!(find(passwd, "portcullis"), None);
        assert_eq!(find(passwd, "nobody"), None);
    }
}

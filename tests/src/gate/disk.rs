//! A file system for one gate alone, in a mount namespace of its own (`unshare` of util-linux): to
//! fill it up or to write-protect it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// How this user gets a mount namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unshare {
    /// As root.
    AsRoot,
    /// As root of a user namespace.
    InUserNamespace,
}

impl Unshare {
    /// The way that works here; none when the kernel or a container forbids both.
    #[must_use]
    pub fn possible() -> Option<Self> {
        [Self::AsRoot, Self::InUserNamespace]
            .into_iter()
            .find(|way| way.works())
    }

    fn works(self) -> bool {
        let mut command = self.command();
        command
            .args(["sh", "-c", "mount -t tmpfs tmpfs /mnt"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn command(self) -> Command {
        let mut command = Command::new("unshare");
        match self {
            Self::AsRoot => {}
            Self::InUserNamespace => {
                command.args(["--user", "--map-root-user"]);
            }
        }
        command.arg("--mount");
        command
    }
}

/// Runs `script` with the state directory as `$1`, the agent behind it, and the claim in `$CLAIM`.
pub(super) fn command(
    unshare: Unshare,
    script: &str,
    state: &Path,
    agent: &Command,
    claim: &str,
) -> Command {
    let mut command = unshare.command();
    command
        .args(["sh", "-c", script, "sh"])
        .arg(state)
        .arg(agent.get_program())
        .env("CLAIM", claim)
        .stdin(Stdio::null());
    for (variable, value) in agent.get_envs() {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    command
}

//! The agent's end of `gate-agent carry`: a socket of its own, for the one who may carry documents
//! in and the journal out. The command reads and writes the stick, which the agent cannot see, and
//! answers what central would; what it brings is believed no more than if it had come by network.

mod line;
mod message;
mod taken_in;

pub use line::Line;
pub use message::{
    CARRY_VERSION, FRAME_LIMIT, StickAnswer, TakenIn, ToAgent, ToCommand, Welcome, read_frame,
    to_frame,
};
pub use taken_in::{TAKEN_IN_FILE, last_taken_in};

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    net::{UnixListener, UnixStream},
    time::timeout,
};

use crate::{
    local_socket::{self, Audience},
    sync::{HeadsTaken, Sync, source::Source},
};

/// How long a command may take to say what it wants.
const WORD_WITHIN: Duration = Duration::from_secs(600);

/// What a conversation needs.
#[derive(Clone, Debug)]
pub struct Carrying {
    /// Checks, stores, and reads the journal.
    pub sync: Sync,
    /// Where the agent's state lies: when a stick was last taken in is noted there.
    pub state: PathBuf,
}

/// Listens at `path`, for the agent's user (and root, for whom no file is closed).
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    local_socket::listen(path, Audience::Owner)
}

/// Takes one conversation after the other. To be spawned as a task that is watched.
///
/// # Errors
/// When the socket fails.
pub async fn serve(listener: UnixListener, carrying: Carrying) -> anyhow::Result<()> {
    let own_user = std::fs::metadata(&carrying.state)
        .context("cannot look at the agent's state folder")?
        .uid();
    loop {
        let (stream, _) = listener
            .accept()
            .await
            .context("cannot take connections on the socket of `carry`")?;
        // Whoever comes meanwhile waits in the socket's queue: one stick at a time.
        if let Err(error) = converse(stream, own_user, &carrying).await {
            tracing::warn!("a stick was not carried to its end: {error:#}");
        }
    }
}

async fn converse(stream: UnixStream, own_user: u32, carrying: &Carrying) -> anyhow::Result<()> {
    let user = stream.peer_cred().context("who asks?")?.uid();
    if !may_carry(user, own_user) {
        bail!("user {user} asked to carry: only root and the agent's own user may");
    }
    let line = Arc::new(Line::new(stream));
    let sync = Sync {
        source: Source::Stick(Arc::clone(&line)),
        ..carrying.sync.clone()
    };
    line.tell(&ToCommand::Welcome(Welcome {
        version: CARRY_VERSION,
        gate: sync.gate,
    }))
    .await?;
    // The command has gone when it wants nothing more.
    while let Some(word) = timeout(WORD_WITHIN, line.next())
        .await
        .context("the command wants nothing for minutes")??
    {
        match word {
            ToAgent::TakeIn => {
                let answer = take_in(&sync, &line, &carrying.state).await?;
                line.tell(&ToCommand::TakenIn(answer)).await?;
            }
            ToAgent::GiveOut => {
                let to = match sync.give_out(&line).await {
                    Ok(to) => to,
                    Err(failure) => bail!("the journal was not given out: {failure}"),
                };
                tracing::info!("the journal was given out to a stick, up to {to}");
                line.tell(&ToCommand::GivenOut { to }).await?;
            }
            ToAgent::Answer(_) => bail!("the command answers what nobody asked"),
        }
    }
    Ok(())
}

/// The socket's permissions say the same; a folder that is open by mistake changes nothing.
fn may_carry(user: u32, own_user: u32) -> bool {
    user == 0 || user == own_user
}

async fn take_in(sync: &Sync, line: &Line, state: &Path) -> anyhow::Result<TakenIn> {
    let carried = sync
        .take_in(line)
        .await
        .context("a stick was taken in only in part")?;
    let refused = match &carried.heads {
        HeadsTaken::Yes => {
            taken_in::note(state, sync.time.now())?;
            None
        }
        HeadsTaken::No(why) => Some(why.clone()),
    };
    match &refused {
        None => tracing::info!("a stick was taken in; problems: {:?}", carried.problems),
        Some(why) => tracing::warn!("a stick was refused: {why}"),
    }
    Ok(TakenIn {
        refused,
        problems: carried.problems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_agents_own_user_may_carry_and_no_one_else() {
        assert!(may_carry(0, 990));
        assert!(may_carry(990, 990));
        assert!(!may_carry(1_000, 990));
    }

    #[tokio::test]
    async fn the_socket_is_closed_to_the_group_that_panels_have() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("carry.sock");
        let _listener = listen(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

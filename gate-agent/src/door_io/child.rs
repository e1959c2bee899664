//! The door process: owns the lines of all doors of a box, ends each release by its own clock, and
//! puts the lines into the configured state when the agent is silent, dies or ends. It decides
//! nothing, and knows neither passes nor central.
//!
//! One process for all doors: a relay board or an expander serves several of them and has one
//! owner, and there is one conversation, one lease and one pair of hands to watch.

mod desk;

use std::{
    io,
    os::{fd::AsFd as _, unix::net::UnixStream as StdStream},
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    hold::Hold,
    latch::Ending,
    link::Link,
    protocol::{Ask, Report, VERSION},
};
use crate::clock::Clock;
use desk::Desk;

/// How long the agent may take to say how doors are wired, in ms.
const BEGINS_WITHIN_MS: u64 = 10_000;

/// Serves the agent at the other end of standard input, until it ends or this process is told to.
///
/// # Errors
/// When standard input is no agent, or something broke; the lines are in the state that is
/// configured for a crash then.
pub fn serve() -> anyhow::Result<()> {
    confine()?;
    let socket = io::stdin().as_fd().try_clone_to_owned();
    let socket = StdStream::from(socket.context("cannot take standard input")?);
    let runtime = runtime()?;
    let mut listening = {
        let _runtime = runtime.enter();
        // A terminal's interrupt goes to the agent too, which ends this process in order.
        let ignored = signal(SignalKind::interrupt()).context("cannot take SIGINT")?;
        let hung_up = signal(SignalKind::hangup()).context("cannot take SIGHUP")?;
        std::mem::forget((ignored, hung_up));
        signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?
    };
    serve_on(&runtime, socket, async move {
        listening.recv().await;
    })
}

/// Nothing of this process is worth a core file, and it does not die with its parent: it has to
/// end releases then.
fn confine() -> anyhow::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).context("cannot forbid core files")
}

pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")
}

/// [`serve`] on any socket, until `terminated`.
pub(super) fn serve_on(
    runtime: &tokio::runtime::Runtime,
    socket: StdStream,
    terminated: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let clock = Clock::system();
    let begun = runtime.block_on(async {
        let mut link = Link::<Ask, Report>::new(socket).context("standard input is no socket")?;
        link.say(&Report::Ready { version: VERSION });
        let first = tokio::time::timeout(Duration::from_millis(BEGINS_WITHIN_MS), link.next());
        let Ask::Begin { wiring, .. } = first.await.context("the agent says nothing")?? else {
            anyhow::bail!("the agent does not begin with the wiring");
        };
        let hold = Hold::take(&wiring.hold).await?;
        Ok((link, hold, Desk::new(wiring.doors, clock)))
    });
    let (mut link, _hold, mut desk) = begun?;
    let served = panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(desk.serve(&mut link, terminated))
    }));
    let ending = match &served {
        Ok(ending) => *ending,
        Err(_) => Ending::Broken,
    };
    runtime.block_on(desk.end(ending));
    match served {
        Ok(_) => Ok(()),
        Err(_) => anyhow::bail!("the door process has a bug; its lines are as after a crash"),
    }
}

#[cfg(test)]
mod tests;

//! Starts door processes, and ends them.

use std::{
    ffi::OsString,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::door_io::{
    link::Link,
    protocol::{Ask, Report},
};

/// How a door process is started.
#[derive(Clone, Debug)]
pub enum DoorProcessStart {
    /// As a child that outlives this process for as long as a release takes.
    Program {
        /// The executable.
        program: PathBuf,
        /// What makes it a door process.
        arguments: Vec<OsString>,
    },
    /// On a thread, where there is no program.
    #[cfg(test)]
    Thread,
}

impl DoorProcessStart {
    /// The program that is running, even when its file has been replaced by an update meanwhile.
    #[must_use]
    pub fn this_program() -> Self {
        Self::program(PathBuf::from("/proc/self/exe"))
    }

    /// Another `gate-agent` executable.
    #[must_use]
    pub fn program(program: PathBuf) -> Self {
        Self::Program {
            program,
            arguments: vec![OsString::from("doors")],
        }
    }

    pub(super) fn start(&self) -> anyhow::Result<(Process, StdStream)> {
        let (ours, theirs) = StdStream::pair().context("cannot make a pair of sockets")?;
        match self {
            Self::Program { program, arguments } => {
                let child = Command::new(program)
                    .args(arguments)
                    // It needs nothing of the gate's surroundings, which may hold secrets.
                    .env_clear()
                    .stdin(Stdio::from(OwnedFd::from(theirs)))
                    .stdout(Stdio::null())
                    .stderr(Stdio::inherit())
                    .spawn()
                    .with_context(|| format!("cannot start {}", program.display()))?;
                Ok((Process::Child(child), ours))
            }
            #[cfg(test)]
            Self::Thread => {
                let thread = std::thread::spawn(move || {
                    let runtime = crate::door_io::child::runtime().unwrap();
                    let served =
                        crate::door_io::child::serve_on(&runtime, theirs, std::future::pending());
                    // A socket that is shut before the wiring has come is a test that ends early.
                    drop(served);
                });
                Ok((Process::Thread(Some(thread)), ours))
            }
        }
    }
}

/// A door process that runs.
#[derive(Debug)]
pub(super) enum Process {
    Child(Child),
    #[cfg(test)]
    Thread(Option<std::thread::JoinHandle<()>>),
}

impl Process {
    /// Waits until it has ended, or says that it goes on because it holds something. It is not
    /// killed: its lines would be dropped, and the next door process ends it anyway.
    pub(super) async fn rests_within(&mut self, link: &mut Link<Report, Ask>, ms: u64) {
        let rested = async {
            loop {
                match link.next().await {
                    Ok(Report::Holding) => return,
                    Ok(_) => {}
                    Err(_ended) => break,
                }
            }
            match self {
                Self::Child(child) => drop(child.wait().await),
                #[cfg(test)]
                Self::Thread(thread) => drop(thread.take().map(std::thread::JoinHandle::join)),
            }
        };
        let limit = Duration::from_millis(ms);
        if timeout(limit, rested).await.is_err() {
            tracing::error!("the door process neither ended nor said what it holds");
        }
    }

    /// Ends one that failed, and adds how it ended to what is known.
    pub(super) async fn end_now(&mut self, problem: anyhow::Error) -> anyhow::Error {
        const ENDS_WITHIN: Duration = Duration::from_millis(100);
        match self {
            Self::Child(child) => match timeout(ENDS_WITHIN, child.wait()).await {
                Ok(Ok(status)) => problem.context(format!("it ended with {status}")),
                Ok(Err(_)) | Err(_) => {
                    self.kill().await;
                    problem
                }
            },
            #[cfg(test)]
            Self::Thread(_) => problem,
        }
    }

    async fn kill(&mut self) {
        match self {
            // Fails only when it is dead already. Waiting leaves no zombie behind.
            Self::Child(child) => drop(child.kill().await),
            #[cfg(test)]
            Self::Thread(_) => {}
        }
    }
}

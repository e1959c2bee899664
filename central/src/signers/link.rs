//! The server's end of a signer: one task owns it, starts it, hands it one request at a time,
//! and starts it again when it dies.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{Duty, SignerKind, wire};
use crate::{
    clock::{Clock, Stopwatch},
    configuration::LogFormat,
};

/// Requests that wait for a signer; beyond, callers wait themselves.
const WAITING_MAX: usize = 64;
/// Reading a key-encryption key takes milliseconds.
const START_LIMIT: Duration = Duration::from_secs(10);
/// A thousand passes take 50 ms; a signer that is silent for so long hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Between two starts, so that a signer that dies at once does not keep a core busy.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Where a signer runs.
pub enum Place {
    /// In a process of its own.
    Process {
        /// Which one.
        kind: SignerKind,
        /// The file of its key-encryption key, which the signer alone reads.
        key_file: PathBuf,
        /// How its log is written.
        log_format: LogFormat,
    },
    /// Within this process: for commands and tests.
    Here(Box<dyn FnMut() -> anyhow::Result<Box<dyn Duty>> + Send>),
}

/// A signer; clones speak to the same one.
#[derive(Clone)]
pub struct Link {
    jobs: mpsc::Sender<Job>,
}

enum Job {
    Ask {
        request: Vec<u8>,
        answer: oneshot::Sender<anyhow::Result<Vec<u8>>>,
    },
    StartOver,
}

enum Running {
    Child(Box<Process>),
    Here(Box<dyn Duty>),
}

struct Process {
    child: Child,
    stream: UnixStream,
}

struct Owner {
    place: Place,
    running: Option<Running>,
    last_start: Option<Stopwatch>,
}

impl Place {
    /// Can a process be started already? Keys may be made beside a running server.
    fn is_ready(&self) -> bool {
        match self {
            Self::Process { key_file, .. } => key_file.exists(),
            Self::Here(_) => false,
        }
    }
}

impl Link {
    /// A link to a signer that is started at once, or with the first request when there is no key
    /// file yet.
    #[must_use]
    pub fn new(place: Place) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let owner = Owner {
            place,
            running: None,
            last_start: None,
        };
        tokio::spawn(owner.run(waiting));
        Self { jobs }
    }

    /// Sends a request and waits for its answer. A caller that goes away leaves the request to be
    /// finished without it.
    ///
    /// # Errors
    /// When the signer cannot be started or dies over the request.
    pub async fn ask(&self, request: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .send(Job::Ask { request, answer })
            .await
            .ok()
            .context("central is ending")?;
        answered.await.context("central is ending")?
    }

    /// Has the signer forget everything: its process ends, another begins.
    pub async fn start_over(&self) {
        // When the owner is gone, so is the signer.
        let _ = self.jobs.send(Job::StartOver).await;
    }
}

impl Owner {
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        if self.place.is_ready()
            && let Err(error) = self.start().await
        {
            tracing::error!(signer = self.name(), "{error:#}");
        }
        loop {
            let job = tokio::select! {
                job = waiting.recv() => job,
                () = died(&mut self.running) => {
                    let kind = self.name();
                    tracing::error!(signer = kind, "the {kind} signer died; it is started again");
                    self.running = None;
                    if let Err(error) = self.start().await {
                        tracing::error!(signer = kind, "{error:#}");
                    }
                    continue;
                }
            };
            match job {
                None => return,
                Some(Job::StartOver) => self.running = None,
                Some(Job::Ask { request, answer }) => {
                    let outcome = self.ask(&request).await;
                    // Whoever asked may be gone.
                    let _ = answer.send(outcome);
                }
            }
        }
    }

    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        if self.running.is_none() {
            self.start().await?;
        }
        let name = self.name();
        let outcome = match &mut self.running {
            Some(Running::Here(duty)) => return Ok(duty.answer(request)),
            Some(Running::Child(process)) => {
                timeout(ANSWER_LIMIT, exchange(&mut process.stream, request))
                    .await
                    .unwrap_or_else(|_| {
                        Err(anyhow::anyhow!(
                            "no answer within {} s",
                            ANSWER_LIMIT.as_secs()
                        ))
                    })
            }
            None => bail!("the {name} signer is not running"),
        };
        if outcome.is_err() {
            // Dropping the child kills it; its state cannot be known.
            self.running = None;
        }
        outcome.with_context(|| format!("the {name} signer failed over a request"))
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        let running = match &mut self.place {
            Place::Here(make) => Running::Here(make()?),
            Place::Process {
                kind,
                key_file,
                log_format,
            } => {
                if let Some(last) = self.last_start {
                    sleep(RESTART_PAUSE.saturating_sub(last.elapsed())).await;
                }
                self.last_start = Some(Clock::System.stopwatch());
                start_process(*kind, key_file, *log_format).await?
            }
        };
        self.running = Some(running);
        Ok(())
    }

    fn name(&self) -> &'static str {
        match &self.place {
            Place::Process { kind, .. } => kind.name(),
            Place::Here(_) => "in-process",
        }
    }
}

async fn exchange(stream: &mut UnixStream, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    wire::write_async(stream, request).await?;
    Ok(wire::read_async(stream).await?)
}

/// Resolves when the process ends; never for a signer that has none.
async fn died(running: &mut Option<Running>) {
    match running {
        Some(Running::Child(process)) => {
            // An error means that it cannot be waited for: it is as good as gone.
            let _ = process.child.wait().await;
        }
        Some(Running::Here(_)) | None => std::future::pending().await,
    }
}

async fn start_process(
    kind: SignerKind,
    key_file: &Path,
    log_format: LogFormat,
) -> anyhow::Result<Running> {
    if !key_file.exists() {
        bail!(
            "there is no {}, so the {kind} signer cannot start: make the keys with `central keys init \
             --small-school`, or give the file as a systemd credential",
            key_file.display()
        );
    }
    let key_file = std::path::absolute(key_file).context("cannot name the signer's key file")?;
    let (mut stream, theirs) = UnixStream::pair().context("cannot make a socket pair")?;
    let theirs = theirs.into_std().context("cannot hand over a socket")?;
    theirs
        .set_nonblocking(false)
        .context("cannot hand over a socket")?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("central")
        .args(["signer", "--log-format", log_format.name()])
        .args(["--kind", kind.name(), "--key-file"])
        .arg(key_file)
        // Above all not the way to the other signer's credential, or to the database.
        .env_clear()
        .envs(std::env::var_os("RUST_LOG").map(|level| ("RUST_LOG", level)))
        .current_dir("/")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        // A Ctrl-C for the server is not for its signers: they end when it does.
        .process_group(0)
        .kill_on_drop(true);
    let child = command
        .spawn()
        .with_context(|| format!("cannot start the {kind} signer"))?;
    let ready = timeout(START_LIMIT, wire::read_async(&mut stream)).await;
    match ready {
        Ok(Ok(frame)) if frame == wire::READY => {
            tracing::info!(signer = kind.name(), "the {kind} signer is ready");
            Ok(Running::Child(Box::new(Process { child, stream })))
        }
        Ok(Ok(_) | Err(_)) => bail!("the {kind} signer ended at its start; its log line says why"),
        Err(_) => bail!(
            "the {kind} signer was not ready within {} s",
            START_LIMIT.as_secs()
        ),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u8);

    impl Duty for Counter {
        fn answer(&mut self, request: &[u8]) -> Vec<u8> {
            self.0 += 1;
            [request, &[self.0]].concat()
        }
    }

    #[tokio::test]
    async fn a_signer_that_starts_over_has_forgotten_everything() {
        let link = Link::new(Place::Here(Box::new(|| Ok(Box::new(Counter(0))))));
        assert_eq!(link.ask(vec![9]).await.unwrap(), [9, 1]);
        assert_eq!(link.ask(vec![9]).await.unwrap(), [9, 2]);
        link.start_over().await;
        assert_eq!(link.ask(vec![9]).await.unwrap(), [9, 1]);
    }

    #[tokio::test]
    async fn a_missing_key_file_is_said_with_what_to_do() {
        let place = Place::Process {
            kind: SignerKind::Issuing,
            key_file: "/nonexistent/issuing.kek".into(),
            log_format: LogFormat::Text,
        };
        let problem = Link::new(place).ask(vec![]).await.unwrap_err().to_string();
        assert!(problem.contains("central keys init"), "{problem}");
    }
}

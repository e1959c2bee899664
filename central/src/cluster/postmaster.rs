//! One running PostgreSQL: started as our child, waited for, and shut down in order.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio_postgres::{NoTls, error::SqlState};

use super::{binaries::Binaries, place::Place};

/// A server that answers nothing at all for so long will not come.
const SILENT_LIMIT: Duration = Duration::from_secs(60);
/// Recovery after a crash reads at most `max_wal_size` of log.
const RECOVERY_LIMIT: Duration = Duration::from_secs(15 * 60);
const FAST_SHUTDOWN_LIMIT: Duration = Duration::from_secs(60);
const IMMEDIATE_SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// Lines of PostgreSQL's log shown with a failure.
const TAIL_LINES: usize = 15;
/// At a start, a log above this is set aside as `postgres.log.1`.
const LOG_LEN_MAX: u64 = 16 * 1024 * 1024;

/// A child process; when dropped it is told to shut down, not waited for.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Child,
    log: PathBuf,
}

impl Postmaster {
    /// Starts PostgreSQL and waits until it takes connections.
    ///
    /// # Errors
    /// When it ends or stays silent; the message carries the last lines of its log.
    pub(super) async fn start(
        binaries: &Binaries,
        place: &Place,
        log: &Path,
        connection: &tokio_postgres::Config,
    ) -> anyhow::Result<Self> {
        let program = binaries.program("postgres");
        let (output, errors) = open_log(log)?;
        let mut command = place.account.command(&program);
        command
            .arg("-D")
            .arg(&place.cluster)
            .stdout(output)
            .stderr(errors);
        let child = tokio::process::Command::from(command)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut postmaster = Self {
            child,
            log: log.to_owned(),
        };
        postmaster.wait_until_ready(connection).await?;
        Ok(postmaster)
    }

    /// The process number, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until PostgreSQL ends by itself, and says so.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => self.failure("PostgreSQL ended unexpectedly", status),
            Err(error) => anyhow!(error).context("cannot wait for PostgreSQL"),
        }
    }

    /// Fast shutdown, then immediate shutdown when that takes too long.
    ///
    /// # Errors
    /// When PostgreSQL survives both, or says that it could not close its files cleanly.
    pub(super) async fn shut_down(mut self) -> anyhow::Result<()> {
        let steps = [
            (Signal::INT, FAST_SHUTDOWN_LIMIT),
            (Signal::QUIT, IMMEDIATE_SHUTDOWN_LIMIT),
        ];
        for (signal, limit) in steps {
            self.signal(signal);
            let Ok(status) = tokio::time::timeout(limit, self.child.wait()).await else {
                tracing::warn!(
                    "PostgreSQL takes longer than {} s to shut down",
                    limit.as_secs()
                );
                continue;
            };
            let status = status.context("cannot wait for PostgreSQL")?;
            if status.success() {
                return Ok(());
            }
            return Err(self.failure("PostgreSQL did not shut down cleanly", status));
        }
        self.child.kill().await.context("cannot kill PostgreSQL")?;
        bail!(
            "PostgreSQL had to be killed; it recovers at the next start, nothing committed is lost"
        )
    }

    async fn wait_until_ready(
        &mut self,
        connection: &tokio_postgres::Config,
    ) -> anyhow::Result<()> {
        let step = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .context("cannot wait for PostgreSQL")?
            {
                return Err(self.failure("PostgreSQL did not start", status));
            }
            let limit = match connection.connect(NoTls).await {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => RECOVERY_LIMIT,
                Err(error) if error.as_db_error().is_some() => {
                    return Err(error).context("PostgreSQL started, but refuses connections");
                }
                Err(_) => SILENT_LIMIT,
            };
            if waited >= limit {
                bail!(
                    "PostgreSQL takes no connections after {} s. Its log ends with:\n{}",
                    waited.as_secs(),
                    tail(&self.log)
                );
            }
            tokio::time::sleep(step).await;
            waited += step;
        }
    }

    fn failure(&self, what: &str, status: ExitStatus) -> anyhow::Error {
        anyhow!(
            "{what} ({status}). Its log, {}, ends with:\n{}",
            self.log.display(),
            tail(&self.log)
        )
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(%error, "cannot signal PostgreSQL: {error}");
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        self.signal(Signal::INT);
    }
}

fn open_log(path: &Path) -> anyhow::Result<(File, File)> {
    let open = || {
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_LEN_MAX) {
            let mut aside = path.as_os_str().to_owned();
            aside.push(".1");
            fs::rename(path, aside)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        Ok::<_, std::io::Error>((file.try_clone()?, file))
    };
    open().with_context(|| format!("cannot open PostgreSQL's log {}", path.display()))
}

fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

//! Finds, runs and ends the real programs.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::{PATIENCE, Stopwatch};

/// Names the directory of the programs when it is not the one that the tests were built to.
pub const PROGRAMS_VARIABLE: &str = "PORTCULLIS_TEST_PROGRAMS";

/// Lines of a program's log that are shown when a test fails.
const LOG_LINES_SHOWN: usize = 60;
/// How long a program may take to end in order when its value goes.
const ORDERLY_END: Duration = Duration::from_secs(10);

/// Path of a program of this workspace.
///
/// # Errors
/// When it is not built.
pub fn find(name: &str) -> anyhow::Result<PathBuf> {
    let directory = match std::env::var_os(PROGRAMS_VARIABLE) {
        Some(directory) => PathBuf::from(directory),
        None => built_to()?,
    };
    let program = directory.join(name);
    if !program.is_file() {
        bail!(
            "{} is not built: run `cargo xtask test`, or `cargo build --workspace --all-targets` first",
            program.display()
        );
    }
    Ok(program)
}

/// Tests lie in `deps` below the programs, programs beside each other.
fn built_to() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("cannot tell where this program lies")?;
    let directory = this.parent().context("a program lies in a directory")?;
    Ok(match directory.file_name() {
        Some(name) if name == "deps" => directory.parent().unwrap_or(directory).to_owned(),
        Some(_) | None => directory.to_owned(),
    })
}

/// A command that runs a program of this workspace, with nothing of this process's own settings.
///
/// # Errors
/// When it is not built.
pub fn command(name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(find(name)?);
    command.stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let variable = variable.to_string_lossy().into_owned();
        let is_setting = variable.starts_with("PORTCULLIS_") && !is_for_every_program(&variable);
        if is_setting || variable == "DATABASE_URL" {
            command.env_remove(variable);
        }
    }
    Ok(command)
}

fn is_for_every_program(variable: &str) -> bool {
    ["PORTCULLIS_POSTGRES_BIN", "PORTCULLIS_DEFECT"].contains(&variable)
}

/// Runs a command to its end and gives its standard output.
///
/// # Errors
/// When it cannot be run, or ends with another code than 0: the error has what it said.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = run(command)?;
    if !output.status.success() {
        bail!(
            "`{}` ended with {}:\n{}{}",
            words(command),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something that is no text", words(command)))
}

/// Runs a command to its end, whatever that is.
///
/// # Errors
/// When it cannot be run.
pub fn run(command: &mut Command) -> anyhow::Result<Output> {
    command
        .output()
        .with_context(|| format!("cannot run `{}`", words(command)))
}

/// The command as one would type it.
#[must_use]
pub fn words(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A program that runs; it ends when this value goes.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts a command; what it says is added to a log file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let also = file.try_clone().context("cannot share a log")?;
        let child = command
            .stdout(file)
            .stderr(also)
            .spawn()
            .with_context(|| format!("cannot run `{}`", words(command)))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log: log.to_owned(),
        })
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Where its log is.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The last lines it said.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// Its exit, when it has ended by itself.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot look at {}", self.name))
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// When it has ended: the error has the end of its log.
    pub fn must_run(&mut self) -> anyhow::Result<()> {
        match self.ended()? {
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.log_end()),
            None => Ok(()),
        }
    }

    /// Kills it as a power cut would: no word, no tidying up.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .with_context(|| format!("cannot kill {}", self.name))?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        signal(&self.child, Signal::TERM)?;
        let stopwatch = Stopwatch::start();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if stopwatch.elapsed() > PATIENCE {
                bail!("{} does not end:\n{}", self.name, self.log_end());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn signal(child: &Child, signal: Signal) -> anyhow::Result<()> {
    let id = i32::try_from(child.id()).context("a process number fits")?;
    let pid = Pid::from_raw(id).context("a process number is not 0")?;
    kill_process(pid, signal).context("cannot signal a program")
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- end of the log of {}:\n{}\n---",
                self.name,
                self.log_end()
            );
        }
        let stopwatch = Stopwatch::start();
        // In order first: central takes its PostgreSQL with it.
        let _ = signal(&self.child, Signal::TERM);
        while let Ok(None) = self.child.try_wait() {
            if stopwatch.elapsed() > ORDERLY_END {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

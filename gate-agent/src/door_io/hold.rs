//! Which process holds the lines: one at a time. A door process whose agent has died may still be
//! ending a release when the next agent starts; the next door process asks it to end, and makes it.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal},
};

/// How long a predecessor may take to end when it is asked, in ms: a relay board answers in less.
const ENDS_WITHIN_MS: u64 = 2_000;
/// How long one that was killed may take, in ms.
const DIES_WITHIN_MS: u64 = 2_000;
/// How often it is looked, in ms.
const LOOK_MS: u64 = 10;

/// The lines are this process's while it has this.
#[derive(Debug)]
pub(super) struct Hold {
    _file: File,
}

impl Hold {
    /// Waits for a predecessor to let go, having told it to.
    ///
    /// # Errors
    /// When the file cannot be written, or somebody holds it who cannot be made to let go.
    pub(super) async fn take(path: &Path) -> anyhow::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        if !is_taken(&file)? {
            let holder = holder(&mut file).with_context(|| {
                format!(
                    "{} is held by a process that it does not name",
                    path.display()
                )
            })?;
            if holder == getpid() {
                bail!("this very process holds the doors' lines already");
            }
            for (signal, within_ms) in [
                (Signal::TERM, ENDS_WITHIN_MS),
                (Signal::KILL, DIES_WITHIN_MS),
            ] {
                tracing::warn!("process {holder} still holds the doors' lines: {signal:?}");
                if tell(&file, holder, signal)? || is_taken_within(&file, within_ms).await? {
                    break;
                }
                if signal == Signal::KILL {
                    bail!("process {holder} holds the doors' lines and does not die");
                }
            }
        }
        let named = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        named.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { _file: file })
    }
}

fn is_taken(file: &File) -> anyhow::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error).context("cannot lock the file that says who holds the lines"),
    }
}

async fn is_taken_within(file: &File, within_ms: u64) -> anyhow::Result<bool> {
    for _ in 0..within_ms / LOOK_MS {
        if is_taken(file)? {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
    Ok(false)
}

fn holder(file: &mut File) -> anyhow::Result<Pid> {
    let mut text = String::new();
    file.rewind()?;
    file.take(16).read_to_string(&mut text)?;
    let number: i32 = text.trim().parse()?;
    Pid::from_raw(number).context("0 is no process")
}

/// Sends the signal unless the holder has let go meanwhile; says whether it has.
fn tell(file: &File, holder: Pid, signal: Signal) -> anyhow::Result<bool> {
    let process = match pidfd_open(holder, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return is_taken(file),
        Err(error) => return Err(error).context("cannot look at the process that holds the lines"),
    };
    // Still held now, so the number is that process's and nobody else's.
    if is_taken(file)? {
        return Ok(true);
    }
    match pidfd_send_signal(&process, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error).with_context(|| {
            format!("process {holder} holds the doors' lines and may not be ended by this user")
        }),
    }
}

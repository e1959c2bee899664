//! A PostgreSQL that outlived its central (killed, out of memory): found by `postmaster.pid` and
//! ended before a new one starts.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::place::Place;

/// A fast shutdown writes a checkpoint first.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(50);

/// Ends a postmaster that still runs in `place`, and clears away what a dead one left. The caller
/// holds the directory's lock, so no central looks after it.
pub(super) async fn clear(place: &Place) -> anyhow::Result<()> {
    let pid_file = place.cluster.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&pid_file) else {
        return clear_socket(&place.socket);
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse::<i32>().ok());
    let Some(pid) = pid.and_then(Pid::from_raw) else {
        remove(&pid_file)?;
        return clear_socket(&place.socket);
    };
    if is_postmaster_of(pid, &place.cluster) {
        tracing::warn!(
            postgres.pid = pid.as_raw_nonzero().get(),
            "PostgreSQL {} was left running by a central that ended abruptly: stopping it",
            pid.as_raw_nonzero().get()
        );
        stop(pid, &place.cluster).await?;
    } else if Path::new("/proc").join(pid.to_string()).exists() {
        // The number belongs to another program by now. PostgreSQL would take that for a living
        // postmaster; its own check of shared memory still guards the files.
        remove(&pid_file)?;
    }
    clear_socket(&place.socket)
}

async fn stop(pid: Pid, cluster: &Path) -> anyhow::Result<()> {
    // SIGINT: fast shutdown; SIGQUIT: immediate, recovers from the log at the next start.
    for signal in [Signal::INT, Signal::QUIT] {
        if kill_process(pid, signal).is_err() && !is_postmaster_of(pid, cluster) {
            return Ok(());
        }
        let mut waited = Duration::ZERO;
        while waited < STOP_LIMIT {
            if !is_postmaster_of(pid, cluster) {
                return Ok(());
            }
            tokio::time::sleep(STEP).await;
            waited += STEP;
        }
    }
    bail!(
        "PostgreSQL (process {}) still runs in {} and does not end: end it, then start central again",
        pid.as_raw_nonzero().get(),
        cluster.display()
    )
}

/// A postmaster works in its data directory.
fn is_postmaster_of(pid: Pid, cluster: &Path) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let ended = fs::read_to_string(process.join("stat")).map_or(true, |stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
    });
    if ended {
        return false;
    }
    if let Ok(directory) = fs::read_link(process.join("cwd")) {
        return fs::canonicalize(cluster).is_ok_and(|cluster| cluster == directory);
    }
    let command = fs::read(process.join("cmdline")).unwrap_or_default();
    command
        .split(|byte| *byte == 0)
        .any(|word| word == cluster.as_os_str().as_encoded_bytes())
}

/// A socket's lock file can name a process number that is taken again after a restart.
fn clear_socket(directory: &Path) -> anyhow::Result<()> {
    for name in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
        remove(&directory.join(name))?;
    }
    Ok(())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

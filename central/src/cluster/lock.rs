//! One central for one data directory: an exclusive `flock` that the kernel gives back however
//! the process ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

const FILE: &str = "central.lock";

/// A process that has just ended may have been starting another, which holds the lock from its
/// fork to its exec: no longer than this in all.
const LOOKS_AGAIN: u32 = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Held for as long as the value lives.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: File,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub(super) enum Locked {
    Taken(DirectoryLock),
    /// Another process holds it.
    HeldBy(Holder),
}

/// Who holds a data directory, as the lock file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// 0 when the holder has not written it yet.
    pub(super) pid: u32,
    /// Where its PostgreSQL listens, once that is settled.
    pub(super) socket_directory: Option<PathBuf>,
}

impl DirectoryLock {
    /// Takes the lock of `directory`, or says who holds it.
    pub(super) fn take(directory: &Path) -> anyhow::Result<Locked> {
        let path = directory.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| {
                format!(
                    "cannot open {}: start central as the user who owns it, or choose another directory with \
                     --data-dir",
                    path.display()
                )
            })?;
        let mut locked = file.try_lock();
        for _ in 0..LOOKS_AGAIN {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(LOOK_AGAIN);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {
                let mut lock = Self { file };
                lock.write(&format!("{}\n", std::process::id()))?;
                Ok(Locked::Taken(lock))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                Ok(Locked::HeldBy(parse(&text)))
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Tells other commands where this process's PostgreSQL listens.
    pub(super) fn announce(&mut self, socket_directory: &Path) -> anyhow::Result<()> {
        self.write(&format!(
            "{}\n{}\n",
            std::process::id(),
            socket_directory.display()
        ))
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        let mut write = || {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(text.as_bytes())
        };
        write().context("cannot write the data directory's lock file")
    }
}

fn parse(text: &str) -> Holder {
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    Holder {
        pid,
        socket_directory: lines.next().map(PathBuf::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_holds_the_directory_and_where_to_connect() {
        let directory = tempfile::tempdir().unwrap();
        let Locked::Taken(mut lock) = DirectoryLock::take(directory.path()).unwrap() else {
            panic!("a fresh directory is free");
        };
        lock.announce(Path::new("/run/x")).unwrap();
        let Locked::HeldBy(holder) = DirectoryLock::take(directory.path()).unwrap() else {
            panic!("taken twice");
        };
        let expected = Holder {
            pid: std::process::id(),
            socket_directory: Some("/run/x".into()),
        };
        assert_eq!(holder, expected);
        drop(lock);
        assert!(matches!(
            DirectoryLock::take(directory.path()).unwrap(),
            Locked::Taken(_)
        ));
    }
}

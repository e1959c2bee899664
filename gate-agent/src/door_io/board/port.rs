//! A serial port, raw: bytes go out and come in as they are.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use rustix::{
    fs::OFlags,
    termios::{
        ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr,
    },
};
use tokio::io::{Interest, unix::AsyncFd};

use super::wiring::Parity;

/// An open port.
#[derive(Debug)]
pub(super) struct Port(AsyncFd<File>);

impl Port {
    pub(super) fn open(path: &Path, baud: u32, parity: Parity) -> anyhow::Result<Self> {
        let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .with_context(|| why_not(path))?;
        set_up(&file, baud, parity)
            .with_context(|| format!("cannot set up the serial port {}", path.display()))?;
        #[expect(
            deprecated,
            reason = "its successor asks for `unsafe`, for owners whose descriptor changes: this one's never does"
        )]
        let file = AsyncFd::with_interest(file, Interest::READABLE | Interest::WRITABLE)
            .context("cannot listen to the serial port")?;
        Ok(Self(file))
    }

    /// Sends a few bytes, which a port takes at once.
    pub(super) fn send(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let sent = self.0.get_ref().write(bytes);
        let sent = sent.context("cannot write to the serial port: is the board unplugged?")?;
        anyhow::ensure!(sent == bytes.len(), "the serial port takes no more bytes");
        Ok(())
    }

    /// Drops what has come and was not read.
    pub(super) fn forget_received(&self) -> anyhow::Result<()> {
        let file = self.0.get_ref();
        tcflush(file, QueueSelector::IFlush).context("the serial port is gone")
    }

    /// Waits for bytes and appends them. May be dropped and called again without losing anything.
    pub(super) async fn receive(&self, to: &mut Vec<u8>) -> anyhow::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut some = [0; 256];
            match ready.try_io(|port| port.get_ref().read(&mut some)) {
                Ok(Ok(0)) => anyhow::bail!("the serial port was closed: is the board unplugged?"),
                Ok(Ok(length)) => {
                    to.extend_from_slice(&some[..length]);
                    return Ok(());
                }
                Ok(Err(error)) => {
                    return Err(error).context("the serial port broke: is the board unplugged?");
                }
                Err(_would_block) => {}
            }
        }
    }
}

fn set_up(file: &File, baud: u32, parity: Parity) -> io::Result<()> {
    // A second owner is refused, as the kernel does for GPIO lines.
    ioctl_tiocexcl(file)?;
    let mut settings = tcgetattr(file)?;
    settings.make_raw();
    settings.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
    settings.control_modes -= ControlModes::CSTOPB | ControlModes::CRTSCTS;
    settings.control_modes -= ControlModes::PARENB | ControlModes::PARODD;
    match parity {
        Parity::None => {}
        Parity::Even => settings.control_modes |= ControlModes::PARENB,
        Parity::Odd => settings.control_modes |= ControlModes::PARENB | ControlModes::PARODD,
    }
    settings.set_speed(baud)?;
    tcsetattr(file, OptionalActions::Now, &settings)?;
    tcflush(file, QueueSelector::IOFlush)?;
    Ok(())
}

/// Whether there is such a port, and this user may use it.
pub(in crate::door_io) fn look(path: &Path) -> anyhow::Result<String> {
    std::fs::metadata(path)
        .and_then(|_| {
            Ok(rustix::fs::access(
                path,
                rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK,
            )?)
        })
        .with_context(|| why_not(path))?;
    Ok(format!("the serial port {} is there", path.display()))
}

/// What to do about a port that cannot be opened: which ones there are.
fn why_not(path: &Path) -> String {
    let there = ["/dev/serial/by-id", "/dev/serial/by-path"]
        .into_iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().display().to_string()))
        .collect::<Vec<_>>();
    let there = if there.is_empty() {
        "no serial port is plugged in".to_owned()
    } else {
        format!("there is {}", there.join(", "))
    };
    format!(
        "cannot open the serial port {}: {there}; the agent's user must be in the group dialout",
        path.display()
    )
}

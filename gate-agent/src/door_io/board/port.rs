//! A serial port, raw, on a thread of its own: opening, setting up and closing a terminal may block
//! for as long as its driver likes. One errand at a time, each with one outcome.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use anyhow::Context as _;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    termios::{
        ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr,
    },
};
use tokio::sync::mpsc;

use super::{
    modbus::{Answer, Misheard, Question},
    wiring::Parity,
};
use crate::clock::Clock;

/// How long a board may take to answer, in ms: at 1,200 bits a second the longest answer takes 130.
pub(super) const ANSWERS_WITHIN_MS: u64 = 250;

/// Which port, and how it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortSettings {
    pub(super) path: PathBuf,
    pub(super) baud: u32,
    pub(super) parity: Parity,
}

/// What the port's thread is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Open,
    Ask(Question),
    Tell([u8; 4]),
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Opened,
    Answered(Result<Answer, Misheard>),
    Told,
    /// The port itself does not work, and is closed.
    Broken(String),
}

/// A port's thread, at the other end of two channels of one place each. It ends when this is
/// dropped, as soon as its driver lets it.
#[derive(Debug)]
pub(super) struct Port {
    errands: SyncSender<Errand>,
    outcomes: mpsc::Receiver<Outcome>,
}

impl Port {
    pub(super) fn start(settings: PortSettings, clock: Clock) -> anyhow::Result<Self> {
        let (errands, asked) = sync_channel(1);
        let (tell, outcomes) = mpsc::channel(1);
        std::thread::Builder::new()
            .name("serial port".into())
            .spawn(move || run(&settings, clock, &asked, &tell))
            .context("cannot start a thread for the serial port")?;
        Ok(Self { errands, outcomes })
    }

    /// Hands over the next errand, once the last one's outcome has come.
    pub(super) fn send(&self, errand: Errand) -> anyhow::Result<()> {
        let sent = self.errands.try_send(errand);
        sent.context("the serial port's thread has ended")
    }

    /// The errand's outcome. May be dropped and called again without losing anything.
    pub(super) async fn outcome(&mut self) -> anyhow::Result<Outcome> {
        let outcome = self.outcomes.recv().await;
        outcome.context("the serial port's thread has ended")
    }
}

fn run(
    settings: &PortSettings,
    clock: Clock,
    errands: &Receiver<Errand>,
    outcomes: &mpsc::Sender<Outcome>,
) {
    let mut port = None;
    while let Ok(errand) = errands.recv() {
        let outcome = match attend(settings, clock, &mut port, errand) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Broken(format!("{error:#}")),
        };
        let is_broken = matches!(outcome, Outcome::Broken(_));
        if outcomes.blocking_send(outcome).is_err() {
            break;
        }
        if is_broken && let Some(port) = port.take() {
            close(port);
        }
    }
    if let Some(port) = port {
        close(port);
    }
}

/// What was not sent is not waited for.
fn close(port: File) {
    let _ = tcflush(&port, QueueSelector::IOFlush);
}

fn attend(
    settings: &PortSettings,
    clock: Clock,
    port: &mut Option<File>,
    errand: Errand,
) -> anyhow::Result<Outcome> {
    if errand == Errand::Open {
        *port = Some(open(settings)?);
        return Ok(Outcome::Opened);
    }
    let port = port.as_mut().context("the serial port is closed")?;
    match errand {
        Errand::Open => unreachable!("taken above"),
        Errand::Tell(bytes) => {
            send(port, &bytes)?;
            Ok(Outcome::Told)
        }
        Errand::Ask(question) => ask(port, clock, question).map(Outcome::Answered),
    }
}

fn open(settings: &PortSettings) -> anyhow::Result<File> {
    let path = &settings.path;
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .with_context(|| why_not(path))?;
    set_up(&file, settings.baud, settings.parity)
        .with_context(|| format!("cannot set up the serial port {}", path.display()))?;
    Ok(file)
}

/// Sends a few bytes, which a port takes at once.
fn send(port: &mut File, bytes: &[u8]) -> anyhow::Result<()> {
    let sent = port
        .write(bytes)
        .context("cannot write to the serial port: is the board unplugged?")?;
    anyhow::ensure!(sent == bytes.len(), "the serial port takes no more bytes");
    Ok(())
}

/// Asks, and waits for the whole answer.
fn ask(
    port: &mut File,
    clock: Clock,
    question: Question,
) -> anyhow::Result<Result<Answer, Misheard>> {
    // What came too late for the last question is no answer to this one.
    tcflush(&*port, QueueSelector::IFlush).context("the serial port is gone")?;
    send(port, &question.to_bytes())?;
    let until = clock.uptime().plus_ms(ANSWERS_WITHIN_MS);
    let mut received = Vec::new();
    loop {
        let left_ms = until.since_ms(clock.uptime());
        if left_ms == 0 {
            return Ok(Err(Misheard::Silence));
        }
        if !has_bytes_within(port, left_ms).context("cannot listen to the serial port")? {
            continue;
        }
        let mut some = [0; 256];
        match port.read(&mut some) {
            Ok(0) => anyhow::bail!("the serial port was closed: is the board unplugged?"),
            Ok(length) => received.extend_from_slice(&some[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => {
                return Err(error).context("the serial port broke: is the board unplugged?");
            }
        }
        match question.answered(&received) {
            Ok(None) => {}
            Ok(Some(answer)) => return Ok(Ok(answer)),
            Err(misheard) => return Ok(Err(misheard)),
        }
    }
}

fn has_bytes_within(port: &File, ms: u64) -> io::Result<bool> {
    let nanoseconds = i64::try_from(ms % 1_000 * 1_000_000).expect("less than a second");
    let timeout = Timespec {
        tv_sec: i64::try_from(ms / 1_000).expect("a short time"),
        tv_nsec: nanoseconds,
    };
    let mut awaited = [PollFd::new(port, PollFlags::IN)];
    match poll(&mut awaited, Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
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

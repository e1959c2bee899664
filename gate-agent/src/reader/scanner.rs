//! 2-D scanners, which decode by themselves and give texts: on a serial line, or as a keyboard that
//! is taken away from everybody else.

mod keyboard;
mod lines;
mod serial;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use gate_core::input::PresentationEnd;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use shared::time::Uptime;
use tokio::sync::{mpsc, oneshot};

use super::{
    AGE_MAX_MS, FrameRead, KeyboardConfig, Reader, ReaderEnd, SerialConfig,
    device::{devices_in, open_problem},
    live::LOOK_UP_EVERY,
};
use crate::{
    clock::Clock,
    decoder::{Effort, cut_text},
};
use keyboard::Keyboard;
use serial::Serial;

/// A text is over when nothing more of it has come for so long: many scanners come without a line
/// end, and none pauses in the middle of a code.
const OVER_AFTER: Duration = Duration::from_millis(250);

/// A code that is read again within this time, in ms, is still held there: what scanners that read
/// by themselves pause between two reads, and what the core calls one uninterrupted presentation.
const HELD_WITHIN_MS: u64 = 1_000;

/// Bytes taken from a device at a time.
const READ_BYTES: usize = 4_096;

/// A scanner's device.
trait Source: AsFd + Send {
    /// Takes what is there; texts that have come to their end go into `texts`.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing, [`io::ErrorKind::UnexpectedEof`] when it is gone.
    fn take(&mut self, texts: &mut Vec<String>) -> io::Result<()>;

    /// The text that nothing more came for; `None` when none had begun.
    fn over(&mut self) -> Option<String>;

    /// Throws away what has come and was not taken, and what of a text has begun.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when it is gone.
    fn discard(&mut self) -> io::Result<()>;
}

/// A text and the time by which it had come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scanned {
    taken_at: Uptime,
    text: String,
}

pub(super) async fn run_serial(
    reader: &Reader,
    config: &SerialConfig,
    frames: &mpsc::Sender<FrameRead>,
    ready: oneshot::Sender<()>,
) -> anyhow::Result<ReaderEnd> {
    let path = &config.device;
    let serial = Serial::open(path, config.baud).map_err(|error| {
        let here = names("/dev/serial/by-id", "");
        if error.kind() == io::ErrorKind::InvalidInput {
            anyhow!(
                "{} cannot be set up as a serial line: {error}",
                path.display()
            )
        } else {
            open_problem("serial line", path, &error, &here)
        }
    })?;
    read(reader, path, serial, frames, ready).await
}

pub(super) async fn run_keyboard(
    reader: &Reader,
    config: &KeyboardConfig,
    frames: &mpsc::Sender<FrameRead>,
    ready: oneshot::Sender<()>,
) -> anyhow::Result<ReaderEnd> {
    let path = &config.device;
    let keyboard = Keyboard::open(path).map_err(|error| {
        let here = names("/dev/input/by-id", "");
        match error.kind() {
            io::ErrorKind::InvalidInput => {
                anyhow!("{} is no scanner: {error}", path.display())
            }
            _ if error.raw_os_error() == Some(Errno::NOTTY.raw_os_error()) => {
                anyhow!("{} is no input device", path.display())
            }
            _ => open_problem("scanner", path, &error, &here),
        }
    })?;
    tracing::info!(
        access_point.id = reader.access_point.0,
        "the scanner {} ({}) belongs to the gate alone now",
        path.display(),
        keyboard.name()
    );
    read(reader, path, keyboard, frames, ready).await
}

fn names(folder: &str, beginning: &str) -> Vec<String> {
    devices_in(Path::new(folder), beginning)
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

async fn read(
    reader: &Reader,
    path: &Path,
    source: impl Source + 'static,
    frames: &mpsc::Sender<FrameRead>,
    ready: oneshot::Sender<()>,
) -> anyhow::Result<ReaderEnd> {
    // People show one code after the other; what comes faster waits in the device.
    let (give, mut texts) = mpsc::channel(1);
    let (tell_end, ended) = oneshot::channel();
    let clock = reader.clock;
    let gone = format!("the scanner {} is gone: plug it in again", path.display());
    thread::Builder::new()
        .name("reader-scanner".to_owned())
        .spawn(move || {
            // The reader may have gone.
            let _ = tell_end.send(take_texts(source, clock, &give));
        })
        .context("cannot start the thread of the scanner")?;
    // Nobody need wait for it.
    let _ = ready.send(());
    let mut held = Held::default();
    loop {
        let wait = reader.pulse.while_waiting(reader.clock, texts.recv());
        let scanned = tokio::select! {
            scanned = wait => scanned,
            () = frames.closed() => return Ok(ReaderEnd::ReceiverGone),
        };
        let Some(scanned) = scanned else { break };
        let frame = frame_of(reader, &mut held, scanned);
        if frames.send(frame).await.is_err() {
            return Ok(ReaderEnd::ReceiverGone);
        }
    }
    let error = match ended.await {
        Ok(Err(error)) => error,
        Ok(Ok(())) | Err(_) => io::Error::other("its thread ended"),
    };
    Err(error).context(gone)
}

/// Takes texts until nobody wants them. What came while nobody looked, because the program was
/// stopped or slept with the machine, is thrown away: who showed it may be gone.
fn take_texts(
    mut source: impl Source,
    clock: Clock,
    give: &mpsc::Sender<Scanned>,
) -> io::Result<()> {
    let mut texts = Vec::new();
    let mut quiet = Duration::ZERO;
    let mut looked_at = clock.uptime();
    while !give.is_closed() {
        let wait = LOOK_UP_EVERY.min(OVER_AFTER);
        let is_ready = is_ready(source.as_fd(), wait)?;
        let now = clock.uptime();
        let paused_ms = now.since_ms(looked_at);
        looked_at = now;
        if paused_ms > AGE_MAX_MS {
            tracing::warn!(
                "nobody looked at the scanner for {paused_ms} ms: what it read meanwhile is thrown away"
            );
            quiet = Duration::ZERO;
            source.discard()?;
            continue;
        }
        if is_ready {
            quiet = Duration::ZERO;
            match source.take(&mut texts) {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error),
            }
        } else {
            quiet += wait;
            if quiet >= OVER_AFTER {
                texts.extend(source.over());
            }
        }
        for text in texts.drain(..) {
            let scanned = Scanned {
                taken_at: now,
                text,
            };
            if give.blocking_send(scanned).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether there is something to take, or nothing ever again.
fn is_ready(device: BorrowedFd<'_>, longest: Duration) -> io::Result<bool> {
    let longest = Timespec::try_from(longest).map_err(io::Error::other)?;
    match poll(
        &mut [PollFd::from_borrowed_fd(device, PollFlags::IN)],
        Some(&longest),
    ) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn frame_of(reader: &Reader, held: &mut Held, scanned: Scanned) -> FrameRead {
    let taken_at = scanned.taken_at;
    let text = cut_text(scanned.text, Effort::Gate);
    FrameRead {
        access_point: reader.access_point,
        taken_at,
        end: held.end_of(taken_at, &text),
        texts: vec![text],
        hints: Vec::new(),
        decode_ms: 0,
        source: None,
        problem: None,
    }
}

/// What was read last, to tell a code that is held before a scanner from one that is shown anew.
#[derive(Debug, Default)]
struct Held(Option<(Uptime, String)>);

/// What live passes begin with: their text changes every few seconds while they are held.
const LIVE: &str = "SL";

impl Held {
    /// A scanner says a text when it has read it, so each is whole and decided on at once; a text
    /// that comes again and again is still the same presentation.
    fn end_of(&mut self, now: Uptime, text: &str) -> PresentationEnd {
        let before = self.0.replace((now, text.to_owned()));
        let is_held = before.is_some_and(|(last, before)| {
            let is_same = before == text || (before.starts_with(LIVE) && text.starts_with(LIVE));
            is_same && now.since_ms(last) <= HELD_WITHIN_MS
        });
        if is_held {
            PresentationEnd::MoreFramesFollow
        } else {
            PresentationEnd::SourceHasNoMoreFrames
        }
    }
}

#[cfg(test)]
mod tests;

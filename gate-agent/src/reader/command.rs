//! A program that writes raw frames to its standard output, as `rpicam-vid` does for the cameras of
//! a Raspberry Pi. It lives no longer than its reader, and is started again when it ends.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc as mpsc_sync,
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use gate_devices::child::die_with_parent;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, Signal, kill_process_group},
};
use shared::ids::AccessPointId;
use tokio::sync::{mpsc, oneshot};

use super::{
    CommandConfig, FrameRead, Reader, ReaderEnd,
    live::{self, LOOK_UP_EVERY, Outlet, Picture, SourceFacts},
    luma::{Plane, Spacing},
};

const FACTS: SourceFacts = SourceFacts {
    name: "the command for frames",
    // A Pi's camera program takes one to three seconds for its first picture.
    first_within_ms: 15_000,
    next_within_ms: 5_000,
};

/// Longest line of its standard error that is logged; the rest of a longer one is passed over.
const LINE_BYTES_MAX: usize = 500;
/// Lines of its standard error that are logged in full for one start; what goes on and on is
/// counted and not logged. The last lines go into the reason when it ends.
const LINES_LOGGED_MAX: u32 = 50;

/// How long it may take to end when it is asked to, before it is killed.
const ENDS_WITHIN: Duration = Duration::from_millis(300);

pub(super) async fn run(
    reader: &Reader,
    config: &CommandConfig,
    frames: &mpsc::Sender<FrameRead>,
    ready: oneshot::Sender<()>,
) -> anyhow::Result<ReaderEnd> {
    let (config, access_point) = (config.clone(), reader.access_point);
    live::read(reader, frames, ready, FACTS, move |outlet| {
        take_frames(&config, access_point, outlet)
    })
    .await
}

fn take_frames(
    config: &CommandConfig,
    access_point: AccessPointId,
    outlet: &Outlet,
) -> anyhow::Result<()> {
    let mut running = Running::start(config, access_point)?;
    let mut bytes = vec![0; frame_bytes(config)];
    let plane = Plane {
        width: config.width,
        height: config.height,
        stride: config.stride,
        spacing: Spacing::EveryByte,
    };
    loop {
        match read_frame(&mut running.output, &mut bytes, outlet)? {
            Taken::Whole => {}
            Taken::Unwanted => return Ok(()),
            Taken::Ended { part } => bail!("{}", running.end_words(config, part)),
        }
        let frame = plane
            .frame(&bytes)
            .context("a whole frame has its rows: this is a bug")?;
        // A pipe holds less than a frame, and what writes it keeps no date.
        outlet.put(Picture::Grey(frame), 0);
    }
}

/// Bytes of a frame in YUV 4:2:0: the grey plane, then two of half its width and height.
fn frame_bytes(config: &CommandConfig) -> usize {
    let (stride, height) = (config.stride as usize, config.height as usize);
    stride * height + 2 * (stride.div_ceil(2) * height.div_ceil(2))
}

/// What became of the wait for a frame.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Whole,
    Unwanted,
    /// The program closed its output in the middle of a frame or behind one.
    Ended {
        part: usize,
    },
}

fn read_frame(
    output: &mut ChildStdout,
    bytes: &mut [u8],
    outlet: &Outlet,
) -> anyhow::Result<Taken> {
    let mut filled = 0;
    while filled < bytes.len() {
        if !outlet.is_wanted() {
            return Ok(Taken::Unwanted);
        }
        if wait_for(output)? == Waited::TimeUp {
            continue;
        }
        match output.read(&mut bytes[filled..]) {
            Ok(0) => return Ok(Taken::Ended { part: filled }),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read the command's frames"),
        }
    }
    Ok(Taken::Whole)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    Ready,
    TimeUp,
}

fn wait_for(output: &ChildStdout) -> anyhow::Result<Waited> {
    let longest = Timespec::try_from(LOOK_UP_EVERY).context("a time")?;
    let mut outputs = [PollFd::new(output, PollFlags::IN)];
    match poll(&mut outputs, Some(&longest)) {
        Ok(0) | Err(Errno::INTR) => Ok(Waited::TimeUp),
        Ok(_) => Ok(Waited::Ready),
        Err(error) => Err(error).context("cannot wait for the command's frames"),
    }
}

/// The program while it runs. Dropping it ends the program and whatever it started.
struct Running {
    child: Child,
    output: ChildStdout,
    /// Its last words, once it says no more.
    last_words: mpsc_sync::Receiver<String>,
}

impl Running {
    /// Starts it from this thread, which lives as long as it shall: the kernel kills it with the
    /// thread.
    fn start(config: &CommandConfig, access_point: AccessPointId) -> anyhow::Result<Self> {
        let mut command = Command::new(&config.program);
        command
            .args(&config.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that what it starts ends with it.
            .process_group(0);
        die_with_parent(&mut command);
        let mut child = command.spawn().with_context(|| {
            format!(
                "cannot start {:?}, which shall write the frames: is it installed, and may the gate's user run it?",
                config.program
            )
        })?;
        let output = child.stdout.take().expect("its output is a pipe");
        let errors = child.stderr.take().expect("its errors are a pipe");
        let (tell, last_words) = mpsc_sync::sync_channel(1);
        let running = Self {
            child,
            output,
            last_words,
        };
        thread::Builder::new()
            .name("reader-command-log".to_owned())
            .spawn(move || {
                // Nobody asks unless it ended by itself.
                let _ = tell.send(log_lines(errors, access_point));
            })
            .context("cannot start the thread that logs what the command says")?;
        Ok(running)
    }

    /// Why there are no more frames, once its output has ended after `part` bytes of one.
    fn end_words(&mut self, config: &CommandConfig, part: usize) -> String {
        // Whoever closes the output is ending: by itself, if it is given the time.
        let status = match self.wait().or_else(|| self.stop()) {
            Some(status) => status.to_string(),
            None => "its end is not known".to_owned(),
        };
        let mut words = format!("{:?} ended ({status})", config.program);
        if part > 0 {
            words += &format!(
                " in the middle of a frame of {} bytes: do width, height and stride fit what it writes?",
                frame_bytes(config)
            );
        }
        match self.last_words.recv_timeout(ENDS_WITHIN) {
            Ok(said) if !said.is_empty() => words += &format!("; it said: {said}"),
            Ok(_) | Err(_) => {}
        }
        words
    }

    /// Asks the group to end, and kills it when it does not.
    fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let status = self.wait();
        // What the program started may still be there.
        self.signal(Signal::KILL);
        status.or_else(|| self.child.wait().ok())
    }

    /// Gives it the time to end.
    fn wait(&mut self) -> Option<ExitStatus> {
        let step = Duration::from_millis(10);
        for _ in 0..ENDS_WITHIN.as_millis() / step.as_millis() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(step);
        }
        None
    }

    fn signal(&self, signal: Signal) {
        let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else {
            return;
        };
        // There may be nobody left in it.
        let _ = kill_process_group(group, signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Logs what the program says until it says no more; returns its last line.
fn log_lines(errors: ChildStderr, access_point: AccessPointId) -> String {
    let mut errors = BufReader::new(errors);
    let (mut lines, mut last) = (0_u32, String::new());
    loop {
        let mut line = Vec::new();
        match next_line(&mut errors, &mut line) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = printable(&line);
        if text.is_empty() {
            continue;
        }
        lines = lines.saturating_add(1);
        if lines <= LINES_LOGGED_MAX {
            tracing::info!(
                access_point.id = access_point.0,
                "the command for frames at access point {access_point} says: {text}"
            );
        }
        if lines == LINES_LOGGED_MAX {
            tracing::info!(
                "the command for frames at access point {access_point} says more than is logged"
            );
        }
        last = text;
    }
}

/// Reads one line, at most [`LINE_BYTES_MAX`] bytes of it; returns how many bytes it took.
fn next_line(stream: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let taken = stream
        .by_ref()
        .take(LINE_BYTES_MAX as u64)
        .read_until(b'\n', line)?;
    if taken == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        stream.skip_until(b'\n')?;
    }
    Ok(taken)
}

/// A program's words without what would move a terminal's cursor.
fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests;

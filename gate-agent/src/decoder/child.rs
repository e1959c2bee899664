//! The decoder process: reads pictures from its standard input and answers on its standard output
//! until the input ends or it is killed. It can open no file and no socket.

use std::io::{self, Read, Write};
use std::panic;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use anyhow::Context;
use code_finder::{Frame, Stream};

use crate::clock::Clock;

use super::Effort;
use super::codes::{Codes, Deadline, read_next, read_picture};
use super::frame::{PictureError, unpack_picture};
use super::motion_jpeg::unpack_motion_jpeg;
use super::protocol::{Answer, Ask, VERSION, request_length};
use super::sandbox::{self, Attempt};

/// Panics of the library that are written to standard error; a hostile frame can cause thousands.
const PANICS_REPORTED_MAX: u32 = 8;

/// Serves pictures until standard input ends.
///
/// # Errors
/// When the pipes break in the middle of a message, or a message makes no sense: both sides are the
/// same program, so neither happens unless one of them is dying.
pub fn serve() -> anyhow::Result<()> {
    report_few_panics();
    let requests = enter_sandbox()?;
    let mut answers = io::stdout().lock();
    send(&mut answers, &Answer::Ready { version: VERSION })?;
    let mut desk = Desk {
        clock: Clock::system(),
        unpacked: None,
        stream: Stream::new(),
        last: None,
    };
    while let Ok(request) = requests.recv() {
        let ask = Ask::from_bytes(&request).context("cannot understand the request")?;
        send(&mut answers, &desk.answer(&ask))?;
    }
    Ok(())
}

/// Tries something that the sandbox must not let happen, as the child that reads pictures would.
///
/// # Errors
/// When it could not be done: the sandbox holds. The process may be killed instead.
pub fn attempt(attempt: Attempt) -> anyhow::Result<()> {
    let _requests = enter_sandbox()?;
    attempt.make()
}

/// Confined before the first picture is looked at; returns where they come from.
fn enter_sandbox() -> anyhow::Result<mpsc::Receiver<Vec<u8>>> {
    sandbox::close_surroundings()?;
    // The first reading asks the kernel where its clock lies, which later ones need not.
    let _ = Clock::system().uptime_us();
    let requests = requests_from_stdin()?;
    sandbox::filter_system_calls()?;
    Ok(requests)
}

fn report_few_panics() {
    static PANICS: AtomicU32 = AtomicU32::new(0);
    panic::set_hook(Box::new(|what| {
        // The place only: the words of a panic may quote what was read.
        if PANICS.fetch_add(1, Ordering::Relaxed) < PANICS_REPORTED_MAX
            && let Some(place) = what.location()
        {
            let _ = writeln!(io::stderr(), "decoder: panic at {place}");
        }
    }));
}

/// Reads requests in a thread of its own, so that the end of the input, which is the end of the
/// gate's program, ends this process in the middle of a picture too.
fn requests_from_stdin() -> anyhow::Result<mpsc::Receiver<Vec<u8>>> {
    // One request is in flight at a time.
    let (sender, receiver) = mpsc::sync_channel(1);
    let (started, has_started) = mpsc::channel();
    thread::Builder::new()
        .name("decoder-requests".to_owned())
        .spawn(move || {
            let _ = started.send(());
            match read_requests(&mut io::stdin().lock(), &sender) {
                Ok(()) => process::exit(0),
                Err(error) => {
                    let _ = writeln!(io::stderr(), "decoder: cannot read a request: {error}");
                    process::exit(1)
                }
            }
        })
        .context("cannot start the thread that reads requests")?;
    // A thread that starts needs more of the kernel than one that runs.
    has_started
        .recv()
        .context("the thread that reads requests has ended")?;
    Ok(receiver)
}

fn read_requests(input: &mut impl Read, sender: &SyncSender<Vec<u8>>) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        match input.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let length = request_length(length).map_err(io::Error::other)?;
        let mut request = vec![0; length];
        input.read_exact(&mut request)?;
        if sender.send(request).is_err() {
            return Ok(());
        }
    }
}

fn send(output: &mut impl Write, answer: &Answer) -> anyhow::Result<()> {
    output
        .write_all(&answer.to_bytes())
        .and_then(|()| output.flush())
        .context("cannot send an answer")
}

/// A panic of the unpacker costs this picture alone.
fn unpack_jpeg(jpeg: &[u8]) -> Result<Frame, String> {
    panic::catch_unwind(|| unpack_motion_jpeg(jpeg))
        .map_err(|_| "damaged picture: the unpacker gave up on it".to_owned())?
}

struct Desk {
    clock: Clock,
    unpacked: Option<Frame>,
    /// The camera whose frames come without being asked to be unpacked.
    stream: Stream,
    /// Its last frame.
    last: Option<Frame>,
}

impl Desk {
    fn answer(&mut self, ask: &Ask<'_>) -> Answer {
        let started_us = self.clock.uptime_us();
        let result = match *ask {
            Ask::Unpack { effort, file } => self.unpack(file, effort).map(|()| None),
            Ask::ReadUnpacked { effort } => match self.unpacked.take() {
                Some(frame) => Ok(Some(read_picture(&frame, effort, self.deadline(effort)))),
                None => Err(PictureError::Empty.to_string()),
            },
            Ask::ReadJpeg { effort, jpeg } => match unpack_jpeg(jpeg) {
                Ok(frame) => Ok(Some(self.read_frame(frame, effort))),
                Err(reason) => Err(reason),
            },
            Ask::ReadFrame {
                effort,
                width,
                height,
                luma,
            } => match Frame::new(width, height, luma.to_vec()) {
                Ok(frame) => Ok(Some(self.read_frame(frame, effort))),
                Err(error) => Err(error.to_string()),
            },
            Ask::Sharpness => {
                let percent = self.last.as_ref().and_then(Frame::sharpness);
                return Answer::Sharpness { percent };
            }
        };
        let took_us = self.clock.uptime_us() - started_us;
        match result {
            Ok(None) => Answer::Unpacked { took_us },
            Ok(Some(codes)) => Answer::Texts { took_us, codes },
            Err(reason) => Answer::NotAPicture { reason },
        }
    }

    fn unpack(&mut self, file: &[u8], effort: Effort) -> Result<(), String> {
        self.unpacked = None;
        let frame = panic::catch_unwind(|| unpack_picture(file))
            .map_err(|_| "damaged picture: the unpacker gave up on it".to_owned())?
            .map_err(|error| error.to_string())?;
        let shrunk = effort
            .picture_side_max()
            .and_then(|side_max| frame.shrunk_to(side_max));
        self.unpacked = Some(shrunk.unwrap_or(frame));
        Ok(())
    }

    fn read_frame(&mut self, frame: Frame, effort: Effort) -> Codes {
        let deadline = self.deadline(effort);
        let codes = match effort {
            Effort::Gate => read_next(&mut self.stream, &frame, deadline),
            Effort::Thorough => read_picture(&frame, effort, deadline),
        };
        self.last = Some(frame);
        codes
    }

    fn deadline(&self, effort: Effort) -> Deadline {
        Deadline::in_ms(self.clock, effort.budget_ms())
    }
}

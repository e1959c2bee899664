use std::{fs::File, io::Write as _, path::PathBuf, sync::Arc};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use shared::ids::AccessPointId;
use tokio::{task::JoinHandle, time::timeout};

use super::*;
use crate::{
    clock::Clock,
    decoder::DecoderSettings,
    reader::{FRAMES_WAITING_MAX, ReaderConfig},
};

type Running = JoinHandle<anyhow::Result<ReaderEnd>>;

/// The far end of a line, with the near end's name.
fn line() -> (File, PathBuf) {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&far).unwrap();
    unlockpt(&far).unwrap();
    let name = ptsname(&far, Vec::new()).unwrap();
    (File::from(far), name.to_str().unwrap().into())
}

fn serial(device: PathBuf) -> Reader {
    Reader {
        config: ReaderConfig::Serial(SerialConfig {
            device,
            baud: 115_200,
        }),
        access_point: AccessPointId(9),
        clock: Clock::system(),
        decoder: DecoderSettings::this_program(),
        pulse: Arc::default(),
    }
}

async fn start(device: PathBuf) -> (Running, mpsc::Receiver<FrameRead>) {
    let (sender, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
    let (ready, is_ready) = oneshot::channel();
    let running = tokio::spawn(serial(device).run_and_tell(sender, ready));
    // One that fails drops it, and says so when it is waited for.
    let _ = is_ready.await;
    (running, receiver)
}

async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), wait).await.unwrap()
}

#[tokio::test]
async fn lines_of_a_serial_scanner_are_texts() {
    let (mut far, device) = line();
    let (_running, mut frames) = start(device).await;
    far.write_all(b"SP1:ONE\r\nSP1:TWO\r").unwrap();
    for text in ["SP1:ONE", "SP1:TWO"] {
        let frame = soon(frames.recv()).await.unwrap();
        assert_eq!(frame.texts, [text]);
        assert_eq!(frame.access_point, AccessPointId(9));
        assert_eq!(frame.end, PresentationEnd::SourceHasNoMoreFrames);
    }
}

#[tokio::test]
async fn bytes_that_mean_something_to_terminals_are_bytes() {
    let (mut far, device) = line();
    let (_running, mut frames) = start(device).await;
    // Interrupt, quit, end of file, erase, kill, stop: none of them does anything here.
    far.write_all(b"A\x03\x1c\x04\x7f\x15\x13\x11\x1aB\n")
        .unwrap();
    let frame = soon(frames.recv()).await.unwrap();
    assert_eq!(frame.texts, ["A\x03\x1c\x04\x7f\x15\x13\x11\x1aB"]);
}

#[tokio::test]
async fn a_text_without_a_line_end_is_over_when_nothing_more_comes() {
    let (mut far, device) = line();
    let (_running, mut frames) = start(device).await;
    far.write_all(b"SP1:NO END").unwrap();
    assert_eq!(soon(frames.recv()).await.unwrap().texts, ["SP1:NO END"]);
    far.write_all(b"SP1:NEXT").unwrap();
    assert_eq!(soon(frames.recv()).await.unwrap().texts, ["SP1:NEXT"]);
}

/// A line whose reader is stopped behind the first take.
struct Paused {
    serial: Serial,
    pause: Option<Duration>,
    tell: std::sync::mpsc::Sender<Did>,
}

#[derive(Debug, PartialEq, Eq)]
enum Did {
    Pause,
    Discard,
}

impl AsFd for Paused {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.serial.as_fd()
    }
}

impl Source for Paused {
    fn take(&mut self, texts: &mut Vec<String>) -> io::Result<()> {
        let taken = self.serial.take(texts);
        if let Some(pause) = self.pause.take() {
            self.tell.send(Did::Pause).unwrap();
            thread::sleep(pause);
        }
        taken
    }

    fn over(&mut self) -> Option<String> {
        self.serial.over()
    }

    fn discard(&mut self) -> io::Result<()> {
        let discarded = self.serial.discard();
        self.tell.send(Did::Discard).unwrap();
        discarded
    }
}

#[test]
fn what_a_scanner_read_while_the_program_was_stopped_is_thrown_away() {
    let (mut far, device) = line();
    let (tell, told) = std::sync::mpsc::channel();
    let source = Paused {
        serial: Serial::open(&device, 115_200).unwrap(),
        pause: Some(Duration::from_millis(AGE_MAX_MS + 300)),
        tell,
    };
    let (give, mut scanned) = mpsc::channel(1);
    let thread = thread::spawn(move || take_texts(source, Clock::system(), &give));
    let did = || told.recv_timeout(Duration::from_secs(30)).unwrap();
    far.write_all(b"SP1:BEFORE\nSP1:HA").unwrap();
    assert_eq!(did(), Did::Pause);
    far.write_all(b"LF\nSP1:MEANWHILE\n").unwrap();
    let before = scanned.blocking_recv().unwrap();
    assert_eq!(before.text, "SP1:BEFORE");
    let age_ms = Clock::system().uptime().since_ms(before.taken_at);
    assert!(age_ms > AGE_MAX_MS, "it is dated before the pause");
    assert_eq!(did(), Did::Discard);
    far.write_all(b"SP1:AFTER\n").unwrap();
    assert_eq!(scanned.blocking_recv().unwrap().text, "SP1:AFTER");
    drop(scanned);
    thread.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_scanner_that_is_plugged_in_again_is_taken_at_once_however_long_it_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("scanner");
    let (sender, mut frames) = mpsc::channel(FRAMES_WAITING_MAX);
    let (tell, mut states) = mpsc::channel(8);
    let (tried, is_tried) = oneshot::channel();
    let keeping = tokio::spawn(serial(device.clone()).keep_reading(sender, tell, tried));
    soon(is_tried).await.unwrap();
    assert!(soon(states.recv()).await.unwrap().problem.is_some());
    // Half a second, one, two: the next pause is one of four.
    tokio::time::sleep(Duration::from_millis(4_000)).await;
    let (mut far, line) = line();
    let clock = Clock::system();
    let plugged_in = clock.uptime();
    std::os::unix::fs::symlink(line, &device).unwrap();
    loop {
        far.write_all(b"SP1:AGAIN\n").unwrap();
        let frame = timeout(Duration::from_millis(50), frames.recv()).await;
        if let Ok(frame) = frame {
            assert_eq!(frame.unwrap().texts, ["SP1:AGAIN"]);
            break;
        }
        assert!(clock.uptime().since_ms(plugged_in) < 2_000);
    }
    keeping.abort();
}

#[tokio::test]
async fn a_line_that_is_pulled_out_is_told() {
    let (far, device) = line();
    let (running, _frames) = start(device).await;
    drop(far);
    let error = soon(running).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("plug it in again"), "{error}");
}

#[tokio::test]
async fn what_is_no_serial_line_or_not_there_is_told() {
    let (running, _frames) = start("/dev/null".into()).await;
    let error = soon(running).await.unwrap().unwrap_err().to_string();
    assert!(
        error.starts_with("/dev/null cannot be set up as a serial line"),
        "{error}"
    );
    let (running, _frames) = start("/dev/no-scanner".into()).await;
    let error = soon(running).await.unwrap().unwrap_err().to_string();
    assert!(
        error.starts_with("there is no serial line /dev/no-scanner"),
        "{error}"
    );
}

#[tokio::test]
async fn the_reader_ends_when_nobody_takes_its_texts() {
    let (_far, device) = line();
    let (running, frames) = start(device).await;
    drop(frames);
    let end = soon(running).await.unwrap().unwrap();
    assert_eq!(end, ReaderEnd::ReceiverGone);
}

#[test]
fn a_code_that_is_held_is_one_presentation_and_one_shown_anew_another() {
    let mut held = Held::default();
    let (anew, on) = (
        PresentationEnd::SourceHasNoMoreFrames,
        PresentationEnd::MoreFramesFollow,
    );
    assert_eq!(held.end_of(Uptime(1_000), "SP1:A"), anew);
    assert_eq!(held.end_of(Uptime(1_600), "SP1:A"), on);
    assert_eq!(held.end_of(Uptime(2_600), "SP1:A"), on);
    assert_eq!(held.end_of(Uptime(3_601), "SP1:A"), anew);
    // The next person.
    assert_eq!(held.end_of(Uptime(3_700), "SP1:B"), anew);
    // A live pass renews itself while it is held.
    assert_eq!(held.end_of(Uptime(3_800), "SL1:A"), anew);
    assert_eq!(held.end_of(Uptime(4_700), "SL1:B"), on);
}

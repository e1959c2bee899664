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

async fn start(device: PathBuf) -> (Running, mpsc::Receiver<FrameRead>) {
    let (sender, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
    let reader = Reader {
        config: ReaderConfig::Serial(SerialConfig {
            device,
            baud: 115_200,
        }),
        access_point: AccessPointId(9),
        clock: Clock::system(),
        decoder: DecoderSettings::this_program(),
        pulse: Arc::default(),
    };
    let (ready, is_ready) = oneshot::channel();
    let running = tokio::spawn(reader.run_and_tell(sender, ready));
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

//! Readers of frames that come by themselves, with a real decoder process.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "shared with the unit tests"
)]
#[path = "../src/decoder/drawing.rs"]
mod drawing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gate_agent::clock::Clock;
use gate_agent::decoder::DecoderSettings;
use gate_agent::reader::{
    CommandConfig, FRAMES_WAITING_MAX, FrameRead, Pulse, Reader, ReaderConfig, ReaderEnd,
    ReaderState,
};
use gate_core::input::PresentationEnd;
use shared::ids::AccessPointId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use drawing::{Drawing, pass_text};

/// A row's padding, as the cameras of boards have it.
const PADDING: u32 = 64;

/// A frame as a camera's program writes it: grey rows with their padding, then colours.
fn yuv420(drawing: &Drawing) -> Vec<u8> {
    let stride = (drawing.width + PADDING) as usize;
    let mut bytes = Vec::new();
    for row in drawing.luma.chunks(drawing.width as usize) {
        bytes.extend_from_slice(row);
        bytes.extend([0; PADDING as usize]);
    }
    let colours = 2 * stride.div_ceil(2) * (drawing.height as usize).div_ceil(2);
    bytes.extend(vec![128; colours]);
    bytes
}

fn reader(script: &str, drawing: &Drawing) -> Reader {
    Reader {
        config: ReaderConfig::Command(CommandConfig {
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            width: drawing.width,
            height: drawing.height,
            stride: drawing.width + PADDING,
        }),
        access_point: AccessPointId(5),
        clock: Clock::system(),
        decoder: DecoderSettings::program(PathBuf::from(env!("CARGO_BIN_EXE_gate-agent"))),
        pulse: Arc::new(Pulse::default()),
    }
}

struct Running {
    task: JoinHandle<ReaderEnd>,
    frames: mpsc::Receiver<FrameRead>,
    states: mpsc::Receiver<ReaderState>,
    pulse: Arc<Pulse>,
}

impl Running {
    fn start(reader: Reader) -> Self {
        let pulse = Arc::clone(&reader.pulse);
        let (sender, frames) = mpsc::channel(FRAMES_WAITING_MAX);
        let (tell, states) = mpsc::channel(1);
        let task = tokio::spawn(reader.keep_reading(sender, tell, oneshot::channel().0));
        Self {
            task,
            frames,
            states,
            pulse,
        }
    }

    /// The next frame with a text.
    async fn next_read(&mut self) -> FrameRead {
        loop {
            let frame = soon(self.frames.recv()).await.unwrap();
            if !frame.texts.is_empty() {
                return frame;
            }
        }
    }
}

async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), wait).await.unwrap()
}

fn put(folder: &Path, name: &str, frame: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, frame).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn frames_of_a_command_are_read_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let code = Drawing::camera_frame(&pass_text(1));
    let shown = put(folder.path(), "shown", &yuv420(&code));
    // In pieces of any size, as a pipe has them.
    let script = format!("while :; do dd if={shown} bs=7777 status=none; sleep 0.05; done");
    let mut running = Running::start(reader(&script, &code));
    for _ in 0..3 {
        let frame = running.next_read().await;
        assert_eq!(frame.texts, [pass_text(1)]);
        assert_eq!(frame.access_point, AccessPointId(5));
        assert_eq!(frame.end, PresentationEnd::MoreFramesFollow);
        assert_eq!(frame.problem, None);
    }
    assert!(running.pulse.counts().decoded >= 3);
    assert!(running.pulse.last_beat().0 > 0);
    drop(running.frames);
    assert_eq!(soon(running.task).await.unwrap(), ReaderEnd::ReceiverGone);
}

#[tokio::test]
async fn the_frames_between_two_texts_are_told_once_as_empty() {
    let folder = tempfile::tempdir().unwrap();
    let code = Drawing::camera_frame(&pass_text(2));
    let shown = put(folder.path(), "shown", &yuv420(&code));
    let blank = Drawing::blank(code.width, code.height, 200);
    let empty = put(folder.path(), "empty", &yuv420(&blank));
    let go = folder.path().join("go");
    let script = format!(
        "while [ ! -e {0} ]; do cat {shown}; sleep 0.05; done; while :; do cat {empty}; sleep 0.02; done",
        go.display()
    );
    let mut running = Running::start(reader(&script, &code));
    running.next_read().await;
    fs::write(&go, "").unwrap();
    let empty = loop {
        let frame = soon(running.frames.recv()).await.unwrap();
        if frame.texts.is_empty() {
            break frame;
        }
    };
    assert_eq!(empty.end, PresentationEnd::MoreFramesFollow);
    let decoded = running.pulse.counts().decoded;
    soon(async {
        while running.pulse.counts().decoded < decoded + 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(running.frames.try_recv().is_err(), "emptiness is told once");
}

#[tokio::test]
async fn a_command_that_ends_is_told_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let code = Drawing::camera_frame(&pass_text(3));
    let whole = yuv420(&code);
    let shown = put(folder.path(), "shown", &whole);
    let cut = put(folder.path(), "cut", &whole[..whole.len() / 2]);
    let first = folder.path().join("first");
    // The first time it ends in the middle of a frame.
    let script = format!(
        "if [ ! -e {0} ]; then : >{0}; cat {cut}; echo 'the sensor fell out' >&2; exit 4; fi; \
         while :; do cat {shown}; sleep 0.05; done",
        first.display()
    );
    let mut running = Running::start(reader(&script, &code));
    let state = soon(running.states.recv()).await.unwrap();
    let problem = state.problem.unwrap();
    for words in [
        "exit status: 4",
        "in the middle of a frame",
        "the sensor fell out",
    ] {
        assert!(problem.contains(words), "{problem}");
    }
    // What came of the first time is not taken for a beginning of the next.
    assert_eq!(running.next_read().await.texts, [pass_text(3)]);
    let state = soon(running.states.recv()).await.unwrap();
    assert_eq!(state.problem, None);
}

#[tokio::test]
async fn a_command_ends_with_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let code = Drawing::camera_frame(&pass_text(4));
    let shown = put(folder.path(), "shown", &yuv420(&code));
    let number = folder.path().join("number");
    let script = format!(
        "echo $$ >{0}.new; mv {0}.new {0}; while :; do cat {shown}; sleep 0.05; done",
        number.display()
    );
    let mut running = Running::start(reader(&script, &code));
    running.next_read().await;
    let process = fs::read_to_string(&number).unwrap();
    let process = PathBuf::from("/proc").join(process.trim());
    assert!(process.exists());
    running.task.abort();
    soon(async {
        while process.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

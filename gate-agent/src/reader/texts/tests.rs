use std::time::Duration;

use gate_core::input::PresentationEnd;
use shared::pass::TEXT_LIMIT;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::decoder::{CUT_MARK, DecoderSettings};
use crate::reader::{FRAMES_WAITING_MAX, ReaderConfig};

type Running = JoinHandle<anyhow::Result<ReaderEnd>>;

fn start(socket: &Path) -> (Running, mpsc::Receiver<FrameRead>) {
    let (sender, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
    let reader = Reader {
        config: ReaderConfig::Texts(TextsConfig {
            socket: socket.to_owned(),
        }),
        access_point: AccessPointId(7),
        clock: Clock::system(),
        decoder: DecoderSettings::this_program(),
        pulse: Arc::default(),
    };
    (tokio::spawn(reader.run(sender)), receiver)
}

async fn connect(socket: &Path) -> UnixStream {
    for _ in 0..500 {
        if let Ok(stream) = UnixStream::connect(socket).await {
            return stream;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody listens on {socket:?}");
}

async fn next(frames: &mut mpsc::Receiver<FrameRead>) -> FrameRead {
    timeout(Duration::from_secs(10), frames.recv())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn each_line_is_a_presentation_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("texts");
    let (_task, mut frames) = start(&socket);
    let mut stream = connect(&socket).await;
    stream
        .write_all(b"SP1:ONE\r\n\nSP1:TWO\nSP1:THREE")
        .await
        .unwrap();
    drop(stream);
    for text in ["SP1:ONE", "SP1:TWO", "SP1:THREE"] {
        let frame = next(&mut frames).await;
        assert_eq!(frame.texts, [text]);
        assert_eq!(frame.access_point, AccessPointId(7));
        assert_eq!(frame.end, PresentationEnd::SourceHasNoMoreFrames);
        assert_eq!(frame.problem, None);
    }
}

#[tokio::test]
async fn garbage_and_endless_lines_are_foreign_texts_and_the_next_line_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("texts");
    let (_task, mut frames) = start(&socket);
    let mut stream = connect(&socket).await;
    stream.write_all(b"\xff\xfe\x00\x80\n").await.unwrap();
    assert_eq!(
        next(&mut frames).await.texts,
        ["\u{fffd}\u{fffd}\0\u{fffd}"]
    );

    stream.write_all(&vec![b'A'; 1_000_000]).await.unwrap();
    stream.write_all(b"\nSP1:NEXT\n").await.unwrap();
    let long = next(&mut frames).await.texts.remove(0);
    assert_eq!(long.chars().count(), TEXT_LIMIT + 1);
    assert!(long.ends_with(CUT_MARK));
    assert_eq!(next(&mut frames).await.texts, ["SP1:NEXT"]);
}

#[tokio::test]
async fn only_the_gates_user_may_connect() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("texts");
    let (_task, _frames) = start(&socket);
    connect(&socket).await;
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn the_socket_of_a_killed_gate_is_replaced_and_that_of_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("texts");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let (_first, _first_frames) = start(&socket);
    connect(&socket).await;

    let (second, _second_frames) = start(&socket);
    let error = timeout(Duration::from_secs(10), second)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
}

#[tokio::test]
async fn a_file_in_the_place_of_the_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("texts");
    fs::write(&socket, "precious").unwrap();
    let (task, _frames) = start(&socket);
    let error = timeout(Duration::from_secs(10), task)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("is no socket"), "{error}");
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
}

#[tokio::test]
async fn the_reader_ends_when_nobody_takes_its_frames() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("texts");
    let (task, frames) = start(&socket);
    connect(&socket).await;
    drop(frames);
    let end = timeout(Duration::from_secs(10), task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(end, ReaderEnd::ReceiverGone);
}

//! Panels over a real socket; the test is the event loop.

use std::{path::PathBuf, time::Duration};

use shared::panel_api::{
    FRAME_LIMIT, PANEL_API_VERSION, PanelAnswer, PanelAsk, PanelMessage, split_frame, to_frame,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::*;

struct Rig {
    _folder: TempDir,
    socket: PathBuf,
    events: mpsc::Receiver<PanelEvent>,
}

fn start() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("panel");
    let (sender, events) = mpsc::channel(REQUESTS_WAITING_MAX);
    tokio::spawn(serve(listen(&socket).unwrap(), sender));
    Rig {
        _folder: folder,
        socket,
        events,
    }
}

impl Rig {
    async fn connect(&mut self) -> (UnixStream, PanelId, mpsc::Sender<Vec<u8>>) {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        match self.next().await {
            PanelEvent::Connected(panel, frames) => (stream, panel, frames),
            other => panic!("{other:?}"),
        }
    }

    async fn next(&mut self) -> PanelEvent {
        let event = timeout(Duration::from_secs(30), self.events.recv()).await;
        event
            .expect("an event within 30 s")
            .expect("the socket is served")
    }
}

fn request(number: u32) -> PanelRequest {
    PanelRequest {
        version: PANEL_API_VERSION,
        request: number,
        ask: PanelAsk::State,
    }
}

#[tokio::test]
async fn requests_arrive_whole_however_they_are_cut_and_answers_go_back() {
    let mut rig = start();
    let (mut stream, panel, frames) = rig.connect().await;
    let bytes = [
        to_frame(&request(1)).unwrap(),
        to_frame(&request(2)).unwrap(),
    ]
    .concat();
    for byte in bytes {
        stream.write_all(&[byte]).await.unwrap();
    }
    for number in [1, 2] {
        match rig.next().await {
            PanelEvent::Asked(from, asked) => assert_eq!((from, asked), (panel, request(number))),
            other => panic!("{other:?}"),
        }
    }
    let answer = PanelMessage::Answer {
        request: 2,
        answer: PanelAnswer::Done,
    };
    frames.send(to_frame(&answer).unwrap()).await.unwrap();
    let mut received = vec![0; 100];
    let length = stream.read(&mut received).await.unwrap();
    let frame = split_frame(&received[..length]).unwrap().unwrap();
    assert_eq!(panel_read(frame.message), answer);
    drop(stream);
    assert!(matches!(rig.next().await, PanelEvent::Gone(gone) if gone == panel));
}

fn panel_read(message: &[u8]) -> PanelMessage {
    shared::panel_api::read(message).unwrap()
}

#[tokio::test]
async fn any_bytes_end_their_own_connection_and_no_other() {
    let mut rig = start();
    let (mut good, good_panel, _frames) = rig.connect().await;
    let too_long = u32::try_from(FRAME_LIMIT + 1).unwrap().to_be_bytes();
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0, 0, 0, 0],
        &[0, 0, 0, 3, 1, 2, 3],
        &[0, 0, 0, 1, 0xff],
        &too_long,
        &[255; 64],
    ];
    for bytes in garbage {
        let (mut stream, panel, _frames) = rig.connect().await;
        stream.write_all(bytes).await.unwrap();
        assert!(
            matches!(rig.next().await, PanelEvent::Gone(gone) if gone == panel),
            "{bytes:?}"
        );
        let mut rest = Vec::new();
        // Reset or ended, but not left open.
        let _ = timeout(Duration::from_secs(30), stream.read_to_end(&mut rest))
            .await
            .unwrap();
    }
    good.write_all(&to_frame(&request(9)).unwrap())
        .await
        .unwrap();
    assert!(matches!(rig.next().await, PanelEvent::Asked(panel, _) if panel == good_panel));
}

#[tokio::test]
async fn a_half_frame_that_never_ends_costs_nobody_anything() {
    let mut rig = start();
    let (mut half, _half_panel, _half_frames) = rig.connect().await;
    half.write_all(&[0, 3, 255, 255, 1, 2, 3]).await.unwrap();
    let (mut other, panel, _frames) = rig.connect().await;
    other
        .write_all(&to_frame(&request(1)).unwrap())
        .await
        .unwrap();
    assert!(matches!(rig.next().await, PanelEvent::Asked(from, _) if from == panel));
}

#[tokio::test]
async fn more_panels_than_fit_are_turned_away() {
    let mut rig = start();
    let mut connected = Vec::new();
    for _ in 0..PANELS_MAX {
        connected.push(rig.connect().await);
    }
    let mut one_more = UnixStream::connect(&rig.socket).await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(30), one_more.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(read.is_err() || rest.is_empty());
    connected.pop();
    assert!(matches!(rig.next().await, PanelEvent::Gone(_)));
}

#[tokio::test]
async fn a_panel_whose_sender_is_dropped_is_gone() {
    let mut rig = start();
    let (_stream, panel, frames) = rig.connect().await;
    drop(frames);
    assert!(matches!(rig.next().await, PanelEvent::Gone(gone) if gone == panel));
}

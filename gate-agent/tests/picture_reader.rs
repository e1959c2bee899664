//! The reader of pictures with a real decoder process.

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
use gate_agent::decoder::{DecoderSettings, PictureFileError};
use gate_agent::reader::{
    ExistingPictures, FRAMES_WAITING_MAX, FrameRead, PicturesConfig, ReadProblem, Reader,
    ReaderConfig, ReaderEnd,
};
use gate_core::input::PresentationEnd;
use shared::ids::AccessPointId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use drawing::{Drawing, pass_text};

type Running = JoinHandle<anyhow::Result<ReaderEnd>>;

fn start(config: PicturesConfig) -> (Running, mpsc::Receiver<FrameRead>) {
    let (sender, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
    let reader = Reader {
        config: ReaderConfig::Pictures(config),
        access_point: AccessPointId(3),
        clock: Clock::system(),
        decoder: DecoderSettings::program(PathBuf::from(env!("CARGO_BIN_EXE_gate-agent"))),
        pulse: Arc::default(),
    };
    (tokio::spawn(reader.run(sender)), receiver)
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(".coming"), bytes).unwrap();
    fs::rename(folder.join(".coming"), folder.join(name)).unwrap();
}

async fn next(frames: &mut mpsc::Receiver<FrameRead>) -> FrameRead {
    timeout(Duration::from_secs(20), frames.recv())
        .await
        .unwrap()
        .unwrap()
}

async fn end_of(task: Running) -> anyhow::Result<ReaderEnd> {
    timeout(Duration::from_secs(20), task)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn pictures_that_appear_in_a_folder_are_read_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let text = |number: u32| pass_text(number);
    put(
        folder.path(),
        "0-old.png",
        &Drawing::camera_frame(&text(0)).png(),
    );
    let before = Clock::system().uptime();
    let (task, mut frames) = start(PicturesConfig::Folder {
        folder: folder.path().to_owned(),
        existing: ExistingPictures::Read,
    });
    let first = next(&mut frames).await;
    assert_eq!(first.source.as_deref(), Some("0-old.png"));

    put(
        folder.path(),
        "2.png",
        &Drawing::camera_frame(&text(2)).png(),
    );
    put(
        folder.path(),
        "1.png",
        &Drawing::camera_frame(&text(1)).png(),
    );
    let mut sources = Vec::new();
    for _ in 0..2 {
        let frame = next(&mut frames).await;
        assert_eq!(frame.access_point, AccessPointId(3));
        assert_eq!(frame.end, PresentationEnd::SourceHasNoMoreFrames);
        assert_eq!(frame.problem, None);
        assert!(frame.taken_at >= before);
        let number: u32 = frame
            .source
            .unwrap()
            .trim_end_matches(".png")
            .parse()
            .unwrap();
        assert_eq!(frame.texts, [text(number)]);
        sources.push(number);
    }
    sources.sort_unstable();
    assert_eq!(sources, [1, 2]);

    put(
        folder.path(),
        "1.png",
        &Drawing::camera_frame(&text(9)).png(),
    );
    assert_eq!(next(&mut frames).await.texts, [text(9)]);
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["0-old.png", "1.png", "2.png"],
        "the folder is as it was"
    );

    drop(frames);
    assert_eq!(end_of(task).await.unwrap(), ReaderEnd::ReceiverGone);
}

#[tokio::test]
async fn a_picture_that_cannot_be_read_is_a_frame_with_a_problem_and_the_next_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        folder.path().join(name)
    };
    let text = pass_text(4);
    let png = Drawing::camera_frame(&text).png();
    let files = vec![
        write("poem.png", b"Tyger Tyger, burning bright"),
        write("empty.png", b""),
        write("cut.png", &png[..png.len() / 2]),
        folder.path().join("missing.png"),
        folder.path().to_owned(),
        write("blank.png", &Drawing::blank(640, 480, 200).png()),
        write("good.png", &png),
    ];
    let (task, mut frames) = start(PicturesConfig::Files { files });
    for name in ["poem.png", "empty.png", "cut.png"] {
        let frame = next(&mut frames).await;
        assert_eq!(frame.source.as_deref(), Some(name));
        assert!(frame.texts.is_empty());
        assert!(
            matches!(frame.problem, Some(ReadProblem::NotAPicture { .. })),
            "{frame:?}"
        );
    }
    let missing = next(&mut frames).await.problem;
    assert!(
        matches!(
            missing,
            Some(ReadProblem::File(PictureFileError::Unreadable { .. }))
        ),
        "{missing:?}"
    );
    let directory = next(&mut frames).await.problem;
    assert_eq!(
        directory,
        Some(ReadProblem::File(PictureFileError::NotAFile))
    );
    let blank = next(&mut frames).await;
    assert_eq!((blank.texts.len(), blank.problem), (0, None));
    let good = next(&mut frames).await;
    assert_eq!((good.texts, good.problem), (vec![text], None));
    assert_eq!(frames.recv().await, None);
    assert_eq!(end_of(task).await.unwrap(), ReaderEnd::NoMoreFrames);
}

#[tokio::test]
async fn a_hostile_picture_costs_its_limit_and_the_next_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = pass_text(6);
    fs::write(
        folder.path().join("1.png"),
        Drawing::hostile(1280, 1280).png(),
    )
    .unwrap();
    fs::write(
        folder.path().join("2.png"),
        Drawing::camera_frame(&text).png(),
    )
    .unwrap();
    let (_task, mut frames) = start(PicturesConfig::Folder {
        folder: folder.path().to_owned(),
        existing: ExistingPictures::Read,
    });
    let hostile = next(&mut frames).await;
    assert_eq!(hostile.source.as_deref(), Some("1.png"));
    assert!(hostile.texts.is_empty());
    if let Some(problem) = hostile.problem {
        assert_eq!(problem, ReadProblem::TimedOut { limit_ms: 250 });
    }
    assert_eq!(next(&mut frames).await.texts, [text]);
}

#[tokio::test]
async fn pictures_wait_when_nobody_takes_them_yet() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..20)
        .map(|number| {
            let file = folder.path().join(format!("{number:02}.png"));
            fs::write(&file, Drawing::camera_frame(&pass_text(number)).png()).unwrap();
            file
        })
        .collect();
    let (_task, mut frames) = start(PicturesConfig::Files { files });
    tokio::time::sleep(Duration::from_millis(500)).await;
    for number in 0..20 {
        assert_eq!(next(&mut frames).await.texts, [pass_text(number)]);
    }
}

#[tokio::test]
async fn a_missing_folder_ends_the_reader_with_an_error_that_names_it() {
    let (task, _frames) = start(PicturesConfig::Folder {
        folder: PathBuf::from("/nonexistent/pictures"),
        existing: ExistingPictures::Skip,
    });
    let error = end_of(task).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("/nonexistent/pictures"),
        "{error:#}"
    );
}

#[tokio::test]
async fn a_folder_that_comes_back_is_read_again_and_old_pictures_are_not() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("pictures");
    fs::create_dir(&folder).unwrap();
    put(
        &folder,
        "1.png",
        &Drawing::camera_frame(&pass_text(1)).png(),
    );
    let (sender, mut frames) = mpsc::channel(FRAMES_WAITING_MAX);
    let (tell, mut states) = mpsc::channel(1);
    let reader = Reader {
        config: ReaderConfig::Pictures(PicturesConfig::Folder {
            folder: folder.clone(),
            existing: ExistingPictures::Read,
        }),
        access_point: AccessPointId(3),
        clock: Clock::system(),
        decoder: DecoderSettings::program(PathBuf::from(env!("CARGO_BIN_EXE_gate-agent"))),
        pulse: Arc::default(),
    };
    let reading = tokio::spawn(reader.keep_reading(sender, tell, oneshot::channel().0));
    assert_eq!(next(&mut frames).await.source.as_deref(), Some("1.png"));
    let elsewhere = outer.path().join("elsewhere");
    fs::rename(&folder, &elsewhere).unwrap();
    let mut state = async || {
        timeout(Duration::from_secs(20), states.recv())
            .await
            .unwrap()
            .unwrap()
    };
    let failed = state().await;
    assert_eq!(failed.access_point, AccessPointId(3));
    assert!(failed.problem.unwrap().contains("cannot list the folder"));
    fs::rename(&elsewhere, &folder).unwrap();
    while state().await.problem.is_some() {}
    put(
        &folder,
        "2.png",
        &Drawing::camera_frame(&pass_text(2)).png(),
    );
    assert_eq!(next(&mut frames).await.source.as_deref(), Some("2.png"));
    drop(frames);
    let ended = timeout(Duration::from_secs(20), reading).await;
    assert_eq!(ended.unwrap().unwrap(), ReaderEnd::ReceiverGone);
}

use std::sync::mpsc as mpsc_sync;

use shared::ids::AccessPointId;
use tokio::time::timeout;

use super::*;
use crate::{
    decoder::DecoderSettings,
    reader::{ReaderConfig, TextsConfig},
};

const FACTS: SourceFacts = SourceFacts {
    name: "the test's source",
    first_within_ms: 60_000,
    next_within_ms: 60_000,
};

/// With a decoder that never becomes ready: nothing is slower.
fn reader() -> Reader {
    let mut decoder = DecoderSettings::program("/bin/sh".into());
    decoder.arguments = vec!["-c".into(), "cat >/dev/null".into()];
    decoder.start_limit_ms = 600_000;
    Reader {
        config: ReaderConfig::Texts(TextsConfig {
            socket: "/not/used".into(),
        }),
        access_point: AccessPointId(4),
        clock: Clock::system(),
        decoder,
        pulse: Arc::default(),
    }
}

fn picture() -> Picture {
    Picture::Grey(Frame::new(2, 1, vec![1, 2]).unwrap())
}

async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), wait).await.unwrap()
}

#[tokio::test]
async fn a_slow_decoder_drops_frames_and_never_queues_them() {
    let reader = reader();
    let pulse = Arc::clone(&reader.pulse);
    let (sender, _frames) = mpsc::channel(1);
    let (all_put, is_all_put) = oneshot::channel();
    let reading = tokio::spawn(async move {
        let ready = oneshot::channel().0;
        read(&reader, &sender, ready, FACTS, |outlet| {
            for _ in 0..50 {
                outlet.put(picture(), 0);
            }
            let _ = all_put.send(());
            while outlet.is_wanted() {
                thread::park_timeout(LOOK_UP_EVERY);
            }
            Ok(())
        })
        .await
    });
    soon(is_all_put).await.unwrap();
    let counts = pulse.counts();
    assert_eq!((counts.taken, counts.decoded), (50, 0));
    // One may be with the decoder, and one is in the slot.
    assert!(counts.dropped >= 48, "{counts:?}");
    reading.abort();
}

#[tokio::test]
async fn a_source_that_says_nothing_is_told_from_one_that_fails_and_one_that_ends() {
    let (sender, _frames) = mpsc::channel(1);
    let impatient = SourceFacts {
        first_within_ms: 1,
        ..FACTS
    };
    let reader = reader();
    let ready = || oneshot::channel().0;
    let waits = |outlet: &Outlet| {
        while outlet.is_wanted() {
            thread::park_timeout(LOOK_UP_EVERY);
        }
        Ok(())
    };
    let error = soon(read(&reader, &sender, ready(), impatient, waits)).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the test's source gave no whole picture within 1 ms");
    let fails = |_: &Outlet| anyhow::bail!("no lens");
    let error = soon(read(&reader, &sender, ready(), FACTS, fails)).await;
    assert_eq!(error.unwrap_err().to_string(), "no lens");
    let error = soon(read(&reader, &sender, ready(), FACTS, |_: &Outlet| Ok(()))).await;
    assert_eq!(error.unwrap_err().to_string(), "the test's source ended");
    let breaks = |_: &Outlet| panic!("a bug");
    let error = soon(read(&reader, &sender, ready(), FACTS, breaks)).await;
    assert!(error.unwrap_err().to_string().contains("broke"));
}

#[tokio::test]
async fn a_source_ends_when_nobody_takes_its_frames() {
    let (sender, frames) = mpsc::channel(1);
    let (ended, is_ended) = mpsc_sync::channel();
    let reader = reader();
    let source = move |outlet: &Outlet| {
        while outlet.is_wanted() {
            thread::park_timeout(LOOK_UP_EVERY);
        }
        ended.send(()).unwrap();
        Ok(())
    };
    let ready = oneshot::channel().0;
    drop(frames);
    let end = soon(read(&reader, &sender, ready, FACTS, source)).await;
    assert_eq!(end.unwrap(), ReaderEnd::ReceiverGone);
    is_ended.try_recv().unwrap();
}

fn frame(texts: &[&str], problem: Option<ReadProblem>) -> FrameRead {
    FrameRead {
        access_point: AccessPointId(4),
        taken_at: Uptime(1),
        texts: texts.iter().map(|&text| text.to_owned()).collect(),
        hints: Vec::new(),
        decode_ms: 1,
        source: None,
        end: PresentationEnd::MoreFramesFollow,
        problem,
    }
}

async fn desk<'a>(reader: &'a Reader, frames: &'a mpsc::Sender<FrameRead>) -> Desk<'a> {
    let decoder = Decoder::start(reader.decoder.clone(), reader.clock).await;
    Desk {
        reader,
        frames,
        facts: FACTS,
        decoder: decoder.unwrap(),
        told: Told::Nothing(None),
        hints: Hints::default(),
        damaged_in_a_row: 0,
    }
}

#[tokio::test]
async fn texts_are_always_given_on_and_emptiness_once() {
    let reader = reader();
    let (sender, mut frames) = mpsc::channel(8);
    let mut desk = desk(&reader, &sender).await;
    let dim = || {
        Some(ReadProblem::NotAPicture {
            reason: "dim".into(),
        })
    };
    let empty = || frame(&[], None);
    for one in [
        empty(),
        empty(),
        frame(&["A"], None),
        frame(&["A"], None),
        empty(),
        empty(),
        frame(&[], dim()),
        frame(&[], dim()),
        empty(),
        empty(),
    ] {
        assert_eq!(desk.give_on(one), Receiver::Listens);
    }
    let mut given = Vec::new();
    while let Ok(frame) = frames.try_recv() {
        given.push((frame.texts.len(), frame.problem.is_some()));
    }
    let (text, nothing, problem) = ((1, false), (0, false), (0, true));
    assert_eq!(given, [text, text, nothing, problem, nothing]);
}

#[tokio::test]
async fn a_busy_loop_costs_frames_and_no_time() {
    let reader = reader();
    let (sender, mut frames) = mpsc::channel(1);
    let mut desk = desk(&reader, &sender).await;
    for text in ["A", "B", "C"] {
        assert_eq!(desk.give_on(frame(&[text], None)), Receiver::Listens);
    }
    assert_eq!(reader.pulse.counts().undelivered, 2);
    assert_eq!(frames.try_recv().unwrap().texts, ["A"]);
    assert!(frames.try_recv().is_err());
    // That nothing is seen any more was not heard yet, so it is said until it is.
    desk.give_on(frame(&["D"], None));
    desk.give_on(frame(&[], None));
    assert_eq!(frames.try_recv().unwrap().texts, ["D"]);
    desk.give_on(frame(&[], None));
    assert_eq!(frames.try_recv().unwrap().texts.len(), 0);
    drop(frames);
    assert_eq!(desk.give_on(frame(&["E"], None)), Receiver::Gone);
}

#[tokio::test]
async fn a_damaged_picture_is_passed_over_and_nothing_but_damaged_ones_are_a_fault() {
    let reader = reader();
    let (sender, _frames) = mpsc::channel(1);
    let mut desk = desk(&reader, &sender).await;
    for _ in 1..DAMAGED_IN_A_ROW_MAX {
        desk.damaged("cut").unwrap();
    }
    let error = desk.damaged("cut").unwrap_err().to_string();
    assert!(error.contains("can be unpacked: cut"), "{error}");
    assert_eq!(
        reader.pulse.counts().damaged,
        u64::from(DAMAGED_IN_A_ROW_MAX)
    );
}

/// What lies in the slot.
fn taken(slot: &Slot<LiveFrame>) -> Option<LiveFrame> {
    slot.lock().take()
}

fn outlet(slot: &Arc<Slot<LiveFrame>>) -> Outlet {
    Outlet {
        slot: Arc::clone(slot),
        clock: Clock::system(),
        pulse: Arc::default(),
        awake: Cell::new(Awake::since(Clock::system().uptime())),
    }
}

#[test]
fn a_picture_of_before_the_program_was_stopped_is_passed_over() {
    let slot = Arc::new(Slot::default());
    let outlet = outlet(&slot);
    outlet.put(picture(), 0);
    assert!(taken(&slot).is_some());
    // The driver's own date says so.
    outlet.put(picture(), AGE_MAX_MS + 1);
    assert!(taken(&slot).is_none());
    // Without a date the gap in this thread's own work does, and for the ones behind it too.
    thread::sleep(Duration::from_millis(AGE_MAX_MS + 100));
    assert!(outlet.is_wanted());
    for _ in 0..3 {
        outlet.put(picture(), 0);
        assert!(taken(&slot).is_none());
    }
    thread::sleep(Duration::from_millis(OLD_ONES_COME_FOR_MS + 100));
    outlet.put(picture(), 0);
    assert!(taken(&slot).is_some());
}

#[test]
fn a_picture_is_dated_when_it_was_taken() {
    let slot = Arc::new(Slot::default());
    let before = Clock::system().uptime();
    outlet(&slot).put(picture(), 400);
    let taken_at = taken(&slot).unwrap().taken_at;
    assert!(taken_at.plus_ms(400) >= before && taken_at.0 <= before.0 + 600);
}

#[tokio::test]
async fn a_steady_hint_is_given_on_once_and_so_is_its_end() {
    let reader = reader();
    let (sender, mut frames) = mpsc::channel(8);
    let mut desk = desk(&reader, &sender).await;
    let hinting = |hint: Option<Hint>| FrameRead {
        hints: hint.into_iter().collect(),
        ..frame(&[], None)
    };
    for hint in [
        None,
        Some(Hint::TooFar),
        Some(Hint::TooFar),
        Some(Hint::TooDim),
        None,
        None,
    ] {
        assert_eq!(desk.give_on(hinting(hint)), Receiver::Listens);
    }
    let mut given = Vec::new();
    while let Ok(frame) = frames.try_recv() {
        given.push(frame.hints);
    }
    assert_eq!(given, [vec![Hint::TooFar], vec![Hint::TooDim], vec![]]);
}

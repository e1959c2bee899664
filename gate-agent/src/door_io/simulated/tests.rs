//! The simulated door on the real clock, in times that a loaded machine can keep.

use std::fs;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

use super::*;

fn start(config: &SimulatedDoor) -> SimulatedLines {
    SimulatedLines::open(DoorId(1), config, Level::Locked, Clock::system()).unwrap()
}

async fn next(lines: &mut SimulatedLines) -> DoorInput {
    let sensed = timeout(Duration::from_secs(20), lines.sensed()).await;
    sensed
        .expect("a change within 20 s")
        .expect("the door lives")
        .input
}

async fn nothing_for_ms(lines: &mut SimulatedLines, ms: u64) {
    let sensed = timeout(Duration::from_millis(ms), lines.sensed()).await;
    assert!(sensed.is_err(), "{sensed:?}");
}

fn release(lines: &mut SimulatedLines) {
    let moved = Move {
        to: Level::Released,
        cause: Cause::Command,
        for_ms: Some(80),
    };
    lines.drive(DoorId(1), Drive::Lock(moved)).unwrap();
}

fn quick() -> SimulatedDoor {
    SimulatedDoor {
        opens_after_ms: 10,
        open_for_ms: 20,
        ..SimulatedDoor::default()
    }
}

#[tokio::test]
async fn each_move_of_the_relay_is_in_the_trace() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let config = SimulatedDoor {
        trace: Some(trace.clone()),
        ..quick()
    };
    let mut lines = start(&config);
    release(&mut lines);
    assert_eq!(next(&mut lines).await, DoorInput::Opened);
    assert_eq!(next(&mut lines).await, DoorInput::Closed);
    let line: serde_json::Value =
        serde_json::from_str(fs::read_to_string(&trace).unwrap().trim()).unwrap();
    assert!(line["uptime_us"].as_u64().unwrap() > 0);
    assert_eq!(line["relay"], "released");
    assert_eq!(line["cause"], "command");
    assert_eq!(line["for_ms"], 80);

    let level = Level::Released;
    SimulatedLines::open(DoorId(1), &config, level, Clock::system()).unwrap();
    let text = fs::read_to_string(&trace).unwrap();
    assert!(text.lines().last().unwrap().contains("\"start\""), "{text}");
}

#[tokio::test]
async fn a_door_opens_late_bounces_sticks_or_does_not_turn() {
    let late = SimulatedDoor {
        opens_after_ms: 1_500,
        ..quick()
    };
    let mut lines = start(&late);
    release(&mut lines);
    nothing_for_ms(&mut lines, 100).await;
    assert_eq!(next(&mut lines).await, DoorInput::Opened);

    let mut lines = start(&SimulatedDoor {
        bounces: 2,
        sticks: true,
        ..quick()
    });
    release(&mut lines);
    for input in [
        DoorInput::Opened,
        DoorInput::Closed,
        DoorInput::Opened,
        DoorInput::Closed,
        DoorInput::Opened,
    ] {
        assert_eq!(next(&mut lines).await, input);
    }
    nothing_for_ms(&mut lines, 100).await;

    let mut lines = start(&SimulatedDoor {
        turns: false,
        ..quick()
    });
    release(&mut lines);
    nothing_for_ms(&mut lines, 150).await;

    let mut lines = start(&SimulatedDoor {
        sensors: Sensors::Rotation,
        ..quick()
    });
    release(&mut lines);
    assert_eq!(next(&mut lines).await, DoorInput::Rotated);
    nothing_for_ms(&mut lines, 100).await;

    let mut lines = start(&SimulatedDoor {
        sensors: Sensors::None,
        ..quick()
    });
    release(&mut lines);
    nothing_for_ms(&mut lines, 100).await;
}

#[tokio::test]
async fn a_simulation_moves_sensors_and_changes_behaviour() {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control");
    let config = SimulatedDoor {
        control: Some(control.clone()),
        ..quick()
    };
    let mut lines = start(&config);
    let (tell, mut told) = mpsc::channel(8);
    let (go, mut gone) = mpsc::channel(8);
    let driven = tokio::spawn(async move {
        loop {
            tokio::select! {
                sensed = lines.sensed() => tell.send(sensed.unwrap().input).await.unwrap(),
                release_it = gone.recv() => match release_it {
                    Some(()) => release(&mut lines),
                    None => return,
                },
            }
        }
    });
    let stream = loop {
        match UnixStream::connect(&control).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let (read, mut write) = stream.into_split();
    let mut answers = BufReader::new(read).lines();
    let mut ask = async |line: &str| {
        write
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
        answers.next_line().await.unwrap().unwrap()
    };
    assert_eq!(
        ask(r#"{"input": "request_to_exit"}"#).await,
        r#"{"ok":true}"#
    );
    assert_eq!(told.recv().await, Some(DoorInput::RequestToExit));
    assert_eq!(
        ask(r#"{"behaviour": {"turns": false}}"#).await,
        r#"{"ok":true}"#
    );
    go.send(()).await.unwrap();
    let quiet = timeout(Duration::from_millis(100), told.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert!(ask("garbage").await.contains("error"));
    assert!(
        ask(r#"{"behaviour": {"turn": false}}"#)
            .await
            .contains("turn")
    );
    assert_eq!(ask(r#"{"behaviour": {}}"#).await, r#"{"ok":true}"#);
    go.send(()).await.unwrap();
    assert_eq!(told.recv().await, Some(DoorInput::Opened));
    drop(go);
    driven.await.unwrap();
}

#[tokio::test]
async fn a_trace_or_a_socket_that_cannot_be_made_ends_the_door() {
    let config = SimulatedDoor {
        trace: Some("/proc/none/trace".into()),
        ..quick()
    };
    let opened = SimulatedLines::open(DoorId(1), &config, Level::Locked, Clock::system());
    assert!(opened.is_err());
    let mut lines = start(&SimulatedDoor {
        control: Some("/proc/none/socket".into()),
        ..quick()
    });
    let error = lines.sensed().await.unwrap_err();
    assert!(
        format!("{error:#}").contains("/proc/none/socket"),
        "{error:#}"
    );
}

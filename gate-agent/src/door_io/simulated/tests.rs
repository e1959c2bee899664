//! The simulated door on the real clock, in times that a loaded machine can keep.

use std::fs;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::door_io::{COMMANDS_WAITING_MAX, INPUTS_WAITING_MAX};

struct Rig {
    commands: mpsc::Sender<DoorCommand>,
    changes: mpsc::Receiver<SensorChange>,
    task: JoinHandle<anyhow::Result<()>>,
}

fn start(config: SimulatedDoor) -> Rig {
    let (commands, orders) = mpsc::channel(COMMANDS_WAITING_MAX);
    let (sender, changes) = mpsc::channel(INPUTS_WAITING_MAX);
    let task =
        tokio::spawn(async move { run(DoorId(1), &config, Clock::system(), orders, sender).await });
    Rig {
        commands,
        changes,
        task,
    }
}

impl Rig {
    async fn next(&mut self) -> DoorInput {
        let change = timeout(Duration::from_secs(20), self.changes.recv()).await;
        change
            .expect("a change within 20 s")
            .expect("the door lives")
            .input
    }

    async fn nothing_for_ms(&mut self, ms: u64) {
        let change = timeout(Duration::from_millis(ms), self.changes.recv()).await;
        assert!(change.is_err(), "{change:?}");
    }

    async fn command(&self, command: DoorCommand) {
        self.commands.send(command).await.unwrap();
    }
}

const RELEASE: DoorCommand = DoorCommand::Release { for_ms: 80 };

fn quick() -> SimulatedDoor {
    SimulatedDoor {
        opens_after_ms: 10,
        open_for_ms: 20,
        ..SimulatedDoor::default()
    }
}

fn relays(trace: &std::path::Path) -> Vec<(String, String)> {
    fs::read_to_string(trace)
        .unwrap()
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line["uptime_us"].as_u64().unwrap() > 0);
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("relay"), text("cause"))
        })
        .collect()
}

#[tokio::test]
async fn a_released_door_opens_and_closes_and_the_release_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut rig = start(SimulatedDoor {
        trace: Some(trace.clone()),
        ..quick()
    });
    rig.command(RELEASE).await;
    assert_eq!(rig.next().await, DoorInput::Opened);
    assert_eq!(rig.next().await, DoorInput::Closed);
    rig.nothing_for_ms(150).await;
    let pair = |relay: &str, cause: &str| (relay.to_owned(), cause.to_owned());
    assert_eq!(
        relays(&trace),
        [
            pair("released", "command"),
            pair("locked", "end_of_release")
        ]
    );
}

#[tokio::test]
async fn a_door_that_nobody_commands_any_more_ends_a_release_and_stays_held_when_it_is_held() {
    let pair = |relay: &str, cause: &str| (relay.to_owned(), cause.to_owned());
    let released = pair("released", "command");
    for (command, ends) in [
        (DoorCommand::HoldReleased, vec![released.clone()]),
        (
            DoorCommand::Release { for_ms: 60_000 },
            vec![released, pair("locked", "abandoned")],
        ),
        (DoorCommand::Lock, vec![]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let rig = start(SimulatedDoor {
            trace: Some(trace.clone()),
            turns: false,
            ..quick()
        });
        rig.command(command).await;
        drop(rig.commands);
        rig.task.await.unwrap().unwrap();
        assert_eq!(relays(&trace), ends, "{command:?}");
    }
}

#[tokio::test]
async fn a_door_opens_late_bounces_sticks_or_does_not_turn() {
    let late = SimulatedDoor {
        opens_after_ms: 1_500,
        ..quick()
    };
    let mut rig = start(late);
    rig.command(RELEASE).await;
    rig.nothing_for_ms(100).await;
    assert_eq!(rig.next().await, DoorInput::Opened);

    let mut rig = start(SimulatedDoor {
        bounces: 2,
        sticks: true,
        ..quick()
    });
    rig.command(RELEASE).await;
    for input in [
        DoorInput::Opened,
        DoorInput::Closed,
        DoorInput::Opened,
        DoorInput::Closed,
        DoorInput::Opened,
    ] {
        assert_eq!(rig.next().await, input);
    }
    rig.nothing_for_ms(100).await;

    let mut rig = start(SimulatedDoor {
        turns: false,
        ..quick()
    });
    rig.command(RELEASE).await;
    rig.nothing_for_ms(150).await;

    let mut rig = start(SimulatedDoor {
        sensors: Sensors::Rotation,
        ..quick()
    });
    rig.command(RELEASE).await;
    assert_eq!(rig.next().await, DoorInput::Rotated);
    rig.nothing_for_ms(100).await;

    let mut rig = start(SimulatedDoor {
        sensors: Sensors::None,
        ..quick()
    });
    rig.command(RELEASE).await;
    rig.nothing_for_ms(100).await;
}

#[tokio::test]
async fn a_simulation_moves_sensors_and_changes_behaviour() {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control");
    let mut rig = start(SimulatedDoor {
        control: Some(control.clone()),
        ..quick()
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
    assert_eq!(rig.next().await, DoorInput::RequestToExit);
    assert_eq!(
        ask(r#"{"behaviour": {"turns": false}}"#).await,
        r#"{"ok":true}"#
    );
    rig.command(RELEASE).await;
    rig.nothing_for_ms(100).await;
    assert!(ask("garbage").await.contains("error"));
    assert!(
        ask(r#"{"behaviour": {"turn": false}}"#)
            .await
            .contains("turn")
    );
    assert_eq!(ask(r#"{"behaviour": {}}"#).await, r#"{"ok":true}"#);
    rig.command(RELEASE).await;
    assert_eq!(rig.next().await, DoorInput::Opened);
}

#[tokio::test]
async fn a_trace_that_cannot_be_written_ends_the_door() {
    let rig = start(SimulatedDoor {
        trace: Some("/proc/none/trace".into()),
        ..quick()
    });
    assert!(rig.task.await.unwrap().is_err());
}

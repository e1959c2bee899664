//! Boards at the other end of a pseudo terminal.

mod one_of_several;
mod rig;
mod without_agent;

use gate_core::{
    action::{DoorCommand, DoorSignal},
    input::DoorInput,
};

use super::*;
use crate::door_io::latch::{Cause, Move};
use rig::{Bus, Manner, PATIENCE, Process};

const DOOR: DoorId = DoorId(2);
const UNIT: u8 = 1;

fn open(bus: &Bus) -> BoardLines {
    let place = bus.place(DOOR.0, UNIT);
    BoardLines::open(&[(place, Level::Locked)], Clock::system()).unwrap()
}

fn lock(to: Level) -> Drive {
    Drive::Lock(Move {
        to,
        cause: Cause::Command,
        for_ms: None,
    })
}

async fn news(lines: &mut BoardLines) -> News {
    loop {
        let news = tokio::time::timeout(PATIENCE, lines.news()).await;
        match news.expect("something happens within 20 s").unwrap() {
            News::Settled => {}
            news => return news,
        }
    }
}

async fn sensed(lines: &mut BoardLines) -> DoorInput {
    loop {
        if let News::Sensed(sensed) = news(lines).await {
            return sensed.input;
        }
    }
}

async fn fails(lines: &mut BoardLines) -> String {
    loop {
        if let News::State {
            problem: Some(problem),
            ..
        } = news(lines).await
        {
            return problem;
        }
    }
}

/// Lets the lines work until something holds of the board.
async fn until(lines: &mut BoardLines, holds: impl Fn() -> bool) {
    let works = async {
        while !holds() {
            let waited = Duration::from_millis(5);
            if let Ok(broken) = tokio::time::timeout(waited, lines.news()).await {
                broken.unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, works)
        .await
        .expect("in time");
}

async fn settles(lines: &mut BoardLines) {
    let settled = tokio::time::timeout(PATIENCE, lines.settle()).await;
    settled.expect("in time").unwrap();
}

#[tokio::test]
async fn relays_follow_and_inputs_are_told_when_they_change() {
    let bus = Bus::of(&[UNIT]);
    let mut lines = open(&bus);
    let first = [sensed(&mut lines).await, sensed(&mut lines).await];
    assert_eq!(first, [DoorInput::Closed, DoorInput::FireEnded]);
    settles(&mut lines).await;
    assert_eq!(
        bus.coil(UNIT, 0),
        Some(Switch::Off),
        "locked from the start"
    );
    lines.drive(DOOR, lock(Level::Released)).unwrap();
    lines
        .drive(DOOR, Drive::Signal(DoorSignal::Granted))
        .unwrap();
    until(&mut lines, || {
        (bus.coil(UNIT, 0), bus.coil(UNIT, 1)) == (Some(Switch::On), Some(Switch::On))
    })
    .await;
    for (inputs, input) in [
        (0b100, DoorInput::Opened),
        (0b110, DoorInput::RequestToExit),
        (0b010, DoorInput::FireRaised),
    ] {
        bus.with(UNIT, |unit| unit.inputs = inputs);
        assert_eq!(sensed(&mut lines).await, input);
    }
    lines.drive(DOOR, lock(Level::Locked)).unwrap();
    assert!(!lines.is_settled());
    settles(&mut lines).await;
    assert_eq!(bus.coil(UNIT, 0), Some(Switch::Off));
}

#[tokio::test]
async fn a_noisy_bus_is_asked_again_and_a_broken_one_is_a_fault() {
    let bus = Bus::of(&[UNIT]);
    let mut lines = open(&bus);
    let times = unit::TRIES_MAX - 1;
    bus.behaves(UNIT, Manner::Garbles { times });
    lines.drive(DOOR, lock(Level::Released)).unwrap();
    until(&mut lines, || bus.coil(UNIT, 0) == Some(Switch::On)).await;
    settles(&mut lines).await;
    let works = News::State {
        door: DOOR,
        problem: None,
    };
    assert!(lines.standing().contains(&works));
    for (manner, words) in [
        (Manner::Garbles { times: 1_000 }, "checksum"),
        (Manner::IsSilent, "does not answer"),
        (Manner::Refuses, "exception 2 (it has no such relay"),
    ] {
        let bus = Bus::of(&[UNIT]);
        let mut lines = open(&bus);
        until(&mut lines, || bus.coil(UNIT, 0).is_some()).await;
        bus.behaves(UNIT, manner);
        let problem = fails(&mut lines).await;
        assert!(problem.contains(words), "{problem}");
        assert!(problem.starts_with("unit 1: "), "{problem}");
        lines.drive(DOOR, lock(Level::Released)).unwrap();
        assert!(!lines.is_settled(), "{manner:?}");
    }
}

#[tokio::test]
async fn a_refused_lamp_is_a_fault_and_lock_and_inputs_go_on() {
    let bus = Bus::of(&[UNIT]);
    bus.behaves(UNIT, Manner::RefusesRelay { relay: 1 });
    let mut lines = open(&bus);
    let problem = fails(&mut lines).await;
    assert!(problem.contains("relay 1: the board refuses"), "{problem}");
    lines.drive(DOOR, lock(Level::Released)).unwrap();
    until(&mut lines, || bus.coil(UNIT, 0) == Some(Switch::On)).await;
    settles(&mut lines).await;
    bus.with(UNIT, |unit| unit.inputs = 0b001);
    while sensed(&mut lines).await != DoorInput::FireRaised {}
}

#[tokio::test]
async fn an_unplugged_board_is_a_fault_and_works_again_as_it_should_when_it_is_back() {
    let bus = Bus::of(&[UNIT]);
    let hold = bus.folder.path().join("hold");
    let mut process = Process::start(hold, vec![bus.place(DOOR.0, UNIT)]);
    process.command(DOOR.0, DoorCommand::HoldReleased);
    assert_eq!(process.state_of(DOOR.0).await, None);
    let is_released = || bus.coil(UNIT, 0) == Some(Switch::On);
    process.becomes(20_000, is_released).await;
    bus.unplug();
    let problem = process.state_of(DOOR.0).await.expect("a fault");
    assert!(problem.contains("serial port"), "{problem}");
    bus.with(UNIT, |unit| unit.coils.clear());
    bus.plug_in();
    while process.state_of(DOOR.0).await.is_some() {}
    assert!(is_released(), "the board is told what shall hold");
}

#[tokio::test]
async fn an_lcus_relay_is_told_at_once_and_again_and_again() {
    let bus = Bus::of(&[]);
    let text = format!(
        "port = {:?}\nlock = {{ relay = 1, locked = \"off\" }}",
        bus.port()
    );
    let place = DoorPlace {
        io: DoorIoConfig::Lcus(toml::from_str(&text).unwrap()),
        ..bus.place(DOOR.0, UNIT)
    };
    let mut lines = BoardLines::open(&[(place, Level::Locked)], Clock::system()).unwrap();
    let heard = || bus.heard();
    until(&mut lines, || heard() == [0xa0, 1, 0, 0xa1]).await;
    lines.drive(DOOR, lock(Level::Released)).unwrap();
    until(&mut lines, || heard().ends_with(&[0xa0, 1, 1, 0xa2])).await;
    let length = heard().len();
    until(&mut lines, || heard().len() >= length + 8).await;
    assert!(heard().ends_with(&[0xa0, 1, 1, 0xa2, 0xa0, 1, 1, 0xa2]));
    lines.drive(DOOR, lock(Level::Locked)).unwrap();
    settles(&mut lines).await;
    until(&mut lines, || heard().ends_with(&[0xa0, 1, 0, 0xa1])).await;
}

#[tokio::test]
async fn a_port_that_is_not_there_is_said_so_with_what_to_do() {
    let bus = Bus::of(&[UNIT]);
    std::fs::remove_file(bus.port()).unwrap();
    let mut lines = open(&bus);
    let problem = fails(&mut lines).await;
    assert!(
        problem.contains("/port: ") && problem.contains("dialout"),
        "{problem}"
    );
    bus.plug_in();
    settles(&mut lines).await;
}

#[test]
fn doors_at_one_port_must_agree_on_its_settings() {
    let modbus = |rest: &str| {
        let text = format!("port = \"/p\"\nlock = {{ relay = 0, locked = \"off\" }}\n{rest}");
        DoorIoConfig::Modbus(toml::from_str(&text).unwrap())
    };
    let lcus = "port = \"/p\"\nlock = { relay = 1, locked = \"off\" }";
    let lcus = DoorIoConfig::Lcus(toml::from_str(lcus).unwrap());
    assert_eq!(contradiction(&modbus(""), &modbus("unit = 2")), None);
    let lock = contradiction(&modbus(""), &modbus("")).unwrap();
    assert!(lock.contains("relay 0 of unit 1 at /p"), "{lock}");
    let other = |rest: &str| {
        let text = format!("port = \"/p\"\nlock = {{ relay = 4, locked = \"off\" }}\n{rest}");
        DoorIoConfig::Modbus(toml::from_str(&text).unwrap())
    };
    let red = contradiction(&modbus("red = { relay = 4 }"), &other("")).unwrap();
    assert!(red.contains("red of one and lock of the other"), "{red}");
    let (contact, fire) = ("contact = { input = 1 }", "fire = { input = 1 }");
    assert!(contradiction(&modbus(contact), &other(contact)).is_some());
    assert!(contradiction(&modbus(fire), &other(contact)).is_some());
    assert_eq!(
        contradiction(&modbus(fire), &other(fire)),
        None,
        "one panel"
    );
    let lcus_at = |relay: u16| {
        let text = format!("port = \"/p\"\nlock = {{ relay = {relay}, locked = \"off\" }}");
        DoorIoConfig::Lcus(toml::from_str(&text).unwrap())
    };
    assert_eq!(contradiction(&lcus_at(1), &lcus_at(2)), None);
    assert!(contradiction(&lcus_at(1), &lcus_at(1)).is_some());
    let baud = contradiction(&modbus(""), &modbus("baud = 19200")).unwrap();
    assert!(baud.contains("baud") && baud.contains("/p"), "{baud}");
    assert!(contradiction(&modbus(""), &lcus).is_some());
    for (rest, word) in [
        ("unit = 0", "unit"),
        ("poll_ms = 1", "poll_ms"),
        ("baud = 9601", "baud"),
        ("contact = { input = 64 }", "input"),
        ("green = { relay = 0 }", "lock and green"),
        (
            "contact = { input = 3 }\nfire = { input = 3 }",
            "input 3 has two uses: contact and fire",
        ),
    ] {
        let DoorIoConfig::Modbus(door) = modbus(rest) else {
            unreachable!()
        };
        assert!(door.problem().unwrap().contains(word), "{rest}");
    }
}

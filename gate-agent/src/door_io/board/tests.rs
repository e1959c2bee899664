//! Boards at the other end of a pseudo terminal.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream as StdStream,
    sync::{Arc, Mutex},
};

use gate_core::{
    action::{DoorCommand, DoorSignal},
    input::DoorInput,
};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::*;
use crate::door_io::{
    SafeLevels, child,
    latch::{Cause, Move},
    link::Link,
    protocol::{Ask, Report, VERSION},
    wiring::BoxWiring,
};

const DOOR: DoorId = DoorId(2);
const PATIENCE: Duration = Duration::from_secs(20);

/// How a board behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Answers,
    Garbles { times: u32 },
    IsSilent,
    Refuses,
    IsUnplugged,
}

#[derive(Debug)]
struct Facts {
    manner: Manner,
    coils: BTreeMap<u16, Switch>,
    inputs: u8,
    heard: Vec<u8>,
}

/// A board, and the place where its port appears.
struct Board {
    folder: TempDir,
    facts: Arc<Mutex<Facts>>,
}

impl Board {
    fn new() -> Self {
        let board = Self {
            folder: tempfile::tempdir().unwrap(),
            facts: Arc::new(Mutex::new(Facts {
                manner: Manner::Answers,
                coils: BTreeMap::new(),
                inputs: 0,
                heard: Vec::new(),
            })),
        };
        board.plug_in();
        board
    }

    fn port(&self) -> PathBuf {
        self.folder.path().join("port")
    }

    fn plug_in(&self) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = PathBuf::from(name.to_str().unwrap());
        // Held open, for a terminal that nobody has opened yet reads as hung up.
        let held = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&name)
            .unwrap();
        let _ = std::fs::remove_file(self.port());
        std::os::unix::fs::symlink(&name, self.port()).unwrap();
        let facts = Arc::clone(&self.facts);
        facts.lock().unwrap().manner = Manner::Answers;
        std::thread::spawn(move || {
            serve(&mut File::from(master), &facts);
            drop(held);
        });
    }

    fn behaves(&self, manner: Manner) {
        self.facts.lock().unwrap().manner = manner;
    }

    fn inputs(&self, inputs: u8) {
        self.facts.lock().unwrap().inputs = inputs;
    }

    fn coil(&self, coil: u16) -> Option<Switch> {
        self.facts.lock().unwrap().coils.get(&coil).copied()
    }

    fn place(&self) -> DoorPlace {
        let text = format!(
            "port = {:?}\npoll_ms = 20\nlock = {{ relay = 0, locked = \"off\" }}\n\
             green = {{ relay = 1 }}\ncontact = {{ input = 0 }}\nfire = {{ input = 2 }}\n\
             request_to_exit = {{ input = 1 }}",
            self.port()
        );
        DoorPlace {
            door: DOOR,
            levels: SafeLevels::default(),
            io: DoorIoConfig::Modbus(toml::from_str(&text).unwrap()),
        }
    }

    fn open(&self) -> BoardLines {
        BoardLines::open(&[(self.place(), Level::Locked)], Clock::system()).unwrap()
    }
}

/// Frames come in one piece here: eight bytes, or four.
fn serve(port: &mut File, facts: &Mutex<Facts>) {
    let mut some = [0; 64];
    while let Ok(length) = port.read(&mut some) {
        let asked = &some[..length];
        let mut facts = facts.lock().unwrap();
        facts.heard.extend(asked);
        let mut answer = match facts.manner {
            Manner::IsUnplugged => return,
            Manner::IsSilent => continue,
            Manner::Refuses => modbus::sealed(vec![asked[0], asked[1] | 0x80, 2]),
            Manner::Answers | Manner::Garbles { .. } => match asked {
                [1, 5, high, low, value, ..] => {
                    let coil = u16::from_be_bytes([*high, *low]);
                    let to = if *value == 0xff {
                        Switch::On
                    } else {
                        Switch::Off
                    };
                    facts.coils.insert(coil, to);
                    asked.to_vec()
                }
                [1, 2, ..] => modbus::sealed(vec![1, 2, 1, facts.inputs]),
                _ => continue,
            },
        };
        if let Manner::Garbles { times } = facts.manner {
            answer[2] ^= 0x10;
            facts.manner = match times {
                1 => Manner::Answers,
                more => Manner::Garbles { times: more - 1 },
            };
        }
        drop(facts);
        port.write_all(&answer).unwrap();
    }
}

fn lock(to: Level) -> Drive {
    Drive::Lock(Move {
        to,
        cause: Cause::Command,
        for_ms: None,
    })
}

async fn sensed(lines: &mut BoardLines) -> anyhow::Result<DoorInput> {
    let sensed = tokio::time::timeout(PATIENCE, lines.sensed()).await;
    Ok(sensed.expect("something happens within 20 s")?.input)
}

/// Lets the lines work until something holds of the board.
async fn until(lines: &mut BoardLines, holds: impl Fn() -> bool) {
    let works = async {
        while !holds() {
            let waited = Duration::from_millis(5);
            if let Ok(broken) = tokio::time::timeout(waited, lines.sensed()).await {
                broken.unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, works)
        .await
        .expect("in time");
}

#[tokio::test]
async fn relays_follow_and_inputs_are_told_when_they_change() {
    let board = Board::new();
    board.inputs(0b101);
    let mut lines = board.open();
    // At rest the loops of contact and fire are closed: there is voltage.
    let first = [
        sensed(&mut lines).await.unwrap(),
        sensed(&mut lines).await.unwrap(),
    ];
    assert_eq!(first, [DoorInput::Closed, DoorInput::FireEnded]);
    assert_eq!(board.coil(0), Some(Switch::Off), "locked from the start");
    lines.drive(DOOR, lock(Level::Released)).unwrap();
    lines
        .drive(DOOR, Drive::Signal(DoorSignal::Granted))
        .unwrap();
    until(&mut lines, || {
        (board.coil(0), board.coil(1)) == (Some(Switch::On), Some(Switch::On))
    })
    .await;
    for (inputs, input) in [
        (0b100, DoorInput::Opened),
        (0b110, DoorInput::RequestToExit),
        (0b010, DoorInput::FireRaised),
    ] {
        board.inputs(inputs);
        assert_eq!(sensed(&mut lines).await.unwrap(), input);
    }
    lines.drive(DOOR, lock(Level::Locked)).unwrap();
    lines.settle().await.unwrap();
    assert_eq!(board.coil(0), Some(Switch::Off));
}

#[tokio::test]
async fn a_noisy_bus_is_asked_again_and_a_broken_one_is_a_fault() {
    let board = Board::new();
    let mut lines = board.open();
    board.behaves(Manner::Garbles {
        times: TRIES_MAX - 1,
    });
    lines.drive(DOOR, lock(Level::Released)).unwrap();
    until(&mut lines, || board.coil(0) == Some(Switch::On)).await;
    for (manner, words) in [
        (Manner::Garbles { times: 1_000 }, "checksum"),
        (Manner::IsSilent, "does not answer"),
        (Manner::Refuses, "exception 2 (it has no such relay"),
    ] {
        let board = Board::new();
        let mut lines = board.open();
        until(&mut lines, || board.coil(0).is_some()).await;
        board.behaves(manner);
        let broken = async { while lines.sensed().await.is_ok() {} };
        tokio::time::timeout(PATIENCE, broken).await.unwrap();
        drop(lines);
        let mut lines = board.open();
        let error = loop {
            if let Err(error) = sensed(&mut lines).await {
                break error;
            }
        };
        assert!(format!("{error:#}").contains(words), "{error:#}");
        lines.drive(DOOR, lock(Level::Locked)).ok();
        assert!(lines.settle().await.is_err(), "{manner:?}");
    }
}

#[tokio::test]
async fn an_unplugged_board_is_a_fault_and_works_again_as_it_should_when_it_is_back() {
    let board = Board::new();
    board.inputs(0b101);
    let (ours, theirs) = StdStream::pair().unwrap();
    let process = std::thread::spawn(move || {
        child::serve_on(&child::runtime().unwrap(), theirs, std::future::pending())
    });
    let mut link = Link::<Report, Ask>::new(ours).unwrap();
    let wiring = BoxWiring {
        hold: board.folder.path().join("hold"),
        doors: vec![board.place()],
    };
    let version = VERSION;
    link.say(&Ask::Begin { version, wiring });
    link.say(&Ask::Command {
        door: DOOR,
        decided_at: Clock::system().uptime(),
        command: DoorCommand::HoldReleased,
    });
    let mut fault = async || {
        loop {
            link.say(&Ask::Heartbeat { number: 0 });
            let report = tokio::time::timeout(PATIENCE, link.next()).await;
            match report.unwrap().unwrap() {
                Report::Fault { problem, .. } => return problem,
                // The agent says something now and then.
                Report::Alive { .. } => tokio::time::sleep(Duration::from_millis(20)).await,
                Report::Ready { .. } | Report::Input { .. } | Report::WasAlone => {}
            }
        }
    };
    assert_eq!(fault().await, None);
    let is_released = || board.coil(0) == Some(Switch::On);
    while !is_released() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    board.behaves(Manner::IsUnplugged);
    let problem = fault().await.expect("a fault");
    assert!(problem.contains("serial port"), "{problem}");
    board.facts.lock().unwrap().coils.clear();
    board.plug_in();
    while fault().await.is_some() {}
    let released = async {
        while !is_released() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, released)
        .await
        .expect("the board is told what shall hold");
    link.say(&Ask::Rest);
    while link.next().await.is_ok() {}
    process.join().unwrap().unwrap();
}

#[tokio::test]
async fn an_lcus_relay_is_told_at_once_and_again_and_again() {
    let board = Board::new();
    board.behaves(Manner::IsSilent);
    let text = format!(
        "port = {:?}\nlock = {{ relay = 1, locked = \"off\" }}",
        board.port()
    );
    let place = DoorPlace {
        io: DoorIoConfig::Lcus(toml::from_str(&text).unwrap()),
        ..board.place()
    };
    let mut lines = BoardLines::open(&[(place, Level::Locked)], Clock::system()).unwrap();
    let heard = || board.facts.lock().unwrap().heard.clone();
    until(&mut lines, || heard() == [0xa0, 1, 0, 0xa1]).await;
    lines.drive(DOOR, lock(Level::Released)).unwrap();
    until(&mut lines, || heard().ends_with(&[0xa0, 1, 1, 0xa2])).await;
    let length = heard().len();
    until(&mut lines, || heard().len() >= length + 8).await;
    assert!(heard().ends_with(&[0xa0, 1, 1, 0xa2, 0xa0, 1, 1, 0xa2]));
    lines.drive(DOOR, lock(Level::Locked)).unwrap();
    lines.settle().await.unwrap();
    until(&mut lines, || heard().ends_with(&[0xa0, 1, 0, 0xa1])).await;
}

#[tokio::test]
async fn a_port_that_is_not_there_or_is_taken_is_said_so() {
    let board = Board::new();
    let mut place = board.place();
    if let DoorIoConfig::Modbus(door) = &mut place.io {
        door.port = "/dev/none".into();
    }
    let error = BoardLines::open(&[(place, Level::Locked)], Clock::system()).unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("/dev/none") && error.contains("dialout"),
        "{error}"
    );
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
    let baud = contradiction(&modbus(""), &modbus("baud = 19200")).unwrap();
    assert!(baud.contains("baud") && baud.contains("/p"), "{baud}");
    assert!(contradiction(&modbus(""), &lcus).is_some());
    for (rest, word) in [
        ("unit = 0", "unit"),
        ("poll_ms = 1", "poll_ms"),
        ("baud = 9601", "baud"),
        ("contact = { input = 64 }", "input"),
    ] {
        let DoorIoConfig::Modbus(door) = modbus(rest) else {
            unreachable!()
        };
        assert!(door.problem().unwrap().contains(word), "{rest}");
    }
}

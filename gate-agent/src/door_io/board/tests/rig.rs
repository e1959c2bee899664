//! Boards on one pseudo terminal, and the door process that drives them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream as StdStream,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
    time::Duration,
};

use gate_core::action::DoorCommand;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use shared::ids::DoorId;
use tempfile::TempDir;

use super::super::{modbus, wiring::Switch};
use crate::{
    clock::Clock,
    door_io::{
        DoorIoConfig, DoorPlace, SafeLevels, child,
        link::Link,
        protocol::{Ask, Report, VERSION},
        wiring::BoxWiring,
    },
};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How a board behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Answers,
    Garbles { times: u32 },
    IsSilent,
    Refuses,
    RefusesRelay { relay: u16 },
}

/// One board.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) manner: Manner,
    pub(super) coils: BTreeMap<u16, Switch>,
    pub(super) inputs: u8,
    /// Frames that were for it.
    pub(super) heard: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plug {
    In,
    Out,
}

#[derive(Debug)]
struct Facts {
    plug: Plug,
    units: BTreeMap<u8, Unit>,
    heard: Vec<u8>,
}

/// Boards, and the place where their port appears. At rest the loops of contact and fire are
/// closed: there is voltage.
pub(super) struct Bus {
    pub(super) folder: TempDir,
    facts: Arc<Mutex<Facts>>,
}

impl Bus {
    pub(super) fn of(units: &[u8]) -> Self {
        let unit = |_| Unit {
            manner: Manner::Answers,
            coils: BTreeMap::new(),
            inputs: 0b101,
            heard: Vec::new(),
        };
        let bus = Self {
            folder: tempfile::tempdir().unwrap(),
            facts: Arc::new(Mutex::new(Facts {
                plug: Plug::In,
                units: units.iter().map(|address| (*address, unit(()))).collect(),
                heard: Vec::new(),
            })),
        };
        bus.plug_in();
        bus
    }

    pub(super) fn port(&self) -> PathBuf {
        self.folder.path().join("port")
    }

    pub(super) fn plug_in(&self) {
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
        facts.lock().unwrap().plug = Plug::In;
        std::thread::spawn(move || {
            serve(&mut File::from(master), &facts);
            drop(held);
        });
    }

    pub(super) fn unplug(&self) {
        self.facts.lock().unwrap().plug = Plug::Out;
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    pub(super) fn with<T>(&self, unit: u8, look: impl FnOnce(&mut Unit) -> T) -> T {
        look(self.facts().units.get_mut(&unit).unwrap())
    }

    pub(super) fn behaves(&self, unit: u8, manner: Manner) {
        self.with(unit, |it| it.manner = manner);
    }

    pub(super) fn coil(&self, unit: u8, coil: u16) -> Option<Switch> {
        self.with(unit, |it| it.coils.get(&coil).copied())
    }

    /// Every byte that came.
    pub(super) fn heard(&self) -> Vec<u8> {
        self.facts().heard.clone()
    }

    /// A door on a board: relay 0 locks, relay 1 is green; contact, request-to-exit and fire.
    pub(super) fn place(&self, door: u32, unit: u8) -> DoorPlace {
        let text = format!(
            "port = {:?}\nunit = {unit}\npoll_ms = 20\n\
             lock = {{ relay = 0, locked = \"off\" }}\n\
             green = {{ relay = 1 }}\ncontact = {{ input = 0 }}\nfire = {{ input = 2 }}\n\
             request_to_exit = {{ input = 1 }}",
            self.port()
        );
        DoorPlace {
            door: DoorId(door),
            levels: SafeLevels::default(),
            io: DoorIoConfig::Modbus(toml::from_str(&text).unwrap()),
        }
    }
}

/// Frames come in one piece here: eight bytes, or four.
fn serve(port: &mut File, facts: &Mutex<Facts>) {
    let mut some = [0; 64];
    while let Ok(length) = port.read(&mut some) {
        let asked = &some[..length];
        let mut facts = facts.lock().unwrap();
        facts.heard.extend(asked);
        if facts.plug == Plug::Out {
            return;
        }
        let Some(unit) = facts.units.get_mut(&asked[0]) else {
            continue;
        };
        unit.heard.push(asked.to_vec());
        let Some(answer) = unit.answer(asked) else {
            continue;
        };
        drop(facts);
        port.write_all(&answer).unwrap();
    }
}

impl Unit {
    fn answer(&mut self, asked: &[u8]) -> Option<Vec<u8>> {
        let refusal = || modbus::sealed(vec![asked[0], asked[1] | 0x80, 2]);
        match self.manner {
            Manner::IsSilent => return None,
            Manner::Refuses => return Some(refusal()),
            Manner::Answers | Manner::Garbles { .. } | Manner::RefusesRelay { .. } => {}
        }
        let mut answer = match asked {
            [_, 5, high, low, value, ..] => {
                let coil = u16::from_be_bytes([*high, *low]);
                if self.manner == (Manner::RefusesRelay { relay: coil }) {
                    return Some(refusal());
                }
                let to = if *value == 0xff {
                    Switch::On
                } else {
                    Switch::Off
                };
                self.coils.insert(coil, to);
                asked.to_vec()
            }
            [address, 2, ..] => modbus::sealed(vec![*address, 2, 1, self.inputs]),
            _ => return None,
        };
        if let Manner::Garbles { times } = self.manner {
            answer[3] ^= 0x10;
            self.manner = match times {
                1 => Manner::Answers,
                more => Manner::Garbles { times: more - 1 },
            };
        }
        Some(answer)
    }
}

/// The door process on a thread, and its agent, which says something now and then.
pub(super) struct Process {
    pub(super) link: Link<Report, Ask>,
    pub(super) thread: JoinHandle<anyhow::Result<()>>,
}

impl Process {
    pub(super) fn start(hold: PathBuf, doors: Vec<DoorPlace>) -> Self {
        Self::start_until(hold, doors, std::future::pending())
    }

    pub(super) fn start_until(
        hold: PathBuf,
        doors: Vec<DoorPlace>,
        terminated: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (ours, theirs) = StdStream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            child::serve_on(&child::runtime().unwrap(), theirs, terminated)
        });
        let mut link = Link::<Report, Ask>::new(ours).unwrap();
        let version = VERSION;
        let wiring = BoxWiring { hold, doors };
        link.say(&Ask::Begin { version, wiring });
        Self { link, thread }
    }

    pub(super) fn command(&mut self, door: u32, command: DoorCommand) {
        self.link.say(&Ask::Command {
            door: DoorId(door),
            decided_at: Clock::system().uptime(),
            command,
        });
    }

    /// The next report but for answers to heartbeats.
    pub(super) async fn next(&mut self) -> Report {
        let news = async {
            loop {
                let beat = Duration::from_millis(100);
                match tokio::time::timeout(beat, self.link.next()).await {
                    Ok(Ok(Report::Alive { .. })) => {}
                    Ok(report) => return report.unwrap(),
                    Err(_) => self.link.say(&Ask::Heartbeat { number: 0 }),
                }
            }
        };
        tokio::time::timeout(PATIENCE, news)
            .await
            .expect("a report within 20 s")
    }

    /// The next word on whether a door's lines work.
    pub(super) async fn state_of(&mut self, door: u32) -> Option<String> {
        loop {
            if let Report::Fault { door: of, problem } = self.next().await
                && of == DoorId(door)
            {
                return problem;
            }
        }
    }

    /// Everything that is reported within a time.
    pub(super) async fn reports_within(&mut self, ms: u64) -> Vec<Report> {
        let mut reports = Vec::new();
        let gathered = async {
            loop {
                reports.push(self.next().await);
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(ms), gathered).await;
        reports
    }

    /// Waits, with the agent speaking, until something holds.
    pub(super) async fn becomes(&mut self, within_ms: u64, holds: impl Fn() -> bool) {
        let held = async {
            while !holds() {
                self.link.say(&Ask::Heartbeat { number: 0 });
                let waited = Duration::from_millis(5);
                if let Ok(ended) = tokio::time::timeout(waited, self.link.next()).await {
                    ended.unwrap();
                }
            }
        };
        tokio::time::timeout(Duration::from_millis(within_ms), held)
            .await
            .expect("in time");
    }
}

//! The door process on a thread, with the agent's end of its socket in the test's hand.

use std::{path::PathBuf, thread::JoinHandle};

use gate_core::{action::DoorCommand, input::DoorInput};
use shared::{ids::DoorId, time::Uptime};
use tempfile::TempDir;

use super::*;
use crate::door_io::{
    DoorIoConfig, DoorPlace, LastLevel, SafeLevels, SimulatedDoor, WiredLock, protocol::VERSION,
    wiring::BoxWiring,
};

const DOOR: DoorId = DoorId(1);
const CLOSED: Report = Report::Input {
    door: DOOR,
    input: DoorInput::Closed,
};
const WORKS: Report = Report::Fault {
    door: DOOR,
    problem: None,
};

struct Rig {
    folder: TempDir,
    link: Link<Report, Ask>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Rig {
    async fn start(levels: SafeLevels) -> Self {
        Self::start_until(levels, std::future::pending()).await
    }

    async fn start_until(
        levels: SafeLevels,
        terminated: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = StdStream::pair().unwrap();
        let thread = std::thread::spawn(move || serve_on(&runtime().unwrap(), theirs, terminated));
        let mut link = Link::new(ours).unwrap();
        let door = SimulatedDoor {
            turns: false,
            trace: Some(folder.path().join("trace")),
            control: Some(folder.path().join("control")),
            ..SimulatedDoor::default()
        };
        let wiring = BoxWiring {
            hold: folder.path().join("hold"),
            doors: vec![DoorPlace {
                door: DOOR,
                levels,
                io: DoorIoConfig::Simulated(door),
            }],
        };
        link.say(&Ask::Begin {
            version: VERSION,
            wiring,
        });
        let mut rig = Self {
            folder,
            link,
            thread,
        };
        assert_eq!(rig.next().await, Report::Ready { version: VERSION });
        assert_eq!(rig.next().await, WORKS);
        assert_eq!(rig.next().await, CLOSED);
        rig
    }

    async fn next(&mut self) -> Report {
        let report = tokio::time::timeout(Duration::from_secs(20), self.link.next()).await;
        report.expect("a report within 20 s").unwrap()
    }

    fn command(&mut self, command: DoorCommand) {
        let decided_at = Clock::system().uptime();
        self.command_of(decided_at, command);
    }

    fn command_of(&mut self, decided_at: Uptime, command: DoorCommand) {
        let door = DOOR;
        self.link.say(&Ask::Command {
            door,
            decided_at,
            command,
        });
    }

    /// Waits until everything that was said has been heard.
    async fn is_heard(&mut self) {
        self.link.say(&Ask::Heartbeat { number: 77 });
        while self.next().await != (Report::Alive { number: 77 }) {}
    }

    fn trace(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    async fn has_ended(self) -> (Vec<String>, anyhow::Result<()>) {
        let ended = tokio::task::spawn_blocking(|| self.thread.join().unwrap());
        let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
        let moves = moves(&self.folder.path().join("trace"));
        (moves, ended.expect("it ends").unwrap())
    }
}

fn moves(trace: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(trace)
        .unwrap_or_default()
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            format!("{} {}", text("relay"), text("cause"))
        })
        .collect()
}

fn levels(at_stop: LastLevel, at_crash: LastLevel) -> SafeLevels {
    SafeLevels {
        at_stop,
        at_crash,
        ..SafeLevels::default()
    }
}

fn kept() -> SafeLevels {
    levels(LastLevel::AsCommanded, LastLevel::AsCommanded)
}

const SHORT: DoorCommand = DoorCommand::Release { for_ms: 300 };
const LONG: DoorCommand = DoorCommand::Release { for_ms: 60_000 };

#[tokio::test]
async fn a_release_ends_by_itself_whether_or_not_the_agent_lives() {
    let mut rig = Rig::start(kept()).await;
    rig.command(SHORT);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let whole = ["released command", "locked end_of_release"];
    assert_eq!(moves(&rig.trace()), whole);

    let mut rig = Rig::start(kept()).await;
    rig.command(SHORT);
    rig.is_heard().await;
    let Rig {
        folder,
        link,
        thread,
    } = rig;
    drop(link);
    tokio::task::spawn_blocking(|| thread.join().unwrap().unwrap())
        .await
        .unwrap();
    assert_eq!(moves(&folder.path().join("trace")), whole);
}

#[tokio::test]
async fn what_is_configured_for_a_crash_holds_when_the_agent_dies() {
    for (levels, command, expected) in [
        (
            levels(LastLevel::AsCommanded, LastLevel::Locked),
            DoorCommand::HoldReleased,
            vec!["released command", "locked silence"],
        ),
        (
            SafeLevels::of(WiredLock::FailSafe),
            DoorCommand::Lock,
            vec!["released start", "locked command", "released silence"],
        ),
        (kept(), DoorCommand::Lock, vec![]),
    ] {
        let mut rig = Rig::start(levels).await;
        rig.command(command);
        rig.is_heard().await;
        let (ours, _) = StdStream::pair().unwrap();
        rig.link = Link::new(ours).unwrap();
        let (moves, ended) = rig.has_ended().await;
        assert_eq!(moves, expected, "{command:?}");
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_silent_agents_door_goes_to_what_is_configured_and_is_told_when_it_comes_back() {
    let mut rig = Rig::start(levels(LastLevel::AsCommanded, LastLevel::Locked)).await;
    rig.command(DoorCommand::HoldReleased);
    rig.is_heard().await;
    tokio::time::sleep(Duration::from_millis(desk::LEASE_MS + 700)).await;
    assert_eq!(moves(&rig.trace()), ["released command", "locked silence"]);
    rig.link.say(&Ask::Heartbeat { number: 1 });
    assert_eq!(rig.next().await, Report::WasAlone);
    assert_eq!(rig.next().await, WORKS, "and how the lines are");
    assert_eq!(rig.next().await, CLOSED, "and how the sensors stand");
    assert_eq!(rig.next().await, Report::Alive { number: 1 });
    // Said before the silence, and heard behind it.
    let long_ago = Uptime(Clock::system().uptime().0 - 10_000);
    rig.command_of(long_ago, SHORT);
    rig.is_heard().await;
    assert_eq!(moves(&rig.trace()).len(), 2);
}

#[tokio::test]
async fn an_agent_that_takes_long_to_begin_is_not_given_up() {
    let mut rig = Rig::start(levels(LastLevel::AsCommanded, LastLevel::Released)).await;
    tokio::time::sleep(Duration::from_millis(desk::LEASE_MS + 700)).await;
    rig.link.say(&Ask::Heartbeat { number: 1 });
    assert_eq!(rig.next().await, Report::Alive { number: 1 });
    assert_eq!(moves(&rig.trace()), Vec::<String>::new());
}

#[tokio::test]
async fn fire_releases_the_lock_before_the_agent_has_said_anything() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut rig = Rig::start(kept()).await;
    let control = rig.folder.path().join("control");
    let ask = async |text: &[u8]| {
        let mut stream = loop {
            match tokio::net::UnixStream::connect(&control).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        stream.write_all(text).await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
    };
    ask(b"{\"input\": \"fire_raised\"}\n").await;
    let input = DoorInput::FireRaised;
    assert_eq!(rig.next().await, Report::Input { door: DOOR, input });
    rig.command(DoorCommand::Lock);
    rig.is_heard().await;
    assert_eq!(moves(&rig.trace()), ["released fire"]);
    ask(b"{\"input\": \"fire_ended\"}\n").await;
    rig.next().await;
    assert_eq!(moves(&rig.trace()), ["released fire", "locked fire"]);
}

#[tokio::test]
async fn an_end_in_order_ends_a_release_and_the_process_with_it() {
    for (at_stop, command, expected) in [
        (
            LastLevel::AsCommanded,
            LONG,
            vec!["released command", "locked abandoned"],
        ),
        (
            LastLevel::Locked,
            DoorCommand::HoldReleased,
            vec!["released command", "locked end"],
        ),
    ] {
        let mut rig = Rig::start(levels(at_stop, LastLevel::Locked)).await;
        rig.command(command);
        rig.link.say(&Ask::Rest);
        let (moves, ended) = rig.has_ended().await;
        assert_eq!(moves, expected);
        ended.unwrap();
    }
}

#[tokio::test]
async fn behind_an_end_in_order_a_lock_that_stands_otherwise_than_unpowered_is_held_until_another_takes_it()
 {
    for (lock, at_stop, command, expected) in [
        (
            WiredLock::FailSecure,
            LastLevel::AsCommanded,
            DoorCommand::HoldReleased,
            vec!["released command"],
        ),
        (
            WiredLock::FailSecure,
            LastLevel::Released,
            DoorCommand::Lock,
            vec!["released end"],
        ),
        (
            WiredLock::FailSafe,
            LastLevel::AsCommanded,
            DoorCommand::Lock,
            vec!["released start", "locked command"],
        ),
    ] {
        let levels = SafeLevels {
            at_stop,
            ..SafeLevels::of(lock)
        };
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let mut rig = Rig::start_until(levels, async {
            let _ = ended.await;
        })
        .await;
        rig.command(command);
        rig.link.say(&Ask::Rest);
        assert_eq!(rig.next().await, Report::Holding, "{command:?}");
        // The agent is gone, which is no crash.
        let (ours, _) = StdStream::pair().unwrap();
        rig.link = Link::new(ours).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!rig.thread.is_finished());
        assert_eq!(moves(&rig.trace()), expected, "{command:?}");
        end.send(()).unwrap();
        let (moves, ended) = rig.has_ended().await;
        assert_eq!(moves, expected, "{command:?}");
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_termination_ends_in_order_and_a_bug_as_a_crash() {
    let at = levels(LastLevel::AsCommanded, LastLevel::Released);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let mut rig = Rig::start_until(at, async {
        let _ = ended.await;
    })
    .await;
    rig.command(LONG);
    rig.is_heard().await;
    end.send(()).unwrap();
    let (moves, ended) = rig.has_ended().await;
    assert_eq!(moves, ["released command", "locked abandoned"]);
    ended.unwrap();

    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let mut rig = Rig::start_until(at, async {
        let _ = ended.await;
        panic!("a bug, planted");
    })
    .await;
    rig.command(DoorCommand::Lock);
    rig.is_heard().await;
    end.send(()).unwrap();
    let (moves, ended) = rig.has_ended().await;
    assert_eq!(moves, ["released end"]);
    assert!(ended.is_err());
}

#[tokio::test]
async fn whoever_begins_with_something_else_is_not_served() {
    for first in [Ask::Rest, Ask::Heartbeat { number: 1 }] {
        let (ours, theirs) = StdStream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            serve_on(&runtime().unwrap(), theirs, std::future::pending())
        });
        let mut link = Link::<Report, Ask>::new(ours).unwrap();
        link.say(&first);
        let served = tokio::task::spawn_blocking(|| thread.join().unwrap());
        assert!(served.await.unwrap().is_err(), "{first:?}");
    }
}

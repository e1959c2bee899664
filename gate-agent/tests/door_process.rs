//! The real door process, killed and stopped.
#![allow(missing_docs, reason = "tests")]

use std::{fs, path::PathBuf, time::Duration};

use gate_agent::{
    clock::Clock,
    door_io::{
        COMMANDS_WAITING_MAX, DoorIoConfig, DoorPlace, DoorProcessStart, DoorReport, Doors,
        REPORTS_WAITING_MAX, SafeLevels, SimulatedDoor, TimedCommand,
    },
};
use gate_core::action::DoorCommand;
use rustix::process::{Pid, Signal, kill_process};
use shared::ids::DoorId;
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gate-agent");
const DOOR: DoorId = DoorId(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent's side, whose loop turns.
struct Agent {
    commands: mpsc::Sender<TimedCommand>,
    faults: mpsc::Receiver<Option<String>>,
    watched: JoinHandle<anyhow::Result<()>>,
}

struct Box {
    folder: TempDir,
}

impl Box {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn hold(&self) -> PathBuf {
        self.folder.path().join("doors.hold")
    }

    async fn start(&self, program: DoorProcessStart) -> Agent {
        let door = SimulatedDoor {
            turns: false,
            trace: Some(self.folder.path().join("trace")),
            ..SimulatedDoor::default()
        };
        let doors = Doors {
            places: vec![DoorPlace {
                door: DOOR,
                levels: SafeLevels::default(),
                io: DoorIoConfig::Simulated(door),
            }],
            hold: self.hold(),
            start: program,
            clock: Clock::system(),
        };
        let (commands, given) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (tell, mut reports) = mpsc::channel(REPORTS_WAITING_MAX);
        let (ready, is_ready) = oneshot::channel();
        let watched = tokio::spawn(doors.run([(DOOR, given)].into(), tell, ready));
        let (told, faults) = mpsc::channel(100);
        tokio::spawn(async move {
            while let Some(report) = reports.recv().await {
                match report {
                    DoorReport::Fault { problem, .. } => told.send(problem).await.unwrap(),
                    DoorReport::DoesTheLoopTurn(answer) => drop(answer.send(())),
                    DoorReport::Sensor(_) => {}
                }
            }
        });
        timeout(PATIENCE, is_ready).await.unwrap().unwrap();
        Agent {
            commands,
            faults,
            watched,
        }
    }

    fn process(&self) -> Pid {
        let text = fs::read_to_string(self.hold()).unwrap();
        Pid::from_raw(text.parse().unwrap()).unwrap()
    }

    fn moves(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("trace")).unwrap_or_default();
        let lines = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            format!("{} {}", text("relay"), text("cause"))
        });
        lines.collect()
    }

    async fn has_moved(&self, moves: usize) {
        let moved = async {
            while self.moves().len() < moves {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, moved).await.expect("the relay moves");
    }
}

impl Agent {
    async fn command(&self, command: DoorCommand) {
        let at = Clock::system().uptime();
        self.commands
            .send(TimedCommand { at, command })
            .await
            .unwrap();
    }

    async fn fault(&mut self) -> Option<String> {
        timeout(PATIENCE, self.faults.recv())
            .await
            .expect("it is told")
            .expect("the doors are watched")
    }
}

fn real() -> DoorProcessStart {
    DoorProcessStart::program(PathBuf::from(PROGRAM))
}

const LONG: DoorCommand = DoorCommand::Release { for_ms: 60_000 };

#[tokio::test]
async fn a_door_process_that_is_killed_is_a_fault_and_is_replaced() {
    let the_box = Box::new();
    let mut agent = the_box.start(real()).await;
    agent.command(LONG).await;
    the_box.has_moved(1).await;
    let before = the_box.process();
    kill_process(before, Signal::KILL).unwrap();
    let problem = agent.fault().await.expect("a fault");
    assert!(problem.contains("signal: 9"), "{problem}");
    assert_eq!(agent.fault().await, None, "it works again");
    assert_ne!(the_box.process(), before);
    agent.command(LONG).await;
    the_box.has_moved(2).await;
}

#[tokio::test]
async fn a_door_process_that_hangs_is_killed_and_replaced() {
    let the_box = Box::new();
    let mut agent = the_box.start(real()).await;
    let before = the_box.process();
    kill_process(before, Signal::STOP).unwrap();
    let problem = agent.fault().await.expect("a fault");
    assert!(problem.contains("answered no heartbeat"), "{problem}");
    assert_eq!(agent.fault().await, None, "it works again");
    assert_ne!(the_box.process(), before);
}

#[tokio::test]
async fn a_door_process_that_is_asked_to_end_locks_first_and_is_replaced() {
    let the_box = Box::new();
    let mut agent = the_box.start(real()).await;
    agent.command(LONG).await;
    the_box.has_moved(1).await;
    kill_process(the_box.process(), Signal::TERM).unwrap();
    assert!(agent.fault().await.is_some());
    assert_eq!(the_box.moves(), ["released command", "locked abandoned"]);
    assert_eq!(agent.fault().await, None);
}

#[tokio::test]
async fn the_next_agent_takes_the_lines_from_a_predecessor_that_still_ends_a_release() {
    for stopped in [None, Some(Signal::STOP)] {
        let the_box = Box::new();
        let agent = the_box.start(real()).await;
        agent.command(LONG).await;
        the_box.has_moved(1).await;
        let before = the_box.process();
        if let Some(signal) = stopped {
            kill_process(before, signal).unwrap();
        }
        // As when the agent dies: its end of the socket closes, and nobody says "rest".
        agent.watched.abort();
        drop(agent);
        let next = the_box.start(real()).await;
        assert_ne!(the_box.process(), before);
        let expected: &[&str] = match stopped {
            None => &["released command", "locked abandoned"],
            Some(_) => &["released command"],
        };
        assert_eq!(the_box.moves(), expected);
        next.command(LONG).await;
        the_box.has_moved(expected.len() + 1).await;
    }
}

#[tokio::test]
async fn nobody_commanding_any_more_ends_the_process_with_the_lock_locked() {
    let the_box = Box::new();
    let agent = the_box.start(real()).await;
    agent.command(LONG).await;
    the_box.has_moved(1).await;
    let process = the_box.process().as_raw_nonzero().get();
    drop(agent.commands);
    timeout(PATIENCE, agent.watched)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(the_box.moves(), ["released command", "locked abandoned"]);
    assert!(!PathBuf::from(format!("/proc/{process}")).exists());
}

/// Is it there, and not a dead child that nobody has looked after yet?
fn lives(process: Pid) -> bool {
    let number = process.as_raw_nonzero();
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    !matches!(stat.rsplit(") ").next(), None | Some("")) && !stat.contains(") Z ")
}

#[tokio::test]
async fn a_door_that_is_held_released_stays_so_behind_an_end_in_order_until_the_next_agent_has_it()
{
    let the_box = Box::new();
    let agent = the_box.start(real()).await;
    agent.command(DoorCommand::HoldReleased).await;
    the_box.has_moved(1).await;
    let process = the_box.process();
    drop(agent.commands);
    let ends = timeout(Duration::from_secs(2), agent.watched).await;
    ends.expect("a clean stop is short").unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(lives(process), "it holds the lock");
    assert_eq!(the_box.moves(), ["released command"]);

    let next = the_box.start(real()).await;
    assert!(!lives(process), "it has let go");
    next.command(LONG).await;
    the_box.has_moved(2).await;
    assert_eq!(the_box.moves(), ["released command", "released command"]);
}

#[tokio::test]
async fn a_program_that_is_no_door_process_is_a_fault_and_is_tried_again() {
    let the_box = Box::new();
    let mut agent = the_box
        .start(DoorProcessStart::program(PathBuf::from("/bin/false")))
        .await;
    let problem = agent.fault().await.expect("a fault");
    assert!(problem.contains("exit status: 1"), "{problem}");
    let missing = DoorProcessStart::program(PathBuf::from("/nonexistent"));
    let mut agent = the_box.start(missing).await;
    let problem = agent.fault().await.expect("a fault");
    assert!(problem.contains("/nonexistent"), "{problem}");
    drop(agent.commands);
    timeout(PATIENCE, agent.watched)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

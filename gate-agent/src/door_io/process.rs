//! The agent's side of the door process: hands commands over, hears sensors, proves that the
//! agent's loop turns, and starts another process when one dies or hangs. Decides nothing.

mod starter;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    task::Poll,
    time::Duration,
};

use gate_core::action::DoorCommand;
use shared::{ids::DoorId, time::Uptime};
use tokio::sync::{mpsc, oneshot};

use super::{
    DoorReport, SensorChange,
    link::{Link, LinkEnded},
    protocol::{Ask, Report, VERSION},
    wiring::{BoxWiring, DoorPlace},
};
use crate::clock::Clock;
pub use starter::DoorProcessStart;

/// Between two heartbeats, in ms: a sixth of what the door process takes for silence.
const HEARTBEAT_MS: u64 = 500;
/// A door process that answers no heartbeat for so long, in ms, hangs. Its lines are free once it
/// is killed.
const ANSWERS_WITHIN_MS: u64 = 3_000;
/// How long a new door process may take to say how its lines are, in ms: it may have to end a
/// predecessor, and a relay board may not answer.
const BEGINS_WITHIN_MS: u64 = 8_000;
/// How long one may take to end in order or to say that it holds something, in ms. It says so behind
/// 350 ms; one that is slower is left alone, for whatever it holds must not be dropped.
const RESTS_WITHIN_MS: u64 = 550;
/// The first wait before another start, in ms; each one that follows is twice as long.
const RETRY_FIRST_MS: u64 = 100;
/// The longest, in ms.
const RETRY_MOST_MS: u64 = 5_000;
/// A process that lived for so long, in ms, is no part of a row of failures.
const LIVED_MS: u64 = 10_000;

/// A command, and when it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedCommand {
    /// When.
    pub at: Uptime,
    /// What.
    pub command: DoorCommand,
}

/// All doors of a box, driven by a process of their own.
#[derive(Debug)]
pub struct Doors {
    /// The doors and their wiring.
    pub places: Vec<DoorPlace>,
    /// File by which door processes of this box follow each other.
    pub hold: PathBuf,
    /// How the process is started.
    pub start: DoorProcessStart,
    /// The clock that both sides read.
    pub clock: Clock,
}

/// By which doors are commanded.
pub type Commands = BTreeMap<DoorId, mpsc::Receiver<TimedCommand>>;

impl Doors {
    /// Drives the doors until nobody commands them any more; then the process has left their lines
    /// as configured and ended. `ready` is told once it is known how all lines are.
    ///
    /// # Errors
    /// None: what fails is told as a fault of the doors, and tried again.
    pub async fn run(
        self,
        commands: Commands,
        reports: mpsc::Sender<DoorReport>,
        ready: oneshot::Sender<()>,
    ) -> anyhow::Result<()> {
        if self.places.is_empty() {
            // Whoever waits is told by the drop. Nothing ends, because nothing was begun.
            drop((commands, ready));
            return std::future::pending().await;
        }
        let mut watch = Watch {
            doors: self,
            commands,
            reports,
            faulty: BTreeSet::new(),
            ready: Some(ready),
        };
        let mut retry_ms = RETRY_FIRST_MS;
        loop {
            let started_at = watch.doors.clock.uptime();
            let problem = match watch.attend().await {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            };
            tracing::error!("the door process does not work: {problem:#}");
            watch.all_are_faulty(&problem).await;
            if watch.doors.clock.uptime().since_ms(started_at) >= LIVED_MS {
                retry_ms = RETRY_FIRST_MS;
            }
            if watch.commands_end_within(retry_ms).await {
                return Ok(());
            }
            retry_ms = (retry_ms * 2).min(RETRY_MOST_MS);
        }
    }
}

#[derive(Debug)]
struct Watch {
    doors: Doors,
    commands: Commands,
    reports: mpsc::Sender<DoorReport>,
    faulty: BTreeSet<DoorId>,
    ready: Option<oneshot::Sender<()>>,
}

type ToDoors = Link<Report, Ask>;

/// Proof of life in both directions.
#[derive(Debug)]
struct Pulse {
    next_at: Uptime,
    number: u32,
    /// The loop was asked whether it turns.
    asked: Option<oneshot::Receiver<()>>,
    /// The first heartbeat that the door process has not answered.
    unanswered_since: Option<Uptime>,
}

enum Woken {
    Reported(Result<Report, LinkEnded>),
    Command(Option<(DoorId, TimedCommand)>),
    LoopTurns,
    LoopGone,
    Due,
}

impl Watch {
    /// Starts a process and serves it. Ends well when nobody commands any more.
    async fn attend(&mut self) -> anyhow::Result<()> {
        let (mut process, socket) = self.doors.start.start()?;
        let mut link = ToDoors::new(socket)?;
        let wiring = BoxWiring {
            hold: self.doors.hold.clone(),
            doors: self.doors.places.clone(),
        };
        link.say(&Ask::Begin {
            version: VERSION,
            wiring,
        });
        let served = match self.begin(&mut link).await {
            Ok(()) => self.serve(&mut link).await,
            Err(problem) => Err(problem),
        };
        match served {
            Ok(()) => {
                link.say(&Ask::Rest);
                process.rests_within(&mut link, RESTS_WITHIN_MS).await;
                Ok(())
            }
            Err(problem) => Err(process.end_now(problem).await),
        }
    }

    /// Hears how all lines are, once.
    async fn begin(&mut self, link: &mut ToDoors) -> anyhow::Result<()> {
        let begun = async {
            match link.next().await? {
                Report::Ready { version: VERSION } => {}
                Report::Ready { version } => {
                    anyhow::bail!("it speaks version {version} of the protocol, not {VERSION}")
                }
                other => anyhow::bail!("it begins with {other:?}"),
            }
            let mut unknown: BTreeSet<_> = self.doors.places.iter().map(|it| it.door).collect();
            while !unknown.is_empty() {
                let report = link.next().await?;
                if let Report::Fault { door, .. } = &report {
                    unknown.remove(door);
                }
                self.hear(report).await;
            }
            Ok(())
        };
        let limit = Duration::from_millis(BEGINS_WITHIN_MS);
        let begun = tokio::time::timeout(limit, begun).await;
        begun.map_err(|_| anyhow::anyhow!("it said nothing within {BEGINS_WITHIN_MS} ms"))??;
        self.tell_ready();
        Ok(())
    }

    fn tell_ready(&mut self) {
        if let Some(ready) = self.ready.take() {
            // Whoever waited may have given up.
            let _ = ready.send(());
        }
    }

    async fn serve(&mut self, link: &mut ToDoors) -> anyhow::Result<()> {
        let clock = self.doors.clock;
        let mut pulse = Pulse {
            next_at: clock.uptime(),
            number: 0,
            asked: None,
            unanswered_since: None,
        };
        loop {
            let due = pulse.next_due();
            let left_ms = due.since_ms(clock.uptime());
            let woken = tokio::select! {
                biased;
                report = link.next() => Woken::Reported(report),
                command = next_command(&mut self.commands) => Woken::Command(command),
                turns = answered(&mut pulse.asked) => turns,
                () = tokio::time::sleep(Duration::from_millis(left_ms)) => Woken::Due,
            };
            let now = clock.uptime();
            match woken {
                Woken::Reported(Ok(Report::Alive { number })) => {
                    if number == pulse.number {
                        pulse.unanswered_since = None;
                    }
                }
                Woken::Reported(report) => self.hear(report?).await,
                Woken::Command(None) => return Ok(()),
                Woken::Command(Some((door, TimedCommand { at, command }))) => {
                    link.say(&Ask::Command {
                        door,
                        decided_at: at,
                        command,
                    });
                }
                Woken::LoopTurns => {
                    pulse.asked = None;
                    pulse.number = pulse.number.wrapping_add(1);
                    pulse.unanswered_since.get_or_insert(now);
                    let number = pulse.number;
                    link.say(&Ask::Heartbeat { number });
                }
                // It is ending: its last commands are on their way.
                Woken::LoopGone => pulse.asked = None,
                Woken::Due => self.ask_the_loop(now, &mut pulse)?,
            }
        }
    }

    fn ask_the_loop(&self, now: Uptime, pulse: &mut Pulse) -> anyhow::Result<()> {
        if pulse.is_unanswered_at(now) {
            anyhow::bail!("it has answered no heartbeat for {ANSWERS_WITHIN_MS} ms");
        }
        if pulse.next_at <= now {
            pulse.next_at = now.plus_ms(HEARTBEAT_MS);
            if pulse.asked.is_none() {
                let (answer, asked) = oneshot::channel();
                // A loop that is too busy for the question is asked again.
                if self
                    .reports
                    .try_send(DoorReport::DoesTheLoopTurn(answer))
                    .is_ok()
                {
                    pulse.asked = Some(asked);
                }
            }
        }
        Ok(())
    }

    async fn hear(&mut self, report: Report) {
        match report {
            Report::Input { door, input } => {
                self.tell(DoorReport::Sensor(SensorChange { door, input }))
                    .await;
            }
            Report::Fault { door, problem } => self.fault(door, problem).await,
            Report::WasAlone => {
                tracing::warn!("the door process was out of touch with the agent");
                for door in self
                    .doors
                    .places
                    .iter()
                    .map(|it| it.door)
                    .collect::<Vec<_>>()
                {
                    if !self.faulty.contains(&door) {
                        let problem = "was out of touch with the agent for a while";
                        self.fault(door, Some(problem.into())).await;
                        self.fault(door, None).await;
                    }
                }
            }
            Report::Ready { .. } | Report::Alive { .. } | Report::Holding => {}
        }
    }

    /// Tells of a fault once, and once that it is over.
    async fn fault(&mut self, door: DoorId, problem: Option<String>) {
        let is_news = match problem {
            Some(_) => self.faulty.insert(door),
            None => self.faulty.remove(&door),
        };
        if is_news {
            self.tell(DoorReport::Fault { door, problem }).await;
        }
    }

    async fn all_are_faulty(&mut self, problem: &anyhow::Error) {
        let problem = format!("the door process does not work: {problem:#}");
        for door in self
            .doors
            .places
            .iter()
            .map(|it| it.door)
            .collect::<Vec<_>>()
        {
            self.fault(door, Some(problem.clone())).await;
        }
        self.tell_ready();
    }

    async fn tell(&self, report: DoorReport) {
        // A loop that ends hears nothing any more.
        let _ = self.reports.send(report).await;
    }

    /// Lets commands go by for a while, since what shall hold is said anew when there is somebody
    /// to hear it; says whether they have ended.
    async fn commands_end_within(&mut self, ms: u64) -> bool {
        let over = async { while next_command(&mut self.commands).await.is_some() {} };
        tokio::time::timeout(Duration::from_millis(ms), over)
            .await
            .is_ok()
    }
}

impl Pulse {
    fn next_due(&self) -> Uptime {
        let hangs_at = self
            .unanswered_since
            .map(|since| since.plus_ms(ANSWERS_WITHIN_MS));
        hangs_at.map_or(self.next_at, |at| at.min(self.next_at))
    }

    fn is_unanswered_at(&self, now: Uptime) -> bool {
        self.unanswered_since
            .is_some_and(|since| now.since_ms(since) >= ANSWERS_WITHIN_MS)
    }
}

/// The next command of any door; none once nobody can send one.
async fn next_command(commands: &mut Commands) -> Option<(DoorId, TimedCommand)> {
    std::future::poll_fn(|context| {
        let mut is_over = true;
        for (door, commands) in commands.iter_mut() {
            match commands.poll_recv(context) {
                Poll::Ready(Some(command)) => return Poll::Ready(Some((*door, command))),
                Poll::Ready(None) => {}
                Poll::Pending => is_over = false,
            }
        }
        if is_over {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    })
    .await
}

async fn answered(asked: &mut Option<oneshot::Receiver<()>>) -> Woken {
    match asked {
        None => std::future::pending().await,
        Some(asked) => match asked.await {
            Ok(()) => Woken::LoopTurns,
            Err(_) => Woken::LoopGone,
        },
    }
}

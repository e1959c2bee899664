//! Each door in its turn: its lock, its lamps, its sensors, through the door process as the agent
//! drives it. A release is on record before the lock moves.

use std::{collections::BTreeMap, time::Duration};

use anyhow::ensure;
use gate_core::{
    action::{Commit, CommitToken, DoorCommand, DoorSignal, RecordDraft},
    input::DoorInput,
};
use shared::{
    ids::DoorId,
    journal::{ClockTrust, DoorEvent, Event},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    super::finding::{Finding, Findings, Verdict},
    person::{Person, Said},
};
use crate::{
    agent::DOORS_HOLD_FILE,
    clock::{Clock, GateClock},
    configuration::AgentConfiguration,
    door_io::{
        COMMANDS_WAITING_MAX, DoorPlace, DoorProcessStart, DoorReport, Doors, Lamp,
        REPORTS_WAITING_MAX, Sensor, TimedCommand,
    },
    store::Store,
};

/// How long a lock is released to be looked at, and to be gone through, in ms.
const SHORT_RELEASE_MS: u32 = 3_000;
/// How long the door process has for everything it must do at the end.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// Where releases are recorded; nowhere before the gate is enrolled.
pub(super) struct Journal<'a> {
    store: Option<&'a mut Store>,
    clock: GateClock,
}

impl<'a> Journal<'a> {
    pub(super) fn new(store: Option<&'a mut Store>, clock: GateClock) -> Self {
        Self { store, clock }
    }

    /// Records that a door is released by nobody's pass.
    fn release(&mut self, door: DoorId) -> anyhow::Result<()> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        let now = self.clock.now();
        let event = DoorEvent::Released;
        let record = RecordDraft {
            utc: now.utc,
            uptime: now.uptime,
            // Whether it is to be believed is the agent's to find out.
            clock: ClockTrust::Untrusted,
            event: Event::Door { door, event },
            personal: None,
        };
        let committed = store.commit(&Commit {
            token: CommitToken(0),
            records: vec![record],
            changes: Vec::new(),
            documents: Vec::new(),
        })?;
        ensure!(
            committed.left_out == 0,
            "the journal is nearly full of records that central has not acknowledged: let it have them"
        );
        Ok(())
    }
}

/// Tries all doors.
pub(super) async fn walk(
    configuration: &AgentConfiguration,
    within: Duration,
    person: &mut Person,
    journal: Journal<'_>,
    findings: &mut Findings,
) {
    let clock = journal.clock.machine();
    let (mut lines, driven) = Lines::take(configuration, clock).await;
    let mut walk = Walk {
        lines: &mut lines,
        within,
        person,
        journal,
        findings,
    };
    for place in &configuration.doors {
        walk.door(place).await;
    }
    // Without commands the door process leaves its lines as they shall be, and ends.
    drop(lines);
    if timeout(ENDS_WITHIN, driven).await.is_err() {
        let said = "does not end: look at its process before the agent is started";
        findings.tell(Finding::new("door process", Verdict::Bad, said));
    }
}

/// All doors' lines, through the door process.
struct Lines {
    clock: Clock,
    commands: BTreeMap<DoorId, mpsc::Sender<TimedCommand>>,
    sensed: mpsc::Receiver<(DoorId, DoorInput)>,
    faults: watch::Receiver<BTreeMap<DoorId, String>>,
}

impl Lines {
    async fn take(
        configuration: &AgentConfiguration,
        clock: Clock,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (tell, reports) = mpsc::channel(REPORTS_WAITING_MAX);
        let (mut commands, mut orders) = (BTreeMap::new(), BTreeMap::new());
        for place in &configuration.doors {
            let (sender, receiver) = mpsc::channel(COMMANDS_WAITING_MAX);
            commands.insert(place.door, sender);
            orders.insert(place.door, receiver);
        }
        let doors = Doors {
            places: configuration.doors.clone(),
            hold: configuration.places.state.join(DOORS_HOLD_FILE),
            start: DoorProcessStart::this_program(),
            clock,
        };
        let (ready, is_ready) = oneshot::channel();
        let driven = tokio::spawn(async move {
            // What fails is told as a fault of the doors.
            let _ = doors.run(orders, tell, ready).await;
        });
        let (sense, sensed) = mpsc::channel(REPORTS_WAITING_MAX);
        let (fault, faults) = watch::channel(BTreeMap::new());
        tokio::spawn(listen(reports, sense, fault));
        // The task that breaks has left a fault.
        let _ = is_ready.await;
        let lines = Self {
            clock,
            commands,
            sensed,
            faults,
        };
        (lines, driven)
    }

    async fn command(&self, door: DoorId, command: DoorCommand) {
        if let Some(commands) = self.commands.get(&door) {
            let at = self.clock.uptime();
            // A door process that is gone has left a fault.
            let _ = commands.send(TimedCommand { at, command }).await;
        }
    }

    fn forget_what_was_sensed(&mut self) {
        while self.sensed.try_recv().is_ok() {}
    }

    /// Returns once the door says this.
    async fn says(&mut self, door: DoorId, input: DoorInput) {
        loop {
            match self.sensed.recv().await {
                Some(said) if said == (door, input) => return,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Hears everything that the doors say, at once: the door process lives by the answers.
async fn listen(
    mut reports: mpsc::Receiver<DoorReport>,
    sense: mpsc::Sender<(DoorId, DoorInput)>,
    faults: watch::Sender<BTreeMap<DoorId, String>>,
) {
    while let Some(report) = reports.recv().await {
        match report {
            DoorReport::Sensor(change) => {
                // More than fit are about the past.
                let _ = sense.try_send((change.door, change.input));
            }
            DoorReport::Fault { door, problem } => faults.send_modify(|faults| {
                match problem {
                    Some(problem) => faults.insert(door, problem),
                    None => faults.remove(&door),
                };
            }),
            DoorReport::DoesTheLoopTurn(answer) => {
                let _ = answer.send(());
            }
        }
    }
}

struct Walk<'a> {
    lines: &'a mut Lines,
    within: Duration,
    person: &'a mut Person,
    journal: Journal<'a>,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    async fn door(&mut self, place: &DoorPlace) {
        let door = place.door;
        let wired = place.io.wired();
        let fault = self.lines.faults.borrow().get(&door).cloned();
        if let Some(problem) = fault {
            self.tell(door, "", Verdict::Bad, problem);
            return;
        }
        self.lock(door).await;
        for lamp in wired.lamps {
            self.lamp(door, lamp).await;
        }
        for sensor in wired.sensors {
            self.sensor(door, sensor).await;
        }
        let fault = self.lines.faults.borrow().get(&door).cloned();
        if let Some(problem) = fault {
            self.tell(door, "", Verdict::Bad, problem);
        }
    }

    /// `false` when it may not be released, because that could not be recorded.
    async fn release(&mut self, door: DoorId, for_ms: u32) -> bool {
        if let Err(error) = self.journal.release(door) {
            let said = format!("not released, for it could not be recorded: {error:#}");
            self.tell(door, ": lock", Verdict::Bad, said);
            return false;
        }
        self.lines
            .command(door, DoorCommand::Release { for_ms })
            .await;
        true
    }

    async fn lock(&mut self, door: DoorId) {
        if !self.release(door, SHORT_RELEASE_MS).await {
            return;
        }
        let question = format!(
            "Door {door} is released for {} s. Did its lock release, and lock again?",
            SHORT_RELEASE_MS / 1_000
        );
        let wrong = "the lock does not follow: look at its supply, at the relay's contacts (NO or NC), \
                     and at `locked` in gate.toml";
        self.judge(door, ": lock", &question, wrong).await;
    }

    async fn lamp(&mut self, door: DoorId, lamp: Lamp) {
        let (name, question, signal) = match lamp {
            Lamp::Green => ("green lamp", "Does it shine green?", DoorSignal::Granted),
            Lamp::Red => ("red lamp", "Does it shine red?", DoorSignal::Denied),
            Lamp::Buzzer => ("buzzer", "Does the buzzer sound?", DoorSignal::Alarm),
        };
        self.lines.command(door, DoorCommand::Signal(signal)).await;
        let question = format!("Door {door}: {question}");
        let wrong = "it does not: look at its supply and its line, and at `active` in gate.toml";
        self.judge(door, &format!(": {name}"), &question, wrong)
            .await;
        self.lines
            .command(door, DoorCommand::Signal(DoorSignal::Quiet))
            .await;
    }

    async fn judge(&mut self, door: DoorId, what: &str, question: &str, wrong: &str) {
        let (verdict, said) = match self.person.asked(question).await {
            Said::Yes => (Verdict::Good, "as somebody saw"),
            Said::No => (Verdict::Bad, wrong),
            Said::Skip => (Verdict::Doubtful, "skipped"),
            Said::Nothing => (Verdict::Doubtful, "driven; nobody said whether it worked"),
        };
        self.tell(door, what, verdict, said);
    }

    async fn sensor(&mut self, door: DoorId, sensor: Sensor) {
        let Trial {
            name,
            ask,
            steps,
            released,
        } = trial(sensor);
        self.lines.forget_what_was_sensed();
        let within = self.within;
        if released == Released::Meanwhile {
            let for_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
            if !self.release(door, for_ms).await {
                return;
            }
        }
        eprintln!(
            "Door {door}: {ask} within {} s; s skips it.",
            within.as_secs()
        );
        let lines = &mut *self.lines;
        let said = async {
            for (input, missing) in steps {
                if timeout(within, lines.says(door, *input)).await.is_err() {
                    return Err(*missing);
                }
            }
            Ok(())
        };
        let (verdict, said) = tokio::select! {
            said = said => match said {
                Ok(()) => (Verdict::Good, "says what it should"),
                Err(missing) => (Verdict::Bad, missing),
            },
            () = self.person.skips() => (Verdict::Doubtful, "skipped"),
        };
        if released == Released::Meanwhile {
            self.lines.command(door, DoorCommand::Lock).await;
        }
        self.tell(door, &format!(": {name}"), verdict, said);
    }

    fn tell(&mut self, door: DoorId, what: &str, verdict: Verdict, said: impl Into<String>) {
        let part = format!("door {door}{what}");
        self.findings.tell(Finding::new(part, verdict, said));
    }
}

/// Is the door released while a sensor is tried?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Released {
    Meanwhile,
    No,
}

/// How a sensor is tried: what somebody does, and what it must say, each with what to do when it
/// does not.
struct Trial {
    name: &'static str,
    ask: &'static str,
    steps: &'static [(DoorInput, &'static str)],
    released: Released,
}

const fn trial(sensor: Sensor) -> Trial {
    match sensor {
        Sensor::Contact => Trial {
            name: "contact",
            ask: "open the door and shut it again",
            steps: &[
                (
                    DoorInput::Opened,
                    "never said that the door opened: look at the magnet's place, the wire, and \
                     `active` in gate.toml",
                ),
                (
                    DoorInput::Closed,
                    "never said that the door was shut: look at the magnet's place, and whether the \
                     leaf latches",
                ),
            ],
            released: Released::Meanwhile,
        },
        Sensor::Rotation => Trial {
            name: "rotation",
            ask: "go through the turnstile",
            steps: &[(
                DoorInput::Rotated,
                "never said that it turned: look at its wire, `active`, and a `debounce_ms` that \
                 swallows short turns",
            )],
            released: Released::Meanwhile,
        },
        Sensor::RequestToExit => Trial {
            name: "exit button",
            ask: "press the exit button",
            steps: &[(
                DoorInput::RequestToExit,
                "never said that it was pressed: look at its second contact's wire and `active`",
            )],
            released: Released::No,
        },
        Sensor::Tamper => Trial {
            name: "tamper contact",
            ask: "open the case and close it again",
            steps: &[
                (
                    DoorInput::TamperRaised,
                    "never said that the case was opened: look at the switch and `active`",
                ),
                (
                    DoorInput::TamperEnded,
                    "never said that the case was closed: look at the switch and `active`",
                ),
            ],
            released: Released::No,
        },
        Sensor::Fire => Trial {
            name: "fire input",
            ask: "trip the fire panel's contact, see the door released, and end it",
            steps: &[
                (
                    DoorInput::FireRaised,
                    "never said that there is fire: look at the panel's contact and `active`; the door \
                     must not be used before it does",
                ),
                (
                    DoorInput::FireEnded,
                    "never said that the fire is over: look at the panel's contact and `active`",
                ),
            ],
            released: Released::No,
        },
    }
}

//! Everything that can happen to a gate, one after the other: each input is handed to the core with
//! the time at which it came, and what the core wants done is done before the next.

mod actions;
mod configuration;
mod door_faults;
mod frames;
mod panels;
mod signed;
mod wiring;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gate_core::{action::CommitToken, gate::Gate};
use shared::{
    heads::Newest,
    ids::{AccessPointId, DocumentNumber, DoorId},
    panel_api::ReaderHint,
    time::{Now, Uptime},
};
use tokio::sync::{Notify, mpsc, watch};

use crate::{
    clock::GateClock,
    door_io::{DoorReport, SensorChange, TimedCommand, WiredLock},
    panel::{PanelEvent, Panels, PinChecked, SignIns},
    reader::{FrameRead, ReaderState},
    state_in_words::one_line,
    store::{
        Committed,
        journal::ORDINARY_RECORDS_LIMIT,
        thread::{StoreAnswer, StoreHandle},
    },
    sync::{SyncInput, tls::PinnedKeys, trusted_time::TrustedTime},
    tasks::Tasks,
    watchdog::{self, Question},
};
use actions::{DoorTrouble, Waiting};
use door_faults::{DoorFault, DoorFaults};

pub use wiring::Wired;

/// How long the last records may take to reach the disk when the agent ends.
const STOP_WITHIN: Duration = Duration::from_millis(1_200);
/// How long doors and the store may take to come to rest behind that.
const REST_WITHIN: Duration = Duration::from_millis(600);

/// Inputs of readers and panels that may go before one of sync's: some milliseconds each at most.
const AHEAD_OF_SYNC_MAX: u32 = 8;

/// The part that fails when what central acknowledges is not taken; sync's own part is `journal`.
const ACKNOWLEDGEMENT: &str = "acknowledgement";

/// One thing that happened.
#[derive(Debug)]
enum Input {
    /// The store answers.
    Stored(StoreAnswer),
    /// A door's sensor changed, or its lines fail.
    Door(DoorReport),
    /// A reader has read a frame.
    Frame(FrameRead),
    /// A reader failed, or reads again.
    Reader(ReaderState),
    /// A panel connected, asks, or is gone.
    Panel(PanelEvent),
    /// A PIN was checked.
    PinChecked(PinChecked),
    /// Sync brings something, or asks.
    Sync(SyncInput),
    /// A timer is due.
    Due,
    /// The watchdog asks for a sign of life.
    Question(Question),
    /// The agent is asked to end.
    StopAsked,
    /// A task ended that should not have.
    TaskFailed(anyhow::Error),
}

/// Where inputs come from.
#[derive(Debug)]
pub struct Inputs {
    /// Answers of the store.
    pub stored: mpsc::Receiver<StoreAnswer>,
    /// Sensors and faults of all doors.
    pub doors: mpsc::Receiver<DoorReport>,
    /// Frames of all readers.
    pub frames: mpsc::Receiver<FrameRead>,
    /// Whether readers read.
    pub readers: mpsc::Receiver<ReaderState>,
    /// Panels.
    pub panels: mpsc::Receiver<PanelEvent>,
    /// Sync.
    pub sync: mpsc::Receiver<SyncInput>,
    /// The watchdog.
    pub questions: mpsc::Receiver<Question>,
    /// Changes to `true` when the agent shall end.
    pub stop: watch::Receiver<bool>,
}

/// Where actions go.
#[derive(Debug)]
pub struct Outputs {
    /// The store.
    pub store: StoreHandle,
    /// Doors that are wired.
    pub doors: BTreeMap<DoorId, mpsc::Sender<TimedCommand>>,
    /// What their locks do without power, as they are wired.
    pub locks: BTreeMap<DoorId, WiredLock>,
    /// Sync.
    pub sync: SyncControls,
}

/// What the loop tells sync.
#[derive(Debug)]
pub struct SyncControls {
    /// Documents are wanted.
    pub pull: Arc<Notify>,
    /// How often.
    pub intervals: watch::Sender<shared::configuration::SyncIntervals>,
    /// By which keys central is known.
    pub pinned: PinnedKeys,
    /// The time that the core believes.
    pub time: TrustedTime,
}

/// The event loop.
#[derive(Debug)]
pub struct EventLoop {
    gate: Gate,
    clock: GateClock,
    inputs: Inputs,
    outputs: Outputs,
    tasks: Tasks,
    panels: Panels,
    sign_ins: SignIns,
    pins: (mpsc::Sender<PinChecked>, mpsc::Receiver<PinChecked>),
    /// Commits that the store has not answered.
    outstanding: BTreeSet<CommitToken>,
    waiting: Vec<Waiting>,
    /// Configurations on their way to the disk, and the one in force.
    arriving_configurations: BTreeMap<CommitToken, Newest>,
    configuration: Option<Newest>,
    /// What the box has, and how it differs from the configuration, when it does.
    wired: Wired,
    wiring_problem: Option<String>,
    applied_configuration: Option<DocumentNumber>,
    /// Commits of the current input that the store did not even take.
    refused_at_once: BTreeSet<CommitToken>,
    /// Doors whose fault was raised, because nobody takes their commands.
    silent_doors: BTreeMap<DoorId, DoorTrouble>,
    door_faults: DoorFaults,
    journal_room: JournalRoom,
    /// Access points whose decoder failed with its last frame.
    failing_decoders: BTreeSet<AccessPointId>,
    /// What would help whoever stands at an access point; none where nothing would.
    hints: BTreeMap<AccessPointId, ReaderHint>,
    /// Inputs of readers and panels since sync had its turn.
    ahead_of_sync: u32,
}

/// Is there room for ordinary records?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JournalRoom {
    Enough,
    NearlyFull,
}

/// What an event loop starts with.
#[derive(Debug)]
pub struct Start {
    /// The machine, started.
    pub gate: Gate,
    /// The clocks.
    pub clock: GateClock,
    /// Where inputs come from.
    pub inputs: Inputs,
    /// Where actions go.
    pub outputs: Outputs,
    /// What runs beside.
    pub tasks: Tasks,
    /// Wrong PINs so far.
    pub sign_ins: SignIns,
    /// The stored configuration.
    pub configuration: Option<Newest>,
    /// What the box has.
    pub wired: Wired,
}

impl EventLoop {
    /// Puts a loop together.
    #[must_use]
    pub fn new(start: Start) -> Self {
        Self {
            gate: start.gate,
            clock: start.clock,
            inputs: start.inputs,
            outputs: start.outputs,
            tasks: start.tasks,
            panels: Panels::default(),
            sign_ins: start.sign_ins,
            // One PIN is checked at a time.
            pins: mpsc::channel(1),
            outstanding: BTreeSet::new(),
            waiting: Vec::new(),
            arriving_configurations: BTreeMap::new(),
            configuration: start.configuration,
            wired: start.wired,
            wiring_problem: None,
            applied_configuration: None,
            refused_at_once: BTreeSet::new(),
            silent_doors: BTreeMap::new(),
            door_faults: DoorFaults::new(),
            journal_room: JournalRoom::Enough,
            failing_decoders: BTreeSet::new(),
            hints: BTreeMap::new(),
            ahead_of_sync: 0,
        }
    }

    /// Runs until the agent is asked to end; its doors are as they shall be then and its records
    /// stored.
    ///
    /// # Errors
    /// When a task ends that should not have: the process ends, and is started again.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        self.act(now);
        loop {
            let input = self.next_input().await;
            let now = self.clock.now();
            match input {
                Input::StopAsked => {
                    self.stop(now).await;
                    return Ok(());
                }
                Input::TaskFailed(error) => {
                    tracing::error!("{error:#}");
                    self.stop(now).await;
                    return Err(error);
                }
                input => self.handle(now, input),
            }
            self.act(now);
        }
    }

    /// Doors and the store go before people, and people before the network, which has its turn all
    /// the same: a revocation must arrive however busy readers and panels are.
    async fn next_input(&mut self) -> Input {
        if self.ahead_of_sync >= AHEAD_OF_SYNC_MAX {
            self.ahead_of_sync = 0;
            if let Ok(input) = self.inputs.sync.try_recv() {
                return Input::Sync(input);
            }
        }
        let input = self.most_urgent_input().await;
        match input {
            Input::Frame(_) | Input::Panel(_) | Input::PinChecked(_) => self.ahead_of_sync += 1,
            Input::Sync(_) => self.ahead_of_sync = 0,
            Input::Stored(_)
            | Input::Door(_)
            | Input::Due
            | Input::Question(_)
            | Input::Reader(_)
            | Input::StopAsked
            | Input::TaskFailed(_) => {}
        }
        input
    }

    async fn most_urgent_input(&mut self) -> Input {
        let due = self.next_due();
        let clock = self.clock.machine();
        let sleep = async {
            match due {
                Some(at) => {
                    let left_ms = at.since_ms(clock.uptime());
                    tokio::time::sleep(Duration::from_millis(left_ms)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Ok(_) = self.inputs.stop.wait_for(|stop| *stop) => Input::StopAsked,
            error = self.tasks.failed() => Input::TaskFailed(error),
            Some(question) = self.inputs.questions.recv() => Input::Question(question),
            Some(stored) = self.inputs.stored.recv() => Input::Stored(stored),
            Some(report) = self.inputs.doors.recv() => Input::Door(report),
            () = sleep => Input::Due,
            Some(state) = self.inputs.readers.recv() => Input::Reader(state),
            Some(frame) = self.inputs.frames.recv() => Input::Frame(frame),
            Some(checked) = self.pins.1.recv() => Input::PinChecked(checked),
            Some(event) = self.inputs.panels.recv() => Input::Panel(event),
            Some(input) = self.inputs.sync.recv() => Input::Sync(input),
        }
    }

    fn next_due(&self) -> Option<Uptime> {
        let core = self.gate.poll_timeout().map(|(at, _)| at);
        let silent_doors = self
            .silent_doors
            .values()
            .filter_map(|trouble| match trouble {
                DoorTrouble::Busy { look_at } => Some(*look_at),
                DoorTrouble::NotWired | DoorTrouble::Gone => None,
            });
        core.into_iter()
            .chain(self.panels.next_idle())
            .chain(silent_doors)
            .min()
    }

    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Stored(answer) => self.handle_stored(now, answer),
            Input::Door(report) => self.handle_door(now, report),
            Input::Frame(frame) => self.handle_frame(now, frame),
            Input::Reader(state) => self.handle_reader(now, state),
            Input::Panel(event) => self.handle_panel(now, event),
            Input::PinChecked(checked) => self.handle_pin(now, checked),
            Input::Sync(input) => self.handle_sync(now, input),
            Input::Question(question) => {
                // Who asked has gone when the agent ends.
                let _ = question.send(one_line(&self.gate.state(now)));
            }
            Input::Due => {
                self.gate.handle_timeout(now);
                self.end_idle_sessions(now);
                self.look_at_silent_doors(now);
            }
            Input::StopAsked | Input::TaskFailed(_) => {
                unreachable!("the loop itself takes these")
            }
        }
    }

    fn handle_stored(&mut self, now: Now, answer: StoreAnswer) {
        match answer {
            StoreAnswer::Committed(token, committed) => {
                self.gate.handle_committed(now, token);
                self.commit_answered(token, &Ok(()));
                self.look_at_room(now, &committed);
            }
            StoreAnswer::CommitFailed(token, problem) => {
                tracing::error!("a commit failed: {problem}");
                let problem = problem.to_string();
                self.gate.handle_commit_failed(now, token, problem.clone());
                self.commit_answered(token, &Err(problem));
            }
            StoreAnswer::LookedUp(scan, lookup) => self.gate.handle_lookup(now, scan, lookup),
            StoreAnswer::LookupFailed(scan, problem) => {
                tracing::error!(scan.id = scan.0, "looking up scan {scan} failed: {problem}");
                self.gate
                    .handle_lookup_failed(now, scan, problem.to_string());
            }
            StoreAnswer::Acknowledged(_) => {
                self.gate.handle_fault(now, ACKNOWLEDGEMENT, None);
                self.show_state(now);
            }
            StoreAnswer::AcknowledgementFailed(problem) => {
                tracing::error!("an acknowledgement was not taken: {problem}");
                self.gate
                    .handle_fault(now, ACKNOWLEDGEMENT, Some(problem.to_string()));
            }
            StoreAnswer::Failed(problem) => tracing::error!("{problem}"),
        }
    }

    fn handle_door(&mut self, now: Now, report: DoorReport) {
        match report {
            DoorReport::Sensor(SensorChange { door, input }) => {
                self.gate.handle_door_input(now, door, input);
            }
            DoorReport::Fault { door, problem } => {
                self.door_fault(now, door, DoorFault::Lines, problem);
            }
            // Whoever asked has its answer in the turn of the loop.
            DoorReport::DoesTheLoopTurn(answer) => drop(answer.send(())),
        }
    }

    fn look_at_room(&mut self, now: Now, committed: &Committed) {
        let kept = committed.tail.kept();
        let room = if committed.left_out > 0 || kept >= ORDINARY_RECORDS_LIMIT {
            JournalRoom::NearlyFull
        } else if kept < ORDINARY_RECORDS_LIMIT / 20 * 19 {
            JournalRoom::Enough
        } else {
            self.journal_room
        };
        if room == self.journal_room {
            return;
        }
        self.journal_room = room;
        let problem = match room {
            JournalRoom::Enough => None,
            JournalRoom::NearlyFull => Some(
                "nearly full: only grants and alarms are recorded; bring the link to central back, or carry the journal out by a stick"
                    .into(),
            ),
        };
        self.gate.handle_fault(now, "journal room", problem);
    }

    /// Lets records reach the disk and doors their rest, but not for long.
    async fn stop(mut self, now: Now) {
        tracing::info!("the agent is ending");
        watchdog::tell_stopping();
        self.gate.handle_stopping(now);
        self.act(now);
        let stored = async {
            while !self.outstanding.is_empty() {
                let Some(answer) = self.inputs.stored.recv().await else {
                    return;
                };
                let now = self.clock.now();
                self.handle_stored(now, answer);
                self.act(now);
            }
        };
        if tokio::time::timeout(STOP_WITHIN, stored).await.is_err() {
            tracing::error!("the store did not take the last records in time");
        }
        // Doors end with their commands, as they were last told; the store ends with its requests.
        let mut tasks = self.tasks;
        drop((self.outputs, self.inputs));
        if tokio::time::timeout(REST_WITHIN, tasks.wind_down())
            .await
            .is_err()
        {
            tracing::error!("a door or the store did not come to rest in time");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

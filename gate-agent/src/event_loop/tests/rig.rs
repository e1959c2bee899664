//! A gate on a bench.

#[allow(
    missing_docs,
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "an authority shared with the tests of the core and of the whole system"
)]
#[path = "../../../../tests/src/authority.rs"]
mod authority;

use std::{path::PathBuf, sync::Arc, time::Duration};

use argon2::PasswordHasher as _;
use gate_core::{
    action::{StoredDocument, StoredKind},
    input::{DoorInput, PresentationEnd},
};
use shared::{
    gate_api::DocumentName,
    ids::{AccessPointId, JournalEpoch, ScanId, Serial, StaffNumber},
    journal::{Event, PassageOutcome},
    keys::sha256,
    panel_api::{
        self, Decided, Link, PANEL_API_VERSION, PanelAnswer, PanelAsk, PanelMessage, PanelRequest,
        PanelState, split_frame,
    },
};
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

pub(crate) use authority::{Authority, ENTRY, EXIT, GUARD, SUPERVISOR, SeedKey, T0, TURNSTILE};

use super::*;
use crate::{
    agent::core_input,
    clock::{Clock, ClockConfig, GateClock},
    door_io::{
        COMMANDS_WAITING_MAX, DoorIoConfig, DoorPlace, DoorProcessStart, DoorReport, Doors,
        SafeLevels, SensorChange, Sensors, SimulatedDoor, TimedCommand, WiredLock,
    },
    gate_key::{GATE_KEY_FILE, GateKey, random_secret, write_secret},
    panel::PanelId,
    reader::ReadProblem,
    store::{
        Enrolled, Identity, Store, StorePlaces, StoreReader,
        journal::JournalLimits,
        thread::{StoreThread, SyncRequest},
    },
    sync::{FIRST_INTERVALS, LoopHandle, SyncAsk},
};

pub(crate) const PIN: &str = "4711";
const PANEL: PanelId = PanelId(1);

/// What stays when the agent is stopped.
pub(crate) struct Bench {
    folder: TempDir,
    limits: JournalLimits,
    pub(crate) authority: Authority,
}

/// Does the door's driver take commands?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Drives,
    Hangs,
}

/// A running agent, but for its reader, panel and network.
pub(crate) struct Rig {
    bench: Bench,
    pub(crate) authority: Authority,
    pub(crate) to_loop: LoopHandle,
    sync: mpsc::Sender<SyncInput>,
    pub(crate) store: StoreHandle,
    pub(crate) key: Arc<GateKey>,
    pub(crate) pull: Arc<Notify>,
    pub(crate) time: TrustedTime,
    pub(crate) intervals: watch::Receiver<shared::configuration::SyncIntervals>,
    frames: mpsc::Sender<FrameRead>,
    pub(crate) readers: mpsc::Sender<ReaderState>,
    sensors: mpsc::Sender<DoorReport>,
    panels: mpsc::Sender<PanelEvent>,
    messages: mpsc::Receiver<Vec<u8>>,
    driver: watch::Sender<Driver>,
    stop: watch::Sender<bool>,
    task: JoinHandle<anyhow::Result<()>>,
    requests: u32,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(JournalLimits::STANDARD).await
    }

    pub(crate) async fn start_with(limits: JournalLimits) -> Self {
        let bench = Bench {
            folder: tempfile::tempdir().unwrap(),
            limits,
            authority: Authority::new(),
        };
        bench.enrol();
        bench.start_again().await
    }

    /// Hands over everything that central would, as sync does.
    pub(crate) async fn pull_everything(&mut self) {
        let mut documents = self.authority.everything();
        let mut configuration = self.authority.configuration();
        for member in &mut configuration.staff {
            member.pin_verifier = pin_verifier();
        }
        documents[2].1 = self.authority.sign_configuration(&configuration);
        let heads = self.authority.heads();
        let heads = self.authority.sign_heads(&heads);
        let digests = self.authority.issued.clone();
        let kid = self.authority.kid();
        self.store
            .ask(|answer| SyncRequest::StoreIssuedRange {
                kid,
                first: Serial(0),
                digests,
                answer,
            })
            .await
            .unwrap();
        for (name, bytes) in documents {
            let kind = SignedInput::Document(name);
            self.to_loop.hand_over(kind, bytes).await.unwrap();
        }
        self.to_loop
            .hand_over(SignedInput::Heads, heads)
            .await
            .unwrap();
        assert!(self.ask_core(SyncAsk::Wanted).await.documents.is_empty());
        while self.messages.try_recv().is_ok() {}
    }

    pub(crate) async fn show(&self, access_point: AccessPointId, text: &str) {
        let now = Clock::system().uptime();
        self.show_taken_at(now, access_point, text).await;
    }

    pub(crate) async fn show_taken_at(
        &self,
        taken_at: Uptime,
        access_point: AccessPointId,
        text: &str,
    ) {
        let frame = FrameRead {
            access_point,
            taken_at,
            texts: vec![text.to_owned()],
            hints: Vec::new(),
            decode_ms: 1,
            source: None,
            end: PresentationEnd::SourceHasNoMoreFrames,
            problem: None,
        };
        self.frames.send(frame).await.unwrap();
    }

    /// A frame of a camera without a text, and what it hints at.
    pub(crate) async fn hint(&self, access_point: AccessPointId, hints: &[crate::decoder::Hint]) {
        let frame = FrameRead {
            access_point,
            taken_at: Clock::system().uptime(),
            texts: Vec::new(),
            hints: hints.to_vec(),
            decode_ms: 1,
            source: None,
            end: PresentationEnd::MoreFramesFollow,
            problem: None,
        };
        self.frames.send(frame).await.unwrap();
    }

    /// A frame at which the decoder failed, or that it read and found no code in.
    pub(crate) async fn show_frame(&self, access_point: AccessPointId, problem: Option<&str>) {
        let frame = FrameRead {
            access_point,
            taken_at: Clock::system().uptime(),
            texts: Vec::new(),
            hints: Vec::new(),
            decode_ms: 1,
            source: None,
            end: PresentationEnd::SourceHasNoMoreFrames,
            problem: problem.map(|reason| ReadProblem::DecoderFailed {
                reason: reason.to_owned(),
            }),
        };
        self.frames.send(frame).await.unwrap();
        self.ask_core(SyncAsk::Heads).await;
    }

    /// Eight frames, eight questions of a panel and a change of the link, all at once; gives what
    /// the panel is told of the link.
    pub(crate) async fn crowd(&mut self, access_point: AccessPointId, link: Link) -> Vec<Link> {
        for n in 0..8 {
            let frame = FrameRead {
                access_point,
                taken_at: Clock::system().uptime(),
                texts: vec![format!("a poster, {n}")],
                hints: Vec::new(),
                decode_ms: 1,
                source: None,
                end: PresentationEnd::SourceHasNoMoreFrames,
                problem: None,
            };
            self.frames.try_send(frame).unwrap();
            let request = PanelRequest {
                version: PANEL_API_VERSION,
                request: 1_000 + n,
                ask: PanelAsk::State,
            };
            let asked = PanelEvent::Asked(PANEL, request);
            self.panels.try_send(asked).unwrap();
        }
        self.sync.try_send(SyncInput::Link(link)).unwrap();
        let mut told = Vec::new();
        while told.len() < 8 {
            let link = self.heard(|message| match message {
                PanelMessage::Answer {
                    request: 1_000..,
                    answer: PanelAnswer::State(state),
                } => Some(state.link),
                _ => None,
            });
            told.push(link.await);
        }
        told
    }

    pub(crate) async fn sensor(&self, door: DoorId, input: DoorInput) {
        self.sensors
            .send(DoorReport::Sensor(SensorChange { door, input }))
            .await
            .unwrap();
    }

    /// Has the door's driver hang, or drive again.
    pub(crate) fn driver(&self, driver: Driver) {
        self.driver.send_replace(driver);
    }

    pub(crate) async fn tell(&self, input: SyncInput) {
        self.sync.send(input).await.unwrap();
    }

    pub(crate) async fn ask_core<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> SyncAsk) -> T {
        let (answer, answered) = oneshot::channel();
        self.tell(SyncInput::Ask(ask(answer))).await;
        answered.await.unwrap()
    }

    pub(crate) async fn connect(&self, panel: PanelId, frames: mpsc::Sender<Vec<u8>>) {
        self.panels
            .send(PanelEvent::Connected(panel, frames))
            .await
            .unwrap();
        let request = PanelRequest {
            version: PANEL_API_VERSION,
            request: 0,
            ask: PanelAsk::Subscribe,
        };
        self.panels
            .send(PanelEvent::Asked(panel, request))
            .await
            .unwrap();
    }

    /// The first message from now on that `pick` takes.
    pub(crate) async fn heard<T>(&mut self, pick: impl Fn(&PanelMessage) -> Option<T>) -> T {
        loop {
            let frame = timeout(Duration::from_secs(30), self.messages.recv())
                .await
                .expect("the gate says something within 30 s")
                .expect("the panel is served");
            let frame = split_frame(&frame).unwrap().expect("whole frames").message;
            let message: PanelMessage = panel_api::read(frame).unwrap();
            if let Some(picked) = pick(&message) {
                return picked;
            }
        }
    }

    pub(crate) async fn decided(&mut self) -> Decided {
        self.heard(|message| match message {
            PanelMessage::Decided(decided) => Some(decided.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn passage(&mut self) -> (ScanId, PassageOutcome) {
        self.heard(|message| match message {
            PanelMessage::Passage { scan, outcome } => Some((*scan, *outcome)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn ask(&mut self, ask: PanelAsk) -> PanelAnswer {
        self.requests += 1;
        let number = self.requests;
        let request = PanelRequest {
            version: PANEL_API_VERSION,
            request: number,
            ask,
        };
        self.panels
            .send(PanelEvent::Asked(PANEL, request))
            .await
            .unwrap();
        self.heard(|message| match message {
            PanelMessage::Answer { request, answer } if *request == number => Some(answer.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn state(&mut self) -> PanelState {
        match self.ask(PanelAsk::State).await {
            PanelAnswer::State(state) => state,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn sign_in(&mut self, staff: StaffNumber) {
        let pin = PIN.to_owned();
        assert_eq!(
            self.ask(PanelAsk::SignIn { staff, pin }).await,
            PanelAnswer::Done
        );
    }

    pub(crate) async fn stop(self) -> Bench {
        self.stop.send_replace(true);
        // The store's thread ends once nobody can ask it any more.
        drop(self.store);
        timeout(Duration::from_secs(30), self.task)
            .await
            .expect("the agent ends")
            .unwrap()
            .unwrap();
        Bench {
            authority: self.authority,
            ..self.bench
        }
    }
}

impl Bench {
    fn places(&self) -> StorePlaces {
        StorePlaces {
            state: self.folder.path().join("state"),
            keys: self.folder.path().join("keys"),
        }
    }

    fn trace(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    fn enrol(&self) {
        let places = self.places();
        let mut store = Store::open(&places).unwrap();
        let secret = random_secret().unwrap();
        write_secret(&places.keys.join(GATE_KEY_FILE), &secret).unwrap();
        let mut authority = self.authority.clone();
        let set = authority.root_set(1);
        let root_set = authority.sign_root_set(&set, &[]);
        let identity = Identity {
            gate: authority.gate,
            gate_key: GateKey::new(&secret).public(),
            pinned_root_set: sha256(&root_set),
            central_address: "http://127.0.0.1:1".into(),
            tls_key: None,
            journal_epoch: JournalEpoch(1),
            enrolled_at: T0,
        };
        let root_set = StoredDocument {
            kind: StoredKind::Named(DocumentName::RootSet),
            number: set.header.number,
            bytes: root_set,
        };
        let enrolled = Enrolled {
            identity,
            documents: vec![root_set],
            mark: T0,
        };
        store.enrol(&places, &enrolled).unwrap();
    }

    pub(crate) async fn start_again(self) -> Rig {
        let machine = Clock::system().utc();
        let offset_s = T0.0.cast_signed() - machine.0.cast_signed() + 5;
        let clock = GateClock::new(ClockConfig::Offset { offset_s });
        let mut tasks = Tasks::default();
        let store = Store::open_with(&self.places(), self.limits).unwrap();
        let loaded = store.load().unwrap();
        let key = store.key().unwrap();
        let (thread, store, stored) = StoreThread::new(store).unwrap();
        tasks.watch_blocking("store", move || thread.run());
        let now = clock.now();
        let gate = Gate::start(now, core_input(&loaded)).unwrap();
        let (sensors, doors) = mpsc::channel(8);
        let (commands, given) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (driver, hand_on) = hanging_now_and_then(given);
        let door = SimulatedDoor {
            opens_after_ms: 20,
            open_for_ms: 20,
            sensors: Sensors::Rotation,
            trace: Some(self.trace()),
            ..SimulatedDoor::default()
        };
        let driven = Doors {
            places: vec![DoorPlace {
                door: TURNSTILE,
                levels: SafeLevels::default(),
                io: DoorIoConfig::Simulated(door),
            }],
            hold: self.folder.path().join("doors.hold"),
            start: DoorProcessStart::Thread,
            clock: clock.machine(),
        };
        let (ready, is_ready) = oneshot::channel();
        let hand_on = [(TURNSTILE, hand_on)].into();
        tasks.watch_orderly("doors", driven.run(hand_on, sensors.clone(), ready));
        is_ready.await.unwrap();
        let (frames, read) = mpsc::channel(8);
        let (readers, reader_states) = mpsc::channel(8);
        let (panels, events) = mpsc::channel(8);
        let (sync, inputs) = mpsc::channel(8);
        let (stop, stopped) = watch::channel(false);
        let pull = Arc::new(Notify::new());
        let (set_intervals, intervals) = watch::channel(FIRST_INTERVALS);
        let believed = gate.trusted_utc(now);
        let time = TrustedTime::new(Clock::system(), now.uptime, believed, gate.mark());
        let event_loop = EventLoop::new(Start {
            wired: Wired {
                readers: [ENTRY, EXIT, AccessPointId(3)].into(),
                doors: [TURNSTILE].into(),
            },
            sign_ins: SignIns::new(now.uptime, &loaded.pin_failures),
            configuration: None,
            clock,
            inputs: Inputs {
                stored,
                doors,
                frames: read,
                readers: reader_states,
                panels: events,
                sync: inputs,
                questions: mpsc::channel(1).1,
                stop: stopped,
            },
            outputs: Outputs {
                store: store.clone(),
                doors: [(TURNSTILE, commands)].into(),
                locks: [(TURNSTILE, WiredLock::FailSecure)].into(),
                sync: SyncControls {
                    pull: Arc::clone(&pull),
                    intervals: set_intervals,
                    pinned: PinnedKeys::default(),
                    time: time.clone(),
                },
            },
            gate,
            tasks,
        });
        let task = tokio::spawn(event_loop.run());
        let (outgoing, messages) = mpsc::channel(1_000);
        let rig = Rig {
            authority: self.authority.clone(),
            bench: self,
            to_loop: LoopHandle::new(sync.clone()),
            sync,
            store,
            key,
            pull,
            time,
            intervals,
            frames,
            readers,
            sensors,
            panels,
            messages,
            driver,
            stop,
            task,
            requests: 0,
        };
        rig.connect(PANEL, outgoing).await;
        rig
    }

    /// The journal, oldest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        let store = StoreReader::open(&self.places()).unwrap();
        let start = shared::ids::JournalPosition {
            epoch: JournalEpoch(1),
            seq: 0,
        };
        let page = store.page(start).unwrap();
        page.iter()
            .map(|kept| kept.record.public_part().unwrap().event)
            .collect()
    }

    pub(crate) fn stored(&self) -> Vec<StoredDocument> {
        let store = StoreReader::open(&self.places()).unwrap();
        store.load().unwrap().documents
    }

    /// How many times the turnstile was released.
    pub(crate) fn releases(&self) -> usize {
        let trace = std::fs::read_to_string(self.trace()).unwrap_or_default();
        trace
            .lines()
            .filter(|line| line.contains("released"))
            .count()
    }
}

/// Hands commands on while the driver drives.
fn hanging_now_and_then(
    mut given: mpsc::Receiver<TimedCommand>,
) -> (watch::Sender<Driver>, mpsc::Receiver<TimedCommand>) {
    let (driver, mut watched) = watch::channel(Driver::Drives);
    let (hand_on, orders) = mpsc::channel(1);
    tokio::spawn(async move {
        while watched
            .wait_for(|driver| *driver == Driver::Drives)
            .await
            .is_ok()
        {
            let Some(command) = given.recv().await else {
                return;
            };
            if hand_on.send(command).await.is_err() {
                return;
            }
        }
        // The rig has gone; its agent may still lock the door.
        while let Some(command) = given.recv().await {
            if hand_on.send(command).await.is_err() {
                return;
            }
        }
    });
    (driver, orders)
}

fn pin_verifier() -> String {
    let cheap = argon2::Params::new(8, 1, 1, None).unwrap();
    argon2::Argon2::from(cheap)
        .hash_password_with_salt(PIN.as_bytes(), b"0123456789abcdef")
        .unwrap()
        .to_string()
}

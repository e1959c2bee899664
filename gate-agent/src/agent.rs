//! Puts an agent together: store, core, doors, readers, panels, sync, and the loop in their middle.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use gate_core::{
    action::StoredKind,
    gate::{Gate, Identity, Loaded},
};
use shared::{gate_api::DocumentName, heads::Newest, keys::sha256};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::{
    carry::{self, Carrying},
    clock::GateClock,
    configuration::{AgentConfiguration, ReaderPlace, ServedBy},
    decoder::DecoderSettings,
    door_io::{
        COMMANDS_WAITING_MAX, DoorProcessStart, DoorReport, Doors, REPORTS_WAITING_MAX,
        TimedCommand,
    },
    event_loop::{EventLoop, Inputs, Outputs, Start, SyncControls, Wired},
    panel::{self, SignIns},
    reader::{FRAMES_WAITING_MAX, FrameRead, Pulse, Reader, ReaderEnd, ReaderState},
    store::{LoadedState, Store, problem::StoreProblem, thread::StoreThread},
    sync::{
        self, FIRST_INTERVALS, LoopHandle, Sync,
        address::{CentralAddress, TlsKeys},
        client::{Client, ClientParts},
        source::Source,
        tls::PinnedKeys,
        trusted_time::TrustedTime,
    },
    tasks::Tasks,
    watchdog::{self, ReaderPulse, Watchdog},
};

/// The version that records and heartbeats name.
pub const AGENT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// In the state folder: which process holds the doors' lines.
pub(crate) const DOORS_HOLD_FILE: &str = "doors.hold";

/// The processes that an agent starts.
#[derive(Clone, Debug)]
pub struct Children {
    /// Those that read pictures.
    pub decoder: DecoderSettings,
    /// The one that holds the doors' lines.
    pub doors: DoorProcessStart,
}

impl Children {
    /// The program that is running.
    #[must_use]
    pub fn this_program() -> Self {
        Self {
            decoder: DecoderSettings::this_program(),
            doors: DoorProcessStart::this_program(),
        }
    }
}

/// An agent that is about to run.
#[derive(Debug)]
pub struct Agent {
    event_loop: EventLoop,
    stop: watch::Sender<bool>,
}

/// What of a configuration one must be able to reach from outside while the agent runs.
#[derive(Clone, Debug)]
pub struct StopHandle(watch::Sender<bool>);

impl StopHandle {
    /// Asks the agent to end in order.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Agent {
    /// Opens the store, starts the core, and starts everything around it. When this returns,
    /// doors are driven, readers read and panels can connect.
    ///
    /// # Errors
    /// When the gate is not enrolled, or a part cannot be started; the message says what to do.
    pub async fn start(configuration: &AgentConfiguration) -> anyhow::Result<Self> {
        Self::start_with(configuration, Children::this_program()).await
    }

    /// [`Self::start`] with other child processes, for tests.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(
        configuration: &AgentConfiguration,
        children: Children,
    ) -> anyhow::Result<Self> {
        let clock = GateClock::new(configuration.clock.clone());
        let mut tasks = Tasks::default();
        let store = Store::open(&configuration.places)?;
        let loaded = store.load()?;
        let key = store.key().ok_or(StoreProblem::NotEnrolled)?;
        let (thread, store, stored) = StoreThread::new(store)?;
        tasks.watch_blocking("store", move || thread.run());

        let now = clock.now();
        let gate = Gate::start(now, core_input(&loaded))?;
        let believed = gate.trusted_utc(now);
        let time = TrustedTime::new(clock.machine(), now.uptime, believed, gate.mark());
        let pinned = PinnedKeys::new(loaded.identity.tls_key.into_iter().collect());
        let pull = Arc::new(Notify::new());
        let (intervals, watched_intervals) = watch::channel(FIRST_INTERVALS);
        let (to_loop, sync_inputs) = mpsc::channel(sync::INPUTS_WAITING_MAX);
        let to_loop = LoopHandle::new(to_loop);
        let client = Client::new(ClientParts {
            address: address(&loaded, gate.configuration().map(|it| &it.tls_keys[..]))?,
            pinned: pinned.clone(),
            key: Arc::clone(&key),
            store: store.clone(),
            time: time.clone(),
            to_loop: to_loop.clone(),
            timeout_ms: configuration.sync.request_timeout_ms,
        })
        .context("cannot make the HTTP client")?;
        let sync = Sync {
            gate: loaded.identity.gate,
            key,
            source: Source::Central(Arc::new(client)),
            time: time.clone(),
            to_loop,
            store: store.clone(),
            intervals: watched_intervals,
            limits: configuration.sync,
            pull: Arc::clone(&pull),
            resend: watch::channel(None).0,
        };

        let (questions, asked) = mpsc::channel(watchdog::QUESTIONS_WAITING_MAX);
        let (doors, sensors) = start_doors(configuration, &clock, children.doors, &mut tasks).await;
        let (frames, readers, pulses) = start_readers(
            &configuration.readers,
            &clock,
            &children.decoder,
            &mut tasks,
        )
        .await;
        let (panel_events, panels) = mpsc::channel(panel::REQUESTS_WAITING_MAX);
        let listener = panel::listen(&configuration.panel_socket)?;
        tasks.watch("panel", panel::serve(listener, panel_events));
        let carrying = Carrying {
            sync: sync.clone(),
            state: configuration.places.state.clone(),
        };
        let carry_listener = carry::listen(&configuration.carry_socket)?;
        tasks.watch("carry", carry::serve(carry_listener, carrying));
        match configuration.sync.served_by {
            ServedBy::Network => sync.spawn(&mut tasks),
            ServedBy::Stick => {
                sync.leave_to_sticks().await;
                tracing::info!("a stick serves this gate: central is not asked");
            }
        }
        let watchdog = Watchdog::new(clock.machine(), questions, pulses);
        tasks.watch("watchdog", watchdog.run());

        let (stop, stopped) = watch::channel(false);
        let event_loop = EventLoop::new(Start {
            sign_ins: SignIns::new(now.uptime, &loaded.pin_failures),
            configuration: stored_configuration(&loaded),
            wired: Wired {
                readers: configuration
                    .readers
                    .iter()
                    .map(|place| place.access_point)
                    .collect(),
                doors: configuration.doors.iter().map(|place| place.door).collect(),
            },
            gate,
            clock,
            inputs: Inputs {
                stored,
                doors: sensors,
                frames,
                readers,
                panels,
                sync: sync_inputs,
                questions: asked,
                stop: stopped,
            },
            outputs: Outputs {
                store,
                doors,
                locks: configuration
                    .doors
                    .iter()
                    .map(|place| (place.door, place.levels.lock))
                    .collect(),
                sync: SyncControls {
                    pull,
                    intervals,
                    pinned,
                    time,
                },
            },
            tasks,
        });
        Ok(Self { event_loop, stop })
    }

    /// By which the agent is asked to end.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(self.stop.clone())
    }

    /// Runs until it is asked to end.
    ///
    /// # Errors
    /// When a part of it ends unexpectedly.
    pub async fn run(self) -> anyhow::Result<()> {
        self.event_loop.run().await
    }
}

/// What the core starts from.
#[must_use]
pub fn core_input(loaded: &LoadedState) -> Loaded {
    Loaded {
        identity: Identity {
            gate: loaded.identity.gate,
            pinned_root_set: loaded.identity.pinned_root_set,
        },
        memory: loaded.memory.clone(),
        documents: loaded.documents.clone(),
        agent_version: AGENT_VERSION.into(),
    }
}

fn stored_configuration(loaded: &LoadedState) -> Option<Newest> {
    let kind = StoredKind::Named(DocumentName::Configuration);
    let stored = loaded.documents.iter().find(|one| one.kind == kind)?;
    Some(Newest {
        number: stored.number,
        digest: sha256(&stored.bytes),
    })
}

fn address(
    loaded: &LoadedState,
    configured: Option<&[shared::ids::Digest]>,
) -> anyhow::Result<CentralAddress> {
    let has_key = loaded.identity.tls_key.is_some() || configured.is_some_and(|it| !it.is_empty());
    let keys = if has_key {
        TlsKeys::Known
    } else {
        TlsKeys::Unknown
    };
    CentralAddress::parse(&loaded.identity.central_address, keys)
        .context("the stored address of central cannot be used")
}

type DoorEnds = (
    BTreeMap<shared::ids::DoorId, mpsc::Sender<TimedCommand>>,
    mpsc::Receiver<DoorReport>,
);

/// Returns once it is known how all lines are: a door that does not work is a fault, told and
/// tried again.
async fn start_doors(
    configuration: &AgentConfiguration,
    clock: &GateClock,
    start: DoorProcessStart,
    tasks: &mut Tasks,
) -> DoorEnds {
    let (tell, reports) = mpsc::channel(REPORTS_WAITING_MAX);
    let (mut senders, mut receivers) = (BTreeMap::new(), BTreeMap::new());
    for place in &configuration.doors {
        let (commands, orders) = mpsc::channel(COMMANDS_WAITING_MAX);
        senders.insert(place.door, commands);
        receivers.insert(place.door, orders);
    }
    let doors = Doors {
        places: configuration.doors.clone(),
        hold: configuration.places.state.join(DOORS_HOLD_FILE),
        start,
        clock: clock.machine(),
    };
    let (ready, is_ready) = oneshot::channel();
    if doors.places.is_empty() {
        return (senders, reports);
    }
    tasks.watch_orderly("doors", doors.run(receivers, tell, ready));
    // The task that breaks is noticed by the loop.
    let _ = is_ready.await;
    (senders, reports)
}

type ReaderEnds = (
    mpsc::Receiver<FrameRead>,
    mpsc::Receiver<ReaderState>,
    Vec<ReaderPulse>,
);

/// How long the start waits for readers: a camera's first picture comes within a second or two.
const FIRST_ATTEMPTS_WITHIN: Duration = Duration::from_secs(3);

/// Returns once every reader reads or has failed to, or has had its time. One that fails is tried again and again, and
/// the gate's other readers and doors go on meanwhile.
async fn start_readers(
    places: &[ReaderPlace],
    clock: &GateClock,
    decoder: &DecoderSettings,
    tasks: &mut Tasks,
) -> ReaderEnds {
    let (sender, frames) = mpsc::channel(FRAMES_WAITING_MAX);
    // Readers wait while the loop has not heard how they are.
    let (tell, states) = mpsc::channel(1);
    let (mut first_attempts, mut pulses) = (Vec::new(), Vec::new());
    for ReaderPlace {
        access_point,
        source,
    } in places
    {
        let pulse = Arc::new(Pulse::default());
        pulses.push(ReaderPulse {
            access_point: *access_point,
            pulse: Arc::clone(&pulse),
        });
        let reader = Reader {
            config: source.clone(),
            access_point: *access_point,
            clock: clock.machine(),
            decoder: decoder.clone(),
            pulse,
        };
        let (ready, is_ready) = oneshot::channel();
        let (sender, tell) = (sender.clone(), tell.clone());
        let name = format!("reader at access point {access_point}");
        tasks.watch_until_done(name, async move {
            match reader.keep_reading(sender, tell, ready).await {
                ReaderEnd::NoMoreFrames => Ok(()),
                ReaderEnd::ReceiverGone => anyhow::bail!("nobody takes its frames"),
            }
        });
        first_attempts.push(is_ready);
    }
    let all_tried = async {
        for first_attempt in first_attempts {
            // A reader that has come to its end is past its first attempt as well.
            let _ = first_attempt.await;
        }
    };
    // One that is slow to start must not keep the others' passes waiting; it tells how it is later.
    let _ = tokio::time::timeout(FIRST_ATTEMPTS_WITHIN, all_tried).await;
    (frames, states, pulses)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shared::ids::AccessPointId;
    use tokio::{io::AsyncWriteExt as _, net::UnixStream, time::timeout};

    use super::*;
    use crate::{
        clock::ClockConfig,
        reader::{ReaderConfig, TextsConfig},
    };

    fn place(access_point: u32, socket: &Path) -> ReaderPlace {
        ReaderPlace {
            access_point: AccessPointId(access_point),
            source: ReaderConfig::Texts(TextsConfig {
                socket: socket.to_owned(),
            }),
        }
    }

    async fn read_at(frames: &mut mpsc::Receiver<FrameRead>, socket: &Path) -> AccessPointId {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        stream.write_all(b"a text\n").await.unwrap();
        let frame = timeout(Duration::from_secs(20), frames.recv()).await;
        frame.unwrap().unwrap().access_point
    }

    #[tokio::test]
    async fn a_reader_that_fails_is_told_and_tried_again_while_the_other_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (broken, sound) = (folder.path().join("broken"), folder.path().join("sound"));
        std::fs::write(&broken, "in the way").unwrap();
        let mut tasks = Tasks::default();
        let (mut frames, mut states, _) = start_readers(
            &[place(1, &broken), place(2, &sound)],
            &GateClock::new(ClockConfig::default()),
            &DecoderSettings::this_program(),
            &mut tasks,
        )
        .await;
        let failed = timeout(Duration::from_secs(20), states.recv()).await;
        let failed = failed.unwrap().unwrap();
        assert_eq!(failed.access_point, AccessPointId(1));
        let problem = failed.problem.unwrap();
        assert!(problem.contains("is no socket: remove it"), "{problem}");
        assert_eq!(read_at(&mut frames, &sound).await, AccessPointId(2));
        let ended = timeout(Duration::from_millis(100), tasks.failed()).await;
        assert!(ended.is_err(), "{ended:?}");

        std::fs::remove_file(&broken).unwrap();
        let works = async {
            loop {
                let state = states.recv().await.unwrap();
                if state.problem.is_none() {
                    return state.access_point;
                }
            }
        };
        let works = timeout(Duration::from_secs(20), works).await;
        assert_eq!(works.unwrap(), AccessPointId(1));
        assert_eq!(read_at(&mut frames, &broken).await, AccessPointId(1));
        assert_eq!(read_at(&mut frames, &sound).await, AccessPointId(2));
    }
}

//! A gate's machine on a real store, with everything a school's gate holds: long lists, a roster,
//! schedules with special days. No doors, no network, no clock but its own.

use std::{collections::BTreeSet, path::Path, thread::JoinHandle};

use anyhow::{Context, bail, ensure};
use gate_agent::{
    gate_key::{GATE_KEY_FILE, GateKey, random_secret, write_secret},
    store::{
        Enrolled, Identity, Store, StorePlaces, Upkeep,
        thread::{StoreAnswer, StoreHandle, StoreRequest, StoreThread},
    },
};
use gate_core::{
    action::{Action, Commit, DoorCommand, StoredDocument, StoredKind},
    gate::{Gate, Identity as GateIdentity, Loaded},
    input::{DoorInput, Lookup, PresentationEnd, TextsRead},
};
use shared::{
    access_level::{AccessGrant, AccessLevel},
    configuration::Configuration,
    gate_api::DocumentName,
    ids::{
        AccessLevelId, AccessPointId, DoorId, JournalEpoch, PassDigest, PassId, ScanId, ScheduleId,
        Serial,
    },
    issued_list::IssuedRange,
    keys::sha256,
    pass::Claims,
    schedule::{DayPeriod, OffsetChange, OffsetTable, Schedule, SpecialDay, WeeklyPeriod},
    status_list::{PassState, StatusSets},
    time::{Now, Uptime},
};
use tokio::sync::mpsc;

use crate::{
    authority::{Authority, DAY, ENTRY, EXIT, IssuedPass, T0, TURNSTILE},
    random::Random,
};

/// Levels of every pass: three of the school's many.
pub(crate) const LEVELS: [u8; 3] = [1, 7, 20];

/// What the gate knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Passes that were issued under the issuer key.
    pub(crate) issued: u32,
    /// Of those, how many are revoked.
    pub(crate) revoked: u32,
    /// Of those, how many are suspended.
    pub(crate) suspended: u32,
    /// Holders in the roster; each has one pass, and only those are really signed.
    pub(crate) holders: u32,
}

/// Where the store works.
pub(crate) enum Keeper {
    /// In the caller's thread: its cost alone.
    Here(Box<Store>),
    /// In a thread of its own, as in the agent.
    OnThread(StoreHandle, mpsc::Receiver<StoreAnswer>, JoinHandle<()>),
}

impl Keeper {
    /// The store, while it works here.
    pub(crate) fn here(&mut self) -> anyhow::Result<&mut Store> {
        match self {
            Keeper::Here(store) => Ok(store),
            Keeper::OnThread(..) => bail!("the store has moved to its thread"),
        }
    }

    /// Moves the store to a thread.
    pub(crate) fn onto_thread(self) -> anyhow::Result<Self> {
        let Keeper::Here(store) = self else {
            return Ok(self);
        };
        let (thread, handle, answers) = StoreThread::new(*store)?;
        let thread = std::thread::spawn(move || thread.run());
        Ok(Keeper::OnThread(handle, answers, thread))
    }

    /// Closes the store and waits until its file is closed.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        match self {
            Keeper::Here(store) => drop(store),
            Keeper::OnThread(handle, answers, thread) => {
                drop((handle, answers));
                let ended = thread.join();
                ensure!(ended.is_ok(), "the store's thread panicked");
            }
        }
        Ok(())
    }

    fn look_up(
        &mut self,
        scan: ScanId,
        pass: PassId,
        digest: PassDigest,
    ) -> anyhow::Result<Lookup> {
        let (handle, answers) = match self {
            Keeper::Here(store) => return Ok(store.look_up(pass, digest)?),
            Keeper::OnThread(handle, answers, _) => (handle, answers),
        };
        handle.request(StoreRequest::LookUp { scan, pass, digest })?;
        match answers.blocking_recv() {
            Some(StoreAnswer::LookedUp(_, lookup)) => Ok(lookup),
            other => bail!("the store answered {other:?}"),
        }
    }

    fn commit(&mut self, commit: Commit) -> anyhow::Result<()> {
        let (handle, answers) = match self {
            Keeper::Here(store) => return Ok(store.commit(&commit).map(drop)?),
            Keeper::OnThread(handle, answers, _) => (handle, answers),
        };
        handle.request(StoreRequest::Commit(commit))?;
        match answers.blocking_recv() {
            Some(StoreAnswer::Committed(..)) => Ok(()),
            other => bail!("the store answered {other:?}"),
        }
    }
}

/// The gate.
pub(crate) struct GateOnDisk {
    pub(crate) authority: Authority,
    pub(crate) gate: Gate,
    pub(crate) keeper: Keeper,
    pub(crate) places: StorePlaces,
    pub(crate) now: Now,
    /// One for each holder.
    pub(crate) passes: Vec<IssuedPass>,
}

impl GateOnDisk {
    /// Enrols a gate in `directory` and brings it up to date.
    pub(crate) fn new(directory: &Path, extent: Extent) -> anyhow::Result<Self> {
        let mut authority = Authority::new();
        let passes = issue_all(&mut authority, extent)?;
        let places = StorePlaces {
            state: directory.join("state"),
            keys: directory.join("keys"),
        };
        let store = enrolled(&mut authority, &places)?;
        let now = Now {
            uptime: Uptime(60_000),
            utc: T0,
        };
        let gate = start(&store, now)?;
        let mut this = Self {
            authority,
            gate,
            keeper: Keeper::Here(Box::new(store)),
            places,
            now,
            passes,
        };
        this.run()?;
        this.bring_up_to_date()?;
        Ok(this)
    }

    fn bring_up_to_date(&mut self) -> anyhow::Result<()> {
        let kid = self.authority.kid();
        for digests in self.authority.issued.chunks(IssuedRange::DIGESTS_LIMIT) {
            let store = self.keeper.here()?;
            let first = Serial(store.issued_progress(kid)?.pulled);
            store.store_issued_range(kid, first, digests)?;
        }
        let mut configuration = self.authority.configuration();
        make_large(&mut configuration);
        let configuration = self.authority.sign_configuration(&configuration);
        let status_list = self.authority.sign_status_list();
        let issued_list = self.authority.issued_list();
        let issued_list = self.authority.sign_issued_list(&issued_list);
        let holders: Vec<(u32, &str, Vec<PassId>)> = (1..)
            .zip(&self.passes)
            .map(|(holder, pass)| (holder, "Ngozi Adichie-Okonkwo", vec![pass.id]))
            .collect();
        let roster = self.authority.sign_roster(&holders);
        for (name, bytes) in [
            (DocumentName::Configuration, configuration),
            (DocumentName::StatusList(kid), status_list),
            (DocumentName::IssuedList(kid), issued_list),
            (DocumentName::Roster, roster),
        ] {
            self.gate
                .handle_document(self.now, name, bytes)
                .with_context(|| format!("the gate refuses {name:?}"))?;
            self.run()?;
        }
        while self.keeper.here()?.upkeep_step()? == Upkeep::More {}
        let heads = self.authority.heads();
        let heads = self.authority.sign_heads(&heads);
        self.gate.handle_heads(self.now, heads)?;
        self.run()
    }

    /// What the status list says of a pass of the benchmark.
    pub(crate) fn state(&self, pass: &IssuedPass) -> PassState {
        let StatusSets { revoked, suspended } = &self.authority.status;
        let serial = pass.id.serial.0;
        if revoked.binary_search(&serial).is_ok() {
            PassState::Revoked
        } else if suspended.binary_search(&serial).is_ok() {
            PassState::Suspended
        } else {
            PassState::Valid
        }
    }

    /// A little later.
    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.now = Now {
            uptime: self.now.uptime.plus_ms(ms),
            utc: T0.plus((self.now.uptime.0 + ms - 60_000) / 1000),
        };
    }

    /// One frame with this text and no more of its presentation.
    pub(crate) fn read(&self, at: AccessPointId, text: &str) -> TextsRead {
        TextsRead {
            access_point: at,
            texts: vec![text.to_owned()],
            taken_at: self.now.uptime,
            end: PresentationEnd::SourceHasNoMoreFrames,
            source: None,
        }
    }

    /// Does what the machine asks, as the shell does, until a door is to be released; `None`
    /// when nothing is left to do before that.
    pub(crate) fn until_release(&mut self) -> anyhow::Result<Option<DoorId>> {
        while let Some(action) = self.gate.poll_action() {
            match action {
                Action::LookUp { scan, pass, digest } => {
                    let lookup = self.keeper.look_up(scan, pass, digest)?;
                    self.gate.handle_lookup(self.now, scan, lookup);
                }
                Action::Commit(commit) => {
                    let token = commit.token;
                    self.keeper.commit(commit)?;
                    self.gate.handle_committed(self.now, token);
                }
                Action::Door {
                    door,
                    command: DoorCommand::Release { .. },
                } => return Ok(Some(door)),
                Action::Door { .. } | Action::Show(_) | Action::Acknowledged(_) | Action::Pull => {}
            }
        }
        Ok(None)
    }

    /// Does everything that the machine asks.
    pub(crate) fn run(&mut self) -> anyhow::Result<()> {
        while self.until_release()?.is_some() {}
        Ok(())
    }

    /// Whoever was let in goes through.
    pub(crate) fn pass_through(&mut self) -> anyhow::Result<()> {
        self.run()?;
        self.gate
            .handle_door_input(self.now, TURNSTILE, DoorInput::Rotated);
        self.run()
    }
}

/// The machine as the agent starts it from a store.
pub(crate) fn start(store: &Store, now: Now) -> anyhow::Result<Gate> {
    let loaded = store.load()?;
    let identity = GateIdentity {
        gate: loaded.identity.gate,
        pinned_root_set: loaded.identity.pinned_root_set,
    };
    let loaded = Loaded {
        identity,
        memory: loaded.memory,
        documents: loaded.documents,
        agent_version: "bench".into(),
    };
    Ok(Gate::start(now, loaded)?)
}

/// Issues every pass; those of holders are signed, of the others there is but a digest.
fn issue_all(authority: &mut Authority, extent: Extent) -> anyhow::Result<Vec<IssuedPass>> {
    let mut random = Random::from_seed(20_270_115);
    let digest = |random: &mut Random| PassDigest(random.number().to_be_bytes());
    authority.issued = (0..extent.issued).map(|_| digest(&mut random)).collect();
    let mut serials = || u32::try_from(random.below(u64::from(extent.issued)));
    let mut listed = BTreeSet::new();
    while listed.len() < extent.revoked as usize {
        listed.insert(serials()?);
    }
    let revoked: Vec<u32> = listed.iter().copied().collect();
    while listed.len() < (extent.revoked + extent.suspended) as usize {
        listed.insert(serials()?);
    }
    listed.retain(|serial| revoked.binary_search(serial).is_err());
    authority.status = StatusSets {
        revoked,
        suspended: listed.into_iter().collect(),
    };
    let mut of_holders = BTreeSet::new();
    while of_holders.len() < extent.holders as usize {
        of_holders.insert(serials()?);
    }
    let passes = of_holders.into_iter().map(|serial| {
        let pass = authority.forge(&Claims {
            serial: Serial(serial),
            ..authority.claims(&LEVELS)
        });
        authority.issued[serial as usize] = pass.digest;
        pass
    });
    let mut passes: Vec<IssuedPass> = passes.collect();
    // People do not come in the order of their serials.
    for last in (1..passes.len()).rev() {
        passes.swap(last, usize::try_from(random.below(last as u64 + 1))?);
    }
    Ok(passes)
}

/// A store as enrolment leaves it.
fn enrolled(authority: &mut Authority, places: &StorePlaces) -> anyhow::Result<Store> {
    let mut store = Store::open(places)?;
    let secret = random_secret()?;
    write_secret(&places.keys.join(GATE_KEY_FILE), &secret)?;
    let set = authority.root_set(1);
    let root_set = authority.sign_root_set(&set, &[]);
    let list = authority.trust_list();
    let trust_list = authority.sign_trust_list(&list);
    let document = |name, number, bytes: &[u8]| StoredDocument {
        kind: StoredKind::Named(name),
        number,
        bytes: bytes.to_vec(),
    };
    let enrolled = Enrolled {
        identity: Identity {
            gate: authority.gate,
            gate_key: GateKey::new(&secret).public(),
            pinned_root_set: sha256(&root_set),
            central_address: "http://127.0.0.1:8480".into(),
            tls_key: None,
            journal_epoch: JournalEpoch(1),
            enrolled_at: T0,
        },
        documents: vec![
            document(DocumentName::RootSet, set.header.number, &root_set),
            document(DocumentName::TrustList, list.header.number, &trust_list),
        ],
        mark: T0,
    };
    store.enrol(places, &enrolled)?;
    ensure!(store.identity().is_some(), "the store is not enrolled");
    Ok(store)
}

/// A school with a calendar: twenty schedules with special days, forty access levels.
fn make_large(configuration: &mut Configuration) {
    configuration.schedules = (1..=20).map(school_days).collect();
    configuration.access_levels = (1..=40)
        .map(|id| AccessLevel {
            id: AccessLevelId(id),
            name: format!("Level {id}"),
            grants: [ENTRY, EXIT]
                .map(|access_point| AccessGrant {
                    access_point,
                    schedule: ScheduleId(u32::from(id) % 20 + 1),
                })
                .to_vec(),
        })
        .collect();
    configuration.offsets = OffsetTable {
        zone: "Africa/Lagos".into(),
        first_offset_s: 3600,
        changes: (0..6)
            .map(|change: u64| OffsetChange {
                at: T0.plus(change * 180 * DAY).minus(90 * DAY),
                offset_s: if change.is_multiple_of(2) { 7200 } else { 3600 },
            })
            .collect(),
        until: configuration.offsets.until,
    };
}

/// Mondays to Fridays, and sixty days of holidays and exams.
fn school_days(id: u32) -> Schedule {
    let today = u32::try_from(T0.0 / DAY).expect("a day before the year 11 million");
    Schedule {
        id: ScheduleId(id),
        name: format!("School days {id}"),
        weekly: (0..5)
            .map(|weekday| WeeklyPeriod {
                weekday,
                from_min: 7 * 60,
                until_min: 20 * 60,
            })
            .collect(),
        special_days: (1..=60)
            .map(|day| SpecialDay {
                date: today + day * 5,
                periods: if day % 3 == 0 {
                    vec![DayPeriod {
                        from_min: 9 * 60,
                        until_min: 12 * 60,
                    }]
                } else {
                    Vec::new()
                },
            })
            .collect(),
    }
}

//! A bench for the machine: a store in memory that does what the shell's does, and a log of
//! everything that was asked for, in order.

use shared::{
    decision::Decision,
    gate_api::DocumentName,
    ids::{AccessPointId, DoorId, HolderNumber, PassId, ScanId},
    issued_list::Growth,
    journal::Event,
    panel_api::{Decided, PanelMessage},
    roster::DoorNeed,
    time::{Now, Uptime, UtcSeconds},
};

use crate::{
    action::{Action, Commit, DoorCommand, RecordDraft, StoredDocument, StoredKind},
    authority::{Authority, T0},
    gate::{Gate, Identity, Loaded},
    input::{DoorInput, HolderFacts, Lookup, PresentationEnd, TextsRead},
    memory::{GateFacts, Lockdown, Memory, MemoryChange},
};

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Recorded(Event),
    Failed,
    Door(DoorId, DoorCommand),
    Shown(PanelMessage),
    Pulled,
}

/// Does the store take commits?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreMode {
    Works,
    Fails,
}

pub(crate) struct Bench {
    pub(crate) gate: Gate,
    pub(crate) authority: Authority,
    pub(crate) now: Now,
    pub(crate) store: Store,
    pub(crate) log: Vec<Happened>,
}

/// The shell's store.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) mode: StoreMode,
    pub(crate) memory: Memory,
    pub(crate) documents: Vec<StoredDocument>,
    pub(crate) records: Vec<RecordDraft>,
    pub(crate) roster: Vec<(HolderNumber, String, Vec<PassId>)>,
    /// What those of them need of doors.
    pub(crate) needs: Vec<(HolderNumber, DoorNeed)>,
    /// Count and growth of the issued list that was stored last.
    pub(crate) issued: Option<(u32, Growth)>,
}

impl Store {
    pub(crate) fn empty() -> Self {
        Self {
            mode: StoreMode::Works,
            memory: Memory {
                facts: GateFacts {
                    mark: UtcSeconds(0),
                    heads_made_at: None,
                    newest_order: None,
                    newest_clock_reset: None,
                    lockdown: Lockdown::Off,
                    next_scan: ScanId(1),
                },
                presences: vec![],
                uses: vec![],
                holder_uses: vec![],
                reservations: vec![],
                door_modes: vec![],
            },
            documents: vec![],
            records: vec![],
            roster: vec![],
            needs: vec![],
            issued: None,
        }
    }

    pub(crate) fn write(&mut self, commit: &Commit, authority: &Authority) {
        self.records.extend(commit.records.iter().cloned());
        for document in &commit.documents {
            self.documents.retain(|held| held.kind != document.kind);
            self.documents.push(document.clone());
            if document.kind == StoredKind::Named(DocumentName::IssuedList(authority.kid())) {
                let count = u32::try_from(authority.issued.len()).unwrap();
                self.issued = Some((count, authority.growth));
            }
        }
        for change in &commit.changes {
            self.change(*change);
        }
    }

    fn change(&mut self, change: MemoryChange) {
        let memory = &mut self.memory;
        match change {
            MemoryChange::SetPresence(presence) => {
                memory.presences.retain(|p| p.subject != presence.subject);
                memory.presences.push(presence);
            }
            MemoryChange::ForgetPresence(subject) => {
                memory.presences.retain(|p| p.subject != subject);
            }
            MemoryChange::SetPassUse(pass_use) => {
                memory.uses.retain(|u| u.pass != pass_use.pass);
                memory.uses.push(pass_use);
            }
            MemoryChange::SetHolderUse(holder_use) => {
                memory.holder_uses.retain(|u| u.holder != holder_use.holder);
                memory.holder_uses.push(holder_use);
            }
            MemoryChange::OpenReservation(it) => {
                memory.reservations.retain(|r| r.scan != it.scan);
                memory.reservations.push(it);
            }
            MemoryChange::CloseReservation(scan) => {
                memory.reservations.retain(|r| r.scan != scan);
            }
            MemoryChange::SetDoorMode(door, mode) => {
                memory.door_modes.retain(|(d, _)| *d != door);
                memory.door_modes.push((door, mode));
            }
            MemoryChange::SetFacts(facts) => memory.facts = facts,
        }
    }
}

impl Bench {
    /// A gate that knows nothing but its claim.
    pub(crate) fn enrolled(mut authority: Authority) -> Self {
        let set = authority.root_set(1);
        let root_set = authority.sign_root_set(&set, &[]);
        let now = Now {
            uptime: Uptime(60_000),
            utc: T0,
        };
        let identity = Identity {
            gate: authority.gate,
            pinned_root_set: shared::keys::sha256(&root_set),
        };
        let store = Store::empty();
        let gate = Gate::start(now, loaded(identity, &store)).unwrap();
        let mut bench = Self {
            gate,
            authority,
            now,
            store,
            log: vec![],
        };
        bench.run();
        bench
    }

    /// A gate that holds everything the authority signs, and heads.
    pub(crate) fn synced(authority: Authority) -> Self {
        let mut bench = Self::enrolled(authority);
        for (name, bytes) in bench.authority.everything() {
            bench.document(name, bytes).unwrap();
        }
        bench.heads();
        bench.log.clear();
        bench
    }

    pub(crate) fn identity(&self) -> Identity {
        let mut authority = self.authority.clone();
        let set = authority.root_set(1);
        let bytes = authority.sign_root_set(&set, &[]);
        Identity {
            gate: authority.gate,
            pinned_root_set: shared::keys::sha256(&bytes),
        }
    }

    pub(crate) fn document(
        &mut self,
        name: DocumentName,
        bytes: Vec<u8>,
    ) -> Result<(), crate::documents::DocumentProblem> {
        let answer = self.gate.handle_document(self.now, name, bytes);
        self.run();
        answer
    }

    /// Signs heads as things stand and hands them in.
    pub(crate) fn heads(&mut self) {
        let heads = self.authority.heads();
        let bytes = self.authority.sign_heads(&heads);
        self.gate.handle_heads(self.now, bytes).unwrap();
        self.run();
    }

    /// Moves both clocks.
    pub(crate) fn wait_ms(&mut self, ms: u64) {
        let before = self.now.uptime.0 / 1000;
        self.now.uptime = self.now.uptime.plus_ms(ms);
        self.now.utc = self.now.utc.plus(self.now.uptime.0 / 1000 - before);
        self.authority.now = self.now.utc;
        while let Some((at, _)) = self.gate.poll_timeout()
            && at <= self.now.uptime
        {
            self.gate.handle_timeout(self.now);
            self.run();
        }
    }

    /// Shows one picture with this text and no more frames.
    pub(crate) fn show(&mut self, at: AccessPointId, text: &str) -> Option<Decided> {
        self.show_all(at, &[text])
    }

    pub(crate) fn show_all(&mut self, at: AccessPointId, texts: &[&str]) -> Option<Decided> {
        let seen = self.log.len();
        self.gate
            .handle_texts(self.now, picture(self.now, at, texts));
        self.run();
        self.log[seen..]
            .iter()
            .rev()
            .find_map(|happened| match happened {
                Happened::Shown(PanelMessage::Decided(decided)) => Some(decided.clone()),
                _ => None,
            })
    }

    /// The decision about a pass that is shown now.
    pub(crate) fn decision(&mut self, at: AccessPointId, text: &str) -> Decision {
        self.show(at, text).expect("a decision is shown").decision
    }

    pub(crate) fn door(&mut self, door: DoorId, input: DoorInput) {
        self.gate.handle_door_input(self.now, door, input);
        self.run();
    }

    /// Does what the machine asks, as the shell does.
    pub(crate) fn run(&mut self) {
        while let Some(action) = self.gate.poll_action() {
            match action {
                Action::LookUp { scan, pass, digest } => {
                    let issued = self.authority.entry(pass, digest, self.store.issued);
                    let holder = self
                        .store
                        .roster
                        .iter()
                        .find(|(_, _, passes)| passes.contains(&pass))
                        .map(|(number, name, _)| HolderFacts {
                            number: *number,
                            name: name.clone(),
                            need: self
                                .store
                                .needs
                                .iter()
                                .find(|(holder, _)| holder == number)
                                .map(|(_, need)| *need),
                        });
                    self.gate
                        .handle_lookup(self.now, scan, Lookup { issued, holder });
                }
                Action::Commit(commit) => match self.store.mode {
                    StoreMode::Works => {
                        self.store.write(&commit, &self.authority);
                        let events = commit.records.iter().map(|record| record.event.clone());
                        self.log.extend(events.map(Happened::Recorded));
                        self.gate.handle_committed(self.now, commit.token);
                    }
                    StoreMode::Fails => {
                        self.log.push(Happened::Failed);
                        let problem = "disk full".to_owned();
                        self.gate
                            .handle_commit_failed(self.now, commit.token, problem);
                    }
                },
                Action::Door { door, command } => self.log.push(Happened::Door(door, command)),
                Action::Show(message) => self.log.push(Happened::Shown(message)),
                Action::Pull => self.log.push(Happened::Pulled),
                Action::Acknowledged(_) => {}
            }
        }
    }

    /// The agent is killed and starts again after `off_ms`, with the same clock.
    pub(crate) fn restart(&mut self, off_ms: u64) {
        self.now.uptime = self.now.uptime.plus_ms(off_ms);
        self.now.utc = self.now.utc.plus(off_ms / 1000);
        self.authority.now = self.now.utc;
        self.gate = Gate::start(self.now, loaded(self.identity(), &self.store)).unwrap();
        self.run();
    }

    pub(crate) fn recorded(&self) -> Vec<Event> {
        let recorded = self.log.iter().filter_map(|happened| match happened {
            Happened::Recorded(event) => Some(event.clone()),
            _ => None,
        });
        recorded.collect()
    }

    pub(crate) fn releases(&self) -> usize {
        let is_release = |happened: &&Happened| {
            matches!(happened, Happened::Door(_, DoorCommand::Release { .. }))
        };
        self.log.iter().filter(is_release).count()
    }
}

pub(crate) fn loaded(identity: Identity, store: &Store) -> Loaded {
    Loaded {
        identity,
        memory: store.memory.clone(),
        documents: store.documents.clone(),
        agent_version: "0.1.0".into(),
    }
}

/// One picture, taken now, behind which no more frames come.
pub(crate) fn picture(now: Now, at: AccessPointId, texts: &[&str]) -> TextsRead {
    TextsRead {
        access_point: at,
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        taken_at: now.uptime,
        end: PresentationEnd::SourceHasNoMoreFrames,
        source: None,
    }
}

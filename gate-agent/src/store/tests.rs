//! The store on real SQLite files: what is committed comes back, what is not is not there, and
//! every bad file or disk has its message.

mod bad_files;
mod capacity;
mod lists;
mod replacing;

use std::path::Path;

use gate_core::{
    action::{CommitToken, RecordDraft},
    memory::{HolderUse, PassUse, Presence, Reservation},
};
use shared::{
    decision::{Decision, DenyReason, FreshnessStep, GuardOffer},
    ids::{
        AccessPointId, AreaId, CentralEpoch, Digest, DocumentNumber, DoorId, GateId, HolderNumber,
        JournalEpoch, ScanId,
    },
    journal::{ClockTrust, Event, PersonalPart, ScanOutcome},
    order::{DoorMode, Subject},
    time::{Uptime, UtcSeconds},
};
use tempfile::TempDir;

use super::*;
use crate::gate_key::{GATE_KEY_FILE, Secret, random_secret, write_secret};

pub(super) const GATE: GateId = GateId([7; 16]);
pub(super) const EPOCH: JournalEpoch = JournalEpoch(3);
pub(super) const T0: UtcSeconds = UtcSeconds(1_800_000_000);

pub(super) struct Fixture {
    pub(super) folder: TempDir,
    pub(super) places: StorePlaces,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = StorePlaces {
            state: folder.path().join("state"),
            keys: folder.path().join("keys"),
        };
        Self { folder, places }
    }

    /// An enrolled store.
    pub(super) fn enrolled(&self, limits: JournalLimits) -> Store {
        let mut store = Store::open_with(&self.places, limits).unwrap();
        let secret = random_secret().unwrap();
        write_secret(&self.places.keys.join(GATE_KEY_FILE), &secret).unwrap();
        store.enrol(&self.places, &enrolled_with(&secret)).unwrap();
        store
    }

    pub(super) fn database(&self) -> std::path::PathBuf {
        self.places.state.join(DATABASE_FILE)
    }
}

pub(super) fn enrolled_with(secret: &Secret) -> Enrolled {
    let identity = Identity {
        gate: GATE,
        gate_key: GateKey::new(secret).public(),
        pinned_root_set: Digest([1; 32]),
        central_address: "http://127.0.0.1:8480".into(),
        tls_key: Some(Digest([2; 32])),
        journal_epoch: EPOCH,
        enrolled_at: T0,
    };
    Enrolled {
        identity,
        documents: vec![document(
            StoredKind::Named(DocumentName::RootSet),
            1,
            b"roots",
        )],
        mark: T0,
    }
}

pub(super) fn document(kind: StoredKind, n: u64, bytes: &[u8]) -> StoredDocument {
    let number = DocumentNumber {
        epoch: CentralEpoch(1),
        n,
    };
    StoredDocument {
        kind,
        number,
        bytes: bytes.to_vec(),
    }
}

pub(super) fn draft(event: Event) -> RecordDraft {
    RecordDraft {
        utc: T0,
        uptime: Uptime(5),
        clock: ClockTrust::Trusted,
        event,
        personal: None,
    }
}

pub(super) fn scan(number: u64, decision: Decision) -> RecordDraft {
    let outcome = ScanOutcome {
        scan: ScanId(number),
        access_point: AccessPointId(1),
        decision,
        also: Vec::new(),
        offer: GuardOffer::None,
        alerts: Vec::new(),
        freshness: FreshnessStep::Fresh,
        status_list: None,
        uses: None,
        proof_made_at: None,
    };
    let personal = PersonalPart {
        pass: Some(pass(number)),
        ..PersonalPart::default()
    };
    RecordDraft {
        personal: Some(personal),
        ..draft(Event::Scan(outcome))
    }
}

pub(super) fn grant(number: u64) -> RecordDraft {
    scan(number, Decision::Grant)
}

pub(super) fn denial(number: u64) -> RecordDraft {
    scan(number, Decision::Deny(DenyReason::PassRevoked))
}

pub(super) fn pass(serial: u64) -> PassId {
    PassId {
        kid: Kid([9; 8]),
        serial: Serial(u32::try_from(serial).unwrap()),
    }
}

pub(super) fn commit(records: Vec<RecordDraft>) -> Commit {
    Commit {
        token: CommitToken(1),
        records,
        changes: Vec::new(),
        documents: Vec::new(),
    }
}

pub(super) const STAMP: Stamp = Stamp {
    utc: T0,
    uptime: Uptime(9),
    clock: ClockTrust::Trusted,
};

/// Every record in order, checked against the chain from its start or anchor.
pub(super) fn chain_of(store: &Store) -> ChainCheck {
    let tail = store.tail().unwrap();
    let (mut state, first) = match journal::anchor(&store.connection).unwrap() {
        None => (shared::journal::ChainState::start(GATE, EPOCH), 1),
        Some((anchor, _)) => (anchor, anchor.position.seq + 1),
    };
    let start = JournalPosition {
        epoch: EPOCH,
        seq: first - 1,
    };
    let stretch = reader::journal_stretch(&store.connection, start, usize::MAX, usize::MAX);
    let records = stretch.unwrap().records;
    for kept in &records {
        state = state
            .append(&kept.record)
            .expect("each record continues the chain");
        assert_eq!(state.hash, kept.hash);
    }
    assert_eq!(state, tail.last);
    ChainCheck {
        first,
        events: records
            .iter()
            .map(|kept| kept.record.public_part().unwrap().event)
            .collect(),
    }
}

pub(super) struct ChainCheck {
    pub(super) first: u64,
    pub(super) events: Vec<Event>,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn everything_of_a_commit_comes_back_after_a_restart() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    let subject = Subject::Holder(HolderNumber(4));
    let presence = Presence {
        subject,
        area: AreaId(2),
        since: T0,
    };
    let other = Presence {
        subject: Subject::Pass(pass(8)),
        area: AreaId(1),
        since: T0.plus(1),
    };
    let pass_use = PassUse {
        pass: pass(3),
        uses: 2,
        last_proof: Some(T0.minus(4)),
    };
    let holder_use = HolderUse {
        holder: HolderNumber(4),
        uses: 3,
    };
    let reservation = Reservation {
        scan: ScanId(11),
        access_point: AccessPointId(1),
        subject,
        pass: pass(3),
        before: Some(presence),
        uses: 1,
        at: T0,
    };
    let facts = GateFacts {
        mark: T0.plus(77),
        heads_made_at: Some(T0),
        newest_order: Some(DocumentNumber {
            epoch: CentralEpoch(1),
            n: 5,
        }),
        newest_clock_reset: Some(DocumentNumber {
            epoch: CentralEpoch(1),
            n: 2,
        }),
        lockdown: gate_core::memory::Lockdown::On { since: T0 },
        next_scan: ScanId(12),
    };
    let first = Commit {
        changes: vec![
            MemoryChange::SetPresence(presence),
            MemoryChange::SetPresence(other),
            MemoryChange::ForgetPresence(other.subject),
            MemoryChange::SetPassUse(PassUse {
                uses: 1,
                ..pass_use
            }),
            MemoryChange::SetPassUse(pass_use),
            MemoryChange::SetHolderUse(HolderUse {
                uses: 2,
                ..holder_use
            }),
            MemoryChange::SetHolderUse(holder_use),
            MemoryChange::OpenReservation(Reservation {
                before: None,
                ..reservation
            }),
            MemoryChange::OpenReservation(reservation),
            MemoryChange::OpenReservation(Reservation {
                scan: ScanId(10),
                before: None,
                ..reservation
            }),
            MemoryChange::CloseReservation(ScanId(10)),
            MemoryChange::SetDoorMode(DoorId(1), DoorMode::LockedOpen),
            MemoryChange::SetDoorMode(DoorId(2), DoorMode::Blocked),
            MemoryChange::SetDoorMode(DoorId(2), DoorMode::Locked),
            MemoryChange::SetFacts(facts),
        ],
        documents: vec![
            document(StoredKind::Heads, 3, b"heads"),
            document(StoredKind::Heads, 4, b"newer heads"),
            document(StoredKind::FormerTrustList, 2, b"trust list"),
            document(StoredKind::FormerRootSet, 1, b"former roots"),
        ],
        ..commit(vec![grant(11), denial(12)])
    };
    store.commit(&first).unwrap();
    store.set_pin_failures(StaffNumber(3), 4).unwrap();
    drop(store);

    let store = Store::open(&fixture.places).unwrap();
    let loaded = store.load().unwrap();
    assert_eq!(loaded.identity.gate, GATE);
    assert_eq!(loaded.memory.facts, facts);
    assert_eq!(loaded.memory.presences, [presence]);
    assert_eq!(loaded.memory.uses, [pass_use]);
    assert_eq!(loaded.memory.holder_uses, [holder_use]);
    assert_eq!(loaded.memory.reservations, [reservation]);
    assert_eq!(
        loaded.memory.door_modes,
        [(DoorId(1), DoorMode::LockedOpen)]
    );
    assert_eq!(loaded.pin_failures, [(StaffNumber(3), 4)]);
    assert_eq!(
        loaded.documents,
        [
            document(StoredKind::Named(DocumentName::RootSet), 1, b"roots"),
            document(StoredKind::Heads, 4, b"newer heads"),
            document(StoredKind::FormerTrustList, 2, b"trust list"),
            document(StoredKind::FormerRootSet, 1, b"former roots"),
        ]
    );
    assert_eq!(chain_of(&store).events.len(), 2);
}

#[test]
fn a_transaction_that_a_crash_cut_leaves_nothing_and_a_committed_one_everything() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    store.commit(&commit(vec![grant(1)])).unwrap();
    let before = store.tail().unwrap();
    // What a power cut would leave behind: the files as they are in the middle of a transaction.
    let cut = fixture.folder.path().join("cut");
    {
        let tx = begin(&mut store.connection, &store.path).unwrap();
        gate_facts::set(
            &tx,
            &GateFacts {
                mark: T0.plus(9),
                ..FIRST_FACTS
            },
        )
        .unwrap();
        tx.execute("DELETE FROM journal", []).unwrap();
        copy(&fixture.places.state, &cut);
    }
    store.commit(&commit(vec![grant(2)])).unwrap();
    let committed = fixture.folder.path().join("committed");
    copy(&fixture.places.state, &committed);

    let reopen = |state: std::path::PathBuf| {
        Store::open(&StorePlaces {
            state,
            keys: fixture.places.keys.clone(),
        })
        .unwrap()
    };
    let cut = reopen(cut);
    assert_eq!(cut.tail().unwrap().last, before.last);
    assert_eq!(cut.load().unwrap().memory.facts.mark, T0);
    let committed = reopen(committed);
    assert_eq!(committed.tail().unwrap().last, store.tail().unwrap().last);
    assert_eq!(chain_of(&committed).events.len(), 2);
}

#[test]
fn commits_wait_for_the_disk() {
    let fixture = Fixture::new();
    let store = fixture.enrolled(JournalLimits::STANDARD);
    let pragma = |name| {
        store
            .connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(pragma("synchronous"), 2, "FULL");
    assert_eq!(pragma("foreign_keys"), 1);
    let mode: String = store
        .connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn counter_values_are_handed_out_once_even_across_restarts() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    assert_eq!(store.reserve_counters(0).unwrap(), 1..1_001);
    assert_eq!(store.reserve_counters(0).unwrap(), 1_001..2_001);
    drop(store);
    let mut store = Store::open(&fixture.places).unwrap();
    assert_eq!(store.reserve_counters(0).unwrap(), 2_001..3_001);
    assert_eq!(store.reserve_counters(9_000).unwrap(), 9_000..10_000);
    assert_eq!(store.reserve_counters(5).unwrap(), 10_000..11_000);
}

#[test]
fn a_record_keeps_its_personal_part_behind_a_salted_commitment() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    let note = RecordDraft {
        personal: Some(PersonalPart {
            note: Some("clear text of a note".into()),
            ..PersonalPart::default()
        }),
        ..draft(Event::Stopped)
    };
    store.commit(&commit(vec![note])).unwrap();
    let start = JournalPosition {
        epoch: EPOCH,
        seq: 0,
    };
    let kept = store.journal_stretch(start, 1 << 20).unwrap().records;
    assert_ne!(kept[0].record.commitment, Digest([0; 32]));
    assert!(
        kept[0]
            .record
            .personal_part()
            .unwrap()
            .unwrap()
            .note
            .is_some()
    );
}

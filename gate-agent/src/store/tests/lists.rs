//! Issued digests and the roster: pulled in pieces, asked by one read, believed as far as a
//! signed list vouches.

use gate_core::input::Lookup;
use shared::{
    document::{self, Header},
    issued_list::{Growth, IssuedEntry, IssuedList, extend_chain},
    roster::{Roster, RosterEntry},
};

use super::*;

const KID: Kid = Kid([9; 8]);

fn digest(serial: u32) -> PassDigest {
    PassDigest((u64::from(serial).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes())
}

fn header(n: u64) -> Header {
    let number = DocumentNumber {
        epoch: CentralEpoch(1),
        n,
    };
    Header {
        number,
        made_at: T0,
        expires_at: T0.plus(86_400),
    }
}

fn issued_list(store: &Store, n: u64, count: u32, growth: Growth) -> StoredDocument {
    let chain = extend_chain(Digest([0; 32]), (0..count).map(digest));
    let list = IssuedList {
        header: header(n),
        kid: KID,
        count,
        growth,
        chain,
    };
    let bytes = document::sign(&list, &*store.key().unwrap()).unwrap();
    document_of(StoredKind::Named(DocumentName::IssuedList(KID)), n, bytes)
}

fn document_of(kind: StoredKind, n: u64, bytes: Vec<u8>) -> StoredDocument {
    StoredDocument {
        kind,
        number: header(n).number,
        bytes,
    }
}

fn keep(store: &mut Store, document: StoredDocument) {
    store
        .commit(&Commit {
            documents: vec![document],
            ..commit(vec![])
        })
        .unwrap();
}

fn pull(store: &mut Store, from: u32, to: u32) -> IssuedProgress {
    let digests: Vec<_> = (from..to).map(digest).collect();
    store
        .store_issued_range(KID, Serial(from), &digests)
        .unwrap()
}

fn issued(store: &Store, serial: u32) -> IssuedEntry {
    store
        .look_up(pass(u64::from(serial)), digest(serial))
        .unwrap()
        .issued
}

#[test]
fn digests_are_believed_as_far_as_the_held_list_vouches() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    assert_eq!(issued(&store, 0), IssuedEntry::NoList);
    pull(&mut store, 0, 1_000);
    assert_eq!(issued(&store, 0), IssuedEntry::NoList);
    let list = issued_list(&store, 1, 1_000, Growth::Open);
    keep(&mut store, list);
    pull(&mut store, 1_000, 1_003);
    let progress = pull(&mut store, 1_003, 2_500);
    assert_eq!(
        progress.chain,
        extend_chain(Digest([0; 32]), (0..2_500).map(digest))
    );
    for serial in [0, 1, 447, 448, 895, 896, 999] {
        assert_eq!(
            issued(&store, serial),
            IssuedEntry::Issued,
            "serial {serial}"
        );
        let other = store
            .look_up(pass(u64::from(serial)), PassDigest([1; 8]))
            .unwrap()
            .issued;
        assert_eq!(other, IssuedEntry::OtherBytes);
    }
    assert_eq!(issued(&store, 1_000), IssuedEntry::BeyondKnown);
    let list = issued_list(&store, 2, 2_500, Growth::Frozen);
    keep(&mut store, list);
    drop(store);
    let store = Store::open(&fixture.places).unwrap();
    for serial in 0..2_500 {
        assert_eq!(
            issued(&store, serial),
            IssuedEntry::Issued,
            "serial {serial}"
        );
    }
    assert_eq!(issued(&store, 2_500), IssuedEntry::BeyondFrozen);
    let reader = StoreReader::open(&fixture.places).unwrap();
    assert_eq!(
        reader.look_up(pass(7), digest(7)).unwrap().issued,
        IssuedEntry::Issued
    );
}

#[test]
fn digests_that_lead_elsewhere_are_forgotten_and_pulled_again() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    pull(&mut store, 0, 500);
    let list = issued_list(&store, 1, 500, Growth::Open);
    keep(&mut store, list);
    store
        .store_issued_range(KID, Serial(500), &[PassDigest([1; 8]); 700])
        .unwrap();
    assert_eq!(
        store
            .store_issued_range(KID, Serial(400), &[digest(400)])
            .unwrap_err(),
        StoreProblem::RangeOutOfPlace
    );
    assert_eq!(store.rewind_issued(KID).unwrap().pulled, 500);
    pull(&mut store, 500, 1_200);
    let list = issued_list(&store, 2, 1_200, Growth::Open);
    keep(&mut store, list);
    for serial in 0..1_200 {
        assert_eq!(
            issued(&store, serial),
            IssuedEntry::Issued,
            "serial {serial}"
        );
    }
}

fn roster(store: &Store, n: u64, holders: u32) -> StoredDocument {
    let holders = (0..holders)
        .map(|holder| RosterEntry {
            holder: HolderNumber(holder),
            passes: vec![pass(u64::from(holder) * 2), pass(u64::from(holder) * 2 + 1)],
            name: format!("Holder {holder} of roster {n}"),
            student_number: "S1".into(),
            language: "en".into(),
            photo: None,
            need: None,
        })
        .collect();
    let roster = Roster {
        header: header(n),
        gate: GATE,
        holders,
    };
    let bytes = document::sign(&roster, &*store.key().unwrap()).unwrap();
    document_of(StoredKind::Named(DocumentName::Roster), n, bytes)
}

fn finish(store: &mut Store) -> usize {
    let mut steps = 1;
    while store.upkeep_step().unwrap() == Upkeep::More {
        steps += 1;
    }
    steps
}

fn name(store: &Store, serial: u64) -> Option<String> {
    let Lookup { holder, .. } = store.look_up(pass(serial), digest(0)).unwrap();
    holder.map(|facts| facts.name)
}

#[test]
fn a_roster_is_asked_once_it_is_whole_and_the_old_one_until_then() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    finish(&mut store);
    let first = roster(&store, 1, 1_000);
    keep(&mut store, first);
    assert_eq!(name(&store, 5), None);
    assert!(finish(&mut store) > 3, "it takes several steps");
    assert_eq!(name(&store, 5).as_deref(), Some("Holder 2 of roster 1"));
    let second = roster(&store, 2, 600);
    keep(&mut store, second);
    store.upkeep_step().unwrap();
    store.upkeep_step().unwrap();
    assert_eq!(name(&store, 5).as_deref(), Some("Holder 2 of roster 1"));
    drop(store);

    let mut store = Store::open(&fixture.places).unwrap();
    assert_eq!(
        name(&store, 1_999).as_deref(),
        Some("Holder 999 of roster 1")
    );
    finish(&mut store);
    assert_eq!(name(&store, 5).as_deref(), Some("Holder 2 of roster 2"));
    assert_eq!(name(&store, 1_999), None);
    let rows: u64 = store
        .connection
        .query_row("SELECT count(*) FROM roster_passes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1_200, "rows of older rosters are swept");
}

#[test]
fn no_name_stands_in_the_file() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    let roster = roster(&store, 1, 50);
    keep(&mut store, roster);
    finish(&mut store);
    drop(store);
    for entry in std::fs::read_dir(&fixture.places.state).unwrap() {
        let raw = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!raw.windows(6).any(|window| window == b"Holder"));
    }
}

fn rows(store: &Store) -> u64 {
    store
        .connection
        .query_row("SELECT count(*) FROM roster_passes", [], |row| row.get(0))
        .unwrap()
}

/// Lets the database grow by so many pages and no more.
fn room(store: &Store, pages: i64) {
    let used: i64 = store
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    store
        .connection
        .pragma_update(None, "max_page_count", used + pages)
        .unwrap();
}

#[test]
fn a_roster_that_does_not_fit_leaves_no_rows_behind_and_is_written_once_there_is_room() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    finish(&mut store);
    let roster = roster(&store, 1, 3_000);
    keep(&mut store, roster);
    room(&store, 100);
    let mut written = 0;
    let mut problems = Vec::new();
    loop {
        match store.upkeep_step() {
            Ok(Upkeep::More) => written = written.max(rows(&store)),
            Ok(Upkeep::Done) => break,
            Err(problem) => problems.push(problem),
        }
        assert!(problems.len() < 10, "it is not tried over and over");
    }
    assert!(written > 0, "some of it fitted");
    assert!(
        matches!(problems[..], [StoreProblem::DiskFull { .. }]),
        "{problems:?}"
    );
    assert_eq!(rows(&store), 0, "what was written is taken back");
    store.commit(&commit(vec![grant(1)])).unwrap();
    assert_eq!(store.upkeep_step().unwrap(), Upkeep::Done);

    room(&store, 1_000_000);
    store.retry_upkeep();
    finish(&mut store);
    assert_eq!(name(&store, 5).as_deref(), Some("Holder 2 of roster 1"));
    assert_eq!(rows(&store), 6_000);
}

#[test]
fn rows_of_a_roster_that_was_never_whole_are_removed_before_another_is_written() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    let first = roster(&store, 1, 2_000);
    keep(&mut store, first);
    while rows(&store) < 1_500 {
        store.upkeep_step().unwrap();
    }
    // The power fails here, and the roster has been replaced when it comes back.
    drop(store);
    let mut store = Store::open(&fixture.places).unwrap();
    let second = roster(&store, 2, 10);
    keep(&mut store, second);
    let mut most_beside = 0;
    while store.upkeep_step().unwrap() == Upkeep::More {
        if name(&store, 5).is_some() {
            most_beside = most_beside.max(rows(&store));
        }
    }
    assert_eq!(most_beside, 20, "the room was free before the new one came");
    assert_eq!(rows(&store), 20);
}

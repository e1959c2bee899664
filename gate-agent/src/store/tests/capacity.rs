//! The journal's capacity: the last tenth, pruning behind a signed anchor, policies when full.

use shared::{
    document,
    journal::{DoorAlarm, DoorEvent, JournalAnchor},
    keys::KeyRing,
};

use super::*;

const SMALL: JournalLimits = JournalLimits {
    records: 20,
    ordinary_records: 18,
    prune_step: 5,
};

fn alarm() -> RecordDraft {
    draft(Event::Door {
        door: DoorId(1),
        event: DoorEvent::AlarmRaised(DoorAlarm::ForcedOpen),
    })
}

fn acknowledgement(store: &Store, seq: u64, made_at: UtcSeconds) -> Acknowledgement {
    let position = JournalPosition { epoch: EPOCH, seq };
    let hash = journal::hash_at(&store.connection, position)
        .unwrap()
        .unwrap_or(Digest([0; 32]));
    Acknowledgement {
        gate: GATE,
        position,
        hash,
        made_at,
    }
}

fn fill(store: &mut Store, records: u64) {
    for number in 0..records {
        store.commit(&commit(vec![denial(number)])).unwrap();
    }
}

#[test]
fn the_last_tenth_is_kept_for_grants_and_alarms() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(SMALL);
    fill(&mut store, 18);
    let left = store.commit(&commit(vec![denial(1), denial(2)])).unwrap();
    assert_eq!((left.left_out, left.tail.kept()), (2, 18));
    let taken = store
        .commit(&commit(vec![denial(1), grant(2), alarm()]))
        .unwrap();
    assert_eq!((taken.left_out, taken.tail.kept()), (1, 20));
    assert_eq!(taken.tail.urgent_to, 20);
    assert_eq!(chain_of(&store).events.len(), 20);
}

#[test]
fn what_an_earlier_run_left_behind_is_urgent_and_what_central_holds_is_not() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    store.commit(&commit(vec![alarm(), denial(1)])).unwrap();
    drop(store);
    let mut store = Store::open(&fixture.places).unwrap();
    let committed = store.commit(&commit(vec![denial(2)])).unwrap();
    assert_eq!(committed.tail.urgent_to, 2);
    store
        .acknowledge(&acknowledgement(&store, 3, T0), STAMP)
        .unwrap();
    drop(store);
    let mut store = Store::open(&fixture.places).unwrap();
    let committed = store.commit(&commit(vec![denial(3)])).unwrap();
    assert_eq!(committed.tail.urgent_to, 0);
}

#[test]
fn a_full_journal_denies_or_drops_the_oldest_as_the_policy_says() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(SMALL);
    fill(&mut store, 18);
    store.commit(&commit(vec![grant(1), grant(2)])).unwrap();
    assert_eq!(
        store.commit(&commit(vec![grant(3)])).unwrap_err(),
        StoreProblem::JournalFull { limit: 20 }
    );
    assert_eq!(chain_of(&store).events.len(), 20);

    store.set_full_journal_policy(FullJournalPolicy::DropOldest);
    store.commit(&commit(vec![grant(3)])).unwrap();
    let check = chain_of(&store);
    assert_eq!(check.first, 6);
    assert_eq!(check.events.len(), 17);
    assert!(matches!(check.events[15], Event::Pruned { first_kept: 6 }));
    drop(store);
    let store = Store::open(&fixture.places).unwrap();
    assert_eq!(chain_of(&store).first, 6);
}

#[test]
fn a_full_journal_gives_up_acknowledged_records_first_behind_a_signed_anchor() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(SMALL);
    fill(&mut store, 18);
    store
        .acknowledge(&acknowledgement(&store, 4, T0), STAMP)
        .unwrap();
    let committed = store.commit(&commit(vec![denial(1)])).unwrap();
    assert_eq!(committed.left_out, 0);
    let check = chain_of(&store);
    assert_eq!(check.first, 5);
    let (state, signed) = journal::anchor(&store.connection).unwrap().unwrap();
    let ring = KeyRing::new(&[store.key().unwrap().public()]).unwrap();
    let anchor = document::open::<JournalAnchor>(&signed, &ring)
        .unwrap()
        .into_document();
    assert_eq!(
        (anchor.gate, anchor.position, anchor.hash),
        (GATE, state.position, state.hash)
    );
}

#[test]
fn acknowledged_records_stay_fourteen_days_by_centrals_clock() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits {
        records: 1_000,
        ordinary_records: 900,
        prune_step: 5,
    });
    fill(&mut store, 12);
    let days = |days: u64| T0.plus(days * 86_400);
    store
        .acknowledge(&acknowledgement(&store, 7, days(0)), STAMP)
        .unwrap();
    store
        .acknowledge(&acknowledgement(&store, 11, days(1)), STAMP)
        .unwrap();
    assert_eq!(
        store
            .acknowledge(&acknowledgement(&store, 12, days(13)), STAMP)
            .unwrap()
            .pruned_to,
        0
    );
    let tail = store
        .acknowledge(&acknowledgement(&store, 12, days(14)), STAMP)
        .unwrap();
    assert_eq!(tail.pruned_to, 5);
    assert_eq!(
        tail.unacknowledged(),
        1,
        "the record that tells of the pruning"
    );
    let tail = store
        .acknowledge(&acknowledgement(&store, 13, days(15)), STAMP)
        .unwrap();
    assert_eq!(tail.pruned_to, 10);
    assert_eq!(chain_of(&store).first, 11);
}

#[test]
fn one_acknowledgement_in_weeks_has_everything_removed_that_has_stayed_for_its_time() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits {
        records: 1_000,
        ordinary_records: 900,
        prune_step: 5,
    });
    fill(&mut store, 43);
    let days = |days: u64| T0.plus(days * 86_400);
    store
        .acknowledge(&acknowledgement(&store, 43, days(0)), STAMP)
        .unwrap();
    let tail = store
        .acknowledge(&acknowledgement(&store, 43, days(15)), STAMP)
        .unwrap();
    assert_eq!(tail.pruned_to, 5, "no commit waits for the rest");
    while store.upkeep_step().unwrap() == Upkeep::More {}
    assert_eq!(store.tail().unwrap().pruned_to, 40);
}

#[test]
fn hourly_rows_tell_the_age_of_a_fortnight_of_acknowledgements() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    fill(&mut store, 3);
    for minute in 0..600 {
        store
            .acknowledge(&acknowledgement(&store, 3, T0.plus(minute * 60)), STAMP)
            .unwrap();
    }
    let rows: u64 = store
        .connection
        .query_row("SELECT count(*) FROM acknowledgements", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert!((10..=12).contains(&rows), "{rows} rows for ten hours");
}

#[test]
fn an_acknowledgement_of_another_record_is_a_fork() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    fill(&mut store, 3);
    let good = acknowledgement(&store, 2, T0);
    let forked = Acknowledgement {
        hash: Digest([5; 32]),
        ..good
    };
    assert!(matches!(
        store.acknowledge(&forked, STAMP),
        Err(StoreProblem::AcknowledgedFork { .. })
    ));
    let beyond = Acknowledgement {
        position: JournalPosition {
            epoch: EPOCH,
            seq: 9,
        },
        ..good
    };
    assert!(matches!(
        store.acknowledge(&beyond, STAMP),
        Err(StoreProblem::AcknowledgedFork { .. })
    ));
    assert_eq!(store.tail().unwrap().acknowledged_to, 0);
    assert_eq!(store.acknowledge(&good, STAMP).unwrap().acknowledged_to, 2);
    // A central restored from a backup holds less than it did.
    let restored = acknowledgement(&store, 1, T0.plus(50));
    assert_eq!(
        store.acknowledge(&restored, STAMP).unwrap().acknowledged_to,
        1
    );
}

#[test]
fn a_batch_is_bounded_by_records_and_bytes_but_never_empty() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    fill(&mut store, 10);
    let from = |seq| JournalPosition { epoch: EPOCH, seq };
    let read = |after, records, bytes| {
        reader::journal_stretch(&store.connection, from(after), records, bytes)
            .unwrap()
            .records
            .len()
    };
    assert_eq!(read(0, 4, 1 << 20), 4);
    assert_eq!(read(7, 4, 1 << 20), 3);
    assert_eq!(read(0, 4, 1), 1);
    assert_eq!(read(10, 4, 1 << 20), 0);
}

#[test]
fn a_batch_that_begins_behind_pruned_records_carries_the_anchor() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(SMALL);
    store.set_full_journal_policy(FullJournalPolicy::DropOldest);
    for number in 0..21 {
        store.commit(&commit(vec![grant(number)])).unwrap();
    }
    let from = |seq| JournalPosition { epoch: EPOCH, seq };
    let lost = store.journal_stretch(from(2), 1 << 20).unwrap();
    assert_eq!(lost.records[0].position, from(6));
    assert!(lost.anchor.is_some());
    let none_lost = store.journal_stretch(from(5), 1 << 20).unwrap();
    assert_eq!(none_lost.records[0].position, from(6));
    assert!(none_lost.anchor.is_none());
}

//! A box gets a new identity, whatever became of the keys of its old one.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::*;
use crate::gate_key::ROSTER_KEY_FILE;

/// What became of a key file.
type Accident = fn(&Path);

const ACCIDENTS: [(&str, Accident); 6] = [
    ("nothing", |_| {}),
    ("missing", |path| fs::remove_file(path).unwrap()),
    ("read by others", |path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }),
    ("no key", |path| fs::write(path, "my letters").unwrap()),
    ("another key", |path| {
        write_secret(path, &random_secret().unwrap()).unwrap();
    }),
    ("no file", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
];

#[test]
fn a_box_gets_a_new_identity_whatever_became_of_its_keys() {
    for key in [GATE_KEY_FILE, ROSTER_KEY_FILE] {
        for (name, happens) in ACCIDENTS {
            let fixture = Fixture::new();
            let mut store = fixture.enrolled(JournalLimits::STANDARD);
            store.commit(&commit(vec![grant(1), grant(2)])).unwrap();
            drop(store);
            happens(&fixture.places.keys.join(key));
            let former = Former::open(&fixture.places).unwrap();
            let (mut store, aside) = former.set_aside(T0).unwrap();
            let aside = aside.unwrap();
            assert_eq!(aside.unacknowledged, 2, "{key}: {name}");
            assert_eq!(store.identity(), None);
            assert!(!fixture.places.keys.join(GATE_KEY_FILE).exists());
            assert_eq!(aside.places.keys.parent(), Some(&*fixture.places.keys));
            assert_eq!(aside.places.state.parent(), Some(&*fixture.places.state));
            let lacks_its_key = match name {
                "nothing" | "read by others" => false,
                // Another roster key is a key; nothing of the journal is sealed with it.
                "another key" => key == GATE_KEY_FILE,
                _ => true,
            };
            let exportable = aside.journal == FormerJournal::Exportable;
            assert_eq!(exportable, !lacks_its_key, "{key}: {name}");
            if exportable {
                let reader = StoreReader::open(&aside.places).unwrap();
                assert_eq!(reader.tail().unwrap().last.position.seq, 2);
            }

            let secret = random_secret().unwrap();
            write_secret(&fixture.places.keys.join(GATE_KEY_FILE), &secret).unwrap();
            store
                .enrol(&fixture.places, &enrolled_with(&secret))
                .unwrap();
            drop(store);
            Store::open(&fixture.places).unwrap();
        }
    }
}

#[test]
fn nobody_writes_from_the_first_look_at_a_former_identity_to_the_new_one() {
    let fixture = Fixture::new();
    drop(fixture.enrolled(JournalLimits::STANDARD));
    let is_locked = || match Store::open(&fixture.places) {
        Err(StoreProblem::InUse { holder, .. }) => holder == Some(std::process::id()),
        Ok(_) | Err(_) => false,
    };
    let former = Former::open(&fixture.places).unwrap();
    assert!(is_locked());
    let (store, _) = former.set_aside(T0).unwrap();
    assert!(is_locked());
    drop(store);
    Store::open(&fixture.places).unwrap();
}

#[test]
fn what_is_set_aside_in_the_same_second_lies_apart_and_a_fresh_box_has_nothing_to_set_aside() {
    let fixture = Fixture::new();
    let (store, aside) = Former::open(&fixture.places)
        .unwrap()
        .set_aside(T0)
        .unwrap();
    assert_eq!(aside, None);
    drop(store);
    let mut seen = Vec::new();
    for _ in 0..3 {
        drop(fixture.enrolled(JournalLimits::STANDARD));
        let former = Former::open(&fixture.places).unwrap();
        let (store, aside) = former.set_aside(T0).unwrap();
        drop(store);
        let places = aside.unwrap().places;
        StoreReader::open(&places).unwrap();
        assert!(!seen.contains(&places.state));
        seen.push(places.state);
    }
}

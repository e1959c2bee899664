//! Files and disks that cannot be a gate's store: a message that says what to do, nothing lost.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;
use crate::gate_key::{KeyProblem, ROSTER_KEY_FILE};

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    for garbage in [
        &b"not a database at all"[..],
        &[0; 4096],
        b"SQLite format 3\0then garbage",
    ] {
        let fixture = Fixture::new();
        fs::create_dir_all(&fixture.places.state).unwrap();
        fs::write(fixture.database(), garbage).unwrap();
        let problem = Store::open(&fixture.places).unwrap_err();
        assert!(
            matches!(
                problem,
                StoreProblem::NotOurs { .. } | StoreProblem::Damaged { .. }
            ),
            "{problem}"
        );
        assert_eq!(fs::read(fixture.database()).unwrap(), garbage);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let fixture = Fixture::new();
    fs::create_dir_all(&fixture.places.state).unwrap();
    let other = Connection::open(fixture.database()).unwrap();
    other
        .execute_batch("CREATE TABLE songs (title TEXT)")
        .unwrap();
    drop(other);
    let before = fs::read(fixture.database()).unwrap();
    fs::set_permissions(fixture.database(), fs::Permissions::from_mode(0o664)).unwrap();
    let problem = Store::open(&fixture.places).unwrap_err();
    assert!(matches!(problem, StoreProblem::NotOurs { .. }), "{problem}");
    assert_eq!(fs::read(fixture.database()).unwrap(), before);
    let mode = fs::metadata(fixture.database())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o664);
    for beside in ["gate.db-wal", "gate.db-shm", "gate.db-journal"] {
        assert!(!fixture.places.state.join(beside).exists(), "{beside}");
    }
    let other = Connection::open(fixture.database()).unwrap();
    other
        .execute("INSERT INTO songs (title) VALUES ('still here')", [])
        .unwrap();
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let fixture = Fixture::new();
    let store = fixture.enrolled(JournalLimits::STANDARD);
    store
        .connection
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop(store);
    let problem = Store::open(&fixture.places).unwrap_err();
    assert!(
        matches!(problem, StoreProblem::Newer { found: 99, .. }),
        "{problem}"
    );
    assert!(problem.to_string().contains("Start the newer version"));
}

#[test]
fn an_edited_migration_is_refused() {
    let fixture = Fixture::new();
    let store = fixture.enrolled(JournalLimits::STANDARD);
    store
        .connection
        .execute("UPDATE schema_migrations SET sha256 = zeroblob(32)", [])
        .unwrap();
    drop(store);
    let problem = Store::open(&fixture.places).unwrap_err();
    assert!(
        matches!(problem, StoreProblem::MigrationEdited { number: 1, .. }),
        "{problem}"
    );
}

#[test]
fn a_migration_that_fails_leaves_nothing_of_itself() {
    use migrations::Migration;
    let mut connection = Connection::open_in_memory().unwrap();
    let path = Path::new("memory");
    let broken = [
        migrations::MIGRATIONS[0],
        Migration {
            number: 2,
            sql: "CREATE TABLE half (a INTEGER) STRICT; GARBAGE;",
        },
    ];
    assert!(migrations::apply(&mut connection, path, &broken).is_err());
    assert_eq!(migrations::check(&connection, path, &broken), Ok(1));
    let whole = [
        migrations::MIGRATIONS[0],
        Migration {
            number: 2,
            sql: "CREATE TABLE half (a INTEGER) STRICT;",
        },
    ];
    migrations::apply(&mut connection, path, &whole).unwrap();
    assert_eq!(migrations::check(&connection, path, &whole), Ok(2));
}

#[test]
fn a_second_writer_is_refused_while_the_first_lives() {
    let fixture = Fixture::new();
    let store = fixture.enrolled(JournalLimits::STANDARD);
    let problem = Store::open(&fixture.places).unwrap_err();
    let holder = Some(std::process::id());
    assert_eq!(
        problem,
        StoreProblem::InUse {
            path: fixture.database(),
            holder
        }
    );
    let reader = StoreReader::open(&fixture.places).unwrap();
    assert_eq!(reader.identity().gate, GATE);
    drop(store);
    Store::open(&fixture.places).unwrap();
}

#[test]
fn a_full_disk_refuses_commits_and_takes_them_again_once_there_is_room() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    let pages: i64 = store
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    store
        .connection
        .pragma_update(None, "max_page_count", pages + 2)
        .unwrap();
    let mut taken = 0;
    let problem = loop {
        match store.commit(&commit((0..20).map(grant).collect())) {
            Ok(_) => taken += 20,
            Err(problem) => break problem,
        }
    };
    assert_eq!(
        problem,
        StoreProblem::DiskFull {
            path: fixture.database()
        }
    );
    assert_eq!(chain_of(&store).events.len(), taken);
    assert!(store.commit(&commit((0..20).map(grant).collect())).is_err());
    store
        .connection
        .pragma_update(None, "max_page_count", 1_000_000)
        .unwrap();
    store.commit(&commit(vec![grant(1)])).unwrap();
    assert_eq!(chain_of(&store).events.len(), taken + 1);
}

#[test]
fn a_read_only_database_is_named() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    store
        .connection
        .pragma_update(None, "query_only", "ON")
        .unwrap();
    let problem = store.commit(&commit(vec![grant(1)])).unwrap_err();
    assert!(
        matches!(problem, StoreProblem::ReadOnly { .. }),
        "{problem}"
    );
    assert_eq!(store.tail().unwrap().last.position.seq, 0);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_named() {
    let fixture = Fixture::new();
    // A file in its place stops every user, root as well.
    fs::write(&fixture.places.state, "in the way").unwrap();
    let problem = Store::open(&fixture.places).unwrap_err();
    assert!(problem.to_string().contains("gate.db"), "{problem}");
    let nowhere = StorePlaces {
        state: "/proc/portcullis".into(),
        keys: fixture.places.keys.clone(),
    };
    assert!(Store::open(&nowhere).is_err());
}

#[test]
fn a_gate_without_an_identity_says_so() {
    let fixture = Fixture::new();
    let mut store = Store::open(&fixture.places).unwrap();
    assert_eq!(
        store.commit(&commit(vec![grant(1)])).unwrap_err(),
        StoreProblem::NotEnrolled
    );
    assert_eq!(store.load().unwrap_err(), StoreProblem::NotEnrolled);
    drop(store);
    assert_eq!(
        StoreReader::open(&fixture.places).unwrap_err(),
        StoreProblem::NotEnrolled
    );
    let nothing = Fixture::new();
    assert!(matches!(
        StoreReader::open(&nothing.places),
        Err(StoreProblem::Missing { .. })
    ));
}

#[test]
fn a_wrong_exposed_or_lost_gate_key_is_named() {
    let fixture = Fixture::new();
    drop(fixture.enrolled(JournalLimits::STANDARD));
    let path = fixture.places.keys.join(GATE_KEY_FILE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let key_problem = || match Store::open(&fixture.places).unwrap_err() {
        StoreProblem::Key(problem) => problem,
        other => panic!("{other}"),
    };
    assert!(matches!(key_problem(), KeyProblem::Exposed { .. }));
    write_secret(&path, &random_secret().unwrap()).unwrap();
    assert!(matches!(key_problem(), KeyProblem::Other { .. }));
    fs::remove_file(&path).unwrap();
    assert!(matches!(key_problem(), KeyProblem::Missing { .. }));
}

#[test]
fn a_lost_roster_key_costs_the_roster_alone() {
    let fixture = Fixture::new();
    let mut store = fixture.enrolled(JournalLimits::STANDARD);
    let roster = document(StoredKind::Named(DocumentName::Roster), 1, b"sealed names");
    let with_roster = Commit {
        documents: vec![roster.clone()],
        ..commit(vec![grant(1)])
    };
    store.commit(&with_roster).unwrap();
    drop(store);
    let raw = fs::read(fixture.database()).unwrap();
    assert!(!raw.windows(12).any(|window| window == b"sealed names"));
    assert!(
        Store::open(&fixture.places)
            .unwrap()
            .load()
            .unwrap()
            .documents
            .contains(&roster)
    );
    fs::remove_file(fixture.places.keys.join(ROSTER_KEY_FILE)).unwrap();
    let store = Store::open(&fixture.places).unwrap();
    assert_eq!(store.load().unwrap().documents.len(), 1);
    assert_eq!(chain_of(&store).events.len(), 1);
}

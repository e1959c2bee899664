//! What can be wrong around the programs: each says what to do, nothing is lost, and what can go on
//! goes on.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    process::Output,
    time::Duration,
};

use rusqlite::Connection;
use serde_json::json;
use shared::decision::{Decision, DenyReason};
use system_tests::{
    campus::Campus,
    central::{Rows, Settings},
    clock::{PATIENCE, Stopwatch},
    database::Database,
    false_central::ENTRY,
    outpost::Outpost,
    panel::{Panel, Seen},
    program,
    random::Random,
    school::PassWish,
    scratch::Scratch,
};

fn said(output: &Output) -> String {
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    said
}

/// Runs the agent, which cannot work like this, and gives what it says.
fn refused_to_run(outpost: &Outpost) -> String {
    let output = program::run(&mut outpost.gate.command(&["run"]).unwrap()).unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

async fn central_on(database: &Database, scratch: &Scratch) -> Settings {
    Settings {
        data_directory: scratch.directory("central").unwrap(),
        rows: Rows::Url(database.url.clone()),
        public_url: None,
        log: scratch.path().join("central.log"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_with_what_to_do() {
    let (database, scratch) = (Database::fresh().await.unwrap(), Scratch::new().unwrap());
    let settings = central_on(&database, &scratch).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut serve = settings.command(&["serve", "--listen", &address]).unwrap();
    let output = program::run(&mut serve).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--listen"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_central_is_left_alone() {
    let mut campus = Campus::open().await.unwrap();
    campus.central.stop().await.unwrap();
    let client = campus.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO schema_migrations (number, name, sha256) \
             SELECT 9999, '9999_later', sha256 FROM schema_migrations LIMIT 1",
        )
        .await
        .unwrap();
    let mut serve = campus
        .central
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .unwrap();
    let output = program::run(&mut serve).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("newer"), "{}", said(&output));
    client
        .batch_execute("DELETE FROM schema_migrations WHERE number = 9999")
        .await
        .unwrap();
    campus.central.start_again().await.unwrap();
    campus.school.admin.get(&campus.school.path).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_encryption_key_is_said_and_the_right_one_works_again() {
    let mut campus = Campus::open().await.unwrap();
    let levels = [campus.level];
    let wish = PassWish::card(&levels);
    campus.school.issue(wish).await.unwrap();
    campus.central.stop().await.unwrap();
    let path = campus
        .central
        .settings()
        .data_directory
        .join("credentials/issuing.kek");
    let right = fs::read(&path).unwrap();
    let mut wrong = right.clone();
    wrong[0] ^= 1;
    fs::write(&path, wrong).unwrap();
    // It may refuse to start, or start and refuse to issue; it must not issue.
    if campus.central.start_again().await.is_ok() {
        let refused = campus.school.issue(wish).await.unwrap_err().to_string();
        println!("{refused}");
        assert!(!refused.is_empty());
        campus.central.stop().await.unwrap();
    }
    fs::write(&path, right).unwrap();
    campus.central.start_again().await.unwrap();
    let pass = campus.school.issue(wish).await.unwrap();
    assert_eq!(pass.serial.0, 1, "no number was used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_says_what_is_wrong_with_its_database_and_changes_nothing() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    outpost.grants(&pass).await.unwrap();
    outpost.gate.stop().await.unwrap();
    let path = outpost.gate.state_directory().join("gate.db");
    let sound = fs::read(&path).unwrap();

    let newer = Connection::open(&path).unwrap();
    newer
        .execute_batch(
            "INSERT INTO schema_migrations SELECT 9999, sha256 FROM schema_migrations LIMIT 1; \
             PRAGMA user_version = 9999",
        )
        .unwrap();
    drop(newer);
    let message = refused_to_run(&outpost);
    assert!(
        message.contains("9999") && message.contains("newer"),
        "{message}"
    );

    for (what, word) in [
        (&b"a shopping list"[..], "not a gate's database"),
        (&[0; 5_000][..], "not a gate's database"),
    ] {
        fs::write(&path, what).unwrap();
        let message = refused_to_run(&outpost);
        assert!(message.contains(word), "{message}");
        assert_eq!(fs::read(&path).unwrap(), what, "nothing was changed");
    }
    let _ = fs::remove_file(path.with_extension("db-wal"));
    let _ = fs::remove_file(path.with_extension("db-shm"));
    fs::write(&path, sound).unwrap();
    outpost.panel = outpost.gate.start().await.unwrap();
    outpost.grants(&pass).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_with_another_key_than_its_own_does_not_run() {
    let mut outpost = Outpost::open(0).await.unwrap();
    outpost.gate.stop().await.unwrap();
    let path = outpost.gate.state_directory().join("keys/gate.key");
    let own = fs::read(&path).unwrap();
    fs::write(&path, "00".repeat(32)).unwrap();
    let message = refused_to_run(&outpost);
    assert!(message.contains("gate.key"), "{message}");
    fs::write(&path, own).unwrap();
    outpost.panel = outpost.gate.start().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_on_the_same_box_is_turned_away() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let message = refused_to_run(&outpost);
    assert!(message.contains("in use"), "{message}");
    let pass = outpost.passes[0].clone();
    outpost.grants(&pass).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_every_socket_of_a_gate_stops_nothing() {
    let mut random = Random::for_test();
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    let directory = outpost.gate.directory().to_owned();
    let sockets = ["panel.sock", "texts-1.sock", "texts-2.sock", "door-1.sock"];
    for round in 0..40 {
        let mut bytes = vec![0; 1 + usize::try_from(random.below(70_000)).unwrap()];
        random.fill(&mut bytes);
        let socket = directory.join(sockets[round % sockets.len()]);
        // The gate may hang up in the middle of it.
        let _ = write_to(&socket, &bytes);
    }
    outpost.gate.running().unwrap().must_run().unwrap();
    // What went to the readers was refused. A panel that is slow to hear of it all is dropped and
    // connects anew; a gate that was too busy to record a scan denies it.
    let stopwatch = Stopwatch::start();
    loop {
        let mut panel = outpost.gate.panel().await.unwrap();
        outpost.gate.show_text(ENTRY, &pass).await.unwrap();
        match next_decision(&mut panel).await {
            Some(Decision::Grant) => break,
            Some(decision) => assert_eq!(decision, Decision::Deny(DenyReason::GateFault)),
            None => {}
        }
        assert!(stopwatch.elapsed() < PATIENCE, "the gate does not recover");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What the gate says next of a pass; none when it left the panel.
async fn next_decision(panel: &mut Panel) -> Option<Decision> {
    loop {
        match panel.seen().await.ok()? {
            Seen::Decided(decided) => return Some(decided.decision),
            Seen::Refused { .. } | Seen::Unreadable { .. } => {}
        }
    }
}

fn write_to(socket: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(bytes)?;
    stream.write_all(b"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_centrals_port_and_in_its_requests_stops_nothing() {
    let mut random = Random::for_test();
    let campus = Campus::open().await.unwrap();
    for _ in 0..30 {
        let mut bytes = vec![0; 1 + usize::try_from(random.below(40_000)).unwrap()];
        random.fill(&mut bytes);
        let mut stream = TcpStream::connect(campus.central.address).unwrap();
        let _ = stream.write_all(&bytes);
    }
    let client = reqwest::Client::new();
    for path in [
        "enrol",
        "heads",
        "document",
        "issued-range",
        "orders",
        "journal",
        "heartbeat",
        "time",
    ] {
        for length in [0, 1, 100, 70_000, 2 << 20] {
            let mut bytes = vec![0; length];
            random.fill(&mut bytes);
            let url = format!("{}/gate/v1/{path}", campus.central.url());
            // The connection may be closed on a body that is too long.
            if let Ok(answer) = client.post(url).body(bytes).send().await {
                let status = answer.status();
                assert!(
                    status.is_client_error(),
                    "{path} with {length} bytes: {status}"
                );
            }
        }
    }
    let school = campus.school.admin.get(&campus.school.path).await.unwrap();
    assert_eq!(school["name"], json!("Lindenhof School"));
}

/// A program in a place of its own where the gate's state lies on a disk of two megabytes.
const SMALL_DISK: &str =
    "mount -t tmpfs -o size=2m tmpfs \"$1\" && shift && \"$@\" enrol \"$CLAIM\" && exec \"$@\" run";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_denies_and_alarms_and_the_gate_works_again_when_there_is_room() {
    let Some(mut outpost) = Outpost::on_a_disk(1, SMALL_DISK).await.unwrap() else {
        println!("this machine allows no file system of one's own: not tried here");
        return;
    };
    let pass = outpost.passes[0].clone();
    outpost.grants(&pass).await.unwrap();
    let opened = outpost.releases().unwrap();
    let disk = outpost.gate.disk().unwrap();
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[0; 4_096]).is_ok() {}

    // Until the write-ahead log has used up the room that it has.
    let mut denied = 0;
    for _ in 0..400 {
        let seen = outpost.shows(&pass).await.unwrap();
        if seen.denied() == Some(DenyReason::GateFault) {
            denied += 1;
            break;
        }
    }
    assert_eq!(denied, 1, "a full disk denies in the end");
    let at_fault = outpost.releases().unwrap();
    let seen = outpost.shows(&pass).await.unwrap();
    assert_eq!(seen.denied(), Some(DenyReason::GateFault), "{seen:?}");
    assert_eq!(outpost.releases().unwrap(), at_fault, "and does not open");
    assert!(at_fault > opened || denied == 1);
    let state = outpost.panel.state().await.unwrap();
    assert!(!state.faults.is_empty(), "the guard sees it");

    drop(filler);
    fs::remove_file(disk.join("filler")).unwrap();
    outpost
        .panel
        .wait_for_state("the fault to end", |state| state.faults.is_empty())
        .await
        .unwrap();
    let seen = outpost.shows(&pass).await.unwrap();
    assert!(seen.is_granted(), "{seen:?}");
    outpost.journal_arrived().await.unwrap();
}

/// As above, but the disk may not be written any more when the agent starts.
const READ_ONLY_DISK: &str = "mount -t tmpfs -o size=4m tmpfs \"$1\" && state=$1 && shift && \
    \"$@\" enrol \"$CLAIM\" && mount -o remount,ro \"$state\" && exec \"$@\" run";

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_said_with_what_to_do() {
    let Some(message) = Outpost::refused_on_a_disk(READ_ONLY_DISK).await.unwrap() else {
        println!("this machine allows no file system of one's own: not tried here");
        return;
    };
    assert!(message.contains("read-write"), "{message}");
}

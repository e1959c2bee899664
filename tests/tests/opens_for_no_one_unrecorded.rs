//! *Record committed → relay*, at the worst moment: the database takes no commit just then.

use std::time::Duration;

use rusqlite::Connection;
use shared::decision::Decision;
use system_tests::{clock, false_central::ENTRY, outpost::Outpost, panel::Seen};

/// Somebody else writes to the gate's database, and does not come to an end.
fn hold_database(outpost: &Outpost) -> Connection {
    let path = outpost.gate.state_directory().join("gate.db");
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(clock::PATIENCE).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_cannot_commit_does_not_open_whenever_it_is_killed() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    outpost.grants(&pass).await.unwrap();
    for _ in 0..5 {
        let opened = outpost.releases().unwrap();
        let held = hold_database(&outpost);
        outpost.gate.show_text(ENTRY, &pass).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(
            outpost.releases().unwrap(),
            opened,
            "the door opened without a record"
        );
        outpost.gate.kill().unwrap();
        drop(held);
        outpost.panel = outpost.gate.start().await.unwrap();
        assert_eq!(
            outpost.releases().unwrap(),
            opened,
            "nor when it started again"
        );
    }
    outpost.grants(&pass).await.unwrap();
}

/// A commit that fails is a fault, and a fault denies: nobody is let in, the panel shows it, and
/// the gate works again as soon as its disk does.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_denies_and_the_gate_goes_on() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    outpost.grants(&pass).await.unwrap();
    let opened = outpost.releases().unwrap();
    let held = hold_database(&outpost);
    // The store waits five seconds for its turn.
    let seen = outpost
        .gate
        .scan(&mut outpost.panel, ENTRY, &pass)
        .await
        .unwrap();
    let denied = match &seen {
        Seen::Decided(decided) => matches!(decided.decision, Decision::Deny(_)),
        Seen::Refused { .. } | Seen::Unreadable { .. } => false,
    };
    assert!(denied, "{seen:?}");
    assert_eq!(outpost.releases().unwrap(), opened);
    let state = outpost.panel.state().await.unwrap();
    assert!(
        !state.faults.is_empty(),
        "the fault is on the guard's screen"
    );
    drop(held);
    outpost
        .panel
        .wait_for_state("the fault to end", |state| state.faults.is_empty())
        .await
        .unwrap();
    outpost.grants(&pass).await.unwrap();
}

//! A revoked pass is refused at a gate that is in touch with central, long before its next pull.

use serde_json::json;
use shared::{
    decision::{DenyReason, FreshnessStep},
    panel_api::{Link, PanelState},
    status_list::PassState,
};
use system_tests::{
    campus::Campus,
    clock::{self, Stopwatch},
    school::PassWish,
};

/// With a pull every hour nothing but the long poll can be the messenger.
const AN_HOUR_S: u64 = 3_600;
/// A benchmark's goal is one second; a loaded machine is given more.
const LIMIT_S: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_an_online_gate_through_the_long_poll() {
    let sync = json!({"pull_s": AN_HOUR_S, "long_poll_s": 55, "push_ms": 50});
    let campus = Campus::open_with(sync).await.unwrap();
    let pass = campus
        .school
        .issue(PassWish::card(&[campus.level]))
        .await
        .unwrap();
    let text = campus.school.text(&pass).await.unwrap();
    let (gate, mut panel) = campus.real_gate().await.unwrap();
    let is_ready =
        |state: &PanelState| state.link == Link::Up && state.freshness == FreshnessStep::Fresh;
    panel
        .wait_for_state("a fresh gate", is_ready)
        .await
        .unwrap();
    let seen = gate.scan(&mut panel, campus.entry, &text).await.unwrap();
    assert!(seen.is_granted(), "{seen:?}");

    let stopwatch = Stopwatch::start();
    campus.school.change(&pass, "revoke").await.unwrap();
    let answered = stopwatch.elapsed();
    clock::wait_for("the revocation to reach the gate", || async {
        let held = gate.status_held(pass.kid, pass.serial)?;
        Ok((held == Some(PassState::Revoked)).then_some(()))
    })
    .await
    .unwrap();
    let reached = stopwatch.elapsed();
    println!(
        "revoked: central answered after {} ms, the gate held the list after {} ms",
        answered.as_millis(),
        reached.as_millis()
    );
    let seen = gate.scan(&mut panel, campus.entry, &text).await.unwrap();
    assert_eq!(seen.denied(), Some(DenyReason::PassRevoked), "{seen:?}");
    assert!(reached.as_secs() < LIMIT_S, "{reached:?}");

    // And back again.
    let other = campus
        .school
        .issue(PassWish::card(&[campus.level]))
        .await
        .unwrap();
    campus.school.change(&other, "suspend").await.unwrap();
    campus.school.change(&other, "reinstate").await.unwrap();
    clock::wait_for("the reinstatement to reach the gate", || async {
        let held = gate.status_held(other.kid, other.serial)?;
        Ok((held == Some(PassState::Valid)).then_some(()))
    })
    .await
    .unwrap();
}

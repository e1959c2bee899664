//! A gate without a network for a month: it decides by itself every day, steps down the ladder of
//! freshness as its configuration says, and everything it recorded arrives when the link is back.

use shared::{
    decision::{Decision, DenyReason, FreshnessStep},
    journal::{Event, PassageOutcome, PublicPart},
    panel_api::Link,
};
use system_tests::{
    false_central::Renewal,
    outpost::{Outpost, TURNSTILE},
};

const DAY_S: i64 = 86_400;

/// From the table of the design: 15 minutes, a day, three days, thirty days.
fn step_of(days: i64) -> FreshnessStep {
    match days {
        0 => FreshnessStep::Normal,
        1..3 => FreshnessStep::Warn,
        3..30 => FreshnessStep::Restrict,
        _ => FreshnessStep::Expired,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_decides_alone_for_a_month_and_then_tells_everything() {
    let mut outpost = Outpost::open_with(3, |papers| {
        papers.desk.status.revoked = vec![1];
        papers.shelf.status_list = papers.desk.status_list();
    })
    .await
    .unwrap();
    let [good, revoked, revoked_meanwhile] = [0, 1, 2].map(|index| outpost.passes[index].clone());

    outpost.central.vanish();
    // Central revokes one more; the gate cannot know.
    outpost.central.change(|papers| {
        papers.desk.status.revoked = vec![1, 2];
        papers.shelf.status_list = papers.desk.status_list();
        papers.shelf.renewal = Renewal::Honest;
    });
    let mut granted = 0;
    for days in [0, 1, 2, 3, 7, 14, 21, 29] {
        let ahead_s = days * DAY_S + 3_600;
        outpost.restart_with_clock(ahead_s).await.unwrap();
        outpost.becomes(step_of(days)).await.unwrap();
        let state = outpost.panel.state().await.unwrap();
        assert_ne!(state.link, Link::Up);
        for pass in [&good, &revoked_meanwhile] {
            outpost.grants(pass).await.unwrap();
            granted += 1;
        }
        outpost
            .denies(&revoked, DenyReason::PassRevoked)
            .await
            .unwrap();
    }
    outpost.restart_with_clock(31 * DAY_S).await.unwrap();
    outpost.becomes(FreshnessStep::Expired).await.unwrap();
    outpost
        .denies(&good, DenyReason::StatusUnknown)
        .await
        .unwrap();

    outpost
        .central
        .change(|papers| papers.desk.clock.ahead_s = 31 * DAY_S);
    outpost.central.come_back();
    outpost.central.change(|papers| {
        papers.shelf.status_list = papers.desk.status_list();
        papers.shelf.issued_list = papers.desk.issued_list(shared::issued_list::Growth::Open);
        papers.shelf.configuration = papers.desk.configuration(papers.shelf.trust_list.number);
    });
    outpost.up_to_date().await.unwrap();
    outpost.grants(&good).await.unwrap();
    outpost
        .denies(&revoked_meanwhile, DenyReason::PassRevoked)
        .await
        .unwrap();
    granted += 1;

    outpost.gate.stop().await.unwrap();
    outpost.panel = outpost.gate.start().await.unwrap();
    outpost.journal_arrived().await.unwrap();
    let records = outpost.records().unwrap();
    assert_eq!(
        count(&records, is_granted),
        granted,
        "every grant arrived, once"
    );
    assert_eq!(
        count(&records, |part| matches!(
            part.event,
            Event::Passage {
                outcome: PassageOutcome::Taken,
                ..
            }
        )),
        granted,
        "and what came of it"
    );
    let released = outpost.gate.relay_changes(TURNSTILE).unwrap();
    let released = released
        .iter()
        .filter(|change| change.relay == system_tests::gate::Relay::Released);
    assert_eq!(released.count(), granted);
}

fn is_granted(part: &PublicPart) -> bool {
    matches!(&part.event, Event::Scan(scan) if scan.decision == Decision::Grant)
}

fn count(records: &[PublicPart], what: impl Fn(&PublicPart) -> bool) -> usize {
    records.iter().filter(|part| what(part)).count()
}

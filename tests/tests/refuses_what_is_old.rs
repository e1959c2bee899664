//! A gate cannot be talked back: every signed kind is offered again with an older number, or with
//! other bytes under the number at hand; heads are withheld; the clock is moved. The central here
//! holds every key and lies.

use shared::{
    decision::{DenyReason, FreshnessStep},
    document::Header,
    heads::{Heads, Newest},
    ids::DocumentNumber,
    issued_list::Growth,
    journal::{ClockEvent, ClockTrust, Event},
    keys::sha256,
    order::{DoorMode, OrderAction},
};
use system_tests::{
    clock,
    false_central::{Acknowledging, Filed, Papers, Renewal, TimeBinding},
    outpost::{Outpost, TURNSTILE},
};

const DAY_S: i64 = 86_400;

/// Heads that promise something newer than anything, under the digest of what is then served.
fn promise(filed: &Filed) -> Newest {
    Newest {
        number: DocumentNumber {
            n: filed.number.n + 1_000,
            ..filed.number
        },
        digest: sha256(&filed.bytes),
    }
}

/// Serves heads that are altered so, until the next change.
fn lie(papers: &mut Papers, alter: impl FnOnce(&mut Heads)) {
    papers.shelf.heads = papers.desk.altered_heads(&papers.shelf, alter);
    papers.shelf.renewal = Renewal::Withheld;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_status_list_is_refused_and_who_is_revoked_stays_out() {
    let mut outpost = Outpost::open(2).await.unwrap();
    let revoked = outpost.passes[1].clone();
    outpost.grants(&revoked).await.unwrap();
    let old = outpost
        .central
        .look(|papers| papers.shelf.status_list.clone());
    outpost.central.change(|papers| {
        papers.desk.status.revoked = vec![1];
        papers.shelf.status_list = papers.desk.status_list();
    });
    outpost.up_to_date().await.unwrap();
    outpost
        .denies(&revoked, DenyReason::PassRevoked)
        .await
        .unwrap();

    outpost.central.change(|papers| {
        papers.shelf.status_list = old.clone();
        lie(papers, |heads| heads.issuers[0].status_list = promise(&old));
    });
    outpost.refuses("portcullis/status-list/1").await.unwrap();
    outpost
        .denies(&revoked, DenyReason::PassRevoked)
        .await
        .unwrap();

    // Nor across a restart, when nothing but the database remembers.
    outpost.restart_with_clock(0).await.unwrap();
    outpost
        .denies(&revoked, DenyReason::PassRevoked)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_other_status_list_of_the_same_number_is_refused() {
    let mut outpost = Outpost::open(1).await.unwrap();
    outpost.central.change(|papers| {
        let held = papers.shelf.status_list.number;
        papers.desk.status.revoked = vec![0];
        let header = papers.desk.header_numbered(held.n, 30);
        papers.shelf.status_list = papers.desk.status_list_of(header);
    });
    let reason = outpost.refuses("portcullis/status-list/1").await.unwrap();
    assert!(reason.contains("other bytes"), "{reason}");
    let pass = outpost.passes[0].clone();
    outpost.grants(&pass).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_trust_list_is_refused() {
    let outpost = Outpost::open(0).await.unwrap();
    let old = outpost
        .central
        .look(|papers| papers.shelf.trust_list.clone());
    outpost.central.change(|papers| {
        papers.shelf.trust_list = papers.desk.trust_list();
        papers.shelf.configuration = papers.desk.configuration(papers.shelf.trust_list.number);
    });
    let mut outpost = outpost;
    outpost.up_to_date().await.unwrap();
    outpost.central.change(|papers| {
        papers.shelf.trust_list = old.clone();
        lie(papers, |heads| heads.trust_list = promise(&old));
    });
    outpost.refuses("portcullis/trust-list/1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_configuration_is_refused() {
    let mut outpost = Outpost::open(0).await.unwrap();
    let old = outpost
        .central
        .look(|papers| papers.shelf.configuration.clone());
    outpost.central.change(|papers| {
        papers.shelf.configuration = papers.desk.configuration(papers.shelf.trust_list.number);
    });
    outpost.up_to_date().await.unwrap();
    outpost.central.change(|papers| {
        papers.shelf.configuration = old.clone();
        lie(papers, |heads| heads.configuration = promise(&old));
    });
    outpost.refuses("portcullis/configuration/1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_roster_is_refused() {
    let mut outpost = Outpost::open_with(0, |papers| {
        papers.shelf.roster = Some(papers.desk.roster());
    })
    .await
    .unwrap();
    let old = outpost.central.look(|papers| papers.shelf.roster.clone());
    let old = old.unwrap();
    outpost.central.change(|papers| {
        papers.shelf.roster = Some(papers.desk.roster());
    });
    outpost.up_to_date().await.unwrap();
    outpost.central.change(|papers| {
        papers.shelf.roster = Some(old.clone());
        lie(papers, |heads| heads.roster = Some(promise(&old)));
    });
    outpost.refuses("portcullis/roster/1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_issued_list_is_refused_and_a_frozen_one_never_thaws() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let open = outpost
        .central
        .look(|papers| papers.shelf.issued_list.clone());
    outpost.central.change(|papers| {
        papers.shelf.issued_list = papers.desk.issued_list(Growth::Frozen);
    });
    outpost.up_to_date().await.unwrap();
    // Whoever has stolen the issuer key mints one more.
    let minted = outpost.central.change(|papers| papers.desk.issue(None));
    outpost
        .denies(&minted, DenyReason::PassNotIssued)
        .await
        .unwrap();

    outpost.central.change(|papers| {
        papers.shelf.issued_list = open.clone();
        lie(papers, |heads| {
            heads.issuers[0].issued_list = promise(&open)
        });
    });
    outpost.refuses("portcullis/issued-list/1").await.unwrap();
    outpost
        .denies(&minted, DenyReason::PassNotIssued)
        .await
        .unwrap();

    // And a newer one that thaws and lists the forgery, with the statement key in bad hands.
    outpost.central.change(|papers| {
        papers.shelf.issued_list = papers.desk.issued_list(Growth::Open);
        papers.shelf.renewal = Renewal::Honest;
    });
    clock::wait_for("the gate to ask for the list", || async {
        let refused = outpost.documents_refused().unwrap();
        let lists = refused
            .iter()
            .filter(|(kind, _)| kind == "portcullis/issued-list/1");
        Ok((lists.count() >= 2).then_some(()))
    })
    .await
    .unwrap();
    outpost
        .denies(&minted, DenyReason::PassNotIssued)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_root_set_is_refused() {
    let mut outpost = Outpost::open(0).await.unwrap();
    let old = outpost.central.look(|papers| papers.shelf.root_set.clone());
    outpost
        .central
        .change(|papers| papers.shelf.root_set = papers.desk.root_set());
    outpost.up_to_date().await.unwrap();
    clock::wait_for("the gate to take the next root set", || async {
        let records = outpost.records()?;
        let number = outpost.central.look(|papers| papers.shelf.root_set.number);
        Ok(records
            .iter()
            .any(|part| {
                matches!(&part.event, Event::Sync(shared::journal::SyncEvent::DocumentTaken { kind, number: taken })
                    if kind == "portcullis/root-set/1" && *taken == number)
            })
            .then_some(()))
    })
    .await
    .unwrap();
    outpost.central.change(|papers| {
        papers.shelf.root_set = old.clone();
        lie(papers, |heads| heads.root_set = promise(&old));
    });
    outpost.refuses("portcullis/root-set/1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn older_heads_are_refused_and_the_same_heads_renew_nothing() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let old = outpost.central.look(|papers| papers.shelf.heads.clone());
    outpost.central.change(|papers| {
        papers.shelf.status_list = papers.desk.status_list();
    });
    outpost.up_to_date().await.unwrap();
    outpost.central.change(|papers| {
        papers.shelf.heads = old;
        papers.shelf.renewal = Renewal::Withheld;
    });
    outpost.refuses("portcullis/heads/1").await.unwrap();

    // A freeze: central answers day after day, with the heads that the gate has.
    outpost.central.change(|papers| {
        papers.shelf.heads = papers.desk.heads(&papers.shelf);
    });
    for (days, step) in [
        (2, FreshnessStep::Warn),
        (5, FreshnessStep::Restrict),
        (31, FreshnessStep::Expired),
    ] {
        outpost
            .central
            .change(|papers| papers.desk.clock.ahead_s = days * DAY_S);
        outpost.restart_with_clock(days * DAY_S).await.unwrap();
        outpost.becomes(step).await.unwrap();
    }
    let pass = outpost.passes[0].clone();
    outpost
        .denies(&pass, DenyReason::StatusUnknown)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_before_acknowledges_nothing_since() {
    let mut outpost = Outpost::open(2).await.unwrap();
    let [first, second] = [0, 1].map(|pass| outpost.passes[pass].clone());
    outpost.grants(&first).await.unwrap();
    outpost.journal_arrived().await.unwrap();
    let old = outpost
        .central
        .look(|papers| papers.shelf.acknowledgement.clone())
        .unwrap();
    outpost.central.change(|papers| {
        papers.shelf.acknowledging = Acknowledging::Replayed {
            bytes: old,
            times: 0,
        };
    });
    outpost.grants(&second).await.unwrap();
    for ahead_s in [0, 60] {
        let before = outpost.replays();
        clock::wait_for("the old acknowledgement to be given twice", || async {
            Ok((outpost.replays() >= before + 2).then_some(()))
        })
        .await
        .unwrap();
        let state = outpost.panel.state().await.unwrap();
        assert!(state.unacknowledged_records > 0, "{state:?}");
        // Nor across a restart.
        outpost.restart_with_clock(ahead_s).await.unwrap();
    }
    outpost
        .central
        .change(|papers| papers.shelf.acknowledging = Acknowledging::Truly);
    outpost.journal_arrived().await.unwrap();
    let records = outpost.records().unwrap();
    let seqs: Vec<u64> = records.iter().map(|record| record.position.seq).collect();
    assert_eq!(seqs, (1..=records.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_carried_out_is_not_carried_out_again() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    let end = outpost.central.change(|papers| {
        let end = papers.desk.order(OrderAction::EndLockdown);
        papers.shelf.orders = vec![end.clone()];
        end
    });
    outpost.up_to_date().await.unwrap();
    outpost.central.change(|papers| {
        let lockdown = papers.desk.order(OrderAction::LockDown);
        papers.shelf.orders.push(lockdown);
    });
    outpost
        .panel
        .wait_for_state("the lockdown", |state| {
            state
                .doors
                .iter()
                .all(|door| door.mode == DoorMode::LockedDown)
        })
        .await
        .unwrap();
    outpost
        .denies(&pass, DenyReason::DoorLockedDown)
        .await
        .unwrap();

    outpost.central.change(|papers| {
        lie(papers, |heads| heads.order = Some(promise(&end)));
        let third = DocumentNumber {
            n: end.number.n + 2,
            ..end.number
        };
        // The gate asks for what comes behind its newest, and gets the end of the lockdown again.
        papers.shelf.orders = vec![Filed {
            number: third,
            bytes: end.bytes,
        }];
    });
    outpost.refuses("portcullis/order/1").await.unwrap();
    outpost
        .denies(&pass, DenyReason::DoorLockedDown)
        .await
        .unwrap();
    outpost.restart_with_clock(0).await.unwrap();
    outpost
        .denies(&pass, DenyReason::DoorLockedDown)
        .await
        .unwrap();
    let releases = outpost.gate.relay_changes(TURNSTILE).unwrap();
    assert_eq!(releases, Vec::new(), "nothing opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_brings_no_expired_pass_back() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    outpost.grants(&pass).await.unwrap();
    // Two years on: the pass has expired, and the gate has heard the time from central.
    let later = 2 * 365 * DAY_S;
    outpost.central.change(|papers| {
        papers.desk.clock.ahead_s = later;
        papers.shelf.trust_list = papers.desk.trust_list();
        papers.shelf.configuration = papers.desk.configuration(papers.shelf.trust_list.number);
        papers.shelf.status_list = papers.desk.status_list();
        papers.shelf.issued_list = papers.desk.issued_list(Growth::Open);
    });
    outpost.restart_with_clock(later).await.unwrap();
    outpost.up_to_date().await.unwrap();
    outpost
        .denies(&pass, DenyReason::PassExpired)
        .await
        .unwrap();

    outpost.gate.set_clock(0).unwrap();
    outpost
        .denies(&pass, DenyReason::PassExpired)
        .await
        .unwrap();
    outpost.restart_with_clock(0).await.unwrap();
    outpost
        .denies(&pass, DenyReason::PassExpired)
        .await
        .unwrap();
    let state = outpost.panel.state().await.unwrap();
    assert_eq!(state.clock, ClockTrust::Untrusted);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_drives_the_clock_far_into_the_future() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    outpost.central.change(|papers| {
        papers.desk.clock.ahead_s = 500 * DAY_S;
        lie(papers, |_| {});
        papers.desk.clock.ahead_s = 0;
    });
    outpost.refuses("portcullis/heads/1").await.unwrap();
    outpost.grants(&pass).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_wakes_in_1970_recovers_by_a_time_bound_to_its_own_request() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    let in_1970 = -i64::try_from(clock::utc().0).unwrap() + 3_600;
    outpost.gate.stop().await.unwrap();
    // A recorded time of another request first: it is no help.
    outpost.central.change(|papers| {
        papers.desk.clock.ahead_s = 10 * DAY_S;
        papers.shelf.time = TimeBinding::OtherRequest;
    });
    outpost.gate.set_clock(in_1970).unwrap();
    outpost.panel = outpost.gate.start().await.unwrap();
    let untrusted = |event: &Event| matches!(event, Event::Clock(ClockEvent::Untrusted { .. }));
    let state = outpost.panel.state().await.unwrap();
    assert_eq!(state.clock, ClockTrust::Untrusted);
    // What the mark cannot vouch for falls to the policy: a gap of three days here, and the gate
    // heard from central moments ago.
    outpost.grants(&pass).await.unwrap();
    clock::wait_for("central to refuse the date of its requests", || async {
        let refused = outpost.central.look(|papers| papers.shelf.dates_refused);
        Ok((refused >= 3).then_some(()))
    })
    .await
    .unwrap();

    outpost
        .central
        .change(|papers| papers.shelf.time = TimeBinding::ThisRequest);
    outpost.becomes(FreshnessStep::Fresh).await.unwrap();
    outpost.grants(&pass).await.unwrap();
    outpost.journal_arrived().await.unwrap();
    let records = outpost.records().unwrap();
    assert!(
        records.iter().any(|part| untrusted(&part.event)),
        "it is recorded"
    );
    let refused = outpost.documents_refused().unwrap();
    assert!(
        refused.iter().any(|(kind, _)| kind == "portcullis/time/1"),
        "the time of another request was refused: {refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_one_kind_is_none_of_another() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    // The statement key signs what would be a status list, as something else.
    outpost.central.change(|papers| {
        papers.desk.status.revoked = vec![0];
        let header: Header = papers.desk.header(30);
        papers.shelf.status_list = papers.desk.status_list_signed_as_another_kind(header);
    });
    let reason = outpost.refuses("portcullis/status-list/1").await.unwrap();
    assert!(reason.contains("does not hold for this kind"), "{reason}");
    outpost.grants(&pass).await.unwrap();
}

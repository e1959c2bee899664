//! Sync against a central in the test's hand, with the real loop, core and store behind it.

mod central;

use shared::{
    decision::{Decision, DenyReason},
    gate_api::{RefusalCode, path},
    journal::Event,
    order::OrderAction,
};

use crate::configuration::ServedBy;

use super::{
    address::{CentralAddress, TlsKeys},
    client::{CallFailed, Client, ClientParts},
    tls::PinnedKeys,
    *,
};
use crate::event_loop::tests::rig::{ENTRY, Rig, TURNSTILE};
use central::{Binding, Central, Digests, Refuse};

struct Line {
    rig: Rig,
    central: Central,
    client: Arc<Client>,
    tasks: Tasks,
}

/// A gate and its central; sync runs.
async fn start(prepare: impl FnOnce(&mut Rig)) -> Line {
    let mut line = connect(prepare).await;
    let sync = line.sync();
    sync.spawn(&mut line.tasks);
    line
}

/// A gate and its central; nobody talks yet.
async fn connect(prepare: impl FnOnce(&mut Rig)) -> Line {
    let mut rig = Rig::start().await;
    prepare(&mut rig);
    let key = rig.key.public().decompress().unwrap();
    let central = Central::start(rig.authority.clone(), key).await;
    let client = Client::new(ClientParts {
        address: CentralAddress::parse(&central.address, TlsKeys::Unknown).unwrap(),
        pinned: PinnedKeys::default(),
        key: Arc::clone(&rig.key),
        store: rig.store.clone(),
        time: rig.time.clone(),
        to_loop: rig.to_loop.clone(),
        timeout_ms: 20_000,
    });
    Line {
        rig,
        central,
        client: Arc::new(client.unwrap()),
        tasks: Tasks::default(),
    }
}

impl Line {
    fn sync(&self) -> Sync {
        Sync {
            gate: self.rig.authority.gate,
            key: Arc::clone(&self.rig.key),
            source: Source::Central(Arc::clone(&self.client)),
            time: self.rig.time.clone(),
            to_loop: self.rig.to_loop.clone(),
            store: self.rig.store.clone(),
            intervals: self.rig.intervals.clone(),
            limits: SyncLimits {
                served_by: ServedBy::Network,
                retry_first_ms: 10,
                retry_most_ms: 50,
                request_timeout_ms: 20_000,
            },
            pull: Arc::clone(&self.rig.pull),
            resend: watch::channel(None).0,
        }
    }

    /// Waits until `holds` says yes.
    async fn until(&mut self, what: &str, mut holds: impl FnMut(&Central) -> bool) {
        for _ in 0..3_000 {
            if holds(&self.central) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain for: {what}");
    }

    /// Waits until the gate holds everything that heads name.
    async fn until_pulled(&mut self) {
        for _ in 0..3_000 {
            let newest = self.central.papers().heads_number();
            let heads = self.rig.ask_core(SyncAsk::Heads).await;
            let wanted = self.rig.ask_core(SyncAsk::Wanted).await;
            if heads == Some(newest) && wanted == WantedNow::default() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the gate does not get what heads name");
    }

    /// The state once everything that sync told is taken in.
    async fn state(&mut self) -> shared::panel_api::PanelState {
        self.rig.ask_core(SyncAsk::Heads).await;
        self.rig.state().await
    }

    async fn decision(&mut self, text: &str) -> Decision {
        self.rig.show(ENTRY, text).await;
        self.rig.decided().await.decision
    }

    /// Sync's tasks hold ways to loop and store: they go first.
    async fn stop(mut self) -> crate::event_loop::tests::rig::Bench {
        self.tasks.wind_down().await;
        drop(self.client);
        self.rig.stop().await
    }
}

#[tokio::test]
async fn everything_is_pulled_and_a_revocation_arrives_through_the_long_poll_as_a_delta() {
    let mut texts = Vec::new();
    let mut line = start(|rig| {
        for _ in 0..10 {
            let pass = rig.authority.issue(&rig.authority.claims(&[1]));
            texts.push(pass.text());
        }
    })
    .await;
    line.until_pulled().await;
    assert_eq!(line.decision(&texts[0]).await, Decision::Grant);
    line.central.publish(|papers| {
        papers.authority.status.revoked = vec![1, 5];
        papers.sign_status_list();
    });
    line.until("the delta", |central| central.papers().deltas_served == 1)
        .await;
    line.until_pulled().await;
    let revoked = Decision::Deny(DenyReason::PassRevoked);
    assert_eq!(line.decision(&texts[1]).await, revoked);
    assert_eq!(line.decision(&texts[2]).await, Decision::Grant);
    // Growing costs only what is new.
    line.central.publish(|papers| {
        let pass = papers.authority.issue(&papers.authority.claims(&[1]));
        texts.push(pass.text());
        papers.sign_issued_list();
        papers.asked.clear();
    });
    line.until_pulled().await;
    assert_eq!(line.decision(&texts[10]).await, Decision::Grant);
    let asked = line.central.papers().asked.clone();
    let ranges = asked.iter().filter(|asked| *asked == path::ISSUED_RANGE);
    assert_eq!(ranges.count(), 1);
    line.stop().await;
}

#[tokio::test]
async fn an_order_goes_before_everything_else() {
    let mut line = start(|rig| {
        rig.authority.issue(&rig.authority.claims(&[1]));
    })
    .await;
    line.until_pulled().await;
    line.central.publish(|papers| {
        let order = papers.authority.sign_order(OrderAction::LockDown, 600);
        papers.orders.push(order);
        papers.sign_status_list();
        papers.asked.clear();
    });
    line.until_pulled().await;
    let asked = line.central.papers().asked.clone();
    let at = |path: &str| asked.iter().position(|asked| asked == path).unwrap();
    assert!(at(path::ORDERS) < at(path::DOCUMENT), "{asked:?}");
    let events = line.stop().await.events();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::OrderTaken { .. }))
    );
}

#[tokio::test]
async fn the_journal_arrives_in_order_and_again_from_where_a_restored_central_stands() {
    let mut line = start(|_| {}).await;
    line.until("records", |central| central.papers().records > 3)
        .await;
    let before = line.central.papers().held;
    line.until_pulled().await;
    // A guard who fails to sign in is an urgent record: it leaves at once.
    line.rig
        .ask(shared::panel_api::PanelAsk::SignIn {
            staff: shared::ids::StaffNumber(1),
            pin: "1".into(),
        })
        .await;
    line.until("urgent records", |central| {
        central.papers().held.position > before.position
    })
    .await;
    let start = shared::journal::ChainState::start(line.rig.authority.gate, before.position.epoch);
    line.central.papers().held = start;
    line.rig
        .ask(shared::panel_api::PanelAsk::SignIn {
            staff: shared::ids::StaffNumber(1),
            pin: "2".into(),
        })
        .await;
    // The central in the test's hand checks the chain with every record.
    line.until("all of it again", |central| {
        central.papers().held.position > before.position
    })
    .await;
    line.stop().await;
}

#[tokio::test]
async fn an_alarm_and_an_override_leave_at_once_with_everything_before_them_and_nothing_else_does()
{
    let mut line = connect(|_| {}).await;
    let mut sync = line.sync();
    let (_unchanged, rarely) = watch::channel(SyncIntervals {
        push_ms: 600_000,
        ..FIRST_INTERVALS
    });
    sync.intervals = rarely;
    sync.spawn(&mut line.tasks);
    line.until_pulled().await;
    // The central in the test's hand checks the chain with every record.
    let arrived = |tail: &watch::Receiver<crate::store::journal::JournalTail>| {
        let urgent_to = tail.borrow().urgent_to;
        move |central: &Central| central.papers().held.position.seq >= urgent_to
    };
    let mut tail = line.rig.store.tail();
    line.until(
        "the faults of a gate that knows nothing yet",
        arrived(&tail),
    )
    .await;
    let held = line.central.papers().held;
    let pass = line.rig.authority.claims(&[9]);
    let pass = line.rig.authority.issue(&pass).text();
    assert!(matches!(line.decision(&pass).await, Decision::Deny(_)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(tail.borrow().last.position > held.position);
    assert_eq!(line.central.papers().held, held, "a denial waits its time");

    let before = tail.borrow().last.position.seq;
    let tampered = gate_core::input::DoorInput::TamperRaised;
    line.rig.sensor(TURNSTILE, tampered).await;
    tail.wait_for(|tail| tail.urgent_to > before).await.unwrap();
    line.until("the alarm and all before it", arrived(&tail))
        .await;

    let before = tail.borrow().last.position.seq;
    line.rig
        .ask(shared::panel_api::PanelAsk::SignIn {
            staff: shared::ids::StaffNumber(1),
            pin: "1".into(),
        })
        .await;
    tail.wait_for(|tail| tail.urgent_to > before).await.unwrap();
    line.until("what the guard did", arrived(&tail)).await;
    line.stop().await;
}

#[tokio::test]
async fn a_fork_stops_the_journal_and_is_told() {
    let mut line = connect(|_| {}).await;
    line.central.refuse(
        path::JOURNAL,
        Refuse::With(RefusalCode::JournalForked, None),
    );
    let sync = line.sync();
    sync.spawn(&mut line.tasks);
    line.until_pulled().await;
    loop {
        let faults = line.state().await.faults;
        if faults.iter().any(|fault| fault.starts_with("journal:")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(line.central.papers().records, 0);
    line.stop().await;
}

#[tokio::test]
async fn a_used_counter_and_a_wrong_clock_are_recovered_from() {
    let line = connect(|rig| {
        rig.authority.issue(&rig.authority.claims(&[1]));
    })
    .await;
    let root_set = line.central.papers().documents[1].1.clone();
    let kind = SignedInput::Document(DocumentName::TrustList);
    line.rig.to_loop.hand_over(kind, root_set).await.unwrap();
    let ask = || {
        line.client
            .call(path::HEARTBEAT, heartbeat(&line), 4_096, Duration::ZERO)
    };
    line.central.refuse(
        path::HEARTBEAT,
        Refuse::With(RefusalCode::CounterUsed, Some(5_000)),
    );
    ask().await.unwrap();
    assert!(line.central.papers().counters.last() >= Some(&5_000));
    line.central
        .refuse(path::HEARTBEAT, Refuse::Clock(Binding::ThisNonce));
    ask().await.unwrap();
    line.central
        .refuse(path::HEARTBEAT, Refuse::Clock(Binding::OtherNonce));
    let refused = ask().await;
    assert!(
        matches!(&refused, Err(CallFailed::Refused(why)) if why.code == RefusalCode::ClockWrong),
        "{refused:?}"
    );
    line.stop().await;
}

fn heartbeat(line: &Line) -> Vec<u8> {
    let head = shared::journal::JournalHead {
        gate: line.rig.authority.gate,
        position: JournalPosition {
            epoch: shared::ids::JournalEpoch(1),
            seq: 0,
        },
        hash: shared::ids::Digest([0; 32]),
        made_at: line.rig.time.now(),
    };
    let head = shared::document::sign(&head, &*line.rig.key).unwrap();
    shared::cbor::encode(&shared::gate_api::Heartbeat {
        version: 1,
        agent_version: "test".into(),
        head: head.into(),
        freshness: FreshnessStep::Fresh,
        heads: None,
        configuration: None,
        uptime_ms: 0,
        problems: Vec::new(),
    })
}

#[tokio::test]
async fn digests_that_do_not_lead_to_the_signed_chain_are_never_believed() {
    let mut texts = Vec::new();
    let mut line = connect(|rig| {
        for _ in 0..8 {
            let pass = rig.authority.issue(&rig.authority.claims(&[1]));
            texts.push(pass.text());
        }
    })
    .await;
    line.central.papers().digests = Digests::False;
    let sync = line.sync();
    sync.spawn(&mut line.tasks);
    line.until("several tries", |central| {
        let asked = &central.papers().asked;
        asked
            .iter()
            .filter(|asked| *asked == path::ISSUED_RANGE)
            .count()
            > 6
    })
    .await;
    let wanted = line.rig.ask_core(SyncAsk::Wanted).await;
    assert!(
        wanted
            .documents
            .iter()
            .any(|wanted| matches!(wanted.name, DocumentName::IssuedList(_)))
    );
    let decision = line.decision(&texts[0]).await;
    assert!(matches!(decision, Decision::Deny(_)), "{decision:?}");
    line.central.papers().digests = Digests::True;
    line.until_pulled().await;
    assert_eq!(line.decision(&texts[7]).await, Decision::Grant);
    line.stop().await;
}

#[tokio::test]
async fn the_link_is_down_while_something_else_answers_and_up_again_by_itself() {
    let mut line = connect(|_| {}).await;
    let ask = async |line: &Line| {
        let body = heartbeat(line);
        line.client
            .call(path::HEARTBEAT, body, 4_096, Duration::ZERO)
            .await
    };
    ask(&line).await.unwrap();
    assert_eq!(line.state().await.link, Link::Up);
    line.central.refuse(path::HEARTBEAT, Refuse::BadGateway);
    assert!(matches!(ask(&line).await, Err(CallFailed::Unreachable(why)) if why.contains("502")));
    assert_eq!(line.state().await.link, Link::Down);
    let sync = line.sync();
    line.central.refuse(path::HEADS, Refuse::Garbage);
    line.central.refuse(path::DOCUMENT, Refuse::Garbage);
    line.central.refuse(path::DOCUMENT, Refuse::BadGateway);
    line.central
        .refuse(path::HEADS, Refuse::With(RefusalCode::Busy, None));
    sync.spawn(&mut line.tasks);
    line.until_pulled().await;
    assert_eq!(line.state().await.link, Link::Up);
    line.stop().await;
}

#[tokio::test]
async fn a_retired_gate_is_told_on_the_guards_screen() {
    let mut line = connect(|_| {}).await;
    line.central.refuse(
        path::HEARTBEAT,
        Refuse::With(RefusalCode::GateRetired, None),
    );
    let body = heartbeat(&line);
    let refused = line
        .client
        .call(path::HEARTBEAT, body, 4_096, Duration::ZERO)
        .await;
    assert!(matches!(refused, Err(CallFailed::Refused(_))));
    let is_told = |faults: &[String]| faults.iter().any(|fault| fault.starts_with("central:"));
    assert!(is_told(&line.state().await.faults));
    let body = heartbeat(&line);
    line.client
        .call(path::HEARTBEAT, body, 4_096, Duration::ZERO)
        .await
        .unwrap();
    assert!(!is_told(&line.state().await.faults));
    line.stop().await;
}

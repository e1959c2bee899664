//! A store that fails: nothing is granted, it is told, and the gate recovers by itself.

use std::collections::VecDeque;

use shared::{
    decision::{Decision, DenyReason},
    journal::{DoorAlarm, DoorEvent, Event, PassageOutcome},
    panel_api::{PanelAsk, PanelMessage},
};

use crate::{
    action::{Action, Commit},
    authority::{Authority, ENTRY, IssuedPass, SUPERVISOR, TURNSTILE},
    guard::GuardRefused,
    input::{DoorInput, GuardRequest, Lookup},
    memory::Lockdown,
    testing::{Bench, StoreMode, picture},
};

fn bench() -> (Bench, IssuedPass) {
    let mut authority = Authority::new();
    let claims = authority.claims(&[1]);
    let pass = authority.issue(&claims);
    (Bench::synced(authority), pass)
}

#[test]
fn a_grant_that_cannot_be_recorded_is_a_denial_and_changes_nothing() {
    let (mut bench, pass) = bench();
    bench.store.mode = StoreMode::Fails;
    let decided = bench.show(ENTRY, &pass.text()).unwrap();
    assert_eq!(decided.decision, Decision::Deny(DenyReason::GateFault));
    assert_eq!(bench.releases(), 0);
    let state = bench.gate.state(bench.now);
    assert_eq!(state.areas[0].inside, 0);
    assert_eq!(state.faults, ["storage: disk full"]);
}

#[test]
fn the_gate_recovers_by_itself_and_records_what_it_could_not() {
    let (mut bench, pass) = bench();
    bench.store.mode = StoreMode::Fails;
    bench.show(ENTRY, &pass.text());
    bench.door(TURNSTILE, DoorInput::TamperRaised);
    bench.wait_ms(30_000);
    assert_eq!(bench.recorded(), []);
    bench.store.mode = StoreMode::Works;
    bench.wait_ms(5000);
    assert_eq!(bench.gate.state(bench.now).faults, [] as [&str; 0]);
    let recorded = bench.recorded();
    let scan = recorded.iter().find_map(|event| match event {
        Event::Scan(scan) => Some(scan),
        _ => None,
    });
    assert_eq!(
        scan.unwrap().decision,
        Decision::Deny(DenyReason::GateFault)
    );
    let tamper = Event::Door {
        door: TURNSTILE,
        event: DoorEvent::AlarmRaised(DoorAlarm::Tamper),
    };
    assert_eq!(recorded.iter().filter(|event| **event == tamper).count(), 1);
    let faults = recorded
        .iter()
        .filter(|event| matches!(event, Event::Fault { .. }));
    assert_eq!(faults.count(), 2, "raised and ended");
    assert_eq!(bench.decision(ENTRY, &pass.text()), Decision::Grant);
}

#[test]
fn a_passage_that_cannot_be_recorded_is_recorded_later() {
    let (mut bench, pass) = bench();
    let scan = bench.show(ENTRY, &pass.text()).unwrap().scan;
    bench.store.mode = StoreMode::Fails;
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.store.mode = StoreMode::Works;
    bench.wait_ms(10_000);
    let outcome = PassageOutcome::Taken;
    assert!(bench.recorded().contains(&Event::Passage { scan, outcome }));
    assert_eq!(bench.store.memory.reservations, []);
}

#[test]
fn a_store_that_fails_for_a_week_costs_no_memory() {
    let (mut bench, _) = bench();
    bench.store.mode = StoreMode::Fails;
    for _ in 0..2000 {
        bench.door(TURNSTILE, DoorInput::TamperRaised);
        bench.door(TURNSTILE, DoorInput::TamperEnded);
        bench.wait_ms(300_000);
    }
    bench.store.mode = StoreMode::Works;
    bench.log.clear();
    bench.wait_ms(10_000);
    assert!(bench.recorded().len() <= crate::commits::BACKLOG_LIMIT + 4);
}

#[test]
fn a_failed_commit_takes_back_its_own_changes_and_not_those_behind_it() {
    let mut authority = Authority::new();
    let passes: Vec<_> = (0..2)
        .map(|_| {
            let claims = authority.claims(&[1]);
            authority.issue(&claims)
        })
        .collect();
    let mut bench = Bench::synced(authority);
    // Two scans at two access points are under way at once.
    let mut commits = vec![];
    for (pass, point) in passes.iter().zip([ENTRY, crate::authority::EXIT]) {
        let read = crate::testing::picture(bench.now, point, &[&pass.text()]);
        bench.gate.handle_texts(bench.now, read);
        while let Some(action) = bench.gate.poll_action() {
            match action {
                Action::LookUp { scan, pass, digest } => {
                    let issued = bench.authority.entry(pass, digest, bench.store.issued);
                    let lookup = crate::input::Lookup {
                        issued,
                        holder: None,
                    };
                    bench.gate.handle_lookup(bench.now, scan, lookup);
                }
                Action::Commit(commit) => commits.push(commit),
                _ => {}
            }
        }
    }
    assert_eq!(commits.len(), 2);
    bench
        .gate
        .handle_commit_failed(bench.now, commits[0].token, "disk full".into());
    bench.store.write(&commits[1], &bench.authority.clone());
    bench.gate.handle_committed(bench.now, commits[1].token);
    bench.run();
    assert_eq!(bench.releases(), 1);
    let presences = &bench.store.memory.presences;
    assert_eq!(presences.len(), 1, "only the second went anywhere");
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 0);
}

#[test]
fn an_order_behind_whose_failed_commit_others_were_written_is_not_taken_for_done() {
    let (mut bench, pass) = bench();
    let order = bench
        .authority
        .sign_order(shared::order::OrderAction::LockDown, 3600);
    bench.gate.handle_order(bench.now, order.clone()).unwrap();
    let Some(Action::Commit(of_order)) = bench.gate.poll_action() else {
        panic!("the order is stored first");
    };
    // A commit behind it writes the facts that the order is part of.
    bench
        .gate
        .handle_guard(
            bench.now,
            crate::input::GuardRequest {
                staff: crate::authority::GUARD,
                ask: shared::panel_api::PanelAsk::LockDown,
            },
        )
        .unwrap();
    bench
        .gate
        .handle_commit_failed(bench.now, of_order.token, "disk full".into());
    bench.run();
    assert_eq!(bench.store.memory.facts.newest_order, None);
    assert_eq!(bench.gate.newest_order(), None);
    bench.gate.handle_order(bench.now, order).unwrap();
    bench.run();
    assert_eq!(bench.gate.newest_order().map(|number| number.n), Some(1));
    assert_eq!(
        bench.decision(ENTRY, &pass.text()),
        Decision::Deny(DenyReason::DoorLockedDown)
    );
}

#[test]
fn a_store_that_does_not_answer_is_a_fault_and_no_flood_of_commits() {
    let (mut bench, pass) = bench();
    let mut waiting = VecDeque::new();
    for n in 0..2000 {
        let input = if n % 2 == 0 {
            DoorInput::TamperRaised
        } else {
            DoorInput::TamperEnded
        };
        bench.gate.handle_door_input(bench.now, TURNSTILE, input);
        collect(&mut bench, &mut waiting);
    }
    assert!(waiting.len() <= 256, "{} commits", waiting.len());
    // Nothing is granted that would have to wait behind them.
    let read = picture(bench.now, ENTRY, &[&pass.text()]);
    bench.gate.handle_texts(bench.now, read);
    let shown = collect(&mut bench, &mut waiting);
    assert_eq!(shown, [Decision::Deny(DenyReason::GateFault)]);
    // A guard is told so, and not that it is done. To lock down waits for no record.
    let staff = SUPERVISOR;
    let ask = PanelAsk::LetIn {
        access_point: ENTRY,
        scan: None,
        reason: "forgot the card".into(),
        name: None,
    };
    let request = GuardRequest { staff, ask };
    assert_eq!(
        bench.gate.handle_guard(bench.now, request),
        Err(GuardRefused::StorageFailing)
    );
    let ask = PanelAsk::LockDown;
    let request = GuardRequest { staff, ask };
    bench.gate.handle_guard(bench.now, request).unwrap();
    collect(&mut bench, &mut waiting);
    assert!(waiting.len() <= 256, "{} commits", waiting.len());
    let faults = bench.gate.state(bench.now).faults;
    assert!(
        faults.iter().any(|it| it.starts_with("storage")),
        "{faults:?}"
    );
    // It answers after all.
    while let Some(commit) = waiting.pop_front() {
        bench.store.write(&commit, &bench.authority);
        bench.gate.handle_committed(bench.now, commit.token);
        collect(&mut bench, &mut waiting);
    }
    bench.run();
    assert_eq!(bench.gate.state(bench.now).faults, Vec::<String>::new());
    let lockdown = bench.store.memory.facts.lockdown;
    assert!(matches!(lockdown, Lockdown::On { .. }));
    let told = |is_it: fn(&Event) -> bool| {
        let records = &bench.store.records;
        records.iter().any(|record| is_it(&record.event))
    };
    assert!(told(|event| matches!(event, Event::Scan(_))));
    assert!(told(|event| matches!(event, Event::Guard { .. })));
}

/// Does everything but answer commits; returns the decisions that were shown.
fn collect(bench: &mut Bench, waiting: &mut VecDeque<Commit>) -> Vec<Decision> {
    let mut shown = vec![];
    while let Some(action) = bench.gate.poll_action() {
        match action {
            Action::LookUp { scan, .. } => {
                let lookup = Lookup {
                    issued: shared::issued_list::IssuedEntry::Issued,
                    holder: None,
                };
                bench.gate.handle_lookup(bench.now, scan, lookup);
            }
            Action::Commit(commit) => waiting.push_back(commit),
            Action::Show(PanelMessage::Decided(decided)) => shown.push(decided.decision),
            Action::Show(_) | Action::Door { .. } | Action::Acknowledged(_) | Action::Pull => {}
        }
    }
    shown
}

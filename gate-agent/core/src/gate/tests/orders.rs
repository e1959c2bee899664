//! Orders: in sequence, stored before use, lockdowns that never lapse.

use shared::{
    decision::{Decision, DenyReason},
    journal::Event,
    order::{DoorMode, OrderAction, Subject},
};

use crate::{
    action::DoorCommand,
    authority::{Authority, ENTRY, IssuedPass, LIBRARY_DOOR, TURNSTILE},
    documents::DocumentProblem,
    input::DoorInput,
    memory::Lockdown,
    testing::{Bench, Happened, StoreMode},
};

fn bench_with_pass() -> (Bench, IssuedPass) {
    let mut authority = Authority::new();
    let claims = authority.claims(&[1]);
    let pass = authority.issue(&claims);
    (Bench::synced(authority), pass)
}

fn order(bench: &mut Bench, action: OrderAction) -> Result<(), DocumentProblem> {
    let bytes = bench.authority.sign_order(action, 3600);
    take(bench, bytes)
}

fn take(bench: &mut Bench, bytes: Vec<u8>) -> Result<(), DocumentProblem> {
    let answer = bench.gate.handle_order(bench.now, bytes);
    bench.run();
    answer
}

#[test]
fn a_lockdown_beats_a_valid_pass_survives_restarts_and_ends_by_order() {
    let (mut bench, pass) = bench_with_pass();
    order(&mut bench, OrderAction::LockDown).unwrap();
    for _ in 0..3 {
        let decision = bench.decision(ENTRY, &pass.text());
        assert_eq!(decision, Decision::Deny(DenyReason::DoorLockedDown));
        bench.restart(40 * 86_400_000);
        bench.heads();
    }
    order(&mut bench, OrderAction::EndLockdown).unwrap();
    assert_eq!(bench.decision(ENTRY, &pass.text()), Decision::Grant);
}

#[test]
fn nobody_is_kept_in_by_a_lockdown() {
    let (mut bench, _) = bench_with_pass();
    order(&mut bench, OrderAction::LockDown).unwrap();
    bench.log.clear();
    bench.door(LIBRARY_DOOR, DoorInput::RequestToExit);
    assert!(matches!(
        bench.log[0],
        Happened::Door(LIBRARY_DOOR, DoorCommand::Release { .. })
    ));
    bench.log.clear();
    bench.door(TURNSTILE, DoorInput::FireRaised);
    let held = Happened::Door(TURNSTILE, DoorCommand::HoldReleased);
    assert!(bench.log.contains(&held));
}

#[test]
fn an_order_that_came_too_late_is_recorded_and_passed_over() {
    let (mut bench, pass) = bench_with_pass();
    let late = bench.authority.sign_order(OrderAction::LockDown, 10);
    bench.wait_ms(11_000);
    take(&mut bench, late).unwrap();
    assert!(matches!(
        bench.recorded().last(),
        Some(Event::OrderExpired { .. })
    ));
    assert_eq!(bench.decision(ENTRY, &pass.text()), Decision::Grant);
    order(&mut bench, OrderAction::LockDown).unwrap();
    assert_eq!(
        bench.gate.newest_order().map(|number| number.n),
        Some(2),
        "the sequence goes on"
    );
}

#[test]
fn orders_come_one_after_the_other_and_none_twice() {
    let (mut bench, _) = bench_with_pass();
    let first = bench.authority.sign_order(OrderAction::LockDown, 3600);
    let second = bench.authority.sign_order(OrderAction::EndLockdown, 3600);
    let third = bench.authority.sign_order(OrderAction::LockDown, 3600);
    take(&mut bench, first.clone()).unwrap();
    assert!(matches!(
        take(&mut bench, third.clone()),
        Err(DocumentProblem::NotNext { .. })
    ));
    take(&mut bench, second).unwrap();
    take(&mut bench, third).unwrap();
    assert!(matches!(
        take(&mut bench, first),
        Err(DocumentProblem::OlderThanHeld { .. })
    ));
}

#[test]
fn an_order_is_carried_out_only_when_it_is_stored() {
    let (mut bench, _) = bench_with_pass();
    let release = OrderAction::Release { door: TURNSTILE };
    bench.store.mode = StoreMode::Fails;
    let bytes = bench.authority.sign_order(release, 3600);
    take(&mut bench, bytes.clone()).unwrap();
    assert_eq!(bench.releases(), 0);
    bench.store.mode = StoreMode::Works;
    take(&mut bench, bytes).unwrap();
    assert_eq!(bench.releases(), 1);
    bench.restart(1000);
    assert_eq!(bench.releases(), 1, "not done again");
}

#[test]
fn a_lockdown_locks_even_when_the_store_fails() {
    let (mut bench, _) = bench_with_pass();
    let mode = DoorMode::Unlocked;
    let unlock = OrderAction::SetDoorMode {
        door: TURNSTILE,
        mode,
    };
    order(&mut bench, unlock).unwrap();
    bench.store.mode = StoreMode::Fails;
    bench.log.clear();
    order(&mut bench, OrderAction::LockDown).unwrap();
    let locked = Happened::Door(TURNSTILE, DoorCommand::Lock);
    assert!(bench.log.contains(&locked));
}

#[test]
fn door_modes_hold_across_restarts() {
    let (mut bench, pass) = bench_with_pass();
    let set = |mode| OrderAction::SetDoorMode {
        door: TURNSTILE,
        mode,
    };
    order(&mut bench, set(DoorMode::Blocked)).unwrap();
    let blocked = Decision::Deny(DenyReason::DoorBlocked);
    assert_eq!(bench.decision(ENTRY, &pass.text()), blocked);
    bench.restart(1000);
    assert_eq!(bench.decision(ENTRY, &pass.text()), blocked);
    order(&mut bench, set(DoorMode::Unlocked)).unwrap();
    bench.log.clear();
    bench.restart(1000);
    let held = Happened::Door(TURNSTILE, DoorCommand::HoldReleased);
    assert!(bench.log.contains(&held));
    assert_eq!(bench.decision(ENTRY, &pass.text()), Decision::Grant);
}

#[test]
fn forgiving_lets_somebody_in_again() {
    let (mut bench, pass) = bench_with_pass();
    assert_eq!(bench.decision(ENTRY, &pass.text()), Decision::Grant);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(10_000);
    assert_eq!(
        bench.decision(ENTRY, &pass.text()),
        Decision::Deny(DenyReason::AntiPassbackViolated)
    );
    let subject = Subject::Pass(pass.id);
    order(&mut bench, OrderAction::Forgive { subject }).unwrap();
    assert_eq!(bench.decision(ENTRY, &pass.text()), Decision::Grant);
}

#[test]
fn an_order_for_a_door_that_is_not_here_is_taken_and_changes_nothing() {
    let (mut bench, _) = bench_with_pass();
    let door = shared::ids::DoorId(99);
    order(&mut bench, OrderAction::Release { door }).unwrap();
    let mode = DoorMode::Unlocked;
    order(&mut bench, OrderAction::SetDoorMode { door, mode }).unwrap();
    assert_eq!(bench.releases(), 0);
    assert_eq!(bench.store.memory.door_modes, []);
}

#[test]
fn a_lockdown_between_decision_and_record_keeps_the_door_shut() {
    let (mut bench, pass) = bench_with_pass();
    bench.gate.handle_texts(
        bench.now,
        crate::testing::picture(bench.now, ENTRY, &[&pass.text()]),
    );
    let mut held_back = None;
    while let Some(action) = bench.gate.poll_action() {
        match action {
            crate::action::Action::LookUp { scan, pass, digest } => {
                let issued = bench.authority.entry(pass, digest, bench.store.issued);
                let lookup = crate::input::Lookup {
                    issued,
                    holder: None,
                };
                bench.gate.handle_lookup(bench.now, scan, lookup);
            }
            crate::action::Action::Commit(commit) => held_back = Some(commit),
            _ => {}
        }
    }
    order(&mut bench, OrderAction::LockDown).unwrap();
    let token = held_back.unwrap().token;
    bench.log.clear();
    bench.gate.handle_committed(bench.now, token);
    bench.run();
    assert_eq!(bench.releases(), 0);
    assert!(matches!(
        bench.store.memory.facts.lockdown,
        Lockdown::On { .. }
    ));
}

//! Between a decision and its commit, and when the store fails.

use super::*;

#[test]
fn nobody_is_let_in_by_a_guard_when_a_lockdown_came_before_the_commit() {
    let mut bench = Bench::synced(Authority::new());
    guard(&mut bench, GUARD, let_in());
    let commits = hold_commits(&mut bench);
    guard(&mut bench, SUPERVISOR, PanelAsk::LockDown);
    answer(&mut bench, commits);
    assert_eq!(bench.releases(), 0);
    // A supervisor may.
    guard(&mut bench, SUPERVISOR, let_in());
    bench.run();
    assert_eq!(bench.releases(), 1);
}

#[test]
fn a_fault_of_the_door_lets_no_guard_through_a_lockdown() {
    let mut bench = Bench::synced(Authority::new());
    order(&mut bench, OrderAction::LockDown);
    bench.run();
    bench.door(TURNSTILE, DoorInput::FaultRaised);
    let staff = GUARD;
    let ask = let_in();
    let request = GuardRequest { staff, ask };
    let answer = bench.gate.handle_guard(bench.now, request);
    assert_eq!(answer, Err(crate::guard::GuardRefused::LockedDown));
}

#[test]
fn an_order_to_release_does_not_open_a_door_that_is_locked_down() {
    let mut bench = Bench::synced(Authority::new());
    order(&mut bench, OrderAction::LockDown);
    bench.run();
    order(&mut bench, OrderAction::Release { door: TURNSTILE });
    bench.run();
    assert_eq!(bench.releases(), 0);
    let released = |event: &Event| {
        matches!(
            event,
            Event::Door {
                event: DoorEvent::Released,
                ..
            }
        )
    };
    assert!(!bench.recorded().iter().any(released));
    // One that was under way when the lockdown came, neither.
    order(&mut bench, OrderAction::EndLockdown);
    bench.run();
    order(&mut bench, OrderAction::Release { door: TURNSTILE });
    let commits = hold_commits(&mut bench);
    guard(&mut bench, GUARD, PanelAsk::LockDown);
    answer(&mut bench, commits);
    assert_eq!(bench.releases(), 0);
}

#[test]
fn a_lockdown_that_is_called_while_another_is_being_ended_stands() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    order(&mut bench, OrderAction::LockDown);
    bench.run();
    for by_order in [true, false] {
        if by_order {
            order(&mut bench, OrderAction::EndLockdown);
        } else {
            guard(&mut bench, SUPERVISOR, PanelAsk::EndLockdown);
        }
        let commits = hold_commits(&mut bench);
        guard(&mut bench, GUARD, PanelAsk::LockDown);
        answer(&mut bench, commits);
        let locked_down = Decision::Deny(DenyReason::DoorLockedDown);
        assert_eq!(bench.decision(ENTRY, &passes[1].text()), locked_down);
        bench.wait_ms(6000);
    }
    guard(&mut bench, SUPERVISOR, PanelAsk::EndLockdown);
    bench.run();
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
}

#[test]
fn a_lockdown_or_time_that_a_failing_store_did_not_take_overwrites_no_newer_one() {
    let mut bench = Bench::synced(Authority::new());
    bench.store.mode = StoreMode::Fails;
    bench.wait_ms(1000);
    guard(&mut bench, GUARD, PanelAsk::LockDown);
    let time = bench.authority.sign_time([1; 16]);
    bench
        .gate
        .handle_signed_time(bench.now, &time, [1; 16])
        .unwrap();
    bench.run();
    bench.store.mode = StoreMode::Works;
    pass_4_s(&mut bench);
    guard(&mut bench, SUPERVISOR, PanelAsk::EndLockdown);
    let heads = bench.authority.heads();
    let heads = bench.authority.sign_heads(&heads);
    bench.gate.handle_heads(bench.now, heads).unwrap();
    let commits = hold_commits(&mut bench);
    answer(&mut bench, commits);
    let facts = bench.store.memory.facts;
    assert_eq!(facts.mark, bench.now.utc);
    assert_eq!(facts.lockdown, Lockdown::Off);
}

#[test]
fn a_settlement_that_a_failing_store_did_not_take_overwrites_no_newer_grant() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let text = passes[1].text();
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
    bench.store.mode = StoreMode::Fails;
    bench.wait_ms(6000);
    bench.store.mode = StoreMode::Works;
    pass_4_s(&mut bench);
    guard(&mut bench, GUARD, PanelAsk::SignOut);
    let commits = show_without_answer(&mut bench, ENTRY, &text);
    assert_eq!(commits.len(), 2);
    answer(&mut bench, commits);
    bench.door(TURNSTILE, DoorInput::Rotated);
    let uses = &bench.store.memory.uses;
    assert_eq!(uses.iter().map(|it| it.uses).collect::<Vec<_>>(), [1]);
    let presence = bench.store.memory.presences.last().copied();
    assert_eq!(presence.map(|it| it.area), Some(YARD));
    assert_eq!(bench.store.memory.reservations, []);
    bench.wait_ms(6000);
    let inside = Decision::Deny(DenyReason::AntiPassbackViolated);
    assert_eq!(bench.decision(ENTRY, &text), inside);
}

#[test]
fn a_grant_whose_door_left_the_configuration_is_settled() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let mut commits = {
        let mut configuration = bench.authority.configuration();
        configuration.doors.retain(|door| door.id == LIBRARY_DOOR);
        configuration
            .access_points
            .retain(|point| point.door == LIBRARY_DOOR);
        for level in &mut configuration.access_levels {
            let is_left = |id| configuration.access_points.iter().any(|p| p.id == id);
            level.grants.retain(|grant| is_left(grant.access_point));
        }
        let bytes = bench.authority.sign_configuration(&configuration);
        let name = DocumentName::Configuration;
        bench.gate.handle_document(bench.now, name, bytes).unwrap();
        hold_commits(&mut bench)
    };
    commits.extend(show_without_answer(&mut bench, ENTRY, &passes[1].text()));
    answer(&mut bench, commits);
    assert_eq!(bench.store.memory.reservations, []);
    assert_eq!(bench.releases(), 0);
    assert!(bench.recorded().iter().any(|event| matches!(
        event,
        Event::Passage {
            outcome: PassageOutcome::NotTaken,
            ..
        }
    )));
}

#[test]
fn after_a_crash_every_open_grant_of_a_pass_is_given_back() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    configure(&mut bench, |configuration| {
        configuration.policies.unknown_outcome = UnknownOutcomePolicy::CountAsNotTaken;
    });
    let subject = Subject::Pass(passes[1].id);
    let presence = |area, since| Presence {
        subject,
        area,
        since: T0.plus(since),
    };
    let outside = presence(shared::ids::AreaId::OUTSIDE, 5);
    let reservation = |scan, before, at| Reservation {
        scan: ScanId(scan),
        access_point: ENTRY,
        subject,
        pass: passes[1].id,
        before: Some(before),
        uses: 1,
        at: T0.plus(at),
    };
    let memory = &mut bench.store.memory;
    memory.reservations = vec![
        reservation(1, outside, 10),
        reservation(2, presence(YARD, 10), 20),
    ];
    memory.presences = vec![presence(YARD, 20)];
    memory.uses = vec![PassUse {
        pass: passes[1].id,
        uses: 2,
        last_proof: None,
    }];
    bench.restart(1000);
    assert_eq!(bench.store.memory.reservations, []);
    assert_eq!(bench.store.memory.uses[0].uses, 0);
    assert_eq!(bench.store.memory.presences, [outside]);
}

#[test]
fn a_release_leaves_only_behind_its_commit_and_only_once() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let is_release = |action: &Action| {
        matches!(
            action,
            Action::Door {
                command: DoorCommand::Release { .. } | DoorCommand::HoldReleased,
                ..
            }
        )
    };
    let commits = show_without_answer(&mut bench, ENTRY, &passes[1].text());
    order(&mut bench, OrderAction::Release { door: LIBRARY_DOOR });
    let mode = shared::order::DoorMode::Unlocked;
    let door = LIBRARY_DOOR;
    guard(&mut bench, SUPERVISOR, PanelAsk::SetDoorMode { door, mode });
    guard(&mut bench, GUARD, let_in());
    let mut commits = [commits, hold_commits(&mut bench)].concat();
    assert_eq!(bench.releases(), 0);
    let token = commits[0].token;
    for _ in 0..2 {
        bench.gate.handle_committed(bench.now, token);
    }
    let actions: Vec<Action> = core::iter::from_fn(|| bench.gate.poll_action()).collect();
    assert_eq!(
        actions.iter().filter(|action| is_release(action)).count(),
        1
    );
    // What is not written opens nothing.
    for commit in commits.drain(1..) {
        let problem = "disk full".to_owned();
        bench
            .gate
            .handle_commit_failed(bench.now, commit.token, problem);
    }
    let actions: Vec<Action> = core::iter::from_fn(|| bench.gate.poll_action()).collect();
    assert_eq!(
        actions.iter().filter(|action| is_release(action)).count(),
        0
    );
}

#[test]
fn no_number_of_a_scan_is_used_twice_across_a_restart() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let first = bench.show(ENTRY, &passes[1].text()).unwrap().scan;
    bench.restart(10_000);
    let second = bench.show(EXIT, &passes[1].text()).unwrap().scan;
    assert!(second > first, "{second} after {first}");
}

#[test]
fn two_open_grants_of_one_pass_that_were_both_not_taken_leave_nothing() {
    for is_restarted in [false, true] {
        let (authority, passes) = authority_with_passes(2);
        let mut bench = Bench::synced(authority);
        configure(&mut bench, |configuration| {
            configuration.policies.repeat_scan_ms = 0;
            configuration.policies.unknown_outcome = UnknownOutcomePolicy::CountAsNotTaken;
            for point in &mut configuration.access_points {
                point.anti_passback = shared::policy::AntiPassbackPolicy::Off;
            }
        });
        for _ in 0..3 {
            assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
            bench.wait_ms(1500);
        }
        assert_eq!(bench.store.memory.reservations.len(), 3);
        bench.wait_ms(2000);
        if is_restarted {
            assert_eq!(bench.store.memory.reservations.len(), 2);
            bench.restart(10_000);
        } else {
            bench.wait_ms(10_000);
        }
        assert_eq!(bench.store.memory.reservations, []);
        assert_eq!(bench.store.memory.presences, []);
        assert_eq!(bench.store.memory.uses[0].uses, 0);
        assert_eq!(bench.gate.state(bench.now).areas[0].inside, 0);
    }
}

#[test]
fn a_guards_yes_that_a_lockdown_overtook_takes_nobody_inside_and_tells_of_no_release() {
    let (authority, passes) = authority_with_passes(1);
    let mut bench = Bench::synced(authority);
    let denied = bench.show(ENTRY, &passes[0].text()).unwrap();
    let ask = PanelAsk::LetIn {
        access_point: ENTRY,
        scan: Some(denied.scan),
        reason: "known to me".into(),
        name: None,
    };
    guard(&mut bench, GUARD, ask.clone());
    let commits = hold_commits(&mut bench);
    guard(&mut bench, SUPERVISOR, PanelAsk::LockDown);
    answer(&mut bench, commits);
    order(&mut bench, OrderAction::EndLockdown);
    bench.run();
    order(&mut bench, OrderAction::Release { door: TURNSTILE });
    let commits = hold_commits(&mut bench);
    guard(&mut bench, GUARD, PanelAsk::LockDown);
    answer(&mut bench, commits);
    let released = |records: &[crate::action::RecordDraft]| {
        let is_release = |event: &Event| matches!(event, Event::Door { event, .. } if *event == DoorEvent::Released);
        records.iter().filter(|it| is_release(&it.event)).count()
    };
    assert_eq!(bench.releases(), 0);
    assert_eq!(released(&bench.store.records), 0);
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 0);
    assert_eq!(bench.store.memory.presences, []);
    order(&mut bench, OrderAction::EndLockdown);
    bench.run();
    guard(&mut bench, GUARD, ask);
    bench.run();
    assert_eq!(bench.releases(), 1);
    assert_eq!(released(&bench.store.records), 1);
    assert_eq!(bench.store.memory.presences.len(), 1);
}

//! What a guard may do, and that it is recorded first.

use shared::{
    decision::{Decision, DenyReason},
    ids::{AccessPointId, DoorId, ScanId, StaffNumber},
    journal::{Event, GuardAction},
    order::{DoorMode, Subject},
    panel_api::PanelAsk,
};

use crate::{
    action::{DoorCommand, DoorSignal},
    authority::{Authority, ENTRY, EXIT, GUARD, IssuedPass, SUPERVISOR, TECHNICIAN, TURNSTILE},
    guard::{GuardRefused, NAME_LIMIT, REASON_LIMIT},
    input::{DoorInput, GuardRequest},
    testing::{Bench, Happened, StoreMode},
};

fn bench_with_pass() -> (Bench, IssuedPass) {
    let mut authority = Authority::new();
    let claims = authority.claims(&[1]);
    let pass = authority.issue(&claims);
    (Bench::synced(authority), pass)
}

fn ask(bench: &mut Bench, staff: StaffNumber, ask: PanelAsk) -> Result<(), GuardRefused> {
    let answer = bench
        .gate
        .handle_guard(bench.now, GuardRequest { staff, ask });
    bench.run();
    answer
}

fn let_in(scan: Option<ScanId>) -> PanelAsk {
    PanelAsk::LetIn {
        access_point: ENTRY,
        scan,
        reason: "forgot the card".into(),
        name: None,
    }
}

#[test]
fn letting_in_is_recorded_with_its_reason_and_then_releases() {
    let (mut bench, _) = bench_with_pass();
    ask(&mut bench, GUARD, let_in(None)).unwrap();
    let recorded = bench.log.iter().position(|happened| {
        matches!(
            happened,
            Happened::Recorded(Event::Guard {
                staff: GUARD,
                action: GuardAction::LetIn { scan: None, .. }
            })
        )
    });
    let released = bench
        .log
        .iter()
        .position(|h| matches!(h, Happened::Door(_, DoorCommand::Release { .. })));
    assert!(recorded.unwrap() < released.unwrap());
    let record = bench
        .store
        .records
        .iter()
        .rev()
        .find(|record| matches!(record.event, Event::Guard { .. }));
    let personal = record.unwrap().personal.clone().unwrap();
    assert_eq!(personal.note.as_deref(), Some("forgot the card"));
}

#[test]
fn an_override_that_is_not_recorded_opens_nothing() {
    let (mut bench, _) = bench_with_pass();
    bench.store.mode = StoreMode::Fails;
    ask(&mut bench, GUARD, let_in(None)).unwrap();
    assert_eq!(bench.releases(), 0);
    bench.store.mode = StoreMode::Works;
    bench.wait_ms(60_000);
    assert_eq!(bench.releases(), 0, "nor later");
}

#[test]
fn an_override_names_the_denied_scan_and_takes_its_holder_inside() {
    let (mut bench, pass) = bench_with_pass();
    bench.authority.status.revoked = vec![0];
    let list = bench.authority.sign_status_list();
    let name = shared::gate_api::DocumentName::StatusList(bench.authority.kid());
    bench.document(name, list).unwrap();
    let denied = bench.show(ENTRY, &pass.text()).unwrap();
    ask(&mut bench, GUARD, let_in(Some(denied.scan))).unwrap();
    let record = bench
        .store
        .records
        .iter()
        .rev()
        .find(|record| matches!(record.event, Event::Guard { .. }));
    let record = record.unwrap();
    assert_eq!(record.personal.clone().unwrap().pass, Some(pass.id));
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 1);
}

#[test]
fn only_a_denied_scan_of_the_same_access_point_can_be_named() {
    let (mut bench, pass) = bench_with_pass();
    let granted = bench.show(ENTRY, &pass.text()).unwrap();
    for scan in [granted.scan, ScanId(999)] {
        assert_eq!(
            ask(&mut bench, GUARD, let_in(Some(scan))),
            Err(GuardRefused::ScanUnknown)
        );
    }
    bench.wait_ms(6000);
    bench.door(TURNSTILE, DoorInput::FaultRaised);
    let denied = bench.show(ENTRY, &pass.text()).unwrap();
    assert_eq!(denied.decision, Decision::Deny(DenyReason::GateFault));
    let elsewhere = PanelAsk::LetIn {
        access_point: EXIT,
        scan: Some(denied.scan),
        reason: "x".into(),
        name: None,
    };
    assert_eq!(
        ask(&mut bench, GUARD, elsewhere),
        Err(GuardRefused::ScanUnknown)
    );
}

#[test]
fn in_a_lockdown_or_at_a_blocked_door_only_a_supervisor_lets_in() {
    let (mut bench, _) = bench_with_pass();
    ask(&mut bench, GUARD, PanelAsk::LockDown).unwrap();
    assert_eq!(
        ask(&mut bench, GUARD, let_in(None)),
        Err(GuardRefused::LockedDown)
    );
    ask(&mut bench, SUPERVISOR, let_in(None)).unwrap();
    assert_eq!(bench.releases(), 1);
    assert_eq!(
        ask(&mut bench, GUARD, PanelAsk::EndLockdown),
        Err(GuardRefused::NeedsSupervisor)
    );
    ask(&mut bench, SUPERVISOR, PanelAsk::EndLockdown).unwrap();
    let mode = DoorMode::Blocked;
    let door = TURNSTILE;
    ask(&mut bench, SUPERVISOR, PanelAsk::SetDoorMode { door, mode }).unwrap();
    assert_eq!(
        ask(&mut bench, GUARD, let_in(None)),
        Err(GuardRefused::DoorBlocked)
    );
}

#[test]
fn a_guards_lockdown_locks_at_once_and_outlives_a_store_that_fails() {
    let (mut bench, pass) = bench_with_pass();
    bench.store.mode = StoreMode::Fails;
    ask(&mut bench, GUARD, PanelAsk::LockDown).unwrap();
    bench.store.mode = StoreMode::Works;
    assert_eq!(
        bench.decision(ENTRY, &pass.text()),
        Decision::Deny(DenyReason::DoorLockedDown)
    );
    bench.wait_ms(10_000);
    let event = Event::Guard {
        staff: GUARD,
        action: GuardAction::LockedDown,
    };
    assert!(bench.recorded().contains(&event), "recorded in the end");
    bench.restart(1000);
    assert_eq!(
        bench.decision(ENTRY, &pass.text()),
        Decision::Deny(DenyReason::DoorLockedDown)
    );
}

#[test]
fn each_role_may_do_what_is_its_own() {
    let (mut bench, _) = bench_with_pass();
    let door = TURNSTILE;
    let mode = DoorMode::Unlocked;
    let subject = Subject::Holder(shared::ids::HolderNumber(1));
    let guards = [
        let_in(None),
        PanelAsk::Forgive { subject },
        PanelAsk::SilenceAlarm { door },
        PanelAsk::LockDown,
    ];
    let supervisors = [PanelAsk::EndLockdown, PanelAsk::SetDoorMode { door, mode }];
    for asked in &guards {
        assert_eq!(
            ask(&mut bench, TECHNICIAN, asked.clone()),
            Err(GuardRefused::NeedsGuard)
        );
        ask(&mut bench, SUPERVISOR, PanelAsk::EndLockdown).unwrap();
        ask(&mut bench, GUARD, asked.clone()).unwrap();
    }
    for asked in &supervisors {
        for staff in [GUARD, TECHNICIAN] {
            assert_eq!(
                ask(&mut bench, staff, asked.clone()),
                Err(GuardRefused::NeedsSupervisor)
            );
        }
        ask(&mut bench, SUPERVISOR, asked.clone()).unwrap();
    }
    let nobody = StaffNumber(77);
    assert_eq!(
        ask(&mut bench, nobody, PanelAsk::LockDown),
        Err(GuardRefused::StaffUnknown(nobody))
    );
}

#[test]
fn a_request_that_makes_no_sense_is_refused_with_what_to_do() {
    let (mut bench, _) = bench_with_pass();
    let asked = |access_point, reason: &str, name: Option<String>| PanelAsk::LetIn {
        access_point,
        scan: None,
        reason: reason.into(),
        name,
    };
    let long = "x".repeat(REASON_LIMIT + 1);
    let long_name = Some("x".repeat(NAME_LIMIT + 1));
    let door = DoorId(9);
    let mode = DoorMode::Accessed;
    let cases = [
        (asked(ENTRY, "  ", None), GuardRefused::ReasonMissing),
        (
            asked(ENTRY, &long, None),
            GuardRefused::TooLong {
                limit_bytes: REASON_LIMIT,
            },
        ),
        (
            asked(ENTRY, "x", long_name),
            GuardRefused::TooLong {
                limit_bytes: NAME_LIMIT,
            },
        ),
        (
            asked(AccessPointId(9), "x", None),
            GuardRefused::AccessPointUnknown(AccessPointId(9)),
        ),
        (
            PanelAsk::SilenceAlarm { door },
            GuardRefused::DoorUnknown(door),
        ),
        (
            PanelAsk::SetDoorMode {
                door: TURNSTILE,
                mode,
            },
            GuardRefused::ModeNotSettable,
        ),
        (PanelAsk::State, GuardRefused::NotForTheMachine),
    ];
    for (asked, refused) in cases {
        assert_eq!(ask(&mut bench, SUPERVISOR, asked), Err(refused));
    }
}

#[test]
fn signing_in_and_out_and_a_wrong_pin_are_recorded() {
    let (mut bench, _) = bench_with_pass();
    let sign_in = PanelAsk::SignIn {
        staff: GUARD,
        pin: "1234".into(),
    };
    ask(&mut bench, GUARD, sign_in).unwrap();
    ask(&mut bench, GUARD, PanelAsk::SignOut).unwrap();
    bench.gate.handle_pin_refused(bench.now, GUARD);
    bench.gate.handle_pin_refused(bench.now, StaffNumber(77));
    bench.run();
    let event = |staff, action| Event::Guard { staff, action };
    assert_eq!(
        bench.recorded(),
        [
            event(GUARD, GuardAction::SignedIn),
            event(GUARD, GuardAction::SignedOut),
            event(GUARD, GuardAction::PinRefused),
            event(StaffNumber(0), GuardAction::PinRefused),
        ]
    );
}

#[test]
fn a_silenced_alarm_is_quiet_and_still_stands() {
    let (mut bench, _) = bench_with_pass();
    bench.door(TURNSTILE, DoorInput::TamperRaised);
    let door = TURNSTILE;
    bench.log.clear();
    ask(&mut bench, GUARD, PanelAsk::SilenceAlarm { door }).unwrap();
    let quiet = Happened::Door(TURNSTILE, DoorCommand::Signal(DoorSignal::Quiet));
    assert!(bench.log.contains(&quiet));
    assert_eq!(bench.gate.state(bench.now).doors[0].alarms.len(), 1);
}

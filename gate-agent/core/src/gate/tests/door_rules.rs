//! What the configuration asks of doors beyond their locks: interlocks, and hours in which a door
//! stands unlocked.

use shared::{
    configuration::{Configuration, HoursBegin, UnlockedHours},
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    ids::{DoorId, ScheduleId},
    journal::{DoorEvent, Event},
    order::{DoorMode, OrderAction},
    panel_api::PanelAsk,
    schedule::{Schedule, WeeklyPeriod},
};

use crate::{
    action::DoorCommand,
    authority::{
        Authority, ENTRY, GUARD, IssuedPass, LIBRARY, LIBRARY_DOOR, SUPERVISOR, TURNSTILE,
    },
    guard::GuardRefused,
    input::{DoorInput, GuardRequest},
    testing::{Bench, Happened},
};

const HOURS: ScheduleId = ScheduleId(77);

fn bench(change: impl Fn(&mut Configuration)) -> (Bench, IssuedPass, IssuedPass) {
    let mut authority = Authority::new();
    let claims = authority.claims(&[1, 2]);
    let first = authority.issue(&claims);
    let claims = authority.claims(&[1, 2]);
    let second = authority.issue(&claims);
    let mut bench = Bench::synced(authority);
    let mut configuration = bench.authority.configuration();
    for level in &mut configuration.access_levels {
        let grant = level.grants[0];
        for point in [ENTRY, LIBRARY] {
            if !level.grants.iter().any(|it| it.access_point == point) {
                level.grants.push(shared::access_level::AccessGrant {
                    access_point: point,
                    ..grant
                });
            }
        }
        level.grants.sort_unstable();
    }
    for point in &mut configuration.access_points {
        point.anti_passback = shared::policy::AntiPassbackPolicy::Off;
    }
    change(&mut configuration);
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    bench.door(LIBRARY_DOOR, DoorInput::Closed);
    bench.log.clear();
    (bench, first, second)
}

fn interlocked(configuration: &mut Configuration) {
    for door in &mut configuration.doors {
        door.interlock = Some(if door.id == TURNSTILE {
            LIBRARY_DOOR
        } else {
            TURNSTILE
        });
    }
}

#[test]
fn of_two_interlocked_doors_a_pass_opens_one_only_while_the_other_is_shut() {
    let (mut bench, first, second) = bench(interlocked);
    assert_eq!(bench.decision(LIBRARY, &first.text()), Decision::Grant);
    let blocked = Decision::Deny(DenyReason::DoorBlocked);
    assert_eq!(bench.decision(ENTRY, &second.text()), blocked, "released");
    bench.door(LIBRARY_DOOR, DoorInput::Opened);
    bench.wait_ms(10_000);
    assert_eq!(bench.decision(ENTRY, &second.text()), blocked, "open");
    bench.door(LIBRARY_DOOR, DoorInput::Closed);
    bench.wait_ms(10_000);
    assert_eq!(bench.decision(ENTRY, &second.text()), Decision::Grant);
}

#[test]
fn an_interlock_stops_staff_and_never_the_way_out() {
    let (mut bench, ..) = bench(interlocked);
    bench.door(LIBRARY_DOOR, DoorInput::RequestToExit);
    bench.door(LIBRARY_DOOR, DoorInput::Opened);
    let let_in = |staff| GuardRequest {
        staff,
        ask: PanelAsk::LetIn {
            access_point: ENTRY,
            scan: None,
            reason: "a visitor".into(),
            name: None,
        },
    };
    for staff in [GUARD, SUPERVISOR] {
        let refused = bench.gate.handle_guard(bench.now, let_in(staff));
        assert_eq!(refused, Err(GuardRefused::Interlocked));
    }
    bench.log.clear();
    let door = TURNSTILE;
    let order = bench
        .authority
        .sign_order(OrderAction::Release { door }, 60);
    bench.gate.handle_order(bench.now, order).unwrap();
    bench.run();
    assert_eq!(bench.releases(), 0);
    bench.door(TURNSTILE, DoorInput::RequestToExit);
    assert_eq!(bench.releases(), 1, "egress waits for no other door");
    bench.log.clear();
    bench.door(TURNSTILE, DoorInput::FireRaised);
    let held = Happened::Door(TURNSTILE, DoorCommand::HoldReleased);
    assert!(bench.log.contains(&held));
}

/// Every day, from five to ten minutes from now.
fn hours(begin: HoursBegin) -> impl Fn(&mut Configuration) {
    move |configuration| {
        let now = configuration.offsets.local(crate::authority::T0).unwrap();
        let weekly = |weekday| WeeklyPeriod {
            weekday,
            from_min: now.minute + 5,
            until_min: now.minute + 10,
        };
        configuration.schedules.push(Schedule {
            id: HOURS,
            name: "Open house".into(),
            weekly: (0..7).map(weekly).collect(),
            special_days: vec![],
        });
        for door in &mut configuration.doors {
            if door.id == LIBRARY_DOOR {
                let schedule = HOURS;
                door.hours = Some(UnlockedHours { schedule, begin });
            }
        }
    }
}

fn mode(bench: &Bench, door: DoorId) -> DoorMode {
    let state = bench.gate.state(bench.now);
    let found = state.doors.iter().find(|it| it.door == door);
    found.unwrap().mode
}

fn modes_recorded(bench: &Bench) -> Vec<DoorMode> {
    let modes = bench
        .recorded()
        .into_iter()
        .filter_map(|event| match event {
            Event::Door {
                door: LIBRARY_DOOR,
                event: DoorEvent::ModeChanged(mode),
            } => Some(mode),
            _ => None,
        });
    modes.collect()
}

const MINUTE_MS: u64 = 60_000;

#[test]
fn a_door_stands_unlocked_in_its_hours_and_is_locked_behind_them() {
    let (mut bench, ..) = bench(hours(HoursBegin::WithSchedule));
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Locked);
    bench.wait_ms(5 * MINUTE_MS);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Unlocked);
    assert_eq!(mode(&bench, TURNSTILE), DoorMode::Locked);
    bench.wait_ms(5 * MINUTE_MS);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Locked);
    assert_eq!(
        modes_recorded(&bench),
        [DoorMode::Unlocked, DoorMode::Locked]
    );
    let last = bench.log.iter().rev().find_map(|happened| match happened {
        Happened::Door(LIBRARY_DOOR, command) => Some(*command),
        _ => None,
    });
    assert_eq!(last, Some(DoorCommand::Lock));
}

#[test]
fn with_first_person_in_an_empty_building_stays_locked() {
    let (mut bench, pass, _) = bench(hours(HoursBegin::WithFirstPerson));
    let go_in = |bench: &mut Bench| {
        assert_eq!(bench.decision(LIBRARY, &pass.text()), Decision::Grant);
        bench.door(LIBRARY_DOOR, DoorInput::Opened);
        bench.door(LIBRARY_DOOR, DoorInput::Closed);
    };
    go_in(&mut bench);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Locked, "too early");
    bench.wait_ms(5 * MINUTE_MS);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Locked, "nobody is in");
    assert_eq!(bench.decision(LIBRARY, &pass.text()), Decision::Grant);
    assert_ne!(mode(&bench, LIBRARY_DOOR), DoorMode::Unlocked, "not in yet");
    bench.door(LIBRARY_DOOR, DoorInput::Opened);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Unlocked);
    bench.door(LIBRARY_DOOR, DoorInput::Closed);
    bench.wait_ms(2 * MINUTE_MS);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Unlocked);
    bench.wait_ms(3 * MINUTE_MS);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Locked);
}

#[test]
fn staff_lock_a_door_for_the_rest_of_its_hours_and_a_lockdown_stands_over_them() {
    let (mut bench, ..) = bench(hours(HoursBegin::WithSchedule));
    bench.wait_ms(5 * MINUTE_MS);
    let order = |bench: &mut Bench, action| {
        let bytes = bench.authority.sign_order(action, 60);
        bench.gate.handle_order(bench.now, bytes).unwrap();
        bench.run();
    };
    order(&mut bench, OrderAction::LockDown);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::LockedDown);
    order(&mut bench, OrderAction::EndLockdown);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Unlocked);
    let (door, locked) = (LIBRARY_DOOR, DoorMode::Locked);
    order(&mut bench, OrderAction::SetDoorMode { door, mode: locked });
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Locked);
    bench.wait_ms(2 * MINUTE_MS);
    assert_eq!(mode(&bench, LIBRARY_DOOR), DoorMode::Locked);
    bench.wait_ms(5 * MINUTE_MS);
    bench.wait_ms((24 * 60 - 6) * MINUTE_MS);
    assert_eq!(
        mode(&bench, LIBRARY_DOOR),
        DoorMode::Unlocked,
        "the next day"
    );
}

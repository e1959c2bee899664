use proptest::prelude::*;
use shared::{
    configuration::{ContactSensing, DoorKind, PassageSensing},
    time::UtcSeconds,
};

use super::*;
use crate::{commits::Committed, input::DoorInput};

const OPEN_TIME_MS: u64 = 20_000;
const RELEASE_TIME_MS: u64 = 5000;

fn configuration() -> DoorConfiguration {
    DoorConfiguration {
        id: DoorId(1),
        name: "Library".into(),
        kind: DoorKind::Door,
        lock: LockType::FailSecure,
        contact: ContactSensing::Present,
        passage: PassageSensing::DoorContact,
        release_time_ms: 5000,
        extended_release_time_ms: 10_000,
        open_time_ms: 20_000,
        pre_alarm_ms: 5000,
        interlock: None,
        hours: None,
    }
}

fn turnstile() -> DoorConfiguration {
    DoorConfiguration {
        kind: DoorKind::Turnstile,
        contact: ContactSensing::Absent,
        passage: PassageSensing::Rotation,
        ..configuration()
    }
}

const LOCKDOWN: Lockdown = Lockdown::On {
    since: UtcSeconds(1),
};

fn at(ms: u64) -> Now {
    Now {
        uptime: Uptime(100_000 + ms),
        utc: UtcSeconds(1_800_000_000),
    }
}

/// A closed, locked door.
fn door() -> Door {
    let mut door = Door::start(configuration(), DoorMode::Locked, Lockdown::Off);
    door.handle_input(at(0), DoorInput::Closed);
    door.take_outputs();
    door
}

fn commands(door: &mut Door) -> Vec<DoorCommand> {
    let outputs = door.take_outputs().into_iter();
    let commands = outputs.filter_map(|output| match output {
        DoorOutput::Command(DoorCommand::Signal(_)) | DoorOutput::Event(_) => None,
        DoorOutput::Command(command) => Some(command),
    });
    commands.collect()
}

fn events(door: &mut Door) -> Vec<DoorEvent> {
    let outputs = door.take_outputs().into_iter();
    let events = outputs.filter_map(|output| match output {
        DoorOutput::Event(event) => Some(event),
        DoorOutput::Command(_) => None,
    });
    events.collect()
}

/// Lets time pass as the machine's shell does.
fn wait_until(door: &mut Door, ms: u64) {
    while let Some((due, _)) = door.next_timer()
        && due <= at(ms).uptime
    {
        let now = Now {
            uptime: due,
            ..at(0)
        };
        door.handle_timeout(now);
    }
}

const RELEASE: DoorCommand = DoorCommand::Release { for_ms: 5000 };

#[test]
fn a_release_ends_by_itself_and_by_the_machine() {
    let mut door = door();
    door.release_for_pass(at(0), None, &Committed::for_tests());
    assert_eq!(commands(&mut door), [RELEASE]);
    assert_eq!(door.panel().mode, DoorMode::Accessed);
    wait_until(&mut door, RELEASE_TIME_MS - 1);
    assert_eq!(commands(&mut door), []);
    wait_until(&mut door, RELEASE_TIME_MS);
    assert_eq!(commands(&mut door), [DoorCommand::Lock]);
    assert_eq!(door.panel().mode, DoorMode::Locked);
}

#[test]
fn a_holder_who_needs_longer_is_not_locked_out_by_the_next_one() {
    let mut door = door();
    let need = Some(DoorNeed::ExtendedRelease);
    door.release_for_pass(at(0), need, &Committed::for_tests());
    assert_eq!(
        commands(&mut door),
        [DoorCommand::Release { for_ms: 10_000 }]
    );
    door.release_for_pass(at(2_000), None, &Committed::for_tests());
    assert_eq!(
        commands(&mut door),
        [DoorCommand::Release { for_ms: 8_000 }]
    );
    door.release_for_pass(at(7_000), None, &Committed::for_tests());
    assert_eq!(commands(&mut door), [RELEASE]);
    wait_until(&mut door, 11_999);
    assert_eq!(commands(&mut door), []);
    wait_until(&mut door, 12_000);
    assert_eq!(commands(&mut door), [DoorCommand::Lock]);
}

#[test]
fn an_opening_within_the_release_or_just_behind_it_is_permitted_and_a_later_one_is_forced() {
    for (ms, forced) in [
        (100, false),
        (RELEASE_TIME_MS, false),
        (RELEASE_TIME_MS + RELEASE_GRACE_MS, false),
        (RELEASE_TIME_MS + RELEASE_GRACE_MS + 1, true),
    ] {
        let mut door = door();
        door.release_for_pass(at(0), None, &Committed::for_tests());
        wait_until(&mut door, ms);
        door.handle_input(at(ms), DoorInput::Opened);
        let is_forced = events(&mut door).contains(&DoorEvent::AlarmRaised(DoorAlarm::ForcedOpen));
        assert_eq!(is_forced, forced, "{ms}");
    }
}

#[test]
fn a_door_that_stands_open_warns_then_alarms_and_ends_when_it_is_shut() {
    let mut door = door();
    door.release_for_pass(at(0), None, &Committed::for_tests());
    door.handle_input(at(100), DoorInput::Opened);
    events(&mut door);
    wait_until(&mut door, 100 + OPEN_TIME_MS - 5000);
    assert_eq!(
        events(&mut door),
        [DoorEvent::AlarmRaised(DoorAlarm::HeldOpenSoon)]
    );
    wait_until(&mut door, 100 + OPEN_TIME_MS);
    assert_eq!(
        events(&mut door),
        [
            DoorEvent::AlarmEnded(DoorAlarm::HeldOpenSoon),
            DoorEvent::AlarmRaised(DoorAlarm::HeldOpen)
        ]
    );
    door.handle_input(at(40_000), DoorInput::Closed);
    assert_eq!(
        events(&mut door),
        [
            DoorEvent::Closed,
            DoorEvent::AlarmEnded(DoorAlarm::HeldOpen)
        ]
    );
}

#[test]
fn a_door_that_stood_open_when_the_gate_began_to_look_is_to_be_shut_in_time() {
    let mut door = Door::start(configuration(), DoorMode::Locked, Lockdown::Off);
    door.handle_input(at(0), DoorInput::Opened);
    assert_eq!(events(&mut door), [DoorEvent::Opened]);
    wait_until(&mut door, OPEN_TIME_MS);
    assert!(events(&mut door).contains(&DoorEvent::AlarmRaised(DoorAlarm::HeldOpen)));
}

#[test]
fn a_forced_door_alarms_until_it_is_shut() {
    let mut door = door();
    door.handle_input(at(0), DoorInput::Opened);
    assert_eq!(
        events(&mut door),
        [
            DoorEvent::Opened,
            DoorEvent::AlarmRaised(DoorAlarm::ForcedOpen)
        ]
    );
    wait_until(&mut door, 100_000);
    assert_eq!(events(&mut door), []);
    door.handle_input(at(100_000), DoorInput::Closed);
    assert_eq!(
        events(&mut door),
        [
            DoorEvent::Closed,
            DoorEvent::AlarmEnded(DoorAlarm::ForcedOpen)
        ]
    );
    door.handle_input(at(100_010), DoorInput::Opened);
    assert!(events(&mut door).contains(&DoorEvent::AlarmRaised(DoorAlarm::ForcedOpen)));
}

#[test]
fn a_bouncing_contact_forces_nothing() {
    let mut door = door();
    door.release_for_pass(at(0), None, &Committed::for_tests());
    let bounces = [
        (300, DoorInput::Opened),
        (303, DoorInput::Closed),
        (306, DoorInput::Opened),
        (9000, DoorInput::Closed),
        (9003, DoorInput::Opened),
        (9006, DoorInput::Closed),
    ];
    for (ms, input) in bounces {
        wait_until(&mut door, ms);
        door.handle_input(at(ms), input);
        door.passage_over(at(ms));
    }
    assert!(!events(&mut door).contains(&DoorEvent::AlarmRaised(DoorAlarm::ForcedOpen)));
    assert_eq!(door.panel().position, DoorPosition::Closed);
}

#[test]
fn a_bouncing_turn_is_one_passage() {
    let mut door = Door::start(turnstile(), DoorMode::Locked, Lockdown::Off);
    door.release_for_pass(at(0), None, &Committed::for_tests());
    let passages = [500, 503, 506, 1500]
        .into_iter()
        .filter(|ms| door.handle_input(at(*ms), DoorInput::Rotated) == Sensed::Passage);
    assert_eq!(passages.count(), 2);
}

#[test]
fn a_turn_of_a_locked_turnstile_is_an_alarm_for_a_moment() {
    let mut door = Door::start(turnstile(), DoorMode::Locked, Lockdown::Off);
    door.handle_input(at(0), DoorInput::Rotated);
    assert_eq!(
        events(&mut door),
        [
            DoorEvent::AlarmRaised(DoorAlarm::ForcedOpen),
            DoorEvent::AlarmEnded(DoorAlarm::ForcedOpen)
        ]
    );
}

#[test]
fn a_way_out_is_never_refused_and_outlives_a_lockdown() {
    for mode in [DoorMode::Locked, DoorMode::Blocked, DoorMode::LockedDown] {
        for lockdown in [Lockdown::Off, LOCKDOWN] {
            let mut door = Door::start(configuration(), mode, lockdown);
            commands(&mut door);
            door.handle_input(at(0), DoorInput::RequestToExit);
            assert_eq!(commands(&mut door), [RELEASE], "{mode:?}");
            door.set_lockdown(at(10), LOCKDOWN);
            assert_eq!(commands(&mut door), [], "{mode:?}");
            door.handle_input(at(20), DoorInput::Opened);
            assert!(!door.panel().alarms.contains(&DoorAlarm::ForcedOpen));
        }
    }
}

#[test]
fn a_lockdown_ends_the_release_for_a_pass_and_refuses_the_next() {
    let mut door = door();
    door.release_for_pass(at(0), None, &Committed::for_tests());
    commands(&mut door);
    door.set_lockdown(at(10), LOCKDOWN);
    assert_eq!(commands(&mut door), [DoorCommand::Lock]);
    door.release_for_pass(at(20), None, &Committed::for_tests());
    assert_eq!(commands(&mut door), []);
    door.release_for_staff(at(30), &Committed::for_tests());
    assert_eq!(
        commands(&mut door),
        [RELEASE],
        "an order may let somebody in"
    );
}

#[test]
fn fire_holds_every_door_released_until_it_is_over() {
    let mut door = Door::start(configuration(), DoorMode::LockedDown, LOCKDOWN);
    commands(&mut door);
    door.handle_input(at(0), DoorInput::FireRaised);
    assert_eq!(commands(&mut door), [DoorCommand::HoldReleased]);
    door.set_mode(at(5), DoorMode::Blocked);
    assert_eq!(commands(&mut door), []);
    door.handle_input(at(10), DoorInput::FireEnded);
    assert_eq!(commands(&mut door), [DoorCommand::Lock]);
}

#[test]
fn an_unlocked_door_may_stand_open_until_it_is_locked_again() {
    let mut door = door();
    door.set_mode(at(0), DoorMode::Unlocked);
    assert_eq!(commands(&mut door), [DoorCommand::HoldReleased]);
    door.handle_input(at(10), DoorInput::Opened);
    wait_until(&mut door, 500_000);
    assert_eq!(events(&mut door), [DoorEvent::Opened]);
    door.set_mode(at(500_000), DoorMode::Locked);
    assert_eq!(commands(&mut door), [DoorCommand::Lock]);
    wait_until(&mut door, 500_000 + OPEN_TIME_MS);
    assert!(events(&mut door).contains(&DoorEvent::AlarmRaised(DoorAlarm::HeldOpen)));
}

#[test]
fn a_door_process_that_comes_back_is_told_what_shall_hold() {
    let mut door = Door::start(configuration(), DoorMode::Unlocked, Lockdown::Off);
    commands(&mut door);
    door.handle_input(at(0), DoorInput::FaultRaised);
    assert_eq!(door.admits(), DoorAdmits::Faulty);
    door.handle_input(at(10), DoorInput::FaultEnded);
    assert_eq!(commands(&mut door), [DoorCommand::HoldReleased]);
    assert_eq!(door.admits(), DoorAdmits::Passes);
}

/// The mode that a row of the table begins with, and the state of its lock.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Locked,
    Released,
    ReleasedForExit,
    Unlocked,
    Blocked,
    LockedDown,
    LockedOpen,
}

fn started(start: Start) -> Door {
    let mode = match start {
        Start::Locked | Start::Released | Start::ReleasedForExit => DoorMode::Locked,
        Start::Unlocked => DoorMode::Unlocked,
        Start::Blocked => DoorMode::Blocked,
        Start::LockedDown => DoorMode::LockedDown,
        Start::LockedOpen => DoorMode::LockedOpen,
    };
    let mut door = Door::start(configuration(), mode, Lockdown::Off);
    door.handle_input(at(0), DoorInput::Closed);
    match start {
        Start::Released => door.release_for_pass(at(0), None, &Committed::for_tests()),
        Start::ReleasedForExit => {
            door.handle_input(at(0), DoorInput::RequestToExit);
        }
        _ => {}
    }
    door.take_outputs();
    door
}

#[test]
fn the_lock_follows_the_table_of_states_and_inputs() {
    use Start::*;
    const HOLD: DoorCommand = DoorCommand::HoldReleased;
    const LOCK: DoorCommand = DoorCommand::Lock;
    // For each state: what a pass, an exit button, fire, a lockdown, unlocking and locking bring.
    type Row = (Start, [&'static [DoorCommand]; 6]);
    let table: &[Row] = &[
        (Locked, [&[RELEASE], &[RELEASE], &[HOLD], &[], &[HOLD], &[]]),
        (
            Released,
            [&[RELEASE], &[RELEASE], &[HOLD], &[LOCK], &[HOLD], &[]],
        ),
        (
            ReleasedForExit,
            [&[RELEASE], &[RELEASE], &[HOLD], &[], &[HOLD], &[]],
        ),
        (Unlocked, [&[], &[], &[], &[LOCK], &[], &[LOCK]]),
        (Blocked, [&[], &[RELEASE], &[HOLD], &[], &[HOLD], &[]]),
        (LockedDown, [&[], &[RELEASE], &[HOLD], &[], &[HOLD], &[]]),
        (LockedOpen, [&[], &[], &[], &[LOCK], &[], &[LOCK]]),
    ];
    type Input = fn(&mut Door);
    let inputs: [Input; 6] = [
        |door| door.release_for_pass(at(50), None, &Committed::for_tests()),
        |door| {
            door.handle_input(at(50), DoorInput::RequestToExit);
        },
        |door| {
            door.handle_input(at(50), DoorInput::FireRaised);
        },
        |door| door.set_lockdown(at(50), LOCKDOWN),
        |door| door.set_mode(at(50), DoorMode::Unlocked),
        |door| door.set_mode(at(50), DoorMode::Locked),
    ];
    for (start, row) in table {
        for (column, (input, expected)) in inputs.iter().zip(row).enumerate() {
            let mut door = started(*start);
            input(&mut door);
            assert_eq!(commands(&mut door), *expected, "{start:?} × {column}");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass,
    Staff,
    Input(DoorInput),
    Mode(DoorMode),
    Lockdown(Lockdown),
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Pass),
        Just(Step::Staff),
        prop::sample::select(vec![
            DoorInput::Opened,
            DoorInput::Closed,
            DoorInput::Rotated,
            DoorInput::RequestToExit,
            DoorInput::TamperRaised,
            DoorInput::TamperEnded,
            DoorInput::FireRaised,
            DoorInput::FireEnded,
            DoorInput::FaultRaised,
            DoorInput::FaultEnded,
        ])
        .prop_map(Step::Input),
        prop::sample::select(vec![
            DoorMode::Locked,
            DoorMode::Unlocked,
            DoorMode::Blocked,
            DoorMode::LockedDown,
            DoorMode::LockedOpen,
        ])
        .prop_map(Step::Mode),
        prop_oneof![Just(Lockdown::Off), Just(LOCKDOWN)].prop_map(Step::Lockdown),
        (0u64..30_000).prop_map(Step::Wait),
    ]
}

/// What the door process would do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lock {
    Locked,
    ReleasedUntil(u64),
    Held,
}

proptest! {
    #[test]
    fn whatever_happens_locks_and_alarms_stay_in_step(
        steps in proptest::collection::vec(any_step(), 0..60),
    ) {
        let mut door = Door::start(configuration(), DoorMode::Locked, Lockdown::Off);
        let mut ms = 0;
        let mut lock = Lock::Locked;
        let mut standing = BTreeSet::new();
        let mut on_fire = false;
        for step in steps {
            let admitted = door.admits();
            match step {
                Step::Pass => door.release_for_pass(at(ms), None, &Committed::for_tests()),
                Step::Staff => door.release_for_staff(at(ms), &Committed::for_tests()),
                Step::Input(input) => {
                    match input {
                        DoorInput::FireRaised => on_fire = true,
                        DoorInput::FireEnded => on_fire = false,
                        _ => {}
                    }
                    door.handle_input(at(ms), input);
                }
                Step::Mode(mode) => door.set_mode(at(ms), mode),
                Step::Lockdown(lockdown) => door.set_lockdown(at(ms), lockdown),
                Step::Wait(wait) => {
                    ms += wait;
                    wait_until(&mut door, ms);
                    door.handle_timeout(at(ms));
                }
            }
            for output in door.take_outputs() {
                match output {
                    DoorOutput::Command(DoorCommand::Lock) => lock = Lock::Locked,
                    DoorOutput::Command(DoorCommand::HoldReleased) => lock = Lock::Held,
                    DoorOutput::Command(DoorCommand::Release { for_ms }) => {
                        let by_pass = matches!(step, Step::Pass);
                        prop_assert!(!by_pass || admitted == DoorAdmits::Passes);
                        lock = Lock::ReleasedUntil(ms + u64::from(for_ms));
                    }
                    DoorOutput::Command(DoorCommand::Signal(_)) => {}
                    DoorOutput::Event(DoorEvent::AlarmRaised(alarm)) => {
                        prop_assert!(standing.insert(alarm), "raised twice: {alarm:?}");
                    }
                    DoorOutput::Event(DoorEvent::AlarmEnded(alarm)) => {
                        prop_assert!(standing.remove(&alarm), "ended twice: {alarm:?}");
                    }
                    DoorOutput::Event(_) => {}
                }
            }
            let panel = door.panel();
            prop_assert_eq!(&panel.alarms, &standing.iter().copied().collect::<Vec<_>>());
            let is_released = match lock {
                Lock::Locked => false,
                Lock::ReleasedUntil(until) => ms < until,
                Lock::Held => true,
            };
            prop_assert_eq!(panel.lock == LockState::Released, is_released);
            let shall_be_held = on_fire
                || matches!(door.effective_mode(), DoorMode::Unlocked | DoorMode::LockedOpen);
            prop_assert_eq!(lock == Lock::Held, shall_be_held);
        }
    }
}

#[test]
fn lines_that_work_again_cut_nobodys_way_out_short() {
    let mut door = door();
    door.handle_input(at(0), DoorInput::RequestToExit);
    door.take_outputs();
    door.handle_input(at(1_500), DoorInput::FaultRaised);
    door.handle_input(at(2_000), DoorInput::FaultEnded);
    let rest = DoorCommand::Release { for_ms: 3_000 };
    assert_eq!(commands(&mut door), [rest]);
    assert!(door.is_released(at(4_999)));
    wait_until(&mut door, 5_000);
    assert_eq!(commands(&mut door), [DoorCommand::Lock]);
    // One that is over by then is not begun again.
    door.handle_input(at(6_000), DoorInput::FaultEnded);
    assert_eq!(commands(&mut door), [DoorCommand::Lock]);
}

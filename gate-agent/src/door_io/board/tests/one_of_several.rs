//! One board of several on a bus that does not work.

use gate_core::{action::DoorCommand, input::DoorInput};
use shared::ids::DoorId;

use super::{
    super::wiring::Switch,
    rig::{Bus, Manner, Process},
};
use crate::door_io::protocol::Report;

/// How long a command to a sound board may take beside a silent one, in ms: the silent one's
/// answer is waited for, and this machine is shared.
const SOON_MS: u64 = 1_500;

#[tokio::test]
async fn a_silent_board_leaves_the_others_on_its_port_at_work() {
    let bus = Bus::of(&[1, 2]);
    bus.behaves(1, Manner::IsSilent);
    let doors = vec![bus.place(1, 1), bus.place(2, 2)];
    let mut process = Process::start(bus.folder.path().join("hold"), doors);
    let mut states = [None, None];
    while states.iter().any(Option::is_none) {
        if let Report::Fault { door, problem } = process.next().await {
            states[usize::try_from(door.0 - 1).unwrap()] = Some(problem);
        }
    }
    let [Some(Some(silent)), Some(None)] = states else {
        panic!("{states:?}");
    };
    assert!(
        silent.contains("unit 1: the board does not answer"),
        "{silent}"
    );
    for (command, coil) in [
        (DoorCommand::HoldReleased, Switch::On),
        (DoorCommand::Lock, Switch::Off),
        (DoorCommand::HoldReleased, Switch::On),
        (DoorCommand::Lock, Switch::Off),
    ] {
        process.command(2, command);
        process
            .becomes(SOON_MS, || bus.coil(2, 0) == Some(coil))
            .await;
    }
    bus.with(2, |unit| unit.inputs = 0b001);
    process
        .becomes(SOON_MS, || bus.coil(2, 0) == Some(Switch::On))
        .await;

    // Behind its return it does what was commanded while it was silent.
    process.command(1, DoorCommand::HoldReleased);
    bus.behaves(1, Manner::Answers);
    assert_eq!(process.state_of(1).await, None);
    assert_eq!(bus.coil(1, 0), Some(Switch::On));
}

#[tokio::test]
async fn a_board_without_power_is_one_fault_until_its_lock_and_inputs_are_known() {
    let bus = Bus::of(&[1]);
    bus.behaves(1, Manner::IsSilent);
    let mut process = Process::start(bus.folder.path().join("hold"), vec![bus.place(1, 1)]);
    let reports = process.reports_within(5_500).await;
    let faults: Vec<_> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Fault { problem, .. } => Some(problem.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(faults, [true], "{reports:?}");

    process.command(1, DoorCommand::HoldReleased);
    bus.behaves(1, Manner::Answers);
    let mut inputs = Vec::new();
    loop {
        match process.next().await {
            Report::Input { input, .. } => inputs.push(input),
            Report::Fault { problem, .. } => {
                assert_eq!(problem, None);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(inputs, [DoorInput::Closed, DoorInput::FireEnded]);
    assert_eq!(bus.coil(1, 0), Some(Switch::On));
    let door = DoorId(1);
    let more = process.reports_within(1_500).await;
    assert!(
        !more
            .iter()
            .any(|it| matches!(it, Report::Fault { door: of, .. } if *of == door))
    );
}

#[tokio::test]
async fn a_board_that_lost_its_relays_for_a_moment_is_told_again() {
    let bus = Bus::of(&[1, 2]);
    let doors = vec![bus.place(1, 1), bus.place(2, 2)];
    let mut process = Process::start(bus.folder.path().join("hold"), doors);
    for door in [1, 2] {
        process.command(door, DoorCommand::HoldReleased);
    }
    let is_released = |unit: u8| bus.coil(unit, 0) == Some(Switch::On);
    process
        .becomes(5_000, || is_released(1) && is_released(2))
        .await;
    for unit in [1, 2] {
        bus.with(unit, |it| it.coils.insert(0, Switch::Off));
    }
    process
        .becomes(4_000, || is_released(1) && is_released(2))
        .await;
}

//! The door process behind the end of its agent: it goes on for as long as something hangs on it.

use std::{thread::JoinHandle, time::Duration};

use gate_core::action::DoorCommand;
use tokio::sync::oneshot;

use super::{
    super::wiring::Switch,
    rig::{Bus, Manner, PATIENCE, Process},
};
use crate::{
    clock::Clock,
    door_io::{
        DoorIoConfig, DoorPlace,
        protocol::{Ask, Report},
    },
};

/// The same door without a fire panel.
fn without_fire(mut place: DoorPlace) -> DoorPlace {
    if let DoorIoConfig::Modbus(door) = &mut place.io {
        door.fire = None;
    }
    place
}

async fn works(process: &mut Process, door: u32) {
    while process.state_of(door).await.is_some() {}
}

async fn ends(thread: JoinHandle<anyhow::Result<()>>) {
    let ended = tokio::task::spawn_blocking(|| thread.join().unwrap());
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    ended.expect("it ends within 20 s").unwrap().unwrap();
}

async fn becomes(holds: impl Fn() -> bool) {
    let held = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.expect("in time");
}

#[tokio::test]
async fn a_fire_input_is_served_behind_the_agents_end_whether_in_order_or_not() {
    for says_rest in [true, false] {
        let bus = Bus::of(&[1]);
        let (end, ended) = oneshot::channel::<()>();
        let hold = bus.folder.path().join("hold");
        let mut process = Process::start_until(hold, vec![bus.place(1, 1)], async {
            let _ = ended.await;
        });
        works(&mut process, 1).await;
        if says_rest {
            process.link.say(&Ask::Rest);
            while process.next().await != Report::Holding {}
        }
        let Process { link, thread } = process;
        drop(link);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(!thread.is_finished(), "the lock rests, and fire may come");
        for (inputs, stands) in [
            (0b001, Switch::On),
            (0b101, Switch::Off),
            (0b001, Switch::On),
        ] {
            bus.with(1, |unit| unit.inputs = inputs);
            becomes(|| bus.coil(1, 0) == Some(stands)).await;
        }
        // Another is to have the lines: what it takes over is as fire left it.
        end.send(()).unwrap();
        ends(thread).await;
        assert_eq!(bus.coil(1, 0), Some(Switch::On));
    }
}

#[tokio::test]
async fn whoever_takes_the_lines_over_in_a_fire_never_locks() {
    let bus = Bus::of(&[1, 2]);
    for unit in [1, 2] {
        bus.with(unit, |it| it.inputs = 0b001);
    }
    let doors = vec![bus.place(1, 1), bus.place(2, 2)];
    let mut process = Process::start(bus.folder.path().join("hold"), doors);
    let is_released = |unit| bus.coil(unit, 0) == Some(Switch::On);
    process
        .becomes(20_000, || is_released(1) && is_released(2))
        .await;
    for unit in [1, 2] {
        let locked = [unit, 5, 0, 0, 0, 0];
        let heard = bus.with(unit, |it| it.heard.clone());
        let has_locked = heard.iter().any(|frame| frame.starts_with(&locked));
        assert!(!has_locked, "unit {unit}: {heard:02x?}");
    }
}

#[tokio::test]
async fn a_lock_that_has_not_confirmed_that_it_rests_is_told_until_it_has() {
    for says_rest in [true, false] {
        let bus = Bus::of(&[1]);
        let hold = bus.folder.path().join("hold");
        let place = without_fire(bus.place(1, 1));
        let mut process = Process::start(hold, vec![place]);
        works(&mut process, 1).await;
        process.command(1, DoorCommand::Release { for_ms: 400 });
        process
            .becomes(5_000, || bus.coil(1, 0) == Some(Switch::On))
            .await;
        bus.behaves(1, Manner::IsSilent);
        if says_rest {
            process.link.say(&Ask::Rest);
            while process.next().await != Report::Holding {}
        }
        let Process { link, thread } = process;
        drop(link);
        // Longer than the release, and than all tries to end it.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(!thread.is_finished(), "the relay is still on");
        assert_eq!(bus.coil(1, 0), Some(Switch::On));
        bus.behaves(1, Manner::Answers);
        ends(thread).await;
        assert_eq!(bus.coil(1, 0), Some(Switch::Off));
    }
}

#[tokio::test]
async fn an_end_in_order_is_said_soon_however_many_boards_are_silent() {
    let buses: Vec<Bus> = (0..4).map(|_| Bus::of(&[1])).collect();
    let doors = (1..).zip(&buses);
    let doors: Vec<DoorPlace> = doors
        .map(|(door, bus)| without_fire(bus.place(door, 1)))
        .collect();
    for ends_by in ["rest", "termination"] {
        let (end, ended) = oneshot::channel::<()>();
        let hold = buses[0].folder.path().join("hold");
        for bus in &buses {
            bus.behaves(1, Manner::Answers);
            bus.with(1, |unit| unit.coils.clear());
        }
        let mut process = Process::start_until(hold, doors.clone(), async {
            let _ = ended.await;
        });
        process.command(4, DoorCommand::HoldReleased);
        process
            .becomes(20_000, || buses[3].coil(1, 0) == Some(Switch::On))
            .await;
        for bus in &buses {
            bus.behaves(1, Manner::IsSilent);
        }
        for door in 1..=4 {
            process.command(door, DoorCommand::Release { for_ms: 60_000 });
        }
        let clock = Clock::system();
        let since = clock.uptime();
        if ends_by == "rest" {
            process.link.say(&Ask::Rest);
            while process.next().await != Report::Holding {}
            let took_ms = clock.uptime().since_ms(since);
            assert!(took_ms < 550, "{took_ms} ms until it says that it holds");
            drop(process.link);
            end.send(()).unwrap();
        } else {
            end.send(()).unwrap();
        }
        ends(process.thread).await;
        let took_ms = clock.uptime().since_ms(since);
        assert!(took_ms < 1_700, "{took_ms} ms until it ends");
    }
}

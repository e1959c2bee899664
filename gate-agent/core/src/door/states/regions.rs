//! The regions of a door's state that do not disturb each other, how each of their states is made,
//! and how it is told from the machine.

use alloc::{
    format,
    string::{String, ToString},
};

use shared::{
    configuration::{ContactSensing, DoorKind, PassageSensing},
    time::UtcSeconds,
};

use super::*;
use crate::door::sensing::{LEAF_BOUNCE_MS, ROTATION_BOUNCE_MS};
use crate::{commits::Committed, input::DoorInput};

type Apply = fn(&mut Door) -> Sensed;

/// Part of a door's state.
pub(super) struct Region {
    pub(super) name_of_region: &'static str,
    pub(super) first: fn() -> String,
    pub(super) build: fn(&str) -> Door,
    pub(super) name: fn(&Door) -> String,
    pub(super) inputs: &'static [(&'static str, Apply)],
}

pub(super) const ALL: [Region; 4] = [LOCK, LEAF, TURNSTILE, ALARMS];

/// The moment at which everything happens.
const NOW: Now = Now {
    uptime: Uptime(100_000),
    utc: UtcSeconds(1_800_000_000),
};
/// Far enough for nothing to be due.
const LATER: Uptime = Uptime(200_000);

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

fn closed_door() -> Door {
    let mut door = Door::start(configuration(), DoorMode::Locked, Lockdown::Off);
    door.leaf = Leaf::Closed(leaf::Shut::Otherwise);
    door
}

fn pass(door: &mut Door) -> Sensed {
    door.release_for_pass(NOW, None, &Committed::for_tests());
    Sensed::Nothing
}

fn staff(door: &mut Door) -> Sensed {
    door.release_for_staff(NOW, &Committed::for_tests());
    Sensed::Nothing
}

fn mode(door: &mut Door, mode: DoorMode) -> Sensed {
    door.set_mode(NOW, mode);
    Sensed::Nothing
}

fn lockdown(door: &mut Door, lockdown: Lockdown) -> Sensed {
    door.set_lockdown(NOW, lockdown);
    Sensed::Nothing
}

fn hours(door: &mut Door, hours: Hours) -> Sensed {
    door.set_hours(NOW, hours);
    Sensed::Nothing
}

const fn on() -> Lockdown {
    Lockdown::On {
        since: UtcSeconds(1),
    }
}

fn input(door: &mut Door, input: DoorInput) -> Sensed {
    door.handle_input(NOW, input)
}

fn release_over(door: &mut Door) -> Sensed {
    if let Bolt::Released { until, .. } = &mut door.bolt {
        *until = NOW.uptime;
    }
    door.handle_timeout(NOW);
    Sensed::Nothing
}

const LOCK: Region = Region {
    name_of_region: "lock",
    first: || "locked".into(),
    build: |state| {
        let mut door = closed_door();
        let mut words = state.split(' ');
        door.mode = match words.next() {
            Some("unlocked") => DoorMode::Unlocked,
            Some("blocked") => DoorMode::Blocked,
            Some("locked_down") => DoorMode::LockedDown,
            Some("locked_open") => DoorMode::LockedOpen,
            _ => DoorMode::Locked,
        };
        let (until, mut by) = (LATER, None);
        for word in words {
            match word {
                "hours" => door.hours = Hours::Open,
                "locked_by_staff" => door.hours = Hours::LockedByStaff,
                "lockdown" => door.lockdown = on(),
                "fire" => {
                    door.fire = Fire::Active;
                    door.alarms.insert(DoorAlarm::Fire);
                }
                "accessed" => by = Some(ReleasedBy::Grant),
                _ => by = Some(ReleasedBy::Egress),
            }
        }
        door.bolt = match by {
            Some(by) => Bolt::Released { until, by },
            None if door.is_held() => Bolt::Held,
            None => Bolt::Locked { since: None },
        };
        door
    },
    name: |door| {
        let mut name = String::from(match door.mode {
            DoorMode::Locked | DoorMode::Accessed => "locked",
            DoorMode::Unlocked => "unlocked",
            DoorMode::Blocked => "blocked",
            DoorMode::LockedDown => "locked_down",
            DoorMode::LockedOpen => "locked_open",
        });
        name.push_str(match door.hours {
            Hours::Over => "",
            Hours::Open => " hours",
            Hours::LockedByStaff => " locked_by_staff",
        });
        if door.lockdown != Lockdown::Off {
            name.push_str(" lockdown");
        }
        if door.fire == Fire::Active {
            name.push_str(" fire");
        }
        match door.bolt {
            Bolt::Released { by, .. } => name.push_str(match by {
                ReleasedBy::Grant => " accessed",
                ReleasedBy::Egress => " exit",
            }),
            Bolt::Locked { .. } => assert!(!door.is_held(), "{door:?}"),
            Bolt::Held => assert!(door.is_held(), "{door:?}"),
        }
        name
    },
    inputs: &[
        ("pass", pass),
        ("staff", staff),
        ("exit", |door| input(door, DoorInput::RequestToExit)),
        ("release_over", release_over),
        ("passage_over", |door| {
            door.passage_over(NOW);
            Sensed::Nothing
        }),
        ("lock", |door| mode(door, DoorMode::Locked)),
        ("unlock", |door| mode(door, DoorMode::Unlocked)),
        ("block", |door| mode(door, DoorMode::Blocked)),
        ("lock_down", |door| mode(door, DoorMode::LockedDown)),
        ("lock_open", |door| mode(door, DoorMode::LockedOpen)),
        ("hours", |door| hours(door, Hours::Open)),
        ("hours_over", |door| hours(door, Hours::Over)),
        ("lockdown", |door| lockdown(door, on())),
        ("end_lockdown", |door| lockdown(door, Lockdown::Off)),
        ("fire", |door| input(door, DoorInput::FireRaised)),
        ("fire_over", |door| input(door, DoorInput::FireEnded)),
        ("lines_anew", |door| input(door, DoorInput::FaultEnded)),
    ],
};

const LEAF: Region = Region {
    name_of_region: "leaf",
    first: || "unknown locked".into(),
    build: |state| {
        let mut door = closed_door();
        let (leaf, lock) = state.split_once(' ').expect("leaf and lock");
        door.bolt = match lock {
            "released" => Bolt::Released {
                until: LATER,
                by: ReleasedBy::Grant,
            },
            "held" => Bolt::Held,
            "just_locked" => Bolt::Locked {
                since: Some(NOW.uptime),
            },
            _ => Bolt::Locked { since: None },
        };
        if lock == "held" {
            door.mode = DoorMode::Unlocked;
        }
        door.leaf = match leaf {
            "unknown" => Leaf::Unknown,
            "just_closed" => Leaf::Closed(leaf::Shut::AfterUse { at: NOW.uptime }),
            "open" => Leaf::open_watched(NOW.uptime, &configuration()),
            "open_too_long_soon" => {
                door.alarms.insert(DoorAlarm::HeldOpenSoon);
                Leaf::Open(leaf::Opening::PreAlarm {
                    held_open_at: LATER,
                })
            }
            "held_open" => {
                door.alarms.insert(DoorAlarm::HeldOpen);
                Leaf::Open(leaf::Opening::HeldOpen)
            }
            "forced_open" => {
                door.alarms.insert(DoorAlarm::ForcedOpen);
                Leaf::open_forced()
            }
            "open_freely" => Leaf::open_freely(),
            _ => Leaf::Closed(leaf::Shut::Otherwise),
        };
        door
    },
    name: |door| {
        let leaf = match door.leaf {
            Leaf::Unknown => "unknown",
            Leaf::Closed(_) if door.leaf.was_shut_within(NOW.uptime, LEAF_BOUNCE_MS) => {
                "just_closed"
            }
            Leaf::Closed(_) => "closed",
            Leaf::Open(leaf::Opening::Watched { .. }) => "open",
            Leaf::Open(leaf::Opening::PreAlarm { .. }) => "open_too_long_soon",
            Leaf::Open(leaf::Opening::HeldOpen) => "held_open",
            Leaf::Open(leaf::Opening::Forced) => "forced_open",
            Leaf::Open(leaf::Opening::Free) => "open_freely",
        };
        let lock = match door.bolt {
            Bolt::Released { .. } => "released",
            Bolt::Held => "held",
            Bolt::Locked { .. } if door.is_released(NOW) => "just_locked",
            Bolt::Locked { .. } => "locked",
        };
        format!("{leaf} {lock}")
    },
    inputs: &[
        ("opened", |door| input(door, DoorInput::Opened)),
        ("closed", |door| input(door, DoorInput::Closed)),
        ("pass", pass),
        ("release_over", release_over),
        ("settles", |door| {
            // A second and a half later: grace and bouncing are over.
            if let Bolt::Locked { since } = &mut door.bolt {
                *since = None;
            }
            if let Leaf::Closed(shut) = &mut door.leaf {
                *shut = leaf::Shut::Otherwise;
            }
            Sensed::Nothing
        }),
        ("too_long_soon", |door| {
            if let Leaf::Open(leaf::Opening::Watched { pre_alarm_at, .. }) = &mut door.leaf {
                *pre_alarm_at = NOW.uptime;
            }
            door.handle_timeout(NOW);
            Sensed::Nothing
        }),
        ("too_long", |door| {
            if let Leaf::Open(leaf::Opening::PreAlarm { held_open_at }) = &mut door.leaf {
                *held_open_at = NOW.uptime;
            }
            door.handle_timeout(NOW);
            Sensed::Nothing
        }),
        ("unlock", |door| mode(door, DoorMode::Unlocked)),
        ("lock", |door| mode(door, DoorMode::Locked)),
    ],
};

const TURNSTILE: Region = Region {
    name_of_region: "turnstile",
    first: || "still locked".into(),
    build: |state| {
        let turned = state.starts_with("just_turned");
        let lock = state.split_once(' ').expect("turned and lock").1;
        let mut door = (LEAF.build)(&format!("unknown {lock}"));
        door.configuration.kind = DoorKind::Turnstile;
        door.configuration.contact = ContactSensing::Absent;
        door.configuration.passage = PassageSensing::Rotation;
        door.turned_at = turned.then_some(NOW.uptime);
        door
    },
    name: |door| {
        let lock = (LEAF.name)(door);
        let lock = lock.split_once(' ').expect("leaf and lock").1.to_string();
        let turned = match door.turned_at {
            Some(at) if NOW.uptime.since_ms(at) < ROTATION_BOUNCE_MS => "just_turned",
            Some(_) | None => "still",
        };
        format!("{turned} {lock}")
    },
    inputs: &[
        ("turned", |door| input(door, DoorInput::Rotated)),
        ("opened", |door| input(door, DoorInput::Opened)),
        ("closed", |door| input(door, DoorInput::Closed)),
        ("pass", pass),
        ("passage_over", |door| {
            door.passage_over(NOW);
            Sensed::Nothing
        }),
        ("settles", |door| {
            if let Bolt::Locked { since } = &mut door.bolt {
                *since = None;
            }
            door.turned_at = None;
            Sensed::Nothing
        }),
    ],
};

const ALARMS: Region = Region {
    name_of_region: "alarms",
    first: || "quiet".into(),
    build: |state| {
        let mut door = closed_door();
        for alarm in state.split('+') {
            let alarm = match alarm {
                "tamper" => DoorAlarm::Tamper,
                "fault" => DoorAlarm::Fault,
                _ => continue,
            };
            door.alarms.insert(alarm);
        }
        door
    },
    name: |door| {
        let has = |alarm| door.alarms.contains(&alarm);
        String::from(match (has(DoorAlarm::Tamper), has(DoorAlarm::Fault)) {
            (false, false) => "quiet",
            (true, false) => "tamper",
            (false, true) => "fault",
            (true, true) => "tamper+fault",
        })
    },
    inputs: &[
        ("tamper", |door| input(door, DoorInput::TamperRaised)),
        ("tamper_over", |door| input(door, DoorInput::TamperEnded)),
        ("fault", |door| input(door, DoorInput::FaultRaised)),
        ("fault_over", |door| input(door, DoorInput::FaultEnded)),
        ("pass", pass),
        ("staff", staff),
        ("exit", |door| input(door, DoorInput::RequestToExit)),
        ("denial", |door| {
            door.deny(NOW);
            Sensed::Nothing
        }),
    ],
};

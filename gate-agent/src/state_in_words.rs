//! How a gate is, in words: for its status command and the service manager's line.

use shared::{
    decision::FreshnessStep,
    journal::{ClockTrust, DoorAlarm},
    order::DoorMode,
    panel_api::{DoorPosition, Link, LockState, PanelState},
};

/// One line: the link, the age of the lists, what is wrong.
#[must_use]
pub fn one_line(state: &PanelState) -> String {
    let mut line = format!(
        "link {}, lists {}, {} records to send",
        link(state.link),
        freshness(state.freshness),
        state.unacknowledged_records
    );
    let alarms = state.doors.iter().flat_map(|door| {
        let alarms = door.alarms.iter();
        alarms.map(|alarm| format!("door {}: {}", door.door, name_of_alarm(*alarm)))
    });
    for wrong in alarms.chain(state.faults.iter().cloned()) {
        line.push_str("; ");
        // The service manager takes one line.
        line.extend(
            wrong
                .chars()
                .map(|it| if it.is_control() { ' ' } else { it }),
        );
    }
    line
}

/// Link to central.
#[must_use]
pub const fn link(link: Link) -> &'static str {
    match link {
        Link::Up => "up",
        Link::Down => "down",
        Link::NotEnrolled => "not_enrolled",
        Link::Stick => "stick",
    }
}

/// Step of the ladder of freshness.
#[must_use]
pub const fn freshness(step: FreshnessStep) -> &'static str {
    match step {
        FreshnessStep::Fresh => "fresh",
        FreshnessStep::Normal => "normal",
        FreshnessStep::Warn => "warn",
        FreshnessStep::Restrict => "restrict",
        FreshnessStep::Expired => "expired",
    }
}

/// Whether the clock is believed.
#[must_use]
pub const fn clock(trust: ClockTrust) -> &'static str {
    match trust {
        ClockTrust::Trusted => "trusted",
        ClockTrust::Untrusted => "untrusted",
    }
}

/// A door's mode.
#[must_use]
pub const fn mode(mode: DoorMode) -> &'static str {
    match mode {
        DoorMode::Locked => "locked",
        DoorMode::Unlocked => "unlocked",
        DoorMode::Accessed => "accessed",
        DoorMode::Blocked => "blocked",
        DoorMode::LockedDown => "locked_down",
        DoorMode::LockedOpen => "locked_open",
    }
}

/// Where a door stands.
#[must_use]
pub const fn position(position: DoorPosition) -> &'static str {
    match position {
        DoorPosition::Unknown => "position unknown",
        DoorPosition::Closed => "closed",
        DoorPosition::Open => "open",
    }
}

/// What a lock does.
#[must_use]
pub const fn lock(lock: LockState) -> &'static str {
    match lock {
        LockState::Locked => "lock locked",
        LockState::Released => "lock released",
    }
}

/// A door's alarm.
#[must_use]
pub const fn name_of_alarm(alarm: DoorAlarm) -> &'static str {
    match alarm {
        DoorAlarm::ForcedOpen => "forced_open",
        DoorAlarm::HeldOpen => "held_open",
        DoorAlarm::HeldOpenSoon => "held_open_soon",
        DoorAlarm::Tamper => "tamper",
        DoorAlarm::Fault => "fault",
        DoorAlarm::Fire => "fire",
    }
}

#[cfg(test)]
mod tests {
    use shared::{ids::DoorId, panel_api::PanelDoor, time::UtcSeconds};

    use super::*;

    #[test]
    fn one_line_names_what_is_wrong_and_stays_one_line() {
        let mut state = PanelState {
            version: 1,
            gate_name: "Main gate".into(),
            link: Link::Up,
            freshness: FreshnessStep::Fresh,
            heads_age_s: Some(3),
            clock: ClockTrust::Trusted,
            doors: Vec::new(),
            areas: Vec::new(),
            staff: None,
            unacknowledged_records: 2,
            faults: Vec::new(),
            access_points: Vec::new(),
            utc: UtcSeconds(0),
        };
        assert_eq!(one_line(&state), "link up, lists fresh, 2 records to send");
        state.doors.push(PanelDoor {
            door: DoorId(1),
            name: "Turnstile".into(),
            mode: DoorMode::Locked,
            position: DoorPosition::Open,
            lock: LockState::Locked,
            alarms: vec![DoorAlarm::ForcedOpen],
        });
        state.faults.push("storage: disk\nfull".into());
        assert_eq!(
            one_line(&state),
            "link up, lists fresh, 2 records to send; door 1: forced_open; storage: disk full"
        );
    }
}

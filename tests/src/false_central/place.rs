//! The false central's one gate: a turnstile with an entry and an exit.

use shared::{
    access_level::AccessGrant,
    configuration::{AccessPoint, Area, ContactSensing, Door, DoorKind, LockType, PassageSensing},
    ids::{AccessPointId, AreaId, DoorId, ScheduleId},
    policy::{
        AntiPassbackPolicy, LivePassPolicy, SecondPersonPolicy, UnknownIssuancePolicy,
        UnknownStatusPolicy, UntrustedClockPolicy,
    },
    schedule::{Schedule, WeeklyPeriod},
};

const DOOR: DoorId = DoorId(1);
const ALWAYS: ScheduleId = ScheduleId(1);

pub(super) fn area(id: AreaId, name: &str) -> Area {
    Area {
        id,
        name: name.into(),
        capacity: None,
    }
}

pub(super) fn turnstile() -> Door {
    Door {
        id: DOOR,
        name: "Turnstile".into(),
        kind: DoorKind::Turnstile,
        lock: LockType::FailSecure,
        contact: ContactSensing::Absent,
        passage: PassageSensing::Rotation,
        release_time_ms: 500,
        extended_release_time_ms: 500,
        open_time_ms: 1_000,
        pre_alarm_ms: 500,
        interlock: None,
        hours: None,
    }
}

pub(super) fn access_point(id: AccessPointId, name: &str, from: AreaId, to: AreaId) -> AccessPoint {
    AccessPoint {
        id,
        name: name.into(),
        door: DOOR,
        from,
        to,
        unknown_status: UnknownStatusPolicy::GrantFor {
            max_age_s: 30 * 86_400,
        },
        unknown_issuance: UnknownIssuancePolicy::Deny,
        untrusted_clock: UntrustedClockPolicy::GrantWithin { gap_s: 3 * 86_400 },
        anti_passback: AntiPassbackPolicy::Off,
        live_pass: LivePassPolicy::Optional,
        second_person: SecondPersonPolicy::NotRequired,
    }
}

pub(super) fn grant(access_point: AccessPointId) -> AccessGrant {
    AccessGrant {
        access_point,
        schedule: ALWAYS,
    }
}

pub(super) fn always() -> Schedule {
    let day = |weekday| WeeklyPeriod {
        weekday,
        from_min: 0,
        until_min: 1_440,
    };
    Schedule {
        id: ALWAYS,
        name: "Always".into(),
        weekly: (0..7).map(day).collect(),
        special_days: Vec::new(),
    }
}

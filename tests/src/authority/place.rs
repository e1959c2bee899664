//! The place that a gate of the tests stands at: a turnstile between street and yard with an entry
//! and an exit, a library inside, who may go where and when, and who guards it. Signs nothing.

use shared::{
    access_level::{AccessGrant, AccessLevel},
    configuration::{
        AccessPoint, Area, Configuration, ContactSensing, Door, DoorKind, FreshnessLimits,
        GatePolicies, LockType, PassageSensing, Staff, StaffRole, SyncIntervals,
    },
    document::Header,
    ids::{AccessLevelId, AccessPointId, AreaId, DocumentNumber, DoorId, ScheduleId, StaffNumber},
    policy::{
        AntiPassbackPolicy, FullJournalPolicy, LivePassPolicy, SecondPersonPolicy,
        UnknownIssuancePolicy, UnknownOutcomePolicy, UnknownStatusPolicy, UntrustedClockPolicy,
    },
    schedule::{OffsetTable, Schedule, WeeklyPeriod},
};

use super::{Authority, DAY};

/// The entry access point of the standard configuration, from outside to the yard.
pub const ENTRY: AccessPointId = AccessPointId(1);
/// The exit access point through the same door.
pub const EXIT: AccessPointId = AccessPointId(2);
/// An inner access point, from the yard to the library.
pub const LIBRARY: AccessPointId = AccessPointId(3);
/// The turnstile of entry and exit.
pub const TURNSTILE: DoorId = DoorId(1);
/// The library's door: a leaf with a contact.
pub const LIBRARY_DOOR: DoorId = DoorId(2);
/// The area behind the turnstile.
pub const YARD: AreaId = AreaId(1);
/// The area behind the library's door.
pub const READING_ROOM: AreaId = AreaId(2);
/// A guard of the standard configuration.
pub const GUARD: StaffNumber = StaffNumber(1);
/// A supervisor.
pub const SUPERVISOR: StaffNumber = StaffNumber(2);
/// A technician.
pub const TECHNICIAN: StaffNumber = StaffNumber(3);

/// The standard configuration of the authority's gate: a turnstile with entry and exit, a library
/// door inside, both levels at all hours and a third at weekends.
pub(super) fn configuration(
    header: Header,
    authority: &Authority,
    trust_list: DocumentNumber,
) -> Configuration {
    Configuration {
        header,
        gate: authority.gate,
        school: authority.school,
        name: "Main gate".into(),
        areas: vec![
            area(AreaId::OUTSIDE, "Outside"),
            area(YARD, "Yard"),
            area(READING_ROOM, "Library"),
        ],
        doors: vec![turnstile(), library_door()],
        access_points: vec![
            access_point(ENTRY, TURNSTILE, (AreaId::OUTSIDE, YARD)),
            access_point(EXIT, TURNSTILE, (YARD, AreaId::OUTSIDE)),
            access_point(LIBRARY, LIBRARY_DOOR, (YARD, READING_ROOM)),
        ],
        access_levels: vec![
            level(1, &[ENTRY, EXIT], 1),
            level(2, &[LIBRARY], 1),
            level(3, &[ENTRY, EXIT], 2),
        ],
        schedules: vec![always(1), weekends(2)],
        offsets: OffsetTable {
            zone: "Etc/UTC".into(),
            first_offset_s: 0,
            changes: vec![],
            until: authority.now.plus(800 * DAY),
        },
        freshness: FreshnessLimits::STANDARD,
        policies: GatePolicies {
            unknown_outcome: UnknownOutcomePolicy::CountAsTaken,
            full_journal: FullJournalPolicy::Deny,
            repeat_scan_ms: 5000,
            proof_tolerance_s: 30,
        },
        staff: vec![
            staff(GUARD, StaffRole::Guard),
            staff(SUPERVISOR, StaffRole::Supervisor),
            staff(TECHNICIAN, StaffRole::Technician),
        ],
        issuers: vec![authority.kid()],
        peers: vec![],
        tls_keys: vec![],
        trust_list,
        sync: SyncIntervals {
            pull_s: 60,
            long_poll_s: 50,
            heartbeat_s: 60,
            push_ms: 1000,
        },
    }
}

fn area(id: AreaId, name: &str) -> Area {
    Area {
        id,
        name: name.into(),
        capacity: None,
    }
}

fn turnstile() -> Door {
    Door {
        id: TURNSTILE,
        name: "Turnstile".into(),
        kind: DoorKind::Turnstile,
        lock: LockType::FailSecure,
        contact: ContactSensing::Absent,
        passage: PassageSensing::Rotation,
        release_time_ms: 5000,
        extended_release_time_ms: 10_000,
        open_time_ms: 20_000,
        pre_alarm_ms: 5000,
        interlock: None,
        hours: None,
    }
}

fn library_door() -> Door {
    Door {
        id: LIBRARY_DOOR,
        name: "Library".into(),
        kind: DoorKind::Door,
        contact: ContactSensing::Present,
        passage: PassageSensing::DoorContact,
        ..turnstile()
    }
}

fn access_point(id: AccessPointId, door: DoorId, (from, to): (AreaId, AreaId)) -> AccessPoint {
    AccessPoint {
        id,
        name: format!("Access point {id}"),
        door,
        from,
        to,
        unknown_status: UnknownStatusPolicy::Deny,
        unknown_issuance: UnknownIssuancePolicy::Deny,
        untrusted_clock: UntrustedClockPolicy::Deny,
        anti_passback: AntiPassbackPolicy::Enforce {
            forget_after_s: DAY,
            peer_silence_s: 0,
        },
        live_pass: LivePassPolicy::Optional,
        second_person: SecondPersonPolicy::NotRequired,
    }
}

fn level(id: u8, points: &[AccessPointId], schedule: u32) -> AccessLevel {
    AccessLevel {
        id: AccessLevelId(id),
        name: format!("Level {id}"),
        grants: points
            .iter()
            .map(|point| AccessGrant {
                access_point: *point,
                schedule: ScheduleId(schedule),
            })
            .collect(),
    }
}

fn always(id: u32) -> Schedule {
    week(id, 0..7)
}

fn weekends(id: u32) -> Schedule {
    week(id, 5..7)
}

fn week(id: u32, days: core::ops::Range<u8>) -> Schedule {
    Schedule {
        id: ScheduleId(id),
        name: format!("Schedule {id}"),
        weekly: days
            .map(|weekday| WeeklyPeriod {
                weekday,
                from_min: 0,
                until_min: 1440,
            })
            .collect(),
        special_days: vec![],
    }
}

fn staff(number: StaffNumber, role: StaffRole) -> Staff {
    Staff {
        number,
        name: format!("Staff {number}"),
        role,
        pin_verifier: String::new(),
    }
}

//! A configuration with every policy in it.

use shared::{
    access_level::{AccessGrant, AccessLevel},
    configuration::{
        AccessPoint, Area, Configuration, ContactSensing, Door, DoorKind, FreshnessLimits,
        GatePolicies, HoursBegin, LockType, PassageSensing, Peer, Staff, StaffRole, SyncIntervals,
        UnlockedHours,
    },
    ids::{AccessLevelId, AccessPointId, AreaId, Digest, DoorId, ScheduleId, StaffNumber},
    keys::Sign as _,
    policy::{
        AntiPassbackPolicy, FullJournalPolicy, LivePassPolicy, SecondPersonPolicy,
        UnknownIssuancePolicy, UnknownOutcomePolicy, UnknownStatusPolicy, UntrustedClockPolicy,
    },
    schedule::{DayPeriod, OffsetChange, OffsetTable, Schedule, SpecialDay, WeeklyPeriod},
    time::UtcSeconds,
};

use crate::cast::{GATE, PEER, SCHOOL, header, key, number};

/// The main gate: one turnstile, an entry and an exit.
pub(crate) fn configuration() -> Configuration {
    Configuration {
        header: header(5, 90),
        gate: GATE,
        school: SCHOOL,
        name: "Main gate".into(),
        areas: vec![area(0, "Outside", None), area(1, "Campus", Some(2_000))],
        doors: vec![turnstile()],
        access_points: vec![entry(), exit()],
        access_levels: vec![AccessLevel {
            id: AccessLevelId(7),
            name: "Students".into(),
            grants: vec![grant(1, 1), grant(2, 2)],
        }],
        schedules: vec![school_hours(), always()],
        offsets: berlin(),
        freshness: FreshnessLimits::STANDARD,
        policies: GatePolicies {
            unknown_outcome: UnknownOutcomePolicy::CountAsTaken,
            full_journal: FullJournalPolicy::DropOldest,
            repeat_scan_ms: 5_000,
            proof_tolerance_s: 30,
        },
        staff: vec![Staff {
            number: StaffNumber(3),
            name: "R. Guard".into(),
            role: StaffRole::Supervisor,
            pin_verifier: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g".into(),
        }],
        issuers: vec![key("issuer").kid()],
        peers: vec![Peer {
            gate: PEER,
            key: key("peer").public(),
        }],
        tls_keys: vec![Digest([0xd1; 32])],
        trust_list: number(3),
        sync: SyncIntervals {
            pull_s: 60,
            long_poll_s: 55,
            heartbeat_s: 60,
            push_ms: 500,
        },
    }
}

/// Two doors of a vestibule that stand unlocked once somebody is in.
pub(crate) fn vestibule() -> Configuration {
    let door = |id, other: Option<u32>, begin| Door {
        id: DoorId(id),
        name: format!("Vestibule {id}"),
        kind: DoorKind::Door,
        lock: LockType::FailSecure,
        contact: ContactSensing::Present,
        passage: PassageSensing::DoorContact,
        interlock: other.map(DoorId),
        hours: Some(UnlockedHours {
            schedule: ScheduleId(1),
            begin,
        }),
        ..turnstile()
    };
    let interlock_alone = Door {
        hours: None,
        ..door(2, Some(1), HoursBegin::WithSchedule)
    };
    Configuration {
        header: header(6, 90),
        doors: vec![
            door(1, Some(2), HoursBegin::WithFirstPerson),
            interlock_alone,
            door(3, None, HoursBegin::WithSchedule),
        ],
        ..configuration()
    }
}

fn area(id: u32, name: &str, capacity: Option<u32>) -> Area {
    Area {
        id: AreaId(id),
        name: name.into(),
        capacity,
    }
}

fn turnstile() -> Door {
    Door {
        id: DoorId(1),
        name: "Turnstile".into(),
        kind: DoorKind::Turnstile,
        lock: LockType::FailSafe,
        contact: ContactSensing::Absent,
        passage: PassageSensing::Rotation,
        release_time_ms: 5_000,
        extended_release_time_ms: 15_000,
        open_time_ms: 10_000,
        pre_alarm_ms: 3_000,
        interlock: None,
        hours: None,
    }
}

fn entry() -> AccessPoint {
    AccessPoint {
        id: AccessPointId(1),
        name: "Entry".into(),
        door: DoorId(1),
        from: AreaId(0),
        to: AreaId(1),
        unknown_status: UnknownStatusPolicy::GrantFor { max_age_s: 259_200 },
        unknown_issuance: UnknownIssuancePolicy::AskGuard,
        untrusted_clock: UntrustedClockPolicy::GrantWithin { gap_s: 86_400 },
        anti_passback: AntiPassbackPolicy::Enforce {
            forget_after_s: 43_200,
            peer_silence_s: 300,
        },
        live_pass: LivePassPolicy::Optional,
        second_person: SecondPersonPolicy::Required { within_s: 20 },
    }
}

fn exit() -> AccessPoint {
    AccessPoint {
        id: AccessPointId(2),
        name: "Exit".into(),
        from: AreaId(1),
        to: AreaId(0),
        unknown_status: UnknownStatusPolicy::Deny,
        unknown_issuance: UnknownIssuancePolicy::Grant,
        untrusted_clock: UntrustedClockPolicy::AskGuard,
        anti_passback: AntiPassbackPolicy::Alert,
        live_pass: LivePassPolicy::Required,
        second_person: SecondPersonPolicy::NotRequired,
        ..entry()
    }
}

fn grant(access_point: u32, schedule: u32) -> AccessGrant {
    AccessGrant {
        access_point: AccessPointId(access_point),
        schedule: ScheduleId(schedule),
    }
}

fn school_hours() -> Schedule {
    let weekly = |weekday| WeeklyPeriod {
        weekday,
        from_min: 420,
        until_min: 1_020,
    };
    Schedule {
        id: ScheduleId(1),
        name: "School hours".into(),
        weekly: (0..5).map(weekly).collect(),
        special_days: vec![
            SpecialDay {
                date: 20_834,
                periods: vec![],
            },
            SpecialDay {
                date: 20_835,
                periods: vec![DayPeriod {
                    from_min: 600,
                    until_min: 720,
                }],
            },
        ],
    }
}

fn always() -> Schedule {
    Schedule {
        id: ScheduleId(2),
        name: "Always".into(),
        weekly: (0..7)
            .map(|weekday| WeeklyPeriod {
                weekday,
                from_min: 0,
                until_min: 1_440,
            })
            .collect(),
        special_days: vec![],
    }
}

fn berlin() -> OffsetTable {
    OffsetTable {
        zone: "Europe/Berlin".into(),
        first_offset_s: 3_600,
        changes: vec![
            OffsetChange {
                at: UtcSeconds(1_806_195_600),
                offset_s: 7_200,
            },
            OffsetChange {
                at: UtcSeconds(1_824_944_400),
                offset_s: 3_600,
            },
        ],
        until: UtcSeconds(1_840_000_000),
    }
}

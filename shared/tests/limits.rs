//! Every rule of a document, broken once: such a document is neither signed nor taken.
#![allow(missing_docs)]

#[path = "golden/cast.rs"]
#[allow(dead_code, reason = "only part of the cast is needed")]
mod cast;
#[path = "golden/configuration.rs"]
#[allow(dead_code, reason = "only one of the configurations is needed")]
mod configuration;
#[path = "golden/documents.rs"]
#[allow(dead_code, reason = "only part of the documents is needed")]
mod documents;
#[path = "golden/passes.rs"]
#[allow(dead_code, reason = "only part of the passes is needed")]
mod passes;

use cast::key;
use shared::{
    cbor::{self, Malformed},
    configuration::{
        ContactSensing, DoorKind, HoursBegin, PassageSensing, TLS_KEYS_LIMIT, UnlockedHours,
    },
    cose,
    document::{self, DocumentRejected, SignedKind},
    ids::{AccessPointId, AreaId, DoorId, HolderNumber, ScheduleId, Serial, StaffNumber},
    issued_list::Growth,
    keys::{KeyRing, PublicKey, Sign},
    order::{DoorMode, Order, OrderAction},
    pass::SERIALS_PER_KEY,
    root_set::{RootSet, sign_by_roots},
    schedule::{OffsetChange, SpecialDay},
    status_list::CodedSet,
    time::UtcSeconds,
};

/// A broken rule, and a document that breaks it.
type Broken<T> = (&'static str, fn(&mut T));

/// Signing refuses each, and so does opening when somebody signed it all the same.
fn refused<T: SignedKind + Clone + core::fmt::Debug>(good: &T, rules: &[Broken<T>]) {
    let signer = key("statement");
    let ring = KeyRing::new(&[signer.public()]).unwrap();
    let bytes = document::sign(good, &signer).expect("the document of the vectors");
    assert!(document::open::<T>(&bytes, &ring).is_ok());
    for (what, break_it) in rules {
        let mut bad = good.clone();
        break_it(&mut bad);
        assert!(document::sign(&bad, &signer).is_err(), "signed: {what}");
        let forced = cose::sign1(&signer, T::EXTERNAL_DATA, &cbor::encode(&bad));
        let opened = document::open::<T>(&forced, &ring);
        assert!(
            matches!(opened, Err(DocumentRejected::Malformed(_))),
            "taken: {what}"
        );
    }
}

#[test]
fn doors_and_access_points_must_make_sense() {
    refused(
        &configuration::configuration(),
        &[
            ("nine doors", |it| {
                it.doors = (0..9)
                    .map(|id| {
                        let mut door = it.doors[0].clone();
                        door.id = DoorId(id);
                        door
                    })
                    .collect();
            }),
            ("a door twice", |it| it.doors.push(it.doors[0].clone())),
            ("no release time", |it| it.doors[0].release_time_ms = 0),
            ("extended below ordinary release", |it| {
                it.doors[0].extended_release_time_ms = 4_999;
            }),
            ("a release of more than an hour", |it| {
                it.doors[0].extended_release_time_ms = 3_600_001;
            }),
            ("open for more than an hour", |it| {
                it.doors[0].open_time_ms = 3_600_001
            }),
            ("pre-alarm before the opening", |it| {
                it.doors[0].pre_alarm_ms = 10_001
            }),
            ("a door interlocked with itself", |it| {
                it.doors[0].interlock = Some(it.doors[0].id);
            }),
            ("an interlock with no such door", |it| {
                it.doors[0].interlock = Some(DoorId(99));
            }),
            ("an interlock that one side knows of", |it| {
                let mut other = it.doors[0].clone();
                (other.id, other.interlock) = (DoorId(99), Some(it.doors[0].id));
                it.doors.push(other);
            }),
            ("unlocked hours of no schedule", |it| {
                it.doors[0].hours = Some(UnlockedHours {
                    schedule: ScheduleId(99),
                    begin: HoursBegin::WithSchedule,
                });
            }),
            ("a contact that is absent", |it| {
                it.doors[0].passage = PassageSensing::DoorContact;
                it.doors[0].contact = ContactSensing::Absent;
            }),
            ("a leaf that rotates", |it| {
                it.doors[0].kind = DoorKind::Door
            }),
            ("a long name of a door", |it| {
                it.doors[0].name = "x".repeat(201)
            }),
            ("access points in disorder", |it| it.access_points.reverse()),
            ("an access point without its door", |it| {
                it.access_points[0].door = DoorId(2);
            }),
            ("an access point without its area", |it| {
                it.access_points[0].to = AreaId(2);
            }),
            ("from an area to itself", |it| {
                it.access_points[0].to = AreaId(0)
            }),
            ("a bell in a name", |it| {
                it.access_points[0].name = "\u{7}".into()
            }),
            ("areas in disorder", |it| it.areas.reverse()),
            ("a long name of an area", |it| {
                it.areas[0].name = "x".repeat(201)
            }),
            ("a long name of the gate", |it| it.name = "x".repeat(201)),
        ],
    );
}

#[test]
fn levels_schedules_and_offsets_must_make_sense() {
    refused(
        &configuration::configuration(),
        &[
            ("levels twice", |it| {
                it.access_levels.push(it.access_levels[0].clone())
            }),
            ("grants in disorder", |it| {
                it.access_levels[0].grants.reverse()
            }),
            ("a grant at an unknown access point", |it| {
                it.access_levels[0].grants[1].access_point = AccessPointId(9);
            }),
            ("a grant by an unknown schedule", |it| {
                it.access_levels[0].grants[1].schedule = ScheduleId(9);
            }),
            ("a long name of a level", |it| {
                it.access_levels[0].name = "x".repeat(201)
            }),
            ("schedules in disorder", |it| it.schedules.reverse()),
            ("too many schedules", |it| {
                it.schedules = (0..257)
                    .map(|id| {
                        let mut schedule = it.schedules[0].clone();
                        schedule.id = ScheduleId(id);
                        schedule
                    })
                    .collect();
            }),
            ("an eighth weekday", |it| {
                it.schedules[0].weekly[4].weekday = 7
            }),
            ("a period that ends before it begins", |it| {
                it.schedules[0].weekly[0].until_min = 420;
            }),
            ("a minute beyond the day", |it| {
                it.schedules[0].weekly[0].until_min = 1_441
            }),
            ("special days in disorder", |it| {
                it.schedules[0].special_days.reverse()
            }),
            ("too many special days", |it| {
                let day = |date| SpecialDay {
                    date,
                    periods: vec![],
                };
                it.schedules[0].special_days = (0..1_001).map(day).collect();
            }),
            ("offsets in disorder", |it| it.offsets.changes.reverse()),
            ("an offset of more than a day", |it| {
                it.offsets.first_offset_s = -86_401
            }),
            ("an offset without a magnitude", |it| {
                it.offsets.first_offset_s = i32::MIN
            }),
            ("too many changes of the offset", |it| {
                let change = |at| OffsetChange {
                    at: UtcSeconds(at),
                    offset_s: 0,
                };
                it.offsets.changes = (0..129).map(change).collect();
            }),
            ("offsets that end before the configuration", |it| {
                it.offsets.until = it.header.expires_at.minus(1);
            }),
        ],
    );
}

#[test]
fn people_peers_and_intervals_must_make_sense() {
    refused(
        &configuration::configuration(),
        &[
            ("staff twice", |it| it.staff.push(it.staff[0].clone())),
            ("too many staff", |it| {
                it.staff = (0..201)
                    .map(|number| {
                        let mut staff = it.staff[0].clone();
                        staff.number = StaffNumber(number);
                        staff
                    })
                    .collect();
            }),
            ("a long PIN verifier", |it| {
                it.staff[0].pin_verifier = "x".repeat(257)
            }),
            ("a long name of staff", |it| {
                it.staff[0].name = "x".repeat(201)
            }),
            ("itself as a peer", |it| it.peers[0].gate = it.gate),
            ("a peer without a usable key", |it| {
                it.peers[0].key = PublicKey([0; 32])
            }),
            ("peers twice", |it| it.peers.push(it.peers[0])),
            ("one key for two peers", |it| {
                let mut other = it.peers[0];
                other.gate.0[0] += 1;
                it.peers.push(other);
            }),
            ("issuers twice", |it| it.issuers.push(it.issuers[0])),
            ("a ladder that descends", |it| it.freshness.warn_s = 899),
            ("too many TLS keys", |it| {
                it.tls_keys = vec![it.tls_keys[0]; TLS_KEYS_LIMIT + 1];
            }),
            ("no trust list", |it| it.trust_list.n = 0),
            ("a proof that is good for too long", |it| {
                it.policies.proof_tolerance_s = 601
            }),
            ("a repeat scan after too long", |it| {
                it.policies.repeat_scan_ms = 60_001
            }),
            ("pulls without a pause", |it| it.sync.pull_s = 0),
            ("pulls that are too rare", |it| it.sync.pull_s = 86_401),
            ("heartbeats without a pause", |it| it.sync.heartbeat_s = 0),
            ("a long poll that is too long", |it| {
                it.sync.long_poll_s = 301
            }),
            ("uploads that are too late", |it| it.sync.push_ms = 600_001),
        ],
    );
}

#[test]
fn the_header_of_every_kind_is_checked() {
    fn header_of<T: SignedKind + Clone + core::fmt::Debug>(good: &T, rules: &[Broken<T>]) {
        assert_eq!(rules.len(), 2);
        refused(good, rules);
    }
    macro_rules! check {
        ($good:expr) => {
            header_of(
                &$good,
                &[
                    ("number 0", |it| it.header.number.n = 0),
                    ("expires when it is made", |it| {
                        it.header.expires_at = it.header.made_at;
                    }),
                ],
            )
        };
    }
    check!(configuration::configuration());
    check!(documents::roster());
    check!(documents::newer_status());
    check!(documents::issued_list(1, 3, Growth::Open));
    check!(documents::orders()[0].clone());
    check!(documents::heads());
    check!(documents::trust_list());
}

#[test]
fn lists_orders_and_heads_must_make_sense() {
    refused(
        &documents::roster(),
        &[
            ("holders in disorder", |it| it.holders.reverse()),
            ("one pass of two holders", |it| {
                it.holders[1].passes = it.holders[0].passes[..1].to_vec();
            }),
            ("passes of a holder in disorder", |it| {
                it.holders[0].passes.reverse()
            }),
            ("too many passes of a holder", |it| {
                let pass = it.holders[0].passes[0];
                it.holders[0].passes = (0..17)
                    .map(|serial| {
                        let mut pass = pass;
                        pass.serial = Serial(serial);
                        pass
                    })
                    .collect();
            }),
            ("a long name of a holder", |it| {
                it.holders[0].name = "x".repeat(201)
            }),
            ("a line break in a number", |it| {
                it.holders[0].student_number = "\n".into()
            }),
            ("too many holders", |it| {
                it.holders = (0..100_001)
                    .map(|holder| {
                        let mut entry = it.holders[1].clone();
                        entry.holder = HolderNumber(holder);
                        entry
                    })
                    .collect();
            }),
        ],
    );
    refused(
        &documents::newer_status(),
        &[
            ("revoked and suspended", |it| {
                it.suspended = it.revoked.clone()
            }),
            ("another parameter", |it| it.revoked.rice_bits += 1),
            ("another count", |it| it.revoked.count -= 1),
            ("a byte more", |it| it.revoked.code.push(0)),
            ("a count without a code", |it| {
                it.revoked = CodedSet {
                    count: u32::MAX,
                    rice_bits: 0,
                    code: vec![].into(),
                };
            }),
        ],
    );
    refused(
        &documents::issued_list(1, 3, Growth::Open),
        &[
            ("more serials than there are", |it| {
                it.count = SERIALS_PER_KEY + 1
            }),
            ("a chain of nothing", |it| it.count = 0),
        ],
    );
    refused(
        &documents::orders()[2],
        &[("a mode that is no order", |it| {
            it.action = OrderAction::SetDoorMode {
                door: DoorId(1),
                mode: DoorMode::Accessed,
            };
        })],
    );
    refused(
        &documents::heads(),
        &[
            ("issuers twice", |it| it.issuers.push(it.issuers[0])),
            ("a trust list of number 0", |it| it.trust_list.number.n = 0),
            ("a status list of number 0", |it| {
                it.issuers[0].status_list.number.n = 0
            }),
        ],
    );
}

#[test]
fn roots_and_registrars_must_make_sense() {
    refused(
        &documents::trust_list(),
        &[
            ("issuers in disorder", |it| it.issuer_keys.reverse()),
            ("statement keys twice", |it| {
                it.statement_keys.push(it.statement_keys[0])
            }),
        ],
    );
    let good = documents::root_set(1, ["root_1", "root_2", "root_3"]);
    let roots = ["root_1", "root_2", "root_3"].map(key);
    let roots: Vec<&dyn Sign> = roots.iter().map(|key| key as &dyn Sign).collect();
    assert!(sign_by_roots(&good, &roots).is_ok());
    let rules: &[Broken<RootSet>] = &[
        ("no threshold", |it| it.threshold = 0),
        ("a threshold above the roots", |it| it.threshold = 4),
        ("roots in disorder", |it| it.roots.reverse()),
        ("a root twice", |it| it.roots.insert(0, it.roots[0])),
        ("no registrar", |it| it.registrars.clear()),
        ("a root that is a registrar", |it| {
            it.registrars = vec![it.roots[0]]
        }),
        ("a root that is no key", |it| {
            it.roots[0] = PublicKey([0; 32])
        }),
        ("eleven years", |it| {
            it.header.expires_at = it.header.made_at.plus(11 * 365 * 86_400);
        }),
    ];
    for (what, break_it) in rules {
        let mut bad = good.clone();
        break_it(&mut bad);
        assert!(sign_by_roots(&bad, &roots).is_err(), "{what}");
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    let ring = KeyRing::new(&[key("statement").public()]).unwrap();
    let long = vec![0x84; Order::LIMIT + 1];
    assert_eq!(
        document::open::<Order>(&long, &ring),
        Err(DocumentRejected::Malformed(Malformed::TooLong {
            length: 1_025,
            limit: 1_024
        }))
    );
    let mut roster = documents::roster();
    roster.holders = (0..60_000)
        .map(|holder| {
            let mut entry = roster.holders[0].clone();
            entry.holder = HolderNumber(holder);
            entry.passes.clear();
            entry.name = "x".repeat(200);
            entry
        })
        .collect();
    assert!(matches!(
        document::sign(&roster, &key("statement")),
        Err(Malformed::TooLong { .. })
    ));
}

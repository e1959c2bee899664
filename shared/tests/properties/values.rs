//! Strategies for values that every reader must take.

use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::*,
    sample::select,
};
use shared::{
    configuration::{Configuration, Staff, StaffRole},
    decision::{Decision, DenyReason, FreshnessStep, GuardOffer},
    document::Header,
    gate_api::{API_VERSION, Heartbeat, JournalBatch, Refusal, RefusalCode},
    heads::{Acknowledgement, Heads, IssuerHeads, Newest, SignedTime},
    ids::{
        AccessPointId, AreaId, CentralEpoch, Digest, DocumentNumber, DoorId, GateId, HolderNumber,
        JournalEpoch, JournalPosition, Kid, PassId, ScanId, SchoolId, Serial, StaffNumber,
    },
    issued_list::{CHAIN_START, Growth, IssuedList},
    journal::{
        ClockEvent, ClockTrust, DoorAlarm, DoorEvent, Event, GuardAction, PassageOutcome,
        PersonalPart, PublicPart, Record, RefusedCount, ScanOutcome, SyncEvent,
    },
    movement::{Movement, MovementKind},
    order::{DoorMode, Order, OrderAction, Subject},
    panel_api::{PANEL_API_VERSION, PanelAsk, PanelRequest},
    pass::SERIALS_PER_KEY,
    roster::{DoorNeed, Roster, RosterEntry},
    status_list::{StatusList, StatusSets},
    time::{Uptime, UtcSeconds, Window},
    trust_list::{IssuerKey, IssuerKeyState, TrustList},
};

use crate::{cast, configuration as golden, messages};

fn utc() -> impl Strategy<Value = UtcSeconds> {
    prop_oneof![any::<u64>(), 0..4_000_000_000u64].prop_map(UtcSeconds)
}

fn number() -> impl Strategy<Value = DocumentNumber> {
    (any::<u32>(), 1..=u64::MAX).prop_map(|(epoch, n)| DocumentNumber {
        epoch: CentralEpoch(epoch),
        n,
    })
}

fn header() -> impl Strategy<Value = Header> {
    (number(), 0..u64::MAX / 2, 1..400 * Header::DAY_S).prop_map(|(number, made_at, life_s)| {
        Header {
            number,
            made_at: UtcSeconds(made_at),
            expires_at: UtcSeconds(made_at + life_s),
        }
    })
}

fn name() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

fn gate() -> impl Strategy<Value = GateId> {
    any::<[u8; 16]>().prop_map(GateId)
}

fn kid() -> impl Strategy<Value = Kid> {
    any::<[u8; 8]>().prop_map(Kid)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn pass_id() -> impl Strategy<Value = PassId> {
    (kid(), any::<u32>()).prop_map(|(kid, serial)| PassId {
        kid,
        serial: Serial(serial),
    })
}

fn position() -> impl Strategy<Value = JournalPosition> {
    (any::<u32>(), any::<u64>()).prop_map(|(epoch, seq)| JournalPosition {
        epoch: JournalEpoch(epoch),
        seq,
    })
}

fn newest() -> impl Strategy<Value = Newest> {
    (number(), digest()).prop_map(|(number, digest)| Newest { number, digest })
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        any::<u32>().prop_map(|holder| Subject::Holder(HolderNumber(holder))),
        pass_id().prop_map(Subject::Pass),
    ]
}

fn door_mode() -> impl Strategy<Value = DoorMode> {
    select(vec![
        DoorMode::Locked,
        DoorMode::Unlocked,
        DoorMode::Blocked,
        DoorMode::LockedDown,
        DoorMode::LockedOpen,
    ])
}

fn door() -> impl Strategy<Value = DoorId> {
    any::<u32>().prop_map(DoorId)
}

fn access_point() -> impl Strategy<Value = AccessPointId> {
    any::<u32>().prop_map(AccessPointId)
}

fn scan_id() -> impl Strategy<Value = ScanId> {
    any::<u64>().prop_map(ScanId)
}

fn reason() -> impl Strategy<Value = DenyReason> {
    select(DenyReason::ALL)
}

fn freshness() -> impl Strategy<Value = FreshnessStep> {
    select(vec![
        FreshnessStep::Fresh,
        FreshnessStep::Normal,
        FreshnessStep::Warn,
        FreshnessStep::Restrict,
        FreshnessStep::Expired,
    ])
}

pub(crate) fn trust_list() -> impl Strategy<Value = TrustList> {
    let window = || {
        (any::<u32>(), 1..u64::from(u32::MAX)).prop_map(|(from, length)| Window {
            from: UtcSeconds(u64::from(from)),
            until: UtcSeconds(u64::from(from) + length),
        })
    };
    let names = ["issuer", "peer", "holder", "stranger"];
    let issuer = (window(), window(), any::<[u8; 16]>());
    (
        header(),
        vec(issuer, 0..=names.len()),
        any::<prop::sample::Index>(),
    )
        .prop_map(move |(header, issuers, with_standby)| {
            let standby = with_standby.index(names.len());
            let mut issuer_keys: Vec<IssuerKey> = issuers
                .into_iter()
                .zip(names)
                .enumerate()
                .map(
                    |(index, ((signing, verification, school), name))| IssuerKey {
                        public_key: cast::key(name).public(),
                        school: SchoolId(school),
                        signing,
                        verification,
                        standby: (index == standby).then(|| cast::key("standby").public()),
                        state: IssuerKeyState::Active,
                    },
                )
                .collect();
            issuer_keys.sort_unstable_by_key(|issuer| issuer.public_key);
            TrustList {
                header,
                issuer_keys,
                statement_keys: vec![cast::key("statement").public()],
            }
        })
}

pub(crate) fn configuration() -> impl Strategy<Value = Configuration> {
    let staff = btree_map(any::<u32>(), (name(), "[ -~]{0,100}"), 0..10);
    let kids = btree_set(kid(), 0..10);
    let capacity = option::of(any::<u32>());
    (
        header(),
        name(),
        staff,
        kids,
        capacity,
        vec(digest(), 0..=4),
    )
        .prop_map(|(header, name, staff, kids, capacity, tls_keys)| {
            let mut value = match capacity {
                Some(_) => golden::vestibule(),
                None => golden::configuration(),
            };
            value.offsets.until = header.expires_at;
            value.header = header;
            value.name.clone_from(&name);
            value.areas[1].capacity = capacity;
            value.doors[0].name = name;
            value.staff = staff
                .into_iter()
                .map(|(number, (name, pin_verifier))| Staff {
                    number: StaffNumber(number),
                    name,
                    role: StaffRole::Guard,
                    pin_verifier,
                })
                .collect();
            value.issuers = kids.into_iter().collect();
            value.tls_keys = tls_keys;
            value
        })
}

pub(crate) fn roster() -> impl Strategy<Value = Roster> {
    let need = option::of(Just(DoorNeed::ExtendedRelease));
    let entry = (0..4u32, name(), name(), option::of(digest()), need);
    (
        header(),
        gate(),
        kid(),
        btree_map(any::<u32>(), entry, 0..20),
    )
        .prop_map(|(header, gate, kid, holders)| {
            let mut next = 0;
            let holders = holders
                .into_iter()
                .map(|(holder, (passes, name, student_number, photo, need))| {
                    let first = next;
                    next += passes;
                    RosterEntry {
                        holder: HolderNumber(holder),
                        passes: (first..next)
                            .map(|serial| PassId {
                                kid,
                                serial: Serial(serial),
                            })
                            .collect(),
                        name,
                        student_number,
                        language: "de-AT".into(),
                        photo,
                        need,
                    }
                })
                .collect();
            Roster {
                header,
                gate,
                holders,
            }
        })
}

pub(crate) fn status_list() -> impl Strategy<Value = StatusList> {
    let serials = prop_oneof![0..SERIALS_PER_KEY, 0..2_000u32];
    let sets = btree_map(serials, any::<bool>(), 0..300);
    (header(), kid(), sets).prop_map(|(header, kid, sets)| {
        let of = |wanted: bool| {
            let chosen = sets.iter().filter(|(_, revoked)| **revoked == wanted);
            chosen.map(|(serial, _)| *serial).collect()
        };
        StatusSets {
            revoked: of(true),
            suspended: of(false),
        }
        .to_list(header, kid)
    })
}

pub(crate) fn issued_list() -> impl Strategy<Value = IssuedList> {
    let growth = select(vec![Growth::Open, Growth::Frozen]);
    (header(), kid(), 0..=SERIALS_PER_KEY, growth, digest()).prop_map(
        |(header, kid, count, growth, chain)| IssuedList {
            header,
            kid,
            count,
            growth,
            chain: if count == 0 { CHAIN_START } else { chain },
        },
    )
}

fn action() -> impl Strategy<Value = OrderAction> {
    prop_oneof![
        Just(OrderAction::LockDown),
        Just(OrderAction::EndLockdown),
        (door(), door_mode()).prop_map(|(door, mode)| OrderAction::SetDoorMode { door, mode }),
        door().prop_map(|door| OrderAction::Release { door }),
        subject().prop_map(|subject| OrderAction::Forgive { subject }),
    ]
}

pub(crate) fn order() -> impl Strategy<Value = Order> {
    (header(), gate(), action()).prop_map(|(header, gate, action)| Order {
        header,
        gate,
        action,
    })
}

pub(crate) fn heads() -> impl Strategy<Value = Heads> {
    let issuers = btree_map(any::<[u8; 8]>(), (newest(), newest()), 0..10);
    let optional = || option::of(newest());
    (
        header(),
        gate(),
        [newest(), newest(), newest()],
        optional(),
        optional(),
        issuers,
    )
        .prop_map(
            |(header, gate, [root_set, trust_list, configuration], roster, order, issuers)| Heads {
                header,
                gate,
                root_set,
                trust_list,
                configuration,
                roster,
                order,
                issuers: issuers
                    .into_iter()
                    .map(|(kid, (status_list, issued_list))| IssuerHeads {
                        kid: Kid(kid),
                        status_list,
                        issued_list,
                    })
                    .collect(),
            },
        )
}

pub(crate) fn time() -> impl Strategy<Value = SignedTime> {
    (any::<[u8; 16]>(), utc()).prop_map(|(nonce, utc)| SignedTime { nonce, utc })
}

pub(crate) fn acknowledgement() -> impl Strategy<Value = Acknowledgement> {
    (gate(), position(), digest(), utc()).prop_map(|(gate, position, hash, made_at)| {
        Acknowledgement {
            gate,
            position,
            hash,
            made_at,
        }
    })
}

pub(crate) fn movement() -> impl Strategy<Value = Movement> {
    let kind = select(vec![MovementKind::Taken, MovementKind::Undone]);
    (
        gate(),
        position(),
        subject(),
        any::<u32>(),
        kind,
        any::<u32>(),
        utc(),
    )
        .prop_map(|(gate, position, subject, area, kind, uses, at)| Movement {
            gate,
            position,
            subject,
            area: AreaId(area),
            kind,
            uses,
            at,
        })
}

fn scan_outcome() -> impl Strategy<Value = ScanOutcome> {
    let decision = prop_oneof![Just(Decision::Grant), reason().prop_map(Decision::Deny)];
    let offer = select(vec![GuardOffer::None, GuardOffer::AskGuard]);
    let reasons = || vec(reason(), 0..5);
    (
        (
            scan_id(),
            access_point(),
            decision,
            reasons(),
            offer,
            reasons(),
            freshness(),
        ),
        (
            option::of(number()),
            option::of(any::<u32>()),
            option::of(utc()),
        ),
    )
        .prop_map(
            |(
                (scan, access_point, decision, also, offer, alerts, freshness),
                (status_list, uses, proof_made_at),
            )| ScanOutcome {
                scan,
                access_point,
                decision,
                also,
                offer,
                alerts,
                freshness,
                status_list,
                uses,
                proof_made_at,
            },
        )
}

fn door_event() -> impl Strategy<Value = DoorEvent> {
    let alarm = || {
        select(vec![
            DoorAlarm::ForcedOpen,
            DoorAlarm::HeldOpen,
            DoorAlarm::HeldOpenSoon,
            DoorAlarm::Tamper,
            DoorAlarm::Fault,
            DoorAlarm::Fire,
        ])
    };
    prop_oneof![
        Just(DoorEvent::Opened),
        Just(DoorEvent::Closed),
        alarm().prop_map(DoorEvent::AlarmRaised),
        alarm().prop_map(DoorEvent::AlarmEnded),
        Just(DoorEvent::RequestToExit),
        door_mode().prop_map(DoorEvent::ModeChanged),
        Just(DoorEvent::Released),
    ]
}

fn guard_action() -> impl Strategy<Value = GuardAction> {
    prop_oneof![
        (access_point(), option::of(scan_id()))
            .prop_map(|(access_point, scan)| GuardAction::LetIn { access_point, scan }),
        Just(GuardAction::Forgave),
        (door(), door_mode()).prop_map(|(door, mode)| GuardAction::SetDoorMode { door, mode }),
        Just(GuardAction::LockedDown),
        door().prop_map(|door| GuardAction::SilencedAlarm { door }),
        Just(GuardAction::PinRefused),
    ]
}

fn sync_event() -> impl Strategy<Value = SyncEvent> {
    prop_oneof![
        Just(SyncEvent::LinkUp),
        Just(SyncEvent::LinkDown),
        (name(), number()).prop_map(|(kind, number)| SyncEvent::DocumentTaken { kind, number }),
        (name(), name()).prop_map(|(kind, reason)| SyncEvent::DocumentRefused { kind, reason }),
        freshness().prop_map(SyncEvent::FreshnessChanged),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = select(vec![
        PassageOutcome::Taken,
        PassageOutcome::NotTaken,
        PassageOutcome::UnknownCountedTaken,
        PassageOutcome::UnknownCountedNotTaken,
    ]);
    let count = (reason(), any::<u32>()).prop_map(|(reason, count)| RefusedCount { reason, count });
    prop_oneof![
        name().prop_map(|version| Event::Started { version }),
        Just(Event::Stopped),
        scan_outcome().prop_map(Event::Scan),
        (scan_id(), outcome).prop_map(|(scan, outcome)| Event::Passage { scan, outcome }),
        (access_point(), vec(count, 0..31)).prop_map(|(access_point, counts)| Event::Refused {
            access_point,
            counts,
        }),
        (door(), door_event()).prop_map(|(door, event)| Event::Door { door, event }),
        (any::<u32>(), guard_action()).prop_map(|(staff, action)| Event::Guard {
            staff: StaffNumber(staff),
            action,
        }),
        (number(), action()).prop_map(|(number, action)| Event::OrderTaken { number, action }),
        number().prop_map(|number| Event::OrderExpired { number }),
        sync_event().prop_map(Event::Sync),
        (utc(), utc()).prop_map(|(wall, mark)| Event::Clock(ClockEvent::Untrusted { wall, mark })),
        (name(), option::of(name())).prop_map(|(part, problem)| Event::Fault { part, problem }),
        any::<u64>().prop_map(|first_kept| Event::Pruned { first_kept }),
    ]
}

pub(crate) fn public_part() -> impl Strategy<Value = PublicPart> {
    let clock = select(vec![ClockTrust::Trusted, ClockTrust::Untrusted]);
    (position(), utc(), any::<u64>(), clock, event()).prop_map(
        |(position, utc, uptime, clock, event)| PublicPart {
            position,
            utc,
            uptime: Uptime(uptime),
            clock,
            event,
        },
    )
}

pub(crate) fn personal_part() -> impl Strategy<Value = PersonalPart> {
    let text = || option::of(name());
    (
        option::of(pass_id()),
        option::of(any::<u32>()),
        text(),
        text(),
    )
        .prop_map(|(pass, holder, note, name)| PersonalPart {
            pass,
            holder: holder.map(HolderNumber),
            note,
            name,
        })
}

pub(crate) fn batch() -> impl Strategy<Value = JournalBatch> {
    let record = (
        public_part(),
        option::of((personal_part(), any::<[u8; 16]>())),
    )
        .prop_map(|(public, personal)| {
            Record::new(&public, personal.as_ref().map(|(part, salt)| (part, *salt)))
        });
    let signed = || vec(any::<u8>(), 0..200);
    (
        position(),
        vec(record, 1..20),
        signed(),
        option::of(signed()),
    )
        .prop_map(|(first, records, head, anchor)| JournalBatch {
            version: API_VERSION,
            first,
            records,
            head: head.into(),
            anchor: anchor.map(Into::into),
        })
}

pub(crate) fn heartbeat() -> impl Strategy<Value = Heartbeat> {
    (
        name(),
        vec(name(), 0..5),
        option::of(number()),
        any::<u64>(),
        freshness(),
    )
        .prop_map(
            |(agent_version, problems, heads, uptime_ms, freshness)| Heartbeat {
                agent_version,
                problems,
                heads,
                uptime_ms,
                freshness,
                ..messages::heartbeat()
            },
        )
}

pub(crate) fn refusal() -> impl Strategy<Value = Refusal> {
    let code = select(vec![
        RefusalCode::Malformed,
        RefusalCode::CounterUsed,
        RefusalCode::JournalForked,
        RefusalCode::Busy,
    ]);
    (
        code,
        name(),
        option::of(position()),
        option::of(any::<u64>()),
    )
        .prop_map(|(code, detail, expected, counter_floor)| Refusal {
            code,
            detail,
            expected,
            counter_floor,
            ..messages::refusal()
        })
}

pub(crate) fn panel_request() -> impl Strategy<Value = PanelRequest> {
    let ask = prop_oneof![
        Just(PanelAsk::State),
        (any::<u32>(), name()).prop_map(|(staff, pin)| PanelAsk::SignIn {
            staff: StaffNumber(staff),
            pin,
        }),
        (
            access_point(),
            option::of(scan_id()),
            name(),
            option::of(name())
        )
            .prop_map(|(access_point, scan, reason, name)| PanelAsk::LetIn {
                access_point,
                scan,
                reason,
                name,
            },),
        subject().prop_map(|subject| PanelAsk::Forgive { subject }),
        (door(), door_mode()).prop_map(|(door, mode)| PanelAsk::SetDoorMode { door, mode }),
    ];
    (any::<u32>(), ask).prop_map(|(request, ask)| PanelRequest {
        version: PANEL_API_VERSION,
        request,
        ask,
    })
}

//! A journal with every event in it, its chain, heads and anchors.

use serde_json::{Value, json};
use shared::{
    decision::{Decision, DenyReason, FreshnessStep, GuardOffer},
    ids::{
        AccessPointId, Digest, DoorId, HolderNumber, JournalEpoch, PassId, ScanId, Serial,
        StaffNumber,
    },
    journal::{
        ChainState, ClockEvent, ClockTrust, DoorAlarm, DoorEvent, Event, GuardAction,
        JournalAnchor, JournalHead, PassageOutcome, PersonalPart, PublicPart, Record, RefusedCount,
        ScanOutcome, SyncEvent, start_of,
    },
    keys::Sign as _,
    order::{DoorMode, OrderAction},
    time::Uptime,
};

use crate::{
    cast::{GATE, MADE_AT, diagnostic, hex, key, number},
    documents::{position, signed},
};

/// One of every event and of every kind within it.
pub(crate) fn events() -> Vec<Event> {
    let door = |event| Event::Door {
        door: DoorId(1),
        event,
    };
    let guard = |action| Event::Guard {
        staff: StaffNumber(3),
        action,
    };
    vec![
        Event::Started {
            version: "0.1.0".into(),
        },
        Event::Clock(ClockEvent::Untrusted {
            wall: MADE_AT.minus(1_000_000),
            mark: MADE_AT,
        }),
        Event::Clock(ClockEvent::MarkReset { mark: MADE_AT }),
        Event::Clock(ClockEvent::Trusted),
        Event::Sync(SyncEvent::LinkUp),
        Event::Sync(SyncEvent::DocumentTaken {
            kind: "portcullis/trust-list/1".into(),
            number: number(3),
        }),
        Event::Sync(SyncEvent::DocumentRefused {
            kind: "portcullis/status-list/1".into(),
            reason: "number 1.6 is older than 1.7, which is at hand".into(),
        }),
        Event::Sync(SyncEvent::FreshnessChanged(FreshnessStep::Fresh)),
        Event::Scan(granted()),
        Event::Passage {
            scan: ScanId(1),
            outcome: PassageOutcome::Taken,
        },
        Event::Scan(denied()),
        guard(GuardAction::SignedIn),
        guard(GuardAction::LetIn {
            access_point: AccessPointId(1),
            scan: Some(ScanId(2)),
        }),
        guard(GuardAction::LetIn {
            access_point: AccessPointId(1),
            scan: None,
        }),
        guard(GuardAction::Forgave),
        guard(GuardAction::SetDoorMode {
            door: DoorId(1),
            mode: DoorMode::Unlocked,
        }),
        guard(GuardAction::LockedDown),
        guard(GuardAction::EndedLockdown),
        guard(GuardAction::SilencedAlarm { door: DoorId(1) }),
        guard(GuardAction::PinRefused),
        guard(GuardAction::SignedOut),
        door(DoorEvent::Opened),
        door(DoorEvent::AlarmRaised(DoorAlarm::HeldOpen)),
        door(DoorEvent::AlarmEnded(DoorAlarm::HeldOpen)),
        door(DoorEvent::Closed),
        door(DoorEvent::RequestToExit),
        door(DoorEvent::ModeChanged(DoorMode::LockedDown)),
        door(DoorEvent::Released),
        Event::Refused {
            access_point: AccessPointId(2),
            counts: vec![
                refused(DenyReason::NotAPass, 4),
                refused(DenyReason::SignatureInvalid, 1),
            ],
        },
        Event::OrderTaken {
            number: number(6),
            action: OrderAction::LockDown,
        },
        Event::OrderExpired { number: number(7) },
        Event::Fault {
            part: "reader".into(),
            problem: Some("no frame for 5 s".into()),
        },
        Event::Fault {
            part: "reader".into(),
            problem: None,
        },
        Event::Sync(SyncEvent::LinkDown),
        Event::Pruned { first_kept: 2 },
        Event::Stopped,
    ]
}

fn refused(reason: DenyReason, count: u32) -> RefusedCount {
    RefusedCount { reason, count }
}

fn granted() -> ScanOutcome {
    ScanOutcome {
        scan: ScanId(1),
        access_point: AccessPointId(1),
        decision: Decision::Grant,
        also: vec![],
        offer: GuardOffer::None,
        alerts: vec![DenyReason::AntiPassbackViolated],
        freshness: FreshnessStep::Fresh,
        status_list: Some(number(8)),
        uses: Some(3),
        proof_made_at: Some(MADE_AT),
    }
}

fn denied() -> ScanOutcome {
    ScanOutcome {
        scan: ScanId(2),
        decision: Decision::Deny(DenyReason::PassSuspended),
        also: vec![DenyReason::OutsideSchedule],
        offer: GuardOffer::AskGuard,
        alerts: vec![],
        status_list: None,
        uses: None,
        proof_made_at: None,
        ..granted()
    }
}

fn personal(event: &Event, seq: u64) -> Option<(PersonalPart, [u8; 16])> {
    let pass = Some(PassId {
        kid: key("issuer").kid(),
        serial: Serial(300),
    });
    let part = match event {
        Event::Scan(_) => PersonalPart {
            pass,
            holder: Some(HolderNumber(12)),
            ..PersonalPart::default()
        },
        Event::Guard {
            action: GuardAction::LetIn { scan: None, .. },
            ..
        } => PersonalPart {
            note: Some("delivery for the kitchen".into()),
            name: Some("A. Driver".into()),
            ..PersonalPart::default()
        },
        Event::Guard {
            action: GuardAction::LetIn { .. } | GuardAction::Forgave,
            ..
        } => PersonalPart {
            pass,
            ..PersonalPart::default()
        },
        _ => return None,
    };
    let salt = [u8::try_from(seq).unwrap(); 16];
    Some((part, salt))
}

/// The records of `events`, from 1.
pub(crate) fn records() -> Vec<Record> {
    let record = |(seq, event): (u64, Event)| {
        let personal = personal(&event, seq);
        let public = PublicPart {
            position: position(seq),
            utc: MADE_AT.plus(seq),
            uptime: Uptime(1_000 * seq),
            clock: if seq == 2 {
                ClockTrust::Untrusted
            } else {
                ClockTrust::Trusted
            },
            event,
        };
        Record::new(&public, personal.as_ref().map(|(part, salt)| (part, *salt)))
    };
    (1..).zip(events()).map(record).collect()
}

/// Where the chain stands after `count` records.
pub(crate) fn state_after(count: usize) -> ChainState {
    records()
        .iter()
        .take(count)
        .try_fold(ChainState::start(GATE, JournalEpoch(1)), |state, record| {
            state.append(record)
        })
        .expect("an unbroken chain")
}

/// The head behind the last record.
pub(crate) fn head() -> JournalHead {
    let state = state_after(records().len());
    JournalHead {
        gate: GATE,
        position: state.position,
        hash: state.hash,
        made_at: MADE_AT.plus(1_000),
    }
}

/// The anchor in the place of the first `count` records.
pub(crate) fn anchor(count: usize) -> JournalAnchor {
    let state = state_after(count);
    JournalAnchor {
        gate: GATE,
        position: state.position,
        hash: state.hash,
    }
}

/// `journal.json`.
pub(crate) fn journal() -> Value {
    let record = |(index, record): (usize, &Record)| {
        let personal = record.personal.as_ref();
        json!({
            "public": hex(&record.public),
            "public_diagnostic": diagnostic(&record.public),
            "salt": personal.map(|salted| hex(&salted.salt)),
            "personal": personal.map(|salted| hex(&salted.part)),
            "personal_diagnostic": personal.map(|salted| diagnostic(&salted.part)),
            "commitment": hex(&record.commitment.0),
            "hash": hex(&state_after(index + 1).hash.0),
            "record": hex(&shared::cbor::encode(record)),
        })
    };
    let erased = Record {
        personal: None,
        ..records()[8].clone()
    };
    json!({
        "gate": hex(&GATE.0),
        "epoch": 1,
        "start": hex(&start_of(GATE, JournalEpoch(1)).0),
        "empty_commitment": hex(&Digest([0; 32]).0),
        "records": records().iter().enumerate().map(record).collect::<Vec<_>>(),
        "erased_record_9": hex(&shared::cbor::encode(&erased)),
        "head": signed("behind the last record", &head(), "gate"),
        "anchor": signed("in the place of the first five", &anchor(5), "gate"),
    })
}

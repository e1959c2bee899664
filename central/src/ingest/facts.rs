//! What of a record stands in columns: for searches, reports and counters.

use shared::{
    decision::Decision,
    ids::{AccessPointId, ScanId},
    journal::{Event, GuardAction, PersonalPart},
};

use crate::{db::journal_records::Facts, journal_json};

/// The event's kind in words, by its index.
const KINDS: [&str; 13] = [
    "started",
    "stopped",
    "scan",
    "passage",
    "refused",
    "door",
    "guard",
    "order_taken",
    "order_expired",
    "sync",
    "clock",
    "fault",
    "pruned",
];

/// The column of a grant; a denial has its reason's number.
pub const GRANTED: i16 = -1;

/// What of a record stands in columns. A number that a column cannot hold is left out: it comes
/// from no gate of ours, and the record itself keeps it.
#[must_use]
pub fn of(event: &Event, personal: Option<&PersonalPart>) -> Facts {
    let (access_point, scan) = place(event);
    let pass = personal.and_then(|personal| personal.pass);
    let holder = personal.and_then(|personal| personal.holder);
    Facts {
        event_kind: kind(event),
        access_point_id: access_point.and_then(|id| i32::try_from(id.0).ok()),
        scan: scan.and_then(|scan| i64::try_from(scan.0).ok()),
        decision: decision(event).map(column),
        kid: pass.map(|pass| pass.kid),
        serial: pass.and_then(|pass| i32::try_from(pass.serial.0).ok()),
        holder_number: holder.and_then(|holder| i32::try_from(holder.0).ok()),
    }
}

/// The decision that a record tells of.
#[must_use]
pub fn decision(event: &Event) -> Option<Decision> {
    match event {
        Event::Scan(scan) => Some(scan.decision),
        Event::Started { .. }
        | Event::Stopped
        | Event::Passage { .. }
        | Event::Refused { .. }
        | Event::Door { .. }
        | Event::Guard { .. }
        | Event::OrderTaken { .. }
        | Event::OrderExpired { .. }
        | Event::Sync(_)
        | Event::Clock(_)
        | Event::Fault { .. }
        | Event::Pruned { .. } => None,
    }
}

/// What a record adds to the count of verifications: status, access point, how many. Texts that
/// did not verify are counted by the gate.
#[must_use]
pub fn verifications(event: &Event) -> Vec<(&'static str, AccessPointId, u64)> {
    match event {
        Event::Scan(scan) => {
            let status = journal_json::decision(scan.decision);
            vec![(status, scan.access_point, 1)]
        }
        Event::Refused {
            access_point,
            counts,
        } => counts
            .iter()
            .map(|counted| {
                (
                    counted.reason.code(),
                    *access_point,
                    u64::from(counted.count),
                )
            })
            .collect(),
        Event::Started { .. }
        | Event::Stopped
        | Event::Passage { .. }
        | Event::Door { .. }
        | Event::Guard { .. }
        | Event::OrderTaken { .. }
        | Event::OrderExpired { .. }
        | Event::Sync(_)
        | Event::Clock(_)
        | Event::Fault { .. }
        | Event::Pruned { .. } => Vec::new(),
    }
}

/// A decision as the column has it.
#[must_use]
pub fn column(decision: Decision) -> i16 {
    match decision {
        Decision::Grant => GRANTED,
        Decision::Deny(reason) => reason as i16,
    }
}

/// The event's kind in words.
#[must_use]
pub fn kind_name(event: &Event) -> &'static str {
    KINDS[usize::try_from(kind(event)).expect("indices count up from 0")]
}

/// The index under which the event is encoded.
fn kind(event: &Event) -> i16 {
    match event {
        Event::Started { .. } => 0,
        Event::Stopped => 1,
        Event::Scan(_) => 2,
        Event::Passage { .. } => 3,
        Event::Refused { .. } => 4,
        Event::Door { .. } => 5,
        Event::Guard { .. } => 6,
        Event::OrderTaken { .. } => 7,
        Event::OrderExpired { .. } => 8,
        Event::Sync(_) => 9,
        Event::Clock(_) => 10,
        Event::Fault { .. } => 11,
        Event::Pruned { .. } => 12,
    }
}

fn place(event: &Event) -> (Option<AccessPointId>, Option<ScanId>) {
    match event {
        Event::Scan(scan) => (Some(scan.access_point), Some(scan.scan)),
        Event::Passage { scan, .. } => (None, Some(*scan)),
        Event::Refused { access_point, .. } => (Some(*access_point), None),
        Event::Guard { action, .. } => match action {
            GuardAction::LetIn { access_point, scan } => (Some(*access_point), *scan),
            GuardAction::Forgave
            | GuardAction::SetDoorMode { .. }
            | GuardAction::LockedDown
            | GuardAction::EndedLockdown
            | GuardAction::SilencedAlarm { .. }
            | GuardAction::SignedIn
            | GuardAction::SignedOut
            | GuardAction::PinRefused => (None, None),
        },
        Event::Started { .. }
        | Event::Stopped
        | Event::Door { .. }
        | Event::OrderTaken { .. }
        | Event::OrderExpired { .. }
        | Event::Sync(_)
        | Event::Clock(_)
        | Event::Fault { .. }
        | Event::Pruned { .. } => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        cbor,
        decision::DenyReason,
        ids::{CentralEpoch, DocumentNumber, DoorId, StaffNumber},
        journal::{ClockEvent, DoorEvent, PassageOutcome, SyncEvent},
        order::OrderAction,
    };

    use super::*;
    use crate::journal_json;

    #[test]
    fn the_kind_is_the_index_under_which_the_event_is_encoded() {
        let number = DocumentNumber {
            epoch: CentralEpoch(1),
            n: 1,
        };
        let events = [
            Event::Started {
                version: "1".into(),
            },
            Event::Stopped,
            Event::Passage {
                scan: ScanId(1),
                outcome: PassageOutcome::Taken,
            },
            Event::Refused {
                access_point: AccessPointId(1),
                counts: vec![],
            },
            Event::Door {
                door: DoorId(1),
                event: DoorEvent::Opened,
            },
            Event::Guard {
                staff: StaffNumber(1),
                action: GuardAction::SignedIn,
            },
            Event::OrderTaken {
                number,
                action: OrderAction::LockDown,
            },
            Event::OrderExpired { number },
            Event::Sync(SyncEvent::LinkUp),
            Event::Clock(ClockEvent::Trusted),
            Event::Fault {
                part: "storage".into(),
                problem: None,
            },
            Event::Pruned { first_kept: 2 },
        ];
        for event in events {
            let bytes = cbor::encode(&event);
            let mut decoder = minicbor::Decoder::new(&bytes);
            assert!(decoder.array().unwrap().is_some());
            assert_eq!(decoder.i16().unwrap(), kind(&event), "{event:?}");
            assert_eq!(journal_json::event(&event)["event"], kind_name(&event));
        }
    }

    #[test]
    fn a_denial_stands_under_the_number_of_its_reason() {
        for (number, reason) in DenyReason::ALL.iter().enumerate() {
            assert_eq!(usize::try_from(column(Decision::Deny(*reason))), Ok(number));
        }
        assert_eq!(column(Decision::Grant), -1);
    }
}

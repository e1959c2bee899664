//! Journal records as the web API shows them: the same words as in the formats, as JSON.

use serde_json::{Value, json};
use shared::{
    decision::{Decision, DenyReason, FreshnessStep, GuardOffer},
    ids::PassId,
    journal::{
        ClockEvent, DoorAlarm, DoorEvent, Event, GuardAction, PassageOutcome, ScanOutcome,
        SyncEvent,
    },
    order::{DoorMode, OrderAction, Subject},
    time::UtcSeconds,
};

/// What happened, with `event` to tell which sort it is.
#[must_use]
pub fn event(event: &Event) -> Value {
    match event {
        Event::Started { version } => json!({"event": "started", "version": version}),
        Event::Stopped => json!({"event": "stopped"}),
        Event::Scan(outcome) => scan(outcome),
        Event::Passage { scan, outcome } => {
            json!({"event": "passage", "scan": scan.0, "outcome": passage(*outcome)})
        }
        Event::Refused {
            access_point,
            counts,
        } => {
            let counts: Vec<Value> = counts
                .iter()
                .map(|counted| json!({"reason": counted.reason.code(), "count": counted.count}))
                .collect();
            json!({"event": "refused", "access_point_id": access_point.0, "counts": counts})
        }
        Event::Door { door, event } => door_event(door.0, *event),
        Event::Guard { staff, action } => guard(staff.0, *action),
        Event::OrderTaken { number, action } => {
            json!({"event": "order_taken", "number": number.to_string(), "action": order(*action)})
        }
        Event::OrderExpired { number } => {
            json!({"event": "order_expired", "number": number.to_string()})
        }
        Event::Sync(event) => sync(event),
        Event::Clock(event) => clock(*event),
        Event::Fault { part, problem } => {
            json!({"event": "fault", "part": part, "problem": problem})
        }
        Event::Pruned { first_kept } => json!({"event": "pruned", "first_kept": first_kept}),
    }
}

/// `granted`, or the stable code of the reason for the denial.
#[must_use]
pub const fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Grant => "granted",
        Decision::Deny(reason) => reason.code(),
    }
}

/// A step of the ladder of freshness.
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

/// A pass as the web API names it.
#[must_use]
pub fn pass(pass: PassId) -> Value {
    json!({"kid": pass.kid.to_string(), "serial": pass.serial.0})
}

fn scan(outcome: &ScanOutcome) -> Value {
    let codes = |reasons: &[DenyReason]| -> Vec<&'static str> {
        reasons.iter().map(|reason| reason.code()).collect()
    };
    json!({
        "event": "scan",
        "scan": outcome.scan.0,
        "access_point_id": outcome.access_point.0,
        "decision": decision(outcome.decision),
        "also": codes(&outcome.also),
        "asked_guard": match outcome.offer {
            GuardOffer::AskGuard => true,
            GuardOffer::None => false,
        },
        "alerts": codes(&outcome.alerts),
        "freshness": freshness(outcome.freshness),
        "status_list": outcome.status_list.map(|number| number.to_string()),
        "uses": outcome.uses,
        "proof_made_at": outcome.proof_made_at.map(instant),
    })
}

fn instant(at: UtcSeconds) -> String {
    at.to_string()
}

const fn passage(outcome: PassageOutcome) -> &'static str {
    match outcome {
        PassageOutcome::Taken => "access_taken",
        PassageOutcome::NotTaken => "access_not_taken",
        PassageOutcome::UnknownCountedTaken => "unknown_counted_taken",
        PassageOutcome::UnknownCountedNotTaken => "unknown_counted_not_taken",
    }
}

fn door_event(door: u32, event: DoorEvent) -> Value {
    let plain = |what| json!({"event": "door", "door_id": door, "what": what});
    match event {
        DoorEvent::Opened => plain("opened"),
        DoorEvent::Closed => plain("closed"),
        DoorEvent::RequestToExit => plain("request_to_exit"),
        DoorEvent::Released => plain("released"),
        DoorEvent::AlarmRaised(alarm) => {
            json!({"event": "door", "door_id": door, "what": "alarm_raised", "alarm": alarm_name(alarm)})
        }
        DoorEvent::AlarmEnded(alarm) => {
            json!({"event": "door", "door_id": door, "what": "alarm_ended", "alarm": alarm_name(alarm)})
        }
        DoorEvent::ModeChanged(mode) => {
            json!({"event": "door", "door_id": door, "what": "mode_changed", "mode": mode_name(mode)})
        }
    }
}

const fn alarm_name(alarm: DoorAlarm) -> &'static str {
    match alarm {
        DoorAlarm::ForcedOpen => "forced_open",
        DoorAlarm::HeldOpen => "held_open",
        DoorAlarm::HeldOpenSoon => "held_open_soon",
        DoorAlarm::Tamper => "tamper",
        DoorAlarm::Fault => "fault",
        DoorAlarm::Fire => "fire",
    }
}

const fn mode_name(mode: DoorMode) -> &'static str {
    match mode {
        DoorMode::Locked => "locked",
        DoorMode::Unlocked => "unlocked",
        DoorMode::Accessed => "accessed",
        DoorMode::Blocked => "blocked",
        DoorMode::LockedDown => "locked_down",
        DoorMode::LockedOpen => "locked_open",
    }
}

fn guard(staff: u32, action: GuardAction) -> Value {
    let plain = |what| json!({"event": "guard", "staff_number": staff, "what": what});
    match action {
        GuardAction::LetIn { access_point, scan } => json!({
            "event": "guard", "staff_number": staff, "what": "let_in",
            "access_point_id": access_point.0, "scan": scan.map(|scan| scan.0),
        }),
        GuardAction::Forgave => plain("forgave"),
        GuardAction::SetDoorMode { door, mode } => json!({
            "event": "guard", "staff_number": staff, "what": "set_door_mode",
            "door_id": door.0, "mode": mode_name(mode),
        }),
        GuardAction::LockedDown => plain("locked_down"),
        GuardAction::EndedLockdown => plain("ended_lockdown"),
        GuardAction::SilencedAlarm { door } => json!({
            "event": "guard", "staff_number": staff, "what": "silenced_alarm", "door_id": door.0,
        }),
        GuardAction::SignedIn => plain("signed_in"),
        GuardAction::SignedOut => plain("signed_out"),
        GuardAction::PinRefused => plain("pin_refused"),
    }
}

fn order(action: OrderAction) -> Value {
    match action {
        OrderAction::LockDown => json!({"what": "lock_down"}),
        OrderAction::EndLockdown => json!({"what": "end_lockdown"}),
        OrderAction::SetDoorMode { door, mode } => {
            json!({"what": "set_door_mode", "door_id": door.0, "mode": mode_name(mode)})
        }
        OrderAction::Release { door } => json!({"what": "release", "door_id": door.0}),
        OrderAction::Forgive { subject } => {
            let whom = match subject {
                Subject::Holder(holder) => json!({"holder_number": holder.0}),
                Subject::Pass(id) => json!({"pass": pass(id)}),
            };
            json!({"what": "forgive", "subject": whom})
        }
    }
}

fn sync(event: &SyncEvent) -> Value {
    match event {
        SyncEvent::LinkUp => json!({"event": "sync", "what": "link_up"}),
        SyncEvent::LinkDown => json!({"event": "sync", "what": "link_down"}),
        SyncEvent::DocumentTaken { kind, number } => json!({
            "event": "sync", "what": "document_taken", "kind": kind, "number": number.to_string(),
        }),
        SyncEvent::DocumentRefused { kind, reason } => json!({
            "event": "sync", "what": "document_refused", "kind": kind, "reason": reason,
        }),
        SyncEvent::FreshnessChanged(step) => json!({
            "event": "sync", "what": "freshness_changed", "freshness": freshness(*step),
        }),
    }
}

fn clock(event: ClockEvent) -> Value {
    match event {
        ClockEvent::Untrusted { wall, mark } => json!({
            "event": "clock", "what": "untrusted", "wall": instant(wall), "mark": instant(mark),
        }),
        ClockEvent::Trusted => json!({"event": "clock", "what": "trusted"}),
        ClockEvent::MarkReset { mark } => {
            json!({"event": "clock", "what": "mark_reset", "mark": instant(mark)})
        }
    }
}

//! What a record can tell of: a closed list.

use alloc::{string::String, vec::Vec};

use minicbor::{Decode, Encode};

use crate::{
    decision::{Decision, DenyReason, FreshnessStep, GuardOffer},
    ids::{AccessPointId, DocumentNumber, DoorId, ScanId, StaffNumber},
    order::{DoorMode, OrderAction, Subject},
    text::{NAME_LIMIT, NOTE_LIMIT, cut},
    time::UtcSeconds,
};

/// Everything that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The agent started; open reservations of the last run are settled behind it.
    #[n(0)]
    Started {
        /// Version of the agent.
        #[n(0)]
        version: String,
    },
    /// The agent stopped in an orderly way.
    #[n(1)]
    Stopped,
    /// A scan and its decision.
    #[n(2)]
    Scan(#[n(0)] ScanOutcome),
    /// How a granted scan ended.
    #[n(3)]
    Passage {
        /// The scan.
        #[n(0)]
        scan: ScanId,
        /// How it ended.
        #[n(1)]
        outcome: PassageOutcome,
    },
    /// Texts that did not verify, counted over ten seconds.
    #[n(4)]
    Refused {
        /// Where.
        #[n(0)]
        access_point: AccessPointId,
        /// How many, by reason.
        #[n(1)]
        counts: Vec<RefusedCount>,
    },
    /// A door changed its state or mode, or raises an alarm.
    #[n(5)]
    Door {
        /// The door.
        #[n(0)]
        door: DoorId,
        /// What happened.
        #[n(1)]
        event: DoorEvent,
    },
    /// A guard did something.
    #[n(6)]
    Guard {
        /// Who.
        #[n(0)]
        staff: StaffNumber,
        /// What.
        #[n(1)]
        action: GuardAction,
    },
    /// An order was taken up.
    #[n(7)]
    OrderTaken {
        /// Its number.
        #[n(0)]
        number: DocumentNumber,
        /// What it asked.
        #[n(1)]
        action: OrderAction,
    },
    /// An order was not taken up, because it came too late.
    #[n(8)]
    OrderExpired {
        /// Its number.
        #[n(0)]
        number: DocumentNumber,
    },
    /// Link, lists, freshness.
    #[n(9)]
    Sync(#[n(0)] SyncEvent),
    /// The clock.
    #[n(10)]
    Clock(#[n(0)] ClockEvent),
    /// Something in the gate is broken or whole again.
    #[n(11)]
    Fault {
        /// What: `storage`, `decoder`, `reader`, `door`.
        #[n(0)]
        part: String,
        /// Broken, with a description, or whole (absent).
        #[n(1)]
        problem: Option<String>,
    },
    /// Old records were dropped behind a signed anchor.
    #[n(12)]
    Pruned {
        /// The first record that is left.
        #[n(0)]
        first_kept: u64,
    },
}

/// A scan whose pass verified, and what was decided. Which pass it was is personal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ScanOutcome {
    /// The scan.
    #[n(0)]
    pub scan: ScanId,
    /// Where.
    #[n(1)]
    pub access_point: AccessPointId,
    /// What was decided.
    #[n(2)]
    pub decision: Decision,
    /// Further checks that failed, in order.
    #[n(3)]
    pub also: Vec<DenyReason>,
    /// Whether the guard was asked.
    #[n(4)]
    pub offer: GuardOffer,
    /// A grant that broke anti-passback under an alert policy.
    #[n(5)]
    pub alerts: Vec<DenyReason>,
    /// Step of the ladder of freshness.
    #[n(6)]
    pub freshness: FreshnessStep,
    /// The status list that was asked, when there was one.
    #[n(7)]
    pub status_list: Option<DocumentNumber>,
    /// Uses of the pass with this scan, when it was granted.
    #[n(8)]
    pub uses: Option<u32>,
    /// Time of making of an accepted proof.
    #[n(9)]
    pub proof_made_at: Option<UtcSeconds>,
}

/// How a granted scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PassageOutcome {
    /// The holder went through.
    #[n(0)]
    Taken,
    /// The holder did not.
    #[n(1)]
    NotTaken,
    /// Nobody saw; counted as taken by policy.
    #[n(2)]
    UnknownCountedTaken,
    /// Nobody saw; counted as not taken by policy.
    #[n(3)]
    UnknownCountedNotTaken,
}

/// Texts that did not verify for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RefusedCount {
    /// Why.
    #[n(0)]
    pub reason: DenyReason,
    /// How many presentations.
    #[n(1)]
    pub count: u32,
}

/// What happened at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum DoorEvent {
    /// Opened (by the contact).
    #[n(0)]
    Opened,
    /// Closed.
    #[n(1)]
    Closed,
    /// An alarm begins.
    #[n(2)]
    AlarmRaised(#[n(0)] DoorAlarm),
    /// An alarm ends.
    #[n(3)]
    AlarmEnded(#[n(0)] DoorAlarm),
    /// Request to exit.
    #[n(4)]
    RequestToExit,
    /// Another mode.
    #[n(5)]
    ModeChanged(#[n(0)] DoorMode),
    /// Released, not by a scan.
    #[n(6)]
    Released,
}

/// An alarm at a door (ONVIF Door Control).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum DoorAlarm {
    /// Opened without a release.
    #[n(0)]
    ForcedOpen,
    /// Open for too long.
    #[n(1)]
    HeldOpen,
    /// Soon open for too long.
    #[n(2)]
    HeldOpenSoon,
    /// Tampered with.
    #[n(3)]
    Tamper,
    /// The door's wiring or driver does not work.
    #[n(4)]
    Fault,
    /// Fire input.
    #[n(5)]
    Fire,
}

/// What a guard did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum GuardAction {
    /// Let in; names the scan when it followed one. Reason text and name are personal.
    #[n(0)]
    LetIn {
        /// Where.
        #[n(0)]
        access_point: AccessPointId,
        /// The scan that was denied.
        #[n(1)]
        scan: Option<ScanId>,
    },
    /// Reset anti-passback. Whose is personal.
    #[n(1)]
    Forgave,
    /// Another door mode.
    #[n(2)]
    SetDoorMode {
        /// The door.
        #[n(0)]
        door: DoorId,
        /// The mode.
        #[n(1)]
        mode: DoorMode,
    },
    /// Locked the gate down.
    #[n(3)]
    LockedDown,
    /// Ended a lockdown.
    #[n(4)]
    EndedLockdown,
    /// Silenced a door's alarm.
    #[n(5)]
    SilencedAlarm {
        /// The door.
        #[n(0)]
        door: DoorId,
    },
    /// Signed in.
    #[n(6)]
    SignedIn,
    /// Signed out.
    #[n(7)]
    SignedOut,
    /// A PIN was wrong (staff number 0 when nobody's).
    #[n(8)]
    PinRefused,
}

/// Link, lists, freshness.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum SyncEvent {
    /// Central answers again.
    #[n(0)]
    LinkUp,
    /// Central does not answer.
    #[n(1)]
    LinkDown,
    /// A signed document was taken.
    #[n(2)]
    DocumentTaken {
        /// Its kind: the external data of its signature.
        #[n(0)]
        kind: String,
        /// Its number.
        #[n(1)]
        number: DocumentNumber,
    },
    /// A signed document was refused.
    #[n(3)]
    DocumentRefused {
        /// Its kind.
        #[n(0)]
        kind: String,
        /// Why.
        #[n(1)]
        reason: String,
    },
    /// Another step of the ladder.
    #[n(4)]
    FreshnessChanged(#[n(0)] FreshnessStep),
}

/// The clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum ClockEvent {
    /// Not believed from here on.
    #[n(0)]
    Untrusted {
        /// What the wall clock says.
        #[n(0)]
        wall: UtcSeconds,
        /// The high-water mark of signed times.
        #[n(1)]
        mark: UtcSeconds,
    },
    /// Believed again.
    #[n(1)]
    Trusted,
    /// Roots reset the mark.
    #[n(2)]
    MarkReset {
        /// The new mark.
        #[n(0)]
        mark: UtcSeconds,
    },
}

/// Which records leave first, and which still fit when the journal is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Overrides, alarms, faults.
    Urgent,
    /// Grants and passages.
    Grant,
    /// The rest.
    Ordinary,
}

impl Event {
    /// The same event with texts and lists no longer than they need to be.
    pub(super) fn with_texts_cut(&self) -> Self {
        let reasons = |list: &[DenyReason]| list[..list.len().min(DenyReason::ALL.len())].to_vec();
        match self {
            Event::Started { version } => Event::Started {
                version: cut(version, NAME_LIMIT),
            },
            Event::Fault { part, problem } => Event::Fault {
                part: cut(part, NAME_LIMIT),
                problem: problem.as_deref().map(|problem| cut(problem, NOTE_LIMIT)),
            },
            Event::Sync(SyncEvent::DocumentTaken { kind, number }) => {
                Event::Sync(SyncEvent::DocumentTaken {
                    kind: cut(kind, NAME_LIMIT),
                    number: *number,
                })
            }
            Event::Sync(SyncEvent::DocumentRefused { kind, reason }) => {
                Event::Sync(SyncEvent::DocumentRefused {
                    kind: cut(kind, NAME_LIMIT),
                    reason: cut(reason, NOTE_LIMIT),
                })
            }
            Event::Scan(scan) => Event::Scan(ScanOutcome {
                also: reasons(&scan.also),
                alerts: reasons(&scan.alerts),
                ..scan.clone()
            }),
            Event::Refused {
                access_point,
                counts,
            } => Event::Refused {
                access_point: *access_point,
                counts: counts[..counts.len().min(DenyReason::ALL.len())].to_vec(),
            },
            Event::Sync(
                SyncEvent::LinkUp | SyncEvent::LinkDown | SyncEvent::FreshnessChanged(_),
            )
            | Event::Stopped
            | Event::Passage { .. }
            | Event::Door { .. }
            | Event::Guard { .. }
            | Event::OrderTaken { .. }
            | Event::OrderExpired { .. }
            | Event::Clock(_)
            | Event::Pruned { .. } => self.clone(),
        }
    }

    /// The record's priority.
    #[must_use]
    pub fn priority(&self) -> Priority {
        match self {
            Event::Guard { .. } | Event::Fault { .. } | Event::OrderTaken { .. } => {
                Priority::Urgent
            }
            Event::Door { event, .. } => match event {
                DoorEvent::AlarmRaised(_) | DoorEvent::AlarmEnded(_) => Priority::Urgent,
                DoorEvent::Opened
                | DoorEvent::Closed
                | DoorEvent::RequestToExit
                | DoorEvent::ModeChanged(_)
                | DoorEvent::Released => Priority::Ordinary,
            },
            Event::Scan(scan) => match scan.decision {
                Decision::Grant => Priority::Grant,
                Decision::Deny(_) => Priority::Ordinary,
            },
            Event::Passage { .. } => Priority::Grant,
            Event::Started { .. }
            | Event::Stopped
            | Event::Refused { .. }
            | Event::OrderExpired { .. }
            | Event::Sync(_)
            | Event::Clock(_)
            | Event::Pruned { .. } => Priority::Ordinary,
        }
    }
}

/// For whom a `Forgave` was meant stands in the personal part as pass or holder.
#[must_use]
pub fn personal_of_subject(subject: Subject) -> super::PersonalPart {
    match subject {
        Subject::Holder(holder) => super::PersonalPart {
            holder: Some(holder),
            ..Default::default()
        },
        Subject::Pass(pass) => super::PersonalPart {
            pass: Some(pass),
            ..Default::default()
        },
    }
}

//! Messages on the panel's Unix socket between gate-agent and the guard's touchscreen: frames of
//! a 4-byte big-endian length and a CBOR message.

mod frame;

pub use frame::{Frame, read, split_frame, to_frame};

use alloc::{string::String, vec::Vec};

use minicbor::{Decode, Encode};

use crate::{
    decision::{Decision, DenyReason, FreshnessStep, GuardOffer, HolderMessage},
    ids::{AccessPointId, AreaId, DoorId, HolderNumber, PassId, ScanId, StaffNumber},
    journal::{DoorAlarm, PassageOutcome},
    order::{DoorMode, Subject},
    time::UtcSeconds,
};

/// The version that this build speaks.
pub const PANEL_API_VERSION: u16 = 1;
/// Largest message in a frame in bytes, its length not counted, in either direction.
pub const FRAME_LIMIT: usize = 256 << 10;

/// What a panel asks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PanelRequest {
    /// [`PANEL_API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// Comes back in the answer.
    #[n(1)]
    pub request: u32,
    /// What.
    #[n(2)]
    pub ask: PanelAsk,
}

/// What can be asked.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum PanelAsk {
    /// The state now.
    #[n(0)]
    State,
    /// Events from now on, behind a state.
    #[n(1)]
    Subscribe,
    /// Sign a guard in.
    #[n(2)]
    SignIn {
        /// Who.
        #[n(0)]
        staff: StaffNumber,
        /// The PIN.
        #[n(1)]
        pin: String,
    },
    /// Sign the guard out.
    #[n(3)]
    SignOut,
    /// Let somebody in.
    #[n(4)]
    LetIn {
        /// Where.
        #[n(0)]
        access_point: AccessPointId,
        /// The denied scan that this follows.
        #[n(1)]
        scan: Option<ScanId>,
        /// Why; not empty.
        #[n(2)]
        reason: String,
        /// The person's name, when there was no scan.
        #[n(3)]
        name: Option<String>,
    },
    /// Reset anti-passback.
    #[n(5)]
    Forgive {
        /// Whose.
        #[n(0)]
        subject: Subject,
    },
    /// Another door mode.
    #[n(6)]
    SetDoorMode {
        /// The door.
        #[n(0)]
        door: DoorId,
        /// The mode.
        #[n(1)]
        mode: DoorMode,
    },
    /// Lock the gate down.
    #[n(7)]
    LockDown,
    /// End a lockdown; a supervisor's to ask.
    #[n(8)]
    EndLockdown,
    /// Silence a door's alarm.
    #[n(9)]
    SilenceAlarm {
        /// The door.
        #[n(0)]
        door: DoorId,
    },
}

impl core::fmt::Debug for PanelAsk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            PanelAsk::State => "State",
            PanelAsk::Subscribe => "Subscribe",
            PanelAsk::SignIn { .. } => "SignIn",
            PanelAsk::SignOut => "SignOut",
            PanelAsk::LetIn { .. } => "LetIn",
            PanelAsk::Forgive { .. } => "Forgive",
            PanelAsk::SetDoorMode { .. } => "SetDoorMode",
            PanelAsk::LockDown => "LockDown",
            PanelAsk::EndLockdown => "EndLockdown",
            PanelAsk::SilenceAlarm { .. } => "SilenceAlarm",
        })
    }
}

/// What a panel hears.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum PanelMessage {
    /// The answer to a request.
    #[n(0)]
    Answer {
        /// The request.
        #[n(0)]
        request: u32,
        /// What came of it.
        #[n(1)]
        answer: PanelAnswer,
    },
    /// The state changed.
    #[n(1)]
    State(#[n(0)] PanelState),
    /// A scan was decided.
    #[n(2)]
    Decided(#[n(0)] Decided),
    /// A granted scan ended.
    #[n(3)]
    Passage {
        /// The scan.
        #[n(0)]
        scan: ScanId,
        /// How it ended.
        #[n(1)]
        outcome: PassageOutcome,
    },
    /// A text or picture was refused before it was a scan of a pass.
    #[n(4)]
    Refused {
        /// Where.
        #[n(0)]
        access_point: AccessPointId,
        /// Why.
        #[n(1)]
        reason: DenyReason,
        /// Milliseconds from the picture to the decision.
        #[n(2)]
        elapsed_ms: u64,
        /// The picture's name, when the reader reads files.
        #[n(3)]
        source: Option<String>,
    },
    /// A picture held nothing that could be read.
    #[n(5)]
    Unreadable {
        /// Where.
        #[n(0)]
        access_point: AccessPointId,
        /// What was wrong with it, in words.
        #[n(1)]
        problem: String,
        /// The picture's name, when the reader reads files.
        #[n(2)]
        source: Option<String>,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum PanelAnswer {
    /// Done.
    #[n(0)]
    Done,
    /// Not done, with what to do.
    #[n(1)]
    Refused {
        /// In words.
        #[n(0)]
        why: String,
    },
    /// The state asked for.
    #[n(2)]
    State(#[n(0)] PanelState),
}

/// A decided scan, as a guard sees it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Decided {
    /// The scan.
    #[n(0)]
    pub scan: ScanId,
    /// Where.
    #[n(1)]
    pub access_point: AccessPointId,
    /// The decision.
    #[n(2)]
    pub decision: Decision,
    /// Further checks that failed.
    #[n(3)]
    pub also: Vec<DenyReason>,
    /// Alerts on a grant.
    #[n(4)]
    pub alerts: Vec<DenyReason>,
    /// Whether the guard is asked.
    #[n(5)]
    pub offer: GuardOffer,
    /// What the holder is told of a denial.
    #[n(6)]
    pub holder_message: Option<HolderMessage>,
    /// The pass.
    #[n(7)]
    pub pass: PassId,
    /// The holder, where the roster knows one.
    #[n(8)]
    pub holder: Option<HolderNumber>,
    /// The holder's name, where the roster knows one.
    #[n(9)]
    pub name: Option<String>,
    /// Step of the ladder.
    #[n(10)]
    pub freshness: FreshnessStep,
    /// When.
    #[n(11)]
    pub at: UtcSeconds,
    /// Milliseconds from the picture to the committed decision.
    #[n(12)]
    pub elapsed_ms: u64,
    /// The picture's name, when the reader reads files.
    #[n(13)]
    pub source: Option<String>,
    /// Seconds by which the holder's phone differs from the gate, for a stale proof.
    #[n(14)]
    pub phone_clock_off_s: Option<i64>,
}

/// What the main screen shows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PanelState {
    /// [`PANEL_API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// The gate's name.
    #[n(1)]
    pub gate_name: String,
    /// Link to central.
    #[n(2)]
    pub link: Link,
    /// Step of the ladder.
    #[n(3)]
    pub freshness: FreshnessStep,
    /// Seconds since the last signed heads.
    #[n(4)]
    pub heads_age_s: Option<u64>,
    /// Is the clock believed?
    #[n(5)]
    pub clock: crate::journal::ClockTrust,
    /// Doors.
    #[n(6)]
    pub doors: Vec<PanelDoor>,
    /// People per area.
    #[n(7)]
    pub areas: Vec<PanelArea>,
    /// The guard who is signed in.
    #[n(8)]
    pub staff: Option<StaffNumber>,
    /// Records that central has not acknowledged.
    #[n(9)]
    pub unacknowledged_records: u64,
    /// Faults, in words.
    #[n(10)]
    pub faults: Vec<String>,
    /// Access points.
    #[n(11)]
    pub access_points: Vec<PanelAccessPoint>,
    /// The gate's clock.
    #[n(12)]
    pub utc: UtcSeconds,
}

/// One access point.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PanelAccessPoint {
    /// The access point.
    #[n(0)]
    pub access_point: AccessPointId,
    /// Its name.
    #[n(1)]
    pub name: String,
    /// Its door.
    #[n(2)]
    pub door: DoorId,
    /// What would help whoever stands there with a code that is not read; absent when nothing would.
    #[n(3)]
    pub hint: Option<ReaderHint>,
}

/// What a camera sees of a code that it cannot read, or should not have to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReaderHint {
    /// More than one code is in sight: show one.
    #[n(0)]
    SeveralCodes,
    /// The code does not fit into the picture: hold it farther away.
    #[n(1)]
    TooNear,
    /// The code is too small in the picture: hold it nearer.
    #[n(2)]
    TooFar,
    /// Ink and paper can hardly be told apart: turn the screen brighter, or out of the glare.
    #[n(3)]
    TooDim,
    /// The code is out of focus or moves: hold it still.
    #[n(4)]
    Blurred,
}

/// Link to central.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Link {
    /// Central answers.
    #[n(0)]
    Up,
    /// It does not.
    #[n(1)]
    Down,
    /// The gate is not enrolled.
    #[n(2)]
    NotEnrolled,
    /// There is none, and is to be none: a stick serves the gate.
    #[n(3)]
    Stick,
}

/// One door.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PanelDoor {
    /// The door.
    #[n(0)]
    pub door: DoorId,
    /// Its name.
    #[n(1)]
    pub name: String,
    /// Intent.
    #[n(2)]
    pub mode: DoorMode,
    /// Where it stands.
    #[n(3)]
    pub position: DoorPosition,
    /// Is the lock released now?
    #[n(4)]
    pub lock: LockState,
    /// Alarms that stand.
    #[n(5)]
    pub alarms: Vec<DoorAlarm>,
}

/// Where a door stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum DoorPosition {
    /// No contact.
    #[n(0)]
    Unknown,
    /// Closed.
    #[n(1)]
    Closed,
    /// Open.
    #[n(2)]
    Open,
}

/// What the lock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LockState {
    /// Locked.
    #[n(0)]
    Locked,
    /// Released.
    #[n(1)]
    Released,
}

/// People in an area, as this gate counts them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PanelArea {
    /// The area.
    #[n(0)]
    pub area: AreaId,
    /// Its name.
    #[n(1)]
    pub name: String,
    /// How many.
    #[n(2)]
    pub inside: u32,
    /// How many at most.
    #[n(3)]
    pub capacity: Option<u32>,
}

//! Messages between gate and central. Each is a CBOR map whose member 0 is the version of the
//! sender's API; members that a reader does not know are ignored, so that a gate and a central
//! one minor version apart work together.

mod message;

pub use message::{Message, read};

use alloc::{string::String, vec::Vec};

use minicbor::{Decode, Encode, bytes::ByteVec};

use crate::{
    decision::FreshnessStep,
    heads::Newest,
    ids::{DocumentNumber, JournalPosition, Kid, Serial},
    journal::Record,
    status_list::StatusDelta,
};

/// The version that this build speaks.
pub const API_VERSION: u16 = 1;
/// Media type of all bodies.
pub const MEDIA_TYPE: &str = "application/cbor";
/// Largest request body in bytes.
pub const REQUEST_LIMIT: usize = 1 << 20;
/// Largest answer with documents in bytes.
pub const ANSWER_LIMIT: usize = 11 << 20;

/// Most orders in one answer.
pub const ORDERS_LIMIT: usize = 100;
/// Most problems in one heartbeat.
pub const PROBLEMS_LIMIT: usize = 100;

/// Paths, all `POST`.
pub mod path {
    /// [`crate::enrolment::Proven`] in and out; not signed.
    pub const ENROL: &str = "/gate/v1/enrol";
    /// [`super::HeadsRequest`] → signed [`crate::heads::Heads`]; waits for news.
    pub const HEADS: &str = "/gate/v1/heads";
    /// [`super::DocumentRequest`] → [`super::DocumentAnswer`].
    pub const DOCUMENT: &str = "/gate/v1/document";
    /// [`super::IssuedRangeRequest`] → [`crate::issued_list::IssuedRange`].
    pub const ISSUED_RANGE: &str = "/gate/v1/issued-range";
    /// [`super::OrdersRequest`] → [`super::OrdersAnswer`].
    pub const ORDERS: &str = "/gate/v1/orders";
    /// [`super::JournalBatch`] → signed [`crate::heads::Acknowledgement`].
    pub const JOURNAL: &str = "/gate/v1/journal";
    /// [`super::Heartbeat`] → [`super::HeartbeatAnswer`].
    pub const HEARTBEAT: &str = "/gate/v1/heartbeat";
    /// [`super::TimeRequest`] → signed [`crate::heads::SignedTime`]; not signed.
    pub const TIME: &str = "/gate/v1/time";
}

/// Asks for signed heads.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HeadsRequest {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// Number of the heads that the gate holds; central answers at once when anything changed.
    #[n(1)]
    pub known: Option<DocumentNumber>,
    /// Seconds to wait for news.
    #[n(2)]
    pub wait_s: u64,
}

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(flat)]
pub enum DocumentName {
    /// The root set that follows the gate's own (rotation is one step at a time).
    #[n(0)]
    RootSet,
    /// The trust list.
    #[n(1)]
    TrustList,
    /// The gate's configuration.
    #[n(2)]
    Configuration,
    /// The gate's roster.
    #[n(3)]
    Roster,
    /// The status list of an issuer key.
    #[n(4)]
    StatusList(#[n(0)] Kid),
    /// The issued list of an issuer key.
    #[n(5)]
    IssuedList(#[n(0)] Kid),
}

/// Asks for a document.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DocumentRequest {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// Which.
    #[n(1)]
    pub name: DocumentName,
    /// The one that the gate holds; a delta may start from it.
    #[n(2)]
    pub have: Option<DocumentNumber>,
}

/// A document, whole or as a delta.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum DocumentAnswer {
    /// The signed bytes.
    #[n(0)]
    Whole(#[n(0)] ByteVec),
    /// What turns the status list that the gate holds into the newest.
    #[n(1)]
    Delta(#[n(0)] StatusDelta),
    /// The gate holds the newest (which renews nothing: only heads do).
    #[n(2)]
    NothingNewer,
}

/// Asks for digests of issued passes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct IssuedRangeRequest {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// The issuer key.
    #[n(1)]
    pub kid: Kid,
    /// The first serial wanted.
    #[n(2)]
    pub first: Serial,
    /// How many, 1 to [`crate::issued_list::IssuedRange::DIGESTS_LIMIT`].
    #[n(3)]
    pub count: u32,
}

/// Asks for orders.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OrdersRequest {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// The newest order that the gate stored.
    #[n(1)]
    pub after: Option<DocumentNumber>,
}

/// Orders, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OrdersAnswer {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// Signed orders, at most [`ORDERS_LIMIT`].
    #[n(1)]
    pub orders: Vec<ByteVec>,
}

/// A stretch of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JournalBatch {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// The place of the first record.
    #[n(1)]
    pub first: JournalPosition,
    /// Records without a gap, 1 to [`crate::journal::BATCH_RECORDS_LIMIT`].
    #[n(2)]
    pub records: Vec<Record>,
    /// Signed [`crate::journal::JournalHead`] at the last of them or later.
    #[n(3)]
    pub head: ByteVec,
    /// Signed [`crate::journal::JournalAnchor`] right before `first`, when the gate had to drop
    /// records that central does not hold: their loss is recorded, and the chain goes on.
    #[n(4)]
    pub anchor: Option<ByteVec>,
}

/// How the gate is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Heartbeat {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// Version of the agent; at most [`crate::text::NAME_LIMIT`] bytes.
    #[n(1)]
    pub agent_version: String,
    /// Signed [`crate::journal::JournalHead`].
    #[n(2)]
    pub head: ByteVec,
    /// Step of the ladder.
    #[n(3)]
    pub freshness: FreshnessStep,
    /// The heads that the gate acts on.
    #[n(4)]
    pub heads: Option<DocumentNumber>,
    /// The configuration in force.
    #[n(5)]
    pub configuration: Option<Newest>,
    /// Milliseconds since boot.
    #[n(6)]
    pub uptime_ms: u64,
    /// Alarms and faults that stand, in words: at most [`PROBLEMS_LIMIT`], each at most
    /// [`crate::text::NOTE_LIMIT`] bytes.
    #[n(7)]
    pub problems: Vec<String>,
}

/// What central wants of the gate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HeartbeatAnswer {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// Records to send again from here on (central was restored).
    #[n(1)]
    pub resend_from: Option<JournalPosition>,
}

/// Asks for a signed time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TimeRequest {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// Random.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
}

/// Why central refused a request of a gate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refusal {
    /// [`API_VERSION`] of the sender.
    #[n(0)]
    pub version: u16,
    /// For programs.
    #[n(1)]
    pub code: RefusalCode,
    /// For people: what to do.
    #[n(2)]
    pub detail: String,
    /// Signed [`crate::heads::SignedTime`] bound to the nonce of the request.
    #[n(3)]
    pub time: Option<ByteVec>,
    /// The last record that central holds (number 0: none of that epoch), when a batch did not
    /// continue it: send from the one after it.
    #[n(4)]
    pub expected: Option<JournalPosition>,
    /// The smallest counter that central would take.
    #[n(5)]
    pub counter_floor: Option<u64>,
}

/// Why, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusalCode {
    /// Not CBOR of the expected shape, or too large.
    #[n(0)]
    Malformed,
    /// No gate with this key.
    #[n(1)]
    GateUnknown,
    /// The gate was retired or replaced.
    #[n(2)]
    GateRetired,
    /// The signature does not hold.
    #[n(3)]
    SignatureInvalid,
    /// The counter was used or lies below the window.
    #[n(4)]
    CounterUsed,
    /// `created` lies too far from central's time; a signed time comes with it.
    #[n(5)]
    ClockWrong,
    /// The claim is unknown, used or expired.
    #[n(6)]
    ClaimRefused,
    /// No such document.
    #[n(7)]
    NotFound,
    /// Records do not continue what central holds; `expected` names its last.
    #[n(8)]
    JournalGap,
    /// Same number, another hash: the journal is quarantined.
    #[n(9)]
    JournalForked,
    /// The chain or its signed head does not hold.
    #[n(10)]
    JournalBroken,
    /// Come back later.
    #[n(11)]
    Busy,
}

//! What the machine asks its shell to do.

use alloc::{string::String, vec::Vec};

use shared::{
    gate_api::DocumentName,
    ids::{DocumentNumber, DoorId, PassDigest, PassId, ScanId},
    journal::{ClockTrust, Event, PersonalPart},
    panel_api::PanelMessage,
    time::{Uptime, UtcSeconds},
};

use crate::memory::MemoryChange;

/// One thing to do. Actions are done in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read what the store knows of a verified pass (one indexed read), then call
    /// `handle_lookup`.
    LookUp {
        /// The scan that waits.
        scan: ScanId,
        /// The pass.
        pass: PassId,
        /// Digest of its bytes, to be compared with the issued list's.
        digest: PassDigest,
    },
    /// Write all of it in one durable transaction, then call `handle_committed`, or
    /// `handle_commit_failed` when nothing of it was written.
    Commit(Commit),
    /// Drive a door.
    Door {
        /// The door.
        door: DoorId,
        /// How.
        command: DoorCommand,
    },
    /// Tell the panels.
    Show(PanelMessage),
    /// Remove what central has acknowledged and is older than its time to stay.
    Acknowledged(shared::heads::Acknowledgement),
    /// Ask central for newer documents: heads name others than are held.
    Pull,
}

/// Names a commit; comes back in `handle_committed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitToken(pub u64);

/// Everything that one input changes durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub token: CommitToken,
    /// Records to append, in order. The shell gives them their places, salts and hashes.
    pub records: Vec<RecordDraft>,
    /// What else to remember.
    pub changes: Vec<MemoryChange>,
    /// Signed documents to keep.
    pub documents: Vec<StoredDocument>,
}

/// A record without its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordDraft {
    /// The wall clock.
    pub utc: UtcSeconds,
    /// Milliseconds since boot.
    pub uptime: Uptime,
    /// Whether the clock was believed.
    pub clock: ClockTrust,
    /// What happened.
    pub event: Event,
    /// Whom it concerns.
    pub personal: Option<PersonalPart>,
}

/// A signed document that was checked and shall be kept; replaces the one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// Which.
    pub kind: StoredKind,
    /// Its number.
    pub number: DocumentNumber,
    /// The signed bytes.
    pub bytes: Vec<u8>,
}

/// What can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoredKind {
    /// A document that is pulled by name.
    Named(DocumentName),
    /// The newest heads.
    Heads,
    /// An order, kept until the next one.
    Order,
    /// The trust list that vouched for the configuration, once the newest no longer does.
    FormerTrustList,
    /// The root set behind the trust list that vouched for the configuration, once the newest
    /// names other registrar keys.
    FormerRootSet,
}

/// How to drive a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorCommand {
    /// Release the lock for so many milliseconds, then lock again (the door process enforces
    /// the end by itself).
    Release {
        /// How long.
        for_ms: u32,
    },
    /// Lock now.
    Lock,
    /// Keep the lock released until another command.
    HoldReleased,
    /// Show something at the door.
    Signal(DoorSignal),
}

/// Lamps and buzzer at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorSignal {
    /// Green.
    Granted,
    /// Red.
    Denied,
    /// Buzzer before *held open*.
    PreAlarm,
    /// Buzzer.
    Alarm,
    /// All off.
    Quiet,
}

/// A problem of the shell, in words.
pub type Problem = String;

//! What a gate remembers across restarts, besides documents and journal: presence, uses, open
//! reservations, modes, the clock's mark. The shell stores it in the same transaction as the
//! records that changed it, and hands it back at start.

use alloc::vec::Vec;

use shared::{
    ids::{AccessPointId, AreaId, DocumentNumber, DoorId, HolderNumber, PassId, ScanId},
    order::{DoorMode, Subject},
    time::UtcSeconds,
};

/// Where a subject is, as this gate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Who.
    pub subject: Subject,
    /// Where.
    pub area: AreaId,
    /// Since when.
    pub since: UtcSeconds,
}

/// How often a pass was used, and its newest accepted proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassUse {
    /// The pass.
    pub pass: PassId,
    /// Grants that were taken or are reserved.
    pub uses: u32,
    /// Time of making of the newest accepted proof.
    pub last_proof: Option<UtcSeconds>,
}

/// How often a holder's passes were used together, where the roster knows the holder. A pass by
/// itself is counted as well, so that nothing is forgotten when the roster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderUse {
    /// The holder.
    pub holder: HolderNumber,
    /// Grants that were taken or are reserved.
    pub uses: u32,
}

/// A grant that has not been settled as taken or not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The scan.
    pub scan: ScanId,
    /// Where.
    pub access_point: AccessPointId,
    /// Who.
    pub subject: Subject,
    /// The pass.
    pub pass: PassId,
    /// Where the subject was before, to be restored when it is not taken.
    pub before: Option<Presence>,
    /// Uses to give back when it is not taken: 1, or 0 for a way out, which is no use.
    pub uses: u32,
    /// When it was granted.
    pub at: UtcSeconds,
}

/// Small facts of the gate itself, stored as one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateFacts {
    /// High-water mark of signed times.
    pub mark: UtcSeconds,
    /// `made_at` of the newest heads whose documents the gate held all of when they were taken;
    /// freshness after a restart counts from there unless the documents have arrived since.
    pub heads_made_at: Option<UtcSeconds>,
    /// The newest order that was stored.
    pub newest_order: Option<DocumentNumber>,
    /// The newest reset of the clock's mark that was taken: none is taken twice.
    pub newest_clock_reset: Option<DocumentNumber>,
    /// Is the gate locked down?
    pub lockdown: Lockdown,
    /// The next scan's number.
    pub next_scan: ScanId,
}

/// Is the gate locked down?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// No.
    Off,
    /// Since then; never lapses by itself.
    On {
        /// When it was taken up.
        since: UtcSeconds,
    },
}

/// One change of what is remembered; part of a [`crate::action::Commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryChange {
    /// A subject is somewhere.
    SetPresence(Presence),
    /// A subject's whereabouts are forgotten.
    ForgetPresence(Subject),
    /// A pass was used.
    SetPassUse(PassUse),
    /// A pass of a holder was used.
    SetHolderUse(HolderUse),
    /// A grant is open; replaces what is known of the same scan.
    OpenReservation(Reservation),
    /// A grant is settled.
    CloseReservation(ScanId),
    /// A door's mode.
    SetDoorMode(DoorId, DoorMode),
    /// The gate's facts.
    SetFacts(GateFacts),
}

/// All of it, as loaded at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Facts of the gate.
    pub facts: GateFacts,
    /// Presences.
    pub presences: Vec<Presence>,
    /// Uses.
    pub uses: Vec<PassUse>,
    /// Uses by holder.
    pub holder_uses: Vec<HolderUse>,
    /// Reservations that were open when the agent last stopped.
    pub reservations: Vec<Reservation>,
    /// Door modes other than `Locked`.
    pub door_modes: Vec<(DoorId, DoorMode)>,
}

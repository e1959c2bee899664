//! What an access point does when something is not known or not fresh. Each policy is an enum
//! with its facts; none is a bool.

use minicbor::{Decode, Encode};

/// The status of a pass is unknown, or older than the ladder's `restrict` step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum UnknownStatusPolicy {
    /// Deny with `status_unknown`.
    #[n(0)]
    Deny,
    /// Grant while the last heads are younger than this.
    #[n(1)]
    GrantFor {
        /// Seconds since the last heads.
        #[n(0)]
        max_age_s: u64,
    },
    /// Deny, and offer the guard to let in.
    #[n(2)]
    AskGuard,
}

/// The issued list at hand does not reach the pass's serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum UnknownIssuancePolicy {
    /// Deny with `issuance_unknown`.
    #[n(0)]
    Deny,
    /// Take the signature's word for it.
    #[n(1)]
    Grant,
    /// Deny, and offer the guard to let in.
    #[n(2)]
    AskGuard,
}

/// The clock is not believed, and the mark alone does not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum UntrustedClockPolicy {
    /// Deny with `clock_untrusted`.
    #[n(0)]
    Deny,
    /// Grant what would be good at every instant from the mark to this much later.
    #[n(1)]
    GrantWithin {
        /// Seconds after the mark.
        #[n(0)]
        gap_s: u64,
    },
    /// Deny, and offer the guard to let in.
    #[n(2)]
    AskGuard,
}

/// Must a holder leave before entering again?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum AntiPassbackPolicy {
    /// Not looked at.
    #[n(0)]
    Off,
    /// Granted, recorded as a violation.
    #[n(1)]
    Alert,
    /// Denied.
    #[n(2)]
    Enforce {
        /// A presence older than this is forgotten, in seconds.
        #[n(0)]
        forget_after_s: u64,
        /// When a peer gate has not been heard for longer than this, in seconds, enforcing
        /// falls back to alert; 0: there is no peer to wait for.
        #[n(1)]
        peer_silence_s: u64,
    },
}

/// Are static passes good enough here?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LivePassPolicy {
    /// Static passes without a holder key are taken.
    #[n(0)]
    Optional,
    /// Only live passes.
    #[n(1)]
    Required,
}

/// Must a second person follow?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum SecondPersonPolicy {
    /// No.
    #[n(0)]
    NotRequired,
    /// Two different holders within this time.
    #[n(1)]
    Required {
        /// Seconds between the two scans.
        #[n(0)]
        within_s: u64,
    },
}

/// What an open reservation counts as after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum UnknownOutcomePolicy {
    /// As if the holder had gone through.
    #[n(0)]
    CountAsTaken,
    /// As if the holder had not.
    #[n(1)]
    CountAsNotTaken,
}

/// What happens when the journal is full of records that central has not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FullJournalPolicy {
    /// Deny with `gate_fault`.
    #[n(0)]
    Deny,
    /// Drop the oldest record behind a signed anchor.
    #[n(1)]
    DropOldest,
}

/// What a step of the ladder of freshness allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StaleListsPolicy {
    /// Grant, with the step shown and recorded.
    #[n(0)]
    Grant,
    /// Deny with `status_unknown`, and offer the guard to let in.
    #[n(1)]
    AskGuard,
    /// Deny with `status_unknown`.
    #[n(2)]
    Deny,
}

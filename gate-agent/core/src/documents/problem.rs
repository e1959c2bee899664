//! Why a signed document, order or time was not taken.

use shared::{
    document::DocumentRejected,
    ids::{CentralEpoch, DocumentNumber, GateId, Kid, Serial},
    time::UtcSeconds,
};

/// Why something signed was refused. Everything that was in force stays in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentProblem {
    /// Signature, kind or form does not hold.
    #[error(transparent)]
    Rejected(#[from] DocumentRejected),
    /// No root set is at hand to check a trust list against.
    #[error("no root set is at hand: take the root set first")]
    NoRootSet,
    /// No trust list is at hand to check a statement against.
    #[error("no trust list is at hand: take the trust list first")]
    NoTrustList,
    /// The first root set is not the one that the claim pins.
    #[error("not the root set that the claim pins: enrol the gate again")]
    NotPinned,
    /// Meant for another gate.
    #[error("meant for gate {0}")]
    OtherGate(GateId),
    /// A list of another issuer key than it was delivered as.
    #[error("a list of issuer key {found}, not of {expected}")]
    OtherIssuer {
        /// The key that was asked for.
        expected: Kid,
        /// The key that the list names.
        found: Kid,
    },
    /// A list of an issuer key that the trust list does not name.
    #[error("issuer key {0} is not in the trust list")]
    IssuerUnknown(Kid),
    /// Another central epoch than the root set's.
    #[error("central epoch {found}, the root set says {expected}")]
    OtherEpoch {
        /// The root set's.
        expected: CentralEpoch,
        /// The document's.
        found: CentralEpoch,
    },
    /// A lower number than the one at hand.
    #[error("number {found}, at hand is {held}")]
    OlderThanHeld {
        /// At hand.
        held: DocumentNumber,
        /// Of the document.
        found: DocumentNumber,
    },
    /// The number at hand, with other bytes: central or its key is not sound.
    #[error("number {0} is at hand with other bytes")]
    OtherBytes(DocumentNumber),
    /// A lower number than heads name.
    #[error("number {found}, heads name {named}")]
    OlderThanHeads {
        /// What heads name.
        named: DocumentNumber,
        /// Of the document.
        found: DocumentNumber,
    },
    /// The number that heads name, with other bytes.
    #[error("number {0} has other bytes than heads name")]
    OtherThanHeads(DocumentNumber),
    /// Not the next one, where one follows the other.
    #[error("number {found} does not follow {held}: the next one is wanted")]
    NotNext {
        /// At hand.
        held: DocumentNumber,
        /// Of the document.
        found: DocumentNumber,
    },
    /// Expired before it came.
    #[error("expired at {expires_at}")]
    Expired {
        /// First second at which it may no longer be relied on.
        expires_at: UtcSeconds,
    },
    /// Dated further ahead of the trust list than the mark may be raised.
    #[error("dated {made_at}, beyond {limit}: take a newer trust list first")]
    TooFarAhead {
        /// Its date.
        made_at: UtcSeconds,
        /// 400 days past the newest trust list's date.
        limit: UtcSeconds,
    },
    /// A frozen issued list that is no longer frozen, or has grown.
    #[error("the issued list is frozen at {count} and may not change")]
    Thawed {
        /// The frozen count.
        count: u32,
    },
    /// A status list that does not name a pass as revoked which an earlier one of the same central
    /// epoch did.
    #[error("pass {serial} was revoked for ever and is no longer listed as such")]
    RevocationDropped {
        /// The first of them.
        serial: Serial,
    },
    /// Fewer passes than were issued before.
    #[error("{found} passes issued, {held} were known")]
    Shrunk {
        /// Known before.
        held: u32,
        /// In the new list.
        found: u32,
    },
    /// The same count with another chain: digests were exchanged.
    #[error("{count} passes issued as before, but other ones")]
    Rewritten {
        /// The count.
        count: u32,
    },
    /// The configuration was made for a newer trust list.
    #[error("made for trust list {needed}: take it first")]
    TrustListTooOld {
        /// The trust list that the configuration needs.
        needed: DocumentNumber,
    },
    /// A signed time for another request.
    #[error("the time is bound to another nonce")]
    OtherNonce,
}

//! What a gate signs about its journal: heads and anchors.

use minicbor::{Decode, Encode};

use crate::{
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{Digest, GateId, JournalPosition},
    time::UtcSeconds,
};

/// The journal's end at one moment; leaves with each upload and heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct JournalHead {
    /// The gate.
    #[n(0)]
    pub gate: GateId,
    /// The last record.
    #[n(1)]
    pub position: JournalPosition,
    /// The chain's hash after it.
    #[n(2)]
    pub hash: Digest,
    /// When.
    #[n(3)]
    pub made_at: UtcSeconds,
}

/// Where pruning cut the journal: the last record that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct JournalAnchor {
    /// The gate.
    #[n(0)]
    pub gate: GateId,
    /// The last record that was pruned.
    #[n(1)]
    pub position: JournalPosition,
    /// The chain's hash after it.
    #[n(2)]
    pub hash: Digest,
}

impl SignedKind for JournalHead {
    const EXTERNAL_DATA: &'static str = "portcullis/journal-head/1";
    const LIMIT: usize = 256;

    fn header(&self) -> Option<&Header> {
        None
    }

    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

impl SignedKind for JournalAnchor {
    const EXTERNAL_DATA: &'static str = "portcullis/journal-anchor/1";
    const LIMIT: usize = 256;

    fn header(&self) -> Option<&Header> {
        None
    }

    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

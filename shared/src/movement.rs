//! A movement: a holder went through, signed by the gate that saw it, for its peers.

use minicbor::{Decode, Encode};

use crate::{
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{AreaId, GateId, JournalPosition},
    order::Subject,
    time::UtcSeconds,
};

/// One passage through an access point, or its undoing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Movement {
    /// The gate that saw it.
    #[n(0)]
    pub gate: GateId,
    /// The record that tells of it.
    #[n(1)]
    pub position: JournalPosition,
    /// Who.
    #[n(2)]
    pub subject: Subject,
    /// Where the holder is now.
    #[n(3)]
    pub area: AreaId,
    /// Taken or undone.
    #[n(4)]
    pub kind: MovementKind,
    /// Uses of the pass so far, as this gate counts them.
    #[n(5)]
    pub uses: u32,
    /// When.
    #[n(6)]
    pub at: UtcSeconds,
}

/// Did the passage stand?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum MovementKind {
    /// The holder went through.
    #[n(0)]
    Taken,
    /// An earlier movement is taken back.
    #[n(1)]
    Undone,
}

impl SignedKind for Movement {
    const EXTERNAL_DATA: &'static str = "portcullis/movement/1";
    const LIMIT: usize = 256;

    fn header(&self) -> Option<&Header> {
        None
    }

    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

//! The roster: holders that a gate may recognise. Optional; sealed at rest on the gate.

use alloc::{string::String, vec::Vec};

use minicbor::{Decode, Encode};

use crate::{
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{Digest, GateId, HolderNumber, PassId},
    text::is_name,
};

/// Most holders that one gate recognises.
pub const HOLDERS_PER_GATE: usize = 100_000;
/// Most passes of one holder in a roster: card, phone, and what replaced them this year.
pub const PASSES_PER_HOLDER: usize = 16;

/// Holders that the access points of one gate admit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Roster {
    /// Number, date, expiry.
    #[n(0)]
    pub header: Header,
    /// The gate that may have it.
    #[n(1)]
    pub gate: GateId,
    /// Ascending by holder number.
    #[n(2)]
    pub holders: Vec<RosterEntry>,
}

/// One holder.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RosterEntry {
    /// The holder.
    #[n(0)]
    pub holder: HolderNumber,
    /// Their passes, ascending; none belongs to two holders.
    #[n(1)]
    pub passes: Vec<PassId>,
    /// Name to show to a guard.
    #[n(2)]
    pub name: String,
    /// Student number to show to a guard.
    #[n(3)]
    pub student_number: String,
    /// BCP 47 tag of the holder's language.
    #[n(4)]
    pub language: String,
    /// SHA-256 of the photo, pulled separately.
    #[n(5)]
    pub photo: Option<Digest>,
    /// What the holder needs of doors beyond the usual.
    #[n(6)]
    pub need: Option<DoorNeed>,
}

/// What a holder needs of doors beyond the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum DoorNeed {
    /// More time to go through: the door's extended release time.
    #[n(0)]
    ExtendedRelease,
}

impl SignedKind for Roster {
    const EXTERNAL_DATA: &'static str = "portcullis/roster/1";
    const LIMIT: usize = 10 << 20;

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        if self.holders.len() > HOLDERS_PER_GATE {
            return Err(Malformed::OutOfRange("holders"));
        }
        if !self.holders.is_sorted_by(|a, b| a.holder < b.holder) {
            return Err(Malformed::OutOfRange(
                "holders must be ascending and unique",
            ));
        }
        let entries = self.holders.iter().all(|entry| {
            let texts = [&entry.name, &entry.student_number, &entry.language];
            entry.passes.len() <= PASSES_PER_HOLDER
                && entry.passes.is_sorted_by(|a, b| a < b)
                && texts.into_iter().all(|text| is_name(text))
        });
        if !entries {
            return Err(Malformed::OutOfRange("passes or texts of a holder"));
        }
        let mut passes: Vec<PassId> = self
            .holders
            .iter()
            .flat_map(|entry| entry.passes.iter().copied())
            .collect();
        passes.sort_unstable();
        if passes.is_sorted_by(|a, b| a < b) {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("a pass of two holders"))
        }
    }
}

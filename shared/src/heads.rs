//! Heads (what is newest for one gate; only they renew freshness), signed time, acknowledgement.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use crate::{
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{Digest, DocumentNumber, GateId, JournalPosition, Kid},
    time::UtcSeconds,
};

/// Number and SHA-256 of the newest document of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Newest {
    /// Its number.
    #[n(0)]
    pub number: DocumentNumber,
    /// SHA-256 of its signed bytes.
    #[n(1)]
    pub digest: Digest,
}

/// The newest lists of one issuer key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssuerHeads {
    /// The issuer key.
    #[n(0)]
    pub kid: Kid,
    /// Its status list.
    #[n(1)]
    pub status_list: Newest,
    /// Its issued list.
    #[n(2)]
    pub issued_list: Newest,
}

/// What is newest for one gate. Its `made_at` renews freshness and raises the clock's mark.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Heads {
    /// Number, date, expiry.
    #[n(0)]
    pub header: Header,
    /// The gate.
    #[n(1)]
    pub gate: GateId,
    /// The root set.
    #[n(2)]
    pub root_set: Newest,
    /// The trust list.
    #[n(3)]
    pub trust_list: Newest,
    /// The gate's configuration.
    #[n(4)]
    pub configuration: Newest,
    /// The gate's roster, when it has one.
    #[n(5)]
    pub roster: Option<Newest>,
    /// The newest order, when there ever was one.
    #[n(6)]
    pub order: Option<Newest>,
    /// Lists of the issuer keys whose passes this gate may admit, ascending by kid.
    #[n(7)]
    pub issuers: Vec<IssuerHeads>,
}

impl SignedKind for Heads {
    const EXTERNAL_DATA: &'static str = "portcullis/heads/1";
    const LIMIT: usize = 1 << 20;

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        let numbers = [self.root_set, self.trust_list, self.configuration]
            .into_iter()
            .chain(self.roster)
            .chain(self.order)
            .map(|newest| newest.number)
            .chain(
                self.issuers
                    .iter()
                    .flat_map(|lists| [lists.status_list.number, lists.issued_list.number]),
            );
        if numbers.into_iter().any(|number| number.n == 0) {
            return Err(Malformed::OutOfRange("number"));
        }
        if self.issuers.is_sorted_by(|a, b| a.kid < b.kid) {
            Ok(())
        } else {
            Err(Malformed::OutOfRange(
                "issuers must be ascending and unique",
            ))
        }
    }
}

/// Central's time, bound to a gate's nonce, so that a gate that wakes in 1970 can recover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedTime {
    /// The nonce of the refused or asking request.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// Central's time.
    #[n(1)]
    pub utc: UtcSeconds,
}

impl SignedKind for SignedTime {
    const EXTERNAL_DATA: &'static str = "portcullis/time/1";
    const LIMIT: usize = 256;

    fn header(&self) -> Option<&Header> {
        None
    }

    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Central has durably stored a gate's journal up to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Acknowledgement {
    /// The gate.
    #[n(0)]
    pub gate: GateId,
    /// Up to and with this record.
    #[n(1)]
    pub position: JournalPosition,
    /// The chain's hash there.
    #[n(2)]
    pub hash: Digest,
    /// Central's time; raises the clock's mark.
    #[n(3)]
    pub made_at: UtcSeconds,
}

impl SignedKind for Acknowledgement {
    const EXTERNAL_DATA: &'static str = "portcullis/acknowledgement/1";
    const LIMIT: usize = 256;

    fn header(&self) -> Option<&Header> {
        None
    }

    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

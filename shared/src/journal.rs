//! Journal records: what they say, how they chain, and how the chain is checked. A record chains
//! its public part and a salted commitment to its personal part, so that erasing a person leaves
//! a chain that still verifies.

mod chain;
mod event;
mod signed;

pub use chain::{ChainBroken, ChainState, commitment, link, start_of};
pub use event::{
    ClockEvent, DoorAlarm, DoorEvent, Event, GuardAction, PassageOutcome, Priority, RefusedCount,
    ScanOutcome, SyncEvent, personal_of_subject,
};
pub use signed::{JournalAnchor, JournalHead};

use alloc::{string::String, vec::Vec};

use minicbor::{Decode, Encode, bytes::ByteVec};

use crate::{
    cbor::{self, Malformed},
    ids::{Digest, HolderNumber, JournalPosition, PassId},
    time::{Uptime, UtcSeconds},
};

/// Bytes of salt in front of a personal part.
pub const SALT_LENGTH: usize = 16;
/// Largest encoded public part in bytes.
pub const PUBLIC_LIMIT: usize = 4096;
/// Largest encoded personal part in bytes.
pub const PERSONAL_LIMIT: usize = 2048;
/// Most records in one upload: with the largest parts it stays below the body limit.
pub const BATCH_RECORDS_LIMIT: usize = 500;

/// What stays for ever.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PublicPart {
    /// Where in the journal.
    #[n(0)]
    pub position: JournalPosition,
    /// The gate's clock.
    #[n(1)]
    pub utc: UtcSeconds,
    /// Milliseconds since boot.
    #[n(2)]
    pub uptime: Uptime,
    /// Whether the clock was believed.
    #[n(3)]
    pub clock: ClockTrust,
    /// What happened.
    #[n(4)]
    pub event: Event,
}

/// Was the clock believed when a record was made?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ClockTrust {
    /// Yes.
    #[n(0)]
    Trusted,
    /// No; `utc` is what the clock said all the same.
    #[n(1)]
    Untrusted,
}

/// What is erased with the person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PersonalPart {
    /// The pass.
    #[n(0)]
    pub pass: Option<PassId>,
    /// The holder, where the roster knows one.
    #[n(1)]
    pub holder: Option<HolderNumber>,
    /// What a guard wrote.
    #[n(2)]
    pub note: Option<String>,
    /// A name, where a guard let in somebody without a pass.
    #[n(3)]
    pub name: Option<String>,
}

/// A record as it is stored, uploaded and exported.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// The encoded [`PublicPart`].
    #[n(0)]
    pub public: ByteVec,
    /// SHA-256(salt ‖ personal part); 32 zero bytes when there never was one.
    #[n(1)]
    pub commitment: Digest,
    /// Salt and encoded [`PersonalPart`]; absent when there never was one or it was erased.
    #[n(2)]
    pub personal: Option<SaltedPart>,
}

/// A personal part with its salt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SaltedPart {
    /// Random.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub salt: [u8; SALT_LENGTH],
    /// The encoded [`PersonalPart`].
    #[n(1)]
    pub part: ByteVec,
}

impl Record {
    /// Puts a record together.
    #[must_use]
    pub fn new(public: &PublicPart, personal: Option<(&PersonalPart, [u8; SALT_LENGTH])>) -> Self {
        let personal = personal.map(|(part, salt)| {
            let part: Vec<u8> = cbor::encode(part);
            SaltedPart {
                salt,
                part: part.into(),
            }
        });
        Self {
            public: cbor::encode(public).into(),
            commitment: commitment(personal.as_ref()),
            personal,
        }
    }

    /// The public part.
    ///
    /// # Errors
    /// [`Malformed`] for anything but its one encoding.
    pub fn public_part(&self) -> Result<PublicPart, Malformed> {
        cbor::decode_strict(&self.public, PUBLIC_LIMIT)
    }

    /// The personal part; none when there never was one or it was erased.
    ///
    /// # Errors
    /// [`Malformed`] for anything but its one encoding.
    pub fn personal_part(&self) -> Result<Option<PersonalPart>, Malformed> {
        let Some(salted) = &self.personal else {
            return Ok(None);
        };
        cbor::decode_strict(&salted.part, PERSONAL_LIMIT).map(Some)
    }
}

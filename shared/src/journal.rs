//! Journal records: what they say, how they chain, and how the chain is checked. A record chains
//! its public part and a salted commitment to its personal part, so that erasing a person leaves
//! a chain that still verifies.

mod chain;
mod event;
mod signed;

pub use chain::{ChainBroken, ChainState, NO_PERSONAL_PART, commitment, link, start_of};
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
    text::{NAME_LIMIT, NOTE_LIMIT, cut},
    time::{Uptime, UtcSeconds},
};

/// Bytes of salt in front of a personal part.
pub const SALT_LENGTH: usize = 16;
/// Largest encoded public part in bytes: a name, a free text and all reasons fit.
pub const PUBLIC_LIMIT: usize = 1024;
/// Largest encoded personal part in bytes: a note, a name, pass and holder fit.
pub const PERSONAL_LIMIT: usize = 768;
/// Most records in one upload: with the largest parts it stays below the body limit.
pub const BATCH_RECORDS_LIMIT: usize = 500;
/// Bytes that a record may need around its two parts.
const RECORD_OVERHEAD: usize = 64;

const _: () = assert!(
    BATCH_RECORDS_LIMIT * (PUBLIC_LIMIT + PERSONAL_LIMIT + RECORD_OVERHEAD) + 1024
        <= crate::gate_api::REQUEST_LIMIT,
    "the largest batch fits a request"
);

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

impl PublicPart {
    fn encode_within_limit(&self) -> Vec<u8> {
        let bytes = cbor::encode(self);
        if bytes.len() <= PUBLIC_LIMIT {
            return bytes;
        }
        let event = self.event.with_texts_cut();
        cbor::encode(&Self {
            event,
            ..self.clone()
        })
    }
}

impl PersonalPart {
    fn encode_within_limit(&self) -> Vec<u8> {
        let bytes = cbor::encode(self);
        if bytes.len() <= PERSONAL_LIMIT {
            return bytes;
        }
        cbor::encode(&Self {
            note: self.note.as_deref().map(|note| cut(note, NOTE_LIMIT)),
            name: self.name.as_deref().map(|name| cut(name, NAME_LIMIT)),
            ..self.clone()
        })
    }
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
    /// Puts a record together. Texts that would make a part larger than it may be are cut, so
    /// that no record exists which central refuses.
    #[must_use]
    pub fn new(public: &PublicPart, personal: Option<(&PersonalPart, [u8; SALT_LENGTH])>) -> Self {
        let personal = personal.map(|(part, salt)| SaltedPart {
            salt,
            part: part.encode_within_limit().into(),
        });
        Self {
            public: public.encode_within_limit().into(),
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        decision::{Decision, DenyReason, FreshnessStep, GuardOffer},
        ids::{AccessPointId, CentralEpoch, DocumentNumber, JournalEpoch, Kid, ScanId, Serial},
    };

    fn public(event: Event) -> PublicPart {
        PublicPart {
            position: JournalPosition {
                epoch: JournalEpoch(u32::MAX),
                seq: u64::MAX,
            },
            utc: UtcSeconds(u64::MAX),
            uptime: Uptime(u64::MAX),
            clock: ClockTrust::Untrusted,
            event,
        }
    }

    fn largest_scan() -> Event {
        let all = || [DenyReason::ALL, DenyReason::ALL].concat();
        Event::Scan(ScanOutcome {
            scan: ScanId(u64::MAX),
            access_point: AccessPointId(u32::MAX),
            decision: Decision::Deny(DenyReason::GateFault),
            also: all(),
            offer: GuardOffer::AskGuard,
            alerts: all(),
            freshness: FreshnessStep::Expired,
            status_list: Some(DocumentNumber {
                epoch: CentralEpoch(u32::MAX),
                n: u64::MAX,
            }),
            uses: Some(u32::MAX),
            proof_made_at: Some(UtcSeconds(u64::MAX)),
        })
    }

    #[test]
    fn no_event_makes_a_record_that_central_would_refuse() {
        let long = || "ü".repeat(5_000);
        let count = RefusedCount {
            reason: DenyReason::GateFault,
            count: u32::MAX,
        };
        let events = [
            largest_scan(),
            Event::Started { version: long() },
            Event::Fault {
                part: long(),
                problem: Some(long()),
            },
            Event::Sync(SyncEvent::DocumentTaken {
                kind: long(),
                number: DocumentNumber {
                    epoch: CentralEpoch(u32::MAX),
                    n: u64::MAX,
                },
            }),
            Event::Sync(SyncEvent::DocumentRefused {
                kind: long(),
                reason: long(),
            }),
            Event::Refused {
                access_point: AccessPointId(u32::MAX),
                counts: vec![count; 2_000],
            },
        ];
        let personal = PersonalPart {
            pass: Some(PassId {
                kid: Kid([255; 8]),
                serial: Serial(u32::MAX),
            }),
            holder: Some(HolderNumber(u32::MAX)),
            note: Some(long()),
            name: Some(long()),
        };
        for event in events {
            let record = Record::new(&public(event), Some((&personal, [1; 16])));
            assert!(
                record.public_part().is_ok(),
                "{} bytes",
                record.public.len()
            );
            let part = record.personal_part().unwrap().unwrap();
            assert_eq!(part.note.unwrap().len(), NOTE_LIMIT);
            let size = cbor::encode(&record).len();
            assert!(size <= PUBLIC_LIMIT + PERSONAL_LIMIT + RECORD_OVERHEAD);
        }
    }

    #[test]
    fn a_record_of_ordinary_size_keeps_every_word() {
        let event = Event::Fault {
            part: "storage".into(),
            problem: Some("x".repeat(600)),
        };
        let record = Record::new(&public(event.clone()), None);
        assert_eq!(record.public_part().unwrap().event, event);
    }
}

//! The chain: `h_i = SHA-256(h_{i-1} ‖ SHA-256(public) ‖ commitment)`.

use super::{PersonalPart, PublicPart, Record, SaltedPart};
use crate::{
    cbor::Malformed,
    ids::{Digest, GateId, JournalEpoch, JournalPosition},
    keys::{sha256, sha256_of},
};

/// The commitment of a record that never had a personal part.
pub const NO_PERSONAL_PART: Digest = Digest([0; 32]);

/// The hash before the first record of a journal:
/// `SHA-256("portcullis/journal/1" ‖ gate ‖ epoch as 4 big-endian bytes)`.
#[must_use]
pub fn start_of(gate: GateId, epoch: JournalEpoch) -> Digest {
    sha256_of(&[b"portcullis/journal/1", &gate.0, &epoch.0.to_be_bytes()])
}

/// `SHA-256(salt ‖ part)`; 32 zero bytes without one.
#[must_use]
pub fn commitment(personal: Option<&SaltedPart>) -> Digest {
    personal.map_or(NO_PERSONAL_PART, |salted| {
        sha256_of(&[&salted.salt, &salted.part])
    })
}

/// The hash after `record`.
#[must_use]
pub fn link(before: Digest, record: &Record) -> Digest {
    sha256_of(&[&before.0, &sha256(&record.public).0, &record.commitment.0])
}

/// Where a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainState {
    /// The last record.
    pub position: JournalPosition,
    /// The hash after it.
    pub hash: Digest,
}

/// Why a record does not continue a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainBroken {
    /// The record is malformed.
    #[error("record is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Another place than the next.
    #[error("record {found} where {expected} was expected")]
    OutOfOrder {
        /// The next place.
        expected: JournalPosition,
        /// The record's place.
        found: JournalPosition,
    },
    /// The personal part is not the one that was committed to.
    #[error("the personal part of record {0} does not match its commitment")]
    PersonalPartChanged(JournalPosition),
}

impl ChainState {
    /// Before the first record of a journal.
    #[must_use]
    pub fn start(gate: GateId, epoch: JournalEpoch) -> Self {
        Self {
            position: JournalPosition { epoch, seq: 0 },
            hash: start_of(gate, epoch),
        }
    }

    /// The state after `record`.
    ///
    /// # Errors
    /// [`ChainBroken`] when it is not the next record, or was changed.
    pub fn append(&self, record: &Record) -> Result<Self, ChainBroken> {
        self.append_and_read(record).map(|(state, _)| state)
    }

    /// The state after `record`, and what it says.
    ///
    /// # Errors
    /// [`ChainBroken`] when it is not the next record, or was changed.
    pub fn append_and_read(
        &self,
        record: &Record,
    ) -> Result<(Self, (PublicPart, Option<PersonalPart>)), ChainBroken> {
        let public = record.public_part()?;
        let found = public.position;
        let seq = self.position.seq.checked_add(1);
        let expected = JournalPosition {
            seq: seq.ok_or(Malformed::OutOfRange(
                "the last number of a journal is used",
            ))?,
            ..self.position
        };
        if found != expected {
            return Err(ChainBroken::OutOfOrder { expected, found });
        }
        let personal = record.personal_part()?;
        if personal.is_some() && commitment(record.personal.as_ref()) != record.commitment {
            return Err(ChainBroken::PersonalPartChanged(found));
        }
        let state = Self {
            position: found,
            hash: link(self.hash, record),
        };
        Ok((state, (public, personal)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{
        ids::{Kid, PassId, Serial},
        journal::{ClockTrust, Event, PersonalPart, PublicPart},
        time::{Uptime, UtcSeconds},
    };

    const GATE: GateId = GateId([7; 16]);
    const EPOCH: JournalEpoch = JournalEpoch(1);

    fn record(seq: u64) -> Record {
        let public = PublicPart {
            position: JournalPosition { epoch: EPOCH, seq },
            utc: UtcSeconds(1_800_000_000 + seq),
            uptime: Uptime(seq),
            clock: ClockTrust::Trusted,
            event: Event::Started {
                version: "0.1.0".into(),
            },
        };
        let pass = PassId {
            kid: Kid([1; 8]),
            serial: Serial(4),
        };
        let personal = PersonalPart {
            pass: Some(pass),
            ..PersonalPart::default()
        };
        Record::new(&public, Some((&personal, [9; 16])))
    }

    fn check(records: &[Record]) -> Result<ChainState, ChainBroken> {
        records
            .iter()
            .try_fold(ChainState::start(GATE, EPOCH), |state, r| state.append(r))
    }

    #[test]
    fn a_chain_survives_erasure_and_nothing_else() {
        let records: Vec<_> = (1..=5).map(record).collect();
        let whole = check(&records).unwrap();

        let mut erased = records.clone();
        erased[2].personal = None;
        assert_eq!(check(&erased), Ok(whole));

        let mut changed = records.clone();
        changed[2] = Record {
            commitment: Digest([1; 32]),
            ..changed[2].clone()
        };
        assert!(matches!(
            check(&changed),
            Err(ChainBroken::PersonalPartChanged(_))
        ));
        changed[2].personal = None;
        assert_ne!(check(&changed).unwrap().hash, whole.hash);

        let mut missing = records.clone();
        missing.remove(1);
        assert!(matches!(
            check(&missing),
            Err(ChainBroken::OutOfOrder { .. })
        ));
        let mut doubled = records.clone();
        doubled.insert(1, record(1));
        assert!(matches!(
            check(&doubled),
            Err(ChainBroken::OutOfOrder { .. })
        ));
    }

    #[test]
    fn nothing_follows_the_last_number() {
        let end = ChainState {
            position: JournalPosition {
                epoch: EPOCH,
                seq: u64::MAX,
            },
            hash: Digest([0; 32]),
        };
        for seq in [0, 1, u64::MAX] {
            assert!(end.append(&record(seq.min(1_000_000))).is_err());
        }
    }

    #[test]
    fn the_journal_of_another_gate_or_epoch_starts_elsewhere() {
        assert_ne!(start_of(GATE, EPOCH), start_of(GateId([8; 16]), EPOCH));
        assert_ne!(start_of(GATE, EPOCH), start_of(GATE, JournalEpoch(2)));
    }
}

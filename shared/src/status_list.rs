//! The status list of one issuer key: which of its passes are revoked or suspended; and deltas
//! that rebuild, byte for byte, the newer signed list.

mod delta;
mod rice;

pub use delta::{DeltaRejected, StatusDelta};

use alloc::{vec, vec::Vec};

use minicbor::{Decode, Encode, bytes::ByteVec};

use crate::{
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{Kid, Serial},
    pass::SERIALS_PER_KEY,
};

/// The signed list. Sets are gap + Rice coded (see `docs/formats.md`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StatusList {
    /// Number, date, expiry.
    #[n(0)]
    pub header: Header,
    /// The issuer key.
    #[n(1)]
    pub kid: Kid,
    /// Revoked for ever.
    #[n(2)]
    pub revoked: CodedSet,
    /// Suspended for now; disjoint from `revoked`.
    #[n(3)]
    pub suspended: CodedSet,
}

/// A set of serials in its one coding.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CodedSet {
    /// How many serials.
    #[n(0)]
    pub count: u32,
    /// Rice parameter: the one, at most 24, that gives the fewest bits; the lowest of equals;
    /// 0 for the empty set.
    #[n(1)]
    pub rice_bits: u8,
    /// The code words, most significant bit first, zero-padded to whole bytes.
    #[n(2)]
    pub code: ByteVec,
}

/// What a status list says of one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassState {
    /// Neither revoked nor suspended.
    Valid,
    /// Revoked for ever.
    Revoked,
    /// Suspended for now.
    Suspended,
}

impl CodedSet {
    /// Codes serials that are ascending and unique.
    #[must_use]
    pub fn encode(serials: &[u32]) -> Self {
        let (rice_bits, code) = rice::encode(serials);
        let count = u32::try_from(serials.len()).expect("at most 2^24 serials");
        Self {
            count,
            rice_bits,
            code: code.into(),
        }
    }

    /// The serials, ascending.
    ///
    /// # Errors
    /// [`Malformed`] when the code is not the one that [`Self::encode`] writes.
    pub fn decode(&self) -> Result<Vec<u32>, Malformed> {
        let serials = rice::decode(self.count, self.rice_bits, &self.code)
            .ok_or(Malformed::OutOfRange("code of a set of serials"))?;
        if Self::encode(&serials) != *self {
            return Err(Malformed::NotDeterministic);
        }
        Ok(serials)
    }
}

impl SignedKind for StatusList {
    const EXTERNAL_DATA: &'static str = "portcullis/status-list/1";
    const LIMIT: usize = 10 << 20;

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        let sets = StatusSets::decode(self)?;
        let (mut small, mut large) = (&sets.suspended, &sets.revoked);
        if small.len() > large.len() {
            core::mem::swap(&mut small, &mut large);
        }
        if small
            .iter()
            .any(|serial| large.binary_search(serial).is_ok())
        {
            return Err(Malformed::OutOfRange(
                "revoked and suspended must be disjoint",
            ));
        }
        Ok(())
    }
}

/// Both sets of a list, decoded, ascending.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StatusSets {
    /// Revoked serials.
    pub revoked: Vec<u32>,
    /// Suspended serials.
    pub suspended: Vec<u32>,
}

impl StatusSets {
    /// Decodes both sets.
    ///
    /// # Errors
    /// [`Malformed`] when a code is not the one of its set.
    pub fn decode(list: &StatusList) -> Result<Self, Malformed> {
        Ok(Self {
            revoked: list.revoked.decode()?,
            suspended: list.suspended.decode()?,
        })
    }

    /// The list that says this.
    #[must_use]
    pub fn to_list(&self, header: Header, kid: Kid) -> StatusList {
        StatusList {
            header,
            kid,
            revoked: CodedSet::encode(&self.revoked),
            suspended: CodedSet::encode(&self.suspended),
        }
    }
}

/// A status list ready to be asked: one bit a serial and set, at most 4 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusBitmaps {
    revoked: Vec<u64>,
    suspended: Vec<u64>,
}

impl StatusBitmaps {
    /// Builds the bitmaps.
    #[must_use]
    pub fn new(sets: &StatusSets) -> Self {
        Self {
            revoked: bitmap(&sets.revoked),
            suspended: bitmap(&sets.suspended),
        }
    }

    /// The state of a pass; serials beyond the bitmaps are neither revoked nor suspended.
    #[must_use]
    pub fn state(&self, serial: Serial) -> PassState {
        if has(&self.revoked, serial.0) {
            PassState::Revoked
        } else if has(&self.suspended, serial.0) {
            PassState::Suspended
        } else {
            PassState::Valid
        }
    }

    /// The first serial that is revoked here and not in a newer list, which thereby undoes what is
    /// for ever.
    #[must_use]
    pub fn first_dropped_by(&self, newer: &Self) -> Option<Serial> {
        let newer = newer.revoked.iter().copied().chain(core::iter::repeat(0));
        let dropped = self.revoked.iter().zip(newer).map(|(old, new)| old & !new);
        let (index, word) = (0u32..).zip(dropped).find(|(_, word)| *word != 0)?;
        Some(Serial(index * 64 + word.trailing_zeros()))
    }

    /// Bytes of memory behind the bitmaps.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        (self.revoked.len() + self.suspended.len()) * 8
    }
}

fn bitmap(serials: &[u32]) -> Vec<u64> {
    let length = serials.last().map_or(0, |last| (*last as usize) / 64 + 1);
    let mut words = vec![0; length];
    for serial in serials {
        words[*serial as usize / 64] |= 1 << (serial % 64);
    }
    words
}

fn has(words: &[u64], serial: u32) -> bool {
    words
        .get(serial as usize / 64)
        .is_some_and(|word| word >> (serial % 64) & 1 == 1)
}

const _: () = assert!(
    SERIALS_PER_KEY as usize / 8 * 2 <= 4 << 20,
    "both bitmaps fit 4 MiB"
);

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn any_serials() -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::btree_set(0..SERIALS_PER_KEY, 0..300)
            .prop_map(|set: BTreeSet<u32>| set.into_iter().collect())
    }

    proptest! {
        #[test]
        fn sets_come_back(serials in any_serials()) {
            prop_assert_eq!(CodedSet::encode(&serials).decode(), Ok(serials));
        }

        #[test]
        fn altered_codes_are_refused_or_another_set(
            serials in any_serials(), at in any::<prop::sample::Index>(), bit in 0u32..8,
        ) {
            let mut coded = CodedSet::encode(&serials);
            if !coded.code.is_empty() {
                let at = at.index(coded.code.len());
                coded.code[at] ^= 1 << bit;
                prop_assert_ne!(coded.decode(), Ok(serials));
            }
        }

        #[test]
        fn garbage_never_panics(
            count in any::<u32>(), rice_bits in any::<u8>(),
            code in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = CodedSet { count, rice_bits, code: code.into() }.decode();
        }
    }

    #[test]
    fn bitmaps_answer_for_every_serial() {
        let sets = StatusSets {
            revoked: vec![0, 63, 64, 9999],
            suspended: vec![1, 70],
        };
        let bitmaps = StatusBitmaps::new(&sets);
        for serial in 0..11_000 {
            let expected = if sets.revoked.contains(&serial) {
                PassState::Revoked
            } else if sets.suspended.contains(&serial) {
                PassState::Suspended
            } else {
                PassState::Valid
            };
            assert_eq!(bitmaps.state(Serial(serial)), expected);
        }
    }

    #[test]
    fn the_code_is_within_three_and_a_half_percent_of_the_entropy_bound() {
        // 1 % of 1 M, spread by a multiplicative generator.
        let universe = 1_000_000u64;
        let mut set = BTreeSet::new();
        let mut x = 1u64;
        while set.len() < 10_000 {
            x = x
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            set.insert(u32::try_from((x >> 33) % universe).unwrap());
        }
        let serials: Vec<u32> = set.into_iter().collect();
        let p = 0.01f64;
        let entropy_bits = universe as f64 * -(p * p.log2() + (1.0 - p) * (1.0 - p).log2());
        let coded_bits = CodedSet::encode(&serials).code.len() as f64 * 8.0;
        assert!(
            coded_bits < entropy_bits * 1.035,
            "{coded_bits} against {entropy_bits}"
        );
    }
}

//! The issued list of one issuer key: a signed count and hash over the digests of all issued
//! passes, so that ranges are pulled unsigned and checked, and a leaked key can be frozen.

use alloc::vec::Vec;

use minicbor::{Decode, Encode, bytes::ByteVec};
use sha2::{Digest as _, Sha256};

use crate::{
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{Digest, Kid, PassDigest, Serial},
    pass::SERIALS_PER_KEY,
};

/// May the list still grow?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Growth {
    /// More passes may come.
    #[n(0)]
    Open,
    /// The key is frozen: the count never grows again, and the list never thaws.
    #[n(1)]
    Frozen,
}

/// The signed head of an issued list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssuedList {
    /// Number, date, expiry.
    #[n(0)]
    pub header: Header,
    /// The issuer key.
    #[n(1)]
    pub kid: Kid,
    /// Serials 0 to `count - 1` were issued.
    #[n(2)]
    pub count: u32,
    /// Open or frozen.
    #[n(3)]
    pub growth: Growth,
    /// `h_count`, with `h_0` = 32 zero bytes and `h_i = SHA-256(h_{i-1} ‖ digest_i)`, where
    /// `digest_i` belongs to serial `i - 1`.
    #[n(4)]
    pub chain: Digest,
}

impl SignedKind for IssuedList {
    const EXTERNAL_DATA: &'static str = "portcullis/issued-list/1";
    const LIMIT: usize = 512;

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        if self.count > SERIALS_PER_KEY {
            return Err(Malformed::OutOfRange("count"));
        }
        if self.count == 0 && self.chain != CHAIN_START {
            return Err(Malformed::OutOfRange("chain of an empty list"));
        }
        Ok(())
    }
}

/// `h_0`.
pub const CHAIN_START: Digest = Digest([0; 32]);

/// A range of digests, pulled unsigned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssuedRange {
    /// The issuer key.
    #[n(0)]
    pub kid: Kid,
    /// The first serial of the range.
    #[n(1)]
    pub first: Serial,
    /// Eight bytes for each serial.
    #[n(2)]
    pub digests: ByteVec,
}

impl IssuedRange {
    /// Most digests in one range: 512 KiB a message.
    pub const DIGESTS_LIMIT: usize = 65_536;
    /// Largest size in bytes.
    pub const LIMIT: usize = Self::DIGESTS_LIMIT * 8 + 64;

    /// The digests, in the order of serials; `None` when the length is no multiple of eight.
    #[must_use]
    pub fn digests(&self) -> Option<Vec<PassDigest>> {
        let chunks = self.digests.chunks_exact(8);
        if !chunks.remainder().is_empty() {
            return None;
        }
        Some(
            chunks
                .map(|chunk| PassDigest(chunk.try_into().expect("chunks of eight")))
                .collect(),
        )
    }
}

/// `h` after `digests`, starting from `h` before them.
#[must_use]
pub fn extend_chain(start: Digest, digests: impl IntoIterator<Item = PassDigest>) -> Digest {
    digests.into_iter().fold(start, |chain, digest| {
        Digest(
            Sha256::new()
                .chain_update(chain.0)
                .chain_update(digest.0)
                .finalize()
                .into(),
        )
    })
}

/// What the issued list at hand says of one verified pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedEntry {
    /// These very bytes were issued.
    Issued,
    /// The serial was issued with other bytes.
    OtherBytes,
    /// The serial lies beyond a frozen count.
    BeyondFrozen,
    /// The serial lies beyond the count of a list that may have grown since.
    BeyondKnown,
    /// No issued list of this key is at hand.
    NoList,
}

impl IssuedEntry {
    /// Compares a pass with the list: `stored` is the digest at its serial when below `count`.
    #[must_use]
    pub fn of(digest: PassDigest, stored: Option<PassDigest>, growth: Growth) -> Self {
        match (stored, growth) {
            (Some(stored), _) if stored == digest => IssuedEntry::Issued,
            (Some(_), _) => IssuedEntry::OtherBytes,
            (None, Growth::Frozen) => IssuedEntry::BeyondFrozen,
            (None, Growth::Open) => IssuedEntry::BeyondKnown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_grows_by_what_is_new_alone() {
        let digests: Vec<PassDigest> = (0..10).map(|i| PassDigest([i; 8])).collect();
        let whole = extend_chain(CHAIN_START, digests.iter().copied());
        let first = extend_chain(CHAIN_START, digests[..4].iter().copied());
        assert_eq!(extend_chain(first, digests[4..].iter().copied()), whole);
        assert_ne!(extend_chain(first, digests[5..].iter().copied()), whole);
    }

    #[test]
    fn beyond_a_frozen_count_is_a_forgery_and_beyond_an_open_one_is_unknown() {
        let digest = PassDigest([1; 8]);
        assert_eq!(
            IssuedEntry::of(digest, Some(digest), Growth::Frozen),
            IssuedEntry::Issued
        );
        assert_eq!(
            IssuedEntry::of(digest, Some(PassDigest([2; 8])), Growth::Open),
            IssuedEntry::OtherBytes
        );
        assert_eq!(
            IssuedEntry::of(digest, None, Growth::Frozen),
            IssuedEntry::BeyondFrozen
        );
        assert_eq!(
            IssuedEntry::of(digest, None, Growth::Open),
            IssuedEntry::BeyondKnown
        );
    }
}

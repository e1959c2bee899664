//! A delta turns the signed list `from` into the signed list `to`. It carries no trust of its
//! own: the rebuilt list must be the very bytes that the statement key signed and heads name.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use super::{CodedSet, StatusList, StatusSets};
use crate::{
    cbor::{self, Malformed},
    cose::{Protected, Sign1},
    document::Header,
    ids::{DocumentNumber, Kid},
    keys::Signature,
};

/// What changed between two lists of one issuer key, and the newer list's header and signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StatusDelta {
    /// The issuer key.
    #[n(0)]
    pub kid: Kid,
    /// The list to start from.
    #[n(1)]
    pub from: DocumentNumber,
    /// Header of the resulting list.
    #[n(2)]
    pub to: Header,
    /// Serials that enter or leave the revoked set.
    #[n(3)]
    pub revoked_toggled: CodedSet,
    /// Serials that enter or leave the suspended set.
    #[n(4)]
    pub suspended_toggled: CodedSet,
    /// The statement key that signed the resulting list.
    #[n(5)]
    pub signed_by: Kid,
    /// Its signature over the resulting list.
    #[n(6)]
    pub signature: Signature,
}

/// Why a delta could not be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeltaRejected {
    /// Not the one encoding of a delta, or of its sets.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// It starts from another list than the one at hand.
    #[error("starts from {from} of another list or number; at hand is {at_hand}")]
    OtherStart {
        /// Where the delta starts.
        from: DocumentNumber,
        /// The list at hand.
        at_hand: DocumentNumber,
    },
}

impl StatusDelta {
    /// Largest size in bytes.
    pub const LIMIT: usize = 10 << 20;

    /// The difference between two lists, the newer one as signed bytes.
    ///
    /// # Errors
    /// [`Malformed`] when `newer` is no signed status list.
    pub fn between(older: &StatusList, newer: &[u8]) -> Result<Self, Malformed> {
        let envelope = Sign1::parse(newer)?;
        let Protected::Key(signed_by) = envelope.protected else {
            return Err(Malformed::Structure);
        };
        let list: StatusList = cbor::decode_strict(envelope.payload, Self::LIMIT)?;
        let (old, new) = (StatusSets::decode(older)?, StatusSets::decode(&list)?);
        Ok(Self {
            kid: list.kid,
            from: older.header.number,
            to: list.header,
            revoked_toggled: CodedSet::encode(&symmetric_difference(&old.revoked, &new.revoked)),
            suspended_toggled: CodedSet::encode(&symmetric_difference(
                &old.suspended,
                &new.suspended,
            )),
            signed_by,
            signature: envelope.signature,
        })
    }

    /// Reads a delta.
    ///
    /// # Errors
    /// [`Malformed`] for anything but its one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        cbor::decode_strict(bytes, Self::LIMIT)
    }

    /// Rebuilds the newer list's signed bytes; they are still to be checked by
    /// [`crate::document::open`].
    ///
    /// # Errors
    /// [`DeltaRejected`] when the delta does not start from `older` or is malformed.
    pub fn apply(&self, older: &StatusList) -> Result<Vec<u8>, DeltaRejected> {
        if older.kid != self.kid || older.header.number != self.from {
            let at_hand = older.header.number;
            return Err(DeltaRejected::OtherStart {
                from: self.from,
                at_hand,
            });
        }
        // One set after the other: a hostile delta costs the memory of one.
        let payload = cbor::encode(&StatusList {
            header: self.to,
            kid: self.kid,
            revoked: toggle(&older.revoked, &self.revoked_toggled)?,
            suspended: toggle(&older.suspended, &self.suspended_toggled)?,
        });
        let protected = Protected::Key(self.signed_by);
        Ok(Sign1 {
            protected,
            payload: &payload,
            signature: self.signature,
        }
        .encode())
    }
}

fn toggle(set: &CodedSet, toggled: &CodedSet) -> Result<CodedSet, Malformed> {
    let new = symmetric_difference(&set.decode()?, &toggled.decode()?);
    Ok(CodedSet::encode(&new))
}

/// Of two ascending sets: what stands in exactly one.
fn symmetric_difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut result = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            core::cmp::Ordering::Less => {
                result.push(*x);
                i += 1;
            }
            core::cmp::Ordering::Greater => {
                result.push(*y);
                j += 1;
            }
            core::cmp::Ordering::Equal => {
                i += 1;
                j += 1;
            }
        }
    }
    result.extend_from_slice(&a[i..]);
    result.extend_from_slice(&b[j..]);
    result
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        cose::tests::TestKey,
        document::{self, DocumentRejected},
        ids::CentralEpoch,
        keys::KeyRing,
        time::UtcSeconds,
    };

    fn list(n: u64, revoked: &[u32], suspended: &[u32]) -> StatusList {
        let header = Header {
            number: DocumentNumber {
                epoch: CentralEpoch(1),
                n,
            },
            made_at: UtcSeconds(1_800_000_000 + n),
            expires_at: UtcSeconds(1_810_000_000),
        };
        StatusSets {
            revoked: revoked.to_vec(),
            suspended: suspended.to_vec(),
        }
        .to_list(header, Kid([3; 8]))
    }

    #[test]
    fn a_delta_rebuilds_the_signed_bytes() {
        let old = list(1, &[1, 5, 900], &[7]);
        let new = document::sign(&list(2, &[1, 5, 6, 900, 70_000], &[]), &TestKey::new(1)).unwrap();
        let delta = StatusDelta::between(&old, &new).unwrap();
        let delta = StatusDelta::decode(&cbor::encode(&delta)).unwrap();
        assert_eq!(delta.apply(&old).unwrap(), new);
    }

    #[test]
    fn a_tampered_delta_yields_bytes_that_do_not_verify() {
        let old = list(1, &[1, 5], &[]);
        let new = document::sign(&list(2, &[1, 5, 6], &[]), &TestKey::new(1)).unwrap();
        let mut delta = StatusDelta::between(&old, &new).unwrap();
        delta.revoked_toggled = CodedSet::encode(&[]);
        let ring = KeyRing::new(&[TestKey::new(1).public()]).unwrap();
        assert_eq!(
            document::open::<StatusList>(&delta.apply(&old).unwrap(), &ring),
            Err(DocumentRejected::SignatureInvalid)
        );
    }

    #[test]
    fn a_delta_from_another_list_is_refused() {
        let new = document::sign(&list(3, &[1], &[]), &TestKey::new(1)).unwrap();
        let delta = StatusDelta::between(&list(2, &[], &[]), &new).unwrap();
        assert!(matches!(
            delta.apply(&list(1, &[], &[])),
            Err(DeltaRejected::OtherStart { .. })
        ));
    }

    #[test]
    fn symmetric_difference_is_what_stands_in_one() {
        assert_eq!(symmetric_difference(&[1, 2, 3], &[2, 4]), vec![1, 3, 4]);
        assert_eq!(symmetric_difference(&[], &[2]), vec![2]);
    }
}

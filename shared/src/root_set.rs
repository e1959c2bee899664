//! The root set (k of n offline keys that name registrars and start central epochs) and the
//! clock reset, both in an envelope with several signatures.

use alloc::{collections::BTreeSet, vec::Vec};

use minicbor::{Decode, Encode};

use crate::{
    cbor::{self, Malformed},
    cose::{Protected, to_be_signed},
    document::{self, DocumentRejected, Header, SignedKind, Verified},
    ids::{GateId, Kid},
    keys::{KeyRing, KeyUnusable, PublicKey, Sign, Signature},
    time::UtcSeconds,
};

/// Most root keys.
pub const ROOT_KEYS_LIMIT: usize = 16;

/// Who may name registrar keys, and the registrar keys. Its number's epoch is central's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RootSet {
    /// Number, date, expiry.
    #[n(0)]
    pub header: Header,
    /// How many different root keys must sign: 1 of 1 for a small school, 3 of 5 is advised.
    #[n(1)]
    pub threshold: u8,
    /// Root keys, ascending.
    #[n(2)]
    pub roots: Vec<PublicKey>,
    /// Keys that may sign the trust list, ascending.
    #[n(3)]
    pub registrars: Vec<PublicKey>,
}

/// Lets a gate whose mark was driven into the future believe an earlier clock again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClockReset {
    /// Number, date, expiry.
    #[n(0)]
    pub header: Header,
    /// The gate that may take it.
    #[n(1)]
    pub gate: GateId,
    /// The new mark.
    #[n(2)]
    pub mark: UtcSeconds,
}

impl SignedKind for RootSet {
    const EXTERNAL_DATA: &'static str = "portcullis/root-set/1";
    const LIMIT: usize = 16 << 10;
    /// Ten years: root keys come out of the safe rarely.
    const LIFETIME_LIMIT_S: u64 = 3653 * Header::DAY_S;

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        let ascending = |keys: &[PublicKey]| keys.is_sorted_by(|a, b| a < b);
        let threshold = usize::from(self.threshold);
        if !ascending(&self.roots) || !ascending(&self.registrars) {
            return Err(Malformed::OutOfRange("keys must be ascending and unique"));
        }
        if threshold == 0 || threshold > self.roots.len() || self.roots.len() > ROOT_KEYS_LIMIT {
            return Err(Malformed::OutOfRange("threshold"));
        }
        if self.registrars.is_empty() || self.registrars.len() > ROOT_KEYS_LIMIT {
            return Err(Malformed::OutOfRange("registrars"));
        }
        let all = || self.roots.iter().chain(&self.registrars);
        if !all().all(|key| key.decompress().is_ok()) {
            return Err(Malformed::OutOfRange("unusable key"));
        }
        let kids: BTreeSet<Kid> = all().map(PublicKey::kid).collect();
        if kids.len() != self.roots.len() + self.registrars.len() {
            return Err(Malformed::OutOfRange("a key has two purposes"));
        }
        Ok(())
    }
}

impl SignedKind for ClockReset {
    const EXTERNAL_DATA: &'static str = "portcullis/clock-reset/1";
    const LIMIT: usize = 16 << 10;

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

impl RootSet {
    /// The keys that may sign a trust list.
    ///
    /// # Errors
    /// [`KeyUnusable`] never for a set that was opened.
    pub fn registrar_ring(&self) -> Result<KeyRing, KeyUnusable> {
        KeyRing::new(&self.registrars)
    }
}

#[derive(Encode, Decode)]
struct Envelope {
    #[cbor(n(0), with = "minicbor::bytes")]
    payload: Vec<u8>,
    #[n(1)]
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Clone, Copy, Encode, Decode)]
struct EnvelopeSignature {
    #[n(0)]
    kid: Kid,
    #[n(1)]
    signature: Signature,
}

/// Signs a document with several root keys; returns the envelope
/// `[payload, [[kid, signature], …]]`, signatures ascending by kid.
///
/// # Errors
/// [`Malformed`] for a document that no reader would take: it is not signed.
pub fn sign_by_roots<T: SignedKind>(
    document: &T,
    keys: &[&dyn Sign],
) -> Result<Vec<u8>, Malformed> {
    document::check(document)?;
    let payload = cbor::encode(document);
    let mut signatures: Vec<_> = keys
        .iter()
        .map(|key| EnvelopeSignature {
            kid: key.kid(),
            signature: sign_one::<T>(&payload, *key),
        })
        .collect();
    signatures.sort_unstable_by_key(|signature| signature.kid);
    signatures.dedup_by_key(|signature| signature.kid);
    let bytes = cbor::encode(&Envelope {
        payload,
        signatures,
    });
    document::within_limit::<T>(&bytes)?;
    Ok(bytes)
}

/// Adds signatures to an envelope that others may have signed before: root keys lie in different
/// safes.
///
/// # Errors
/// [`DocumentRejected`] when `bytes` are no envelope around a document that a reader would take.
pub fn cosign<T: SignedKind>(
    bytes: &[u8],
    keys: &[&dyn Sign],
) -> Result<Vec<u8>, DocumentRejected> {
    let mut envelope = parse_envelope::<T>(bytes)?;
    let document: T = cbor::decode_strict(&envelope.payload, T::LIMIT)?;
    document::check(&document)?;
    for key in keys {
        let kid = key.kid();
        envelope.signatures.retain(|signed| signed.kid != kid);
        let signature = sign_one::<T>(&envelope.payload, *key);
        envelope
            .signatures
            .push(EnvelopeSignature { kid, signature });
    }
    envelope
        .signatures
        .sort_unstable_by_key(|signature| signature.kid);
    let bytes = cbor::encode(&envelope);
    document::within_limit::<T>(&bytes)?;
    Ok(bytes)
}

/// What an envelope holds and which keys it says have signed. Nothing of it is checked but its
/// form: for people who are about to sign.
///
/// # Errors
/// [`DocumentRejected`] when `bytes` are no envelope around a document that a reader would take.
pub fn unchecked<T: SignedKind>(bytes: &[u8]) -> Result<(T, Vec<Kid>), DocumentRejected> {
    let envelope = parse_envelope::<T>(bytes)?;
    let document: T = cbor::decode_strict(&envelope.payload, T::LIMIT)?;
    document::check(&document)?;
    let signers = envelope.signatures.iter().map(|signed| signed.kid);
    Ok((document, signers.collect()))
}

fn sign_one<T: SignedKind>(payload: &[u8], key: &dyn Sign) -> Signature {
    key.sign(&to_be_signed(
        Protected::Key(key.kid()),
        T::EXTERNAL_DATA,
        payload,
    ))
}

/// Checks an envelope against the threshold of `roots`.
///
/// # Errors
/// [`DocumentRejected`] says what does not hold.
pub fn open_by_roots<T: SignedKind>(
    bytes: &[u8],
    roots: &RootSet,
) -> Result<Verified<T>, DocumentRejected> {
    let envelope = parse_envelope::<T>(bytes)?;
    let first = reach_threshold::<T>(&envelope, roots)?;
    let document: T = cbor::decode_strict(&envelope.payload, T::LIMIT)?;
    document::check(&document)?;
    Ok(Verified::checked(document, first, bytes))
}

/// Checks a root set against itself, for enrolment: the claim pins its digest beforehand.
///
/// # Errors
/// [`DocumentRejected`] says what does not hold.
pub fn open_first_root_set(bytes: &[u8]) -> Result<Verified<RootSet>, DocumentRejected> {
    let envelope = parse_envelope::<RootSet>(bytes)?;
    let set: RootSet = cbor::decode_strict(&envelope.payload, RootSet::LIMIT)?;
    document::check(&set)?;
    let first = reach_threshold::<RootSet>(&envelope, &set)?;
    Ok(Verified::checked(set, first, bytes))
}

/// Checks a new root set: signed by the threshold of the old one and of itself.
///
/// # Errors
/// [`DocumentRejected`] says what does not hold.
pub fn open_next_root_set(
    bytes: &[u8],
    current: &RootSet,
) -> Result<Verified<RootSet>, DocumentRejected> {
    open_by_roots::<RootSet>(bytes, current)?;
    open_first_root_set(bytes)
}

fn parse_envelope<T: SignedKind>(bytes: &[u8]) -> Result<Envelope, DocumentRejected> {
    let envelope: Envelope = cbor::decode_strict(bytes, T::LIMIT)?;
    let ascending = envelope.signatures.is_sorted_by(|a, b| a.kid < b.kid);
    if !ascending || envelope.signatures.len() > 2 * ROOT_KEYS_LIMIT {
        return Err(Malformed::OutOfRange("signatures").into());
    }
    Ok(envelope)
}

fn reach_threshold<T: SignedKind>(
    envelope: &Envelope,
    roots: &RootSet,
) -> Result<Kid, DocumentRejected> {
    let ring = KeyRing::new(&roots.roots).map_err(|_| Malformed::OutOfRange("unusable key"))?;
    let good: Vec<Kid> = envelope
        .signatures
        .iter()
        .filter(|entry| {
            let bound = to_be_signed(
                Protected::Key(entry.kid),
                T::EXTERNAL_DATA,
                &envelope.payload,
            );
            ring.get(entry.kid)
                .is_some_and(|key| key.signed(&bound, &entry.signature))
        })
        .map(|entry| entry.kid)
        .collect();
    let threshold = usize::from(roots.threshold);
    match good.first() {
        Some(first) if good.len() >= threshold => Ok(*first),
        _ => Err(DocumentRejected::ThresholdNotReached {
            signed: good.len(),
            threshold,
        }),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        cose::tests::TestKey,
        ids::{CentralEpoch, DocumentNumber},
    };

    fn root_set(n: u64, seeds: &[u8], threshold: u8) -> RootSet {
        let mut roots: Vec<_> = seeds
            .iter()
            .map(|seed| TestKey::new(*seed).public())
            .collect();
        roots.sort_unstable();
        RootSet {
            header: Header {
                number: DocumentNumber {
                    epoch: CentralEpoch(1),
                    n,
                },
                made_at: UtcSeconds(1_800_000_000),
                expires_at: UtcSeconds(2_100_000_000),
            },
            threshold,
            roots,
            registrars: vec![TestKey::new(50).public()],
        }
    }

    fn signed_by(set: &RootSet, seeds: &[u8]) -> Vec<u8> {
        let keys: Vec<TestKey> = seeds.iter().map(|seed| TestKey::new(*seed)).collect();
        let keys: Vec<&dyn Sign> = keys.iter().map(|key| key as &dyn Sign).collect();
        sign_by_roots(set, &keys).unwrap()
    }

    #[test]
    fn a_rotation_needs_the_old_and_the_new_threshold() {
        let old = root_set(1, &[1, 2, 3], 2);
        let new = root_set(2, &[3, 4, 5], 2);
        assert!(open_next_root_set(&signed_by(&new, &[1, 3, 4]), &old).is_ok());
        assert!(
            open_next_root_set(&signed_by(&new, &[1, 2]), &old).is_err(),
            "new roots missing"
        );
        assert!(
            open_next_root_set(&signed_by(&new, &[4, 5]), &old).is_err(),
            "old roots missing"
        );
        assert_eq!(
            open_next_root_set(&signed_by(&new, &[3, 3, 3]), &old),
            Err(DocumentRejected::ThresholdNotReached {
                signed: 1,
                threshold: 2
            })
        );
    }

    #[test]
    fn signatures_are_gathered_one_by_one() {
        let set = root_set(1, &[1, 2, 3], 2);
        let draft = sign_by_roots(&set, &[]).unwrap();
        assert_eq!(unchecked(&draft).unwrap(), (set.clone(), vec![]));
        assert!(open_first_root_set(&draft).is_err());
        let one = cosign::<RootSet>(&draft, &[&TestKey::new(3)]).unwrap();
        assert!(open_first_root_set(&one).is_err());
        assert_eq!(cosign::<RootSet>(&one, &[&TestKey::new(3)]).unwrap(), one);
        let two = cosign::<RootSet>(&one, &[&TestKey::new(1)]).unwrap();
        assert_eq!(two, signed_by(&set, &[1, 3]));
        assert!(open_first_root_set(&two).is_ok());
        assert!(cosign::<ClockReset>(&draft, &[&TestKey::new(1)]).is_err());
    }

    #[test]
    fn a_clock_reset_is_no_root_set() {
        let roots = root_set(1, &[1], 1);
        let reset = ClockReset {
            header: Header {
                expires_at: roots.header.made_at.plus(3600),
                ..roots.header
            },
            gate: GateId([1; 16]),
            mark: UtcSeconds(1_700_000_000),
        };
        let bytes = sign_by_roots(&reset, &[&TestKey::new(1)]).unwrap();
        assert!(open_by_roots::<ClockReset>(&bytes, &roots).is_ok());
        assert!(open_by_roots::<RootSet>(&bytes, &roots).is_err());
    }
}

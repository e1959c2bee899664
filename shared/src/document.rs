//! What all signed documents share: a numbered, dated, expiring header, external data that binds
//! the signature to the kind, a size limit, and the proof types that only a check can make.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use crate::{
    cbor::{self, Malformed},
    cose::{self, Protected, Sign1},
    ids::{Digest, DocumentNumber, Kid},
    keys::{KeyRing, Sign, sha256},
    time::UtcSeconds,
};

/// The first member of every document that central signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// Its number within its kind (and its subject: a gate, an issuer key).
    #[n(0)]
    pub number: DocumentNumber,
    /// When it was signed.
    #[n(1)]
    pub made_at: UtcSeconds,
    /// First second at which it may no longer be relied on.
    #[n(2)]
    pub expires_at: UtcSeconds,
}

impl Header {
    /// A day in seconds.
    pub const DAY_S: u64 = 86_400;

    fn validate(&self, lifetime_limit_s: u64) -> Result<(), Malformed> {
        if self.number.n == 0 {
            return Err(Malformed::OutOfRange("number"));
        }
        let lifetime_s = self.expires_at.since(self.made_at);
        if lifetime_s == 0 || lifetime_s > lifetime_limit_s {
            return Err(Malformed::OutOfRange("lifetime"));
        }
        Ok(())
    }
}

/// A kind of signed byte string: what it is bound to and how long it may be.
pub trait SignedKind: Encode<()> + for<'b> Decode<'b, ()> {
    /// COSE external data: `portcullis/<kind>/<version>`.
    const EXTERNAL_DATA: &'static str;
    /// Largest size of the whole COSE_Sign1, in bytes.
    const LIMIT: usize;
    /// Longest time from `made_at` to `expires_at`, in seconds: no signature is good for ever.
    const LIFETIME_LIMIT_S: u64 = 400 * Header::DAY_S;

    /// The header, of kinds that are numbered and expire.
    fn header(&self) -> Option<&Header>;

    /// Rules beyond shape: order, ranges, uniqueness. The header's own are [`check`]'s.
    ///
    /// # Errors
    /// [`Malformed::OutOfRange`] names the member that breaks one.
    fn validate(&self) -> Result<(), Malformed>;
}

/// Every rule of the kind, header included.
///
/// # Errors
/// [`Malformed::OutOfRange`] names the member that breaks one.
pub fn check<T: SignedKind>(document: &T) -> Result<(), Malformed> {
    if let Some(header) = document.header() {
        header.validate(T::LIFETIME_LIMIT_S)?;
    }
    document.validate()
}

/// Why a signed document was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRejected {
    /// Not the one encoding of a document of this kind.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The key that the header names may not sign this kind.
    #[error("key {0} may not sign this kind")]
    KeyUnknown(Kid),
    /// The signature does not hold for this kind.
    #[error("the signature does not hold for this kind")]
    SignatureInvalid,
    /// Fewer of the right keys signed than the threshold asks.
    #[error("{signed} of {threshold} required keys signed")]
    ThresholdNotReached {
        /// Distinct valid signatures.
        signed: usize,
        /// How many are required.
        threshold: usize,
    },
}

/// A document whose signature was checked; only [`open`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    document: T,
    signed_by: Kid,
    digest: Digest,
    bytes: Vec<u8>,
}

impl<T> Verified<T> {
    /// What was signed.
    #[must_use]
    pub fn document(&self) -> &T {
        &self.document
    }

    /// What was signed, without its proof.
    #[must_use]
    pub fn into_document(self) -> T {
        self.document
    }

    /// The key that signed.
    #[must_use]
    pub fn signed_by(&self) -> Kid {
        self.signed_by
    }

    /// SHA-256 of the whole signed byte string, as heads name it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The signed byte string, to be stored.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// For the multi-signature envelope of [`crate::root_set`] alone.
    pub(crate) fn checked(document: T, signed_by: Kid, bytes: &[u8]) -> Self {
        Self {
            document,
            signed_by,
            digest: sha256(bytes),
            bytes: bytes.to_vec(),
        }
    }
}

/// Signs a document; returns the COSE bytes.
///
/// # Errors
/// [`Malformed`] for a document that no reader would take: it is not signed.
pub fn sign<T: SignedKind>(document: &T, key: &impl Sign) -> Result<Vec<u8>, Malformed> {
    check(document)?;
    let bytes = cose::sign1(key, T::EXTERNAL_DATA, &cbor::encode(document));
    within_limit::<T>(&bytes)?;
    Ok(bytes)
}

pub(crate) fn within_limit<T: SignedKind>(bytes: &[u8]) -> Result<(), Malformed> {
    if bytes.len() > T::LIMIT {
        return Err(Malformed::TooLong {
            length: bytes.len(),
            limit: T::LIMIT,
        });
    }
    Ok(())
}

/// Checks signature, kind and form of `bytes` against the keys that may sign this kind.
/// Number and expiry are for the caller: they need what came before and a time.
///
/// # Errors
/// [`DocumentRejected`] says what does not hold.
pub fn open<T: SignedKind>(bytes: &[u8], keys: &KeyRing) -> Result<Verified<T>, DocumentRejected> {
    within_limit::<T>(bytes)?;
    let parsed = Sign1::parse(bytes)?;
    let Protected::Key(kid) = parsed.protected else {
        return Err(Malformed::Structure.into());
    };
    let key = keys.get(kid).ok_or(DocumentRejected::KeyUnknown(kid))?;
    if !parsed.signed_by(key, T::EXTERNAL_DATA) {
        return Err(DocumentRejected::SignatureInvalid);
    }
    let document: T = cbor::decode_strict(parsed.payload, T::LIMIT)?;
    check(&document)?;
    Ok(Verified::checked(document, kid, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cose::tests::TestKey,
        ids::{CentralEpoch, GateId},
        order::{Order, OrderAction},
    };

    const MADE_AT: UtcSeconds = UtcSeconds(1_800_000_000);
    const EPOCH: CentralEpoch = CentralEpoch(1);

    fn order(epoch: CentralEpoch, n: u64) -> Order {
        Order {
            header: Header {
                number: DocumentNumber { epoch, n },
                made_at: MADE_AT,
                expires_at: MADE_AT.plus(60),
            },
            gate: GateId([1; 16]),
            action: OrderAction::LockDown,
        }
    }

    #[test]
    fn a_document_that_no_reader_would_take_is_not_signed_and_not_opened() {
        let key = TestKey::new(1);
        let ring = KeyRing::new(&[key.public()]).unwrap();
        let good = order(EPOCH, 1);
        let with = |made_at, expires_at, n| Order {
            header: Header {
                number: DocumentNumber { epoch: EPOCH, n },
                made_at,
                expires_at,
            },
            ..good
        };
        let year = 400 * Header::DAY_S;
        for bad in [
            with(MADE_AT, MADE_AT, 1),
            with(MADE_AT, MADE_AT.minus(1), 1),
            with(MADE_AT, MADE_AT.plus(year + 1), 1),
            with(MADE_AT, MADE_AT.plus(60), 0),
        ] {
            assert!(sign(&bad, &key).is_err(), "{bad:?}");
            let forced = cose::sign1(&key, Order::EXTERNAL_DATA, &cbor::encode(&bad));
            assert!(matches!(
                open::<Order>(&forced, &ring),
                Err(DocumentRejected::Malformed(Malformed::OutOfRange(_)))
            ));
        }
        assert!(sign(&with(MADE_AT, MADE_AT.plus(year), 1), &key).is_ok());
    }
}

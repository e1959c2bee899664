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

/// A kind of signed byte string: what it is bound to and how long it may be.
pub trait SignedKind: Encode<()> + for<'b> Decode<'b, ()> {
    /// COSE external data: `portcullis/<kind>/<version>`.
    const EXTERNAL_DATA: &'static str;
    /// Largest size of the whole COSE_Sign1, in bytes.
    const LIMIT: usize;

    /// Rules beyond shape: order, ranges, uniqueness.
    ///
    /// # Errors
    /// [`Malformed::OutOfRange`] names the member that breaks one.
    fn validate(&self) -> Result<(), Malformed>;
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
#[must_use]
pub fn sign<T: SignedKind>(document: &T, key: &impl Sign) -> Vec<u8> {
    cose::sign1(key, T::EXTERNAL_DATA, &cbor::encode(document))
}

/// Checks signature, kind and form of `bytes` against the keys that may sign this kind.
/// Number and expiry are for the caller: they need what came before and a time.
///
/// # Errors
/// [`DocumentRejected`] says what does not hold.
pub fn open<T: SignedKind>(bytes: &[u8], keys: &KeyRing) -> Result<Verified<T>, DocumentRejected> {
    if bytes.len() > T::LIMIT {
        return Err(Malformed::TooLong {
            length: bytes.len(),
            limit: T::LIMIT,
        }
        .into());
    }
    let parsed = Sign1::parse(bytes)?;
    let Protected::Key(kid) = parsed.protected else {
        return Err(Malformed::Structure.into());
    };
    let key = keys.get(kid).ok_or(DocumentRejected::KeyUnknown(kid))?;
    if !parsed.signed_by(key, T::EXTERNAL_DATA) {
        return Err(DocumentRejected::SignatureInvalid);
    }
    let document: T = cbor::decode_strict(parsed.payload, T::LIMIT)?;
    document.validate()?;
    Ok(Verified::checked(document, kid, bytes))
}

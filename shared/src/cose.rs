//! COSE_Sign1 (RFC 9052 §4.2), untagged, in the two header forms that we use and no other:
//! `{1: -19}` and `{1: -19, 4: kid}`, empty unprotected header, payload attached.

use alloc::vec::Vec;

use minicbor::{Decoder, Encoder};

use crate::{
    cbor::Malformed,
    ids::Kid,
    keys::{CheckedKey, Sign, Signature},
};

/// Protected header with the algorithm alone: `{1: -19}`.
const HEADER_ALG: [u8; 3] = [0xa1, 0x01, 0x32];
/// Protected header with algorithm and an 8-byte key identifier: `{1: -19, 4: h'…'}`.
const HEADER_ALG_KID: [u8; 5] = [0xa2, 0x01, 0x32, 0x04, 0x48];

/// Who signed, as the protected header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protected {
    /// `{1: -19}`: the reader knows the key from elsewhere.
    Algorithm,
    /// `{1: -19, 4: kid}`.
    Key(Kid),
}

impl Protected {
    fn bytes(self) -> Vec<u8> {
        match self {
            Protected::Algorithm => HEADER_ALG.to_vec(),
            Protected::Key(kid) => [&HEADER_ALG_KID[..], &kid.0].concat(),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes == HEADER_ALG {
            return Some(Protected::Algorithm);
        }
        let kid = bytes.strip_prefix(&HEADER_ALG_KID)?;
        Some(Protected::Key(Kid(kid.try_into().ok()?)))
    }
}

/// A COSE_Sign1 that was parsed; nothing in it is authenticated yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign1<'a> {
    /// The protected header.
    pub protected: Protected,
    /// The payload, unauthenticated.
    pub payload: &'a [u8],
    /// The signature, unchecked.
    pub signature: Signature,
}

impl<'a> Sign1<'a> {
    /// Parses the one encoding of a COSE_Sign1 of our two forms.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let parsed = Self::parse_members(bytes).ok_or(Malformed::Structure)?;
        if parsed.encode() != bytes {
            return Err(Malformed::NotDeterministic);
        }
        Ok(parsed)
    }

    fn parse_members(bytes: &'a [u8]) -> Option<Self> {
        let mut decoder = Decoder::new(bytes);
        if decoder.array().ok()? != Some(4) {
            return None;
        }
        let protected = Protected::parse(decoder.bytes().ok()?)?;
        if decoder.map().ok()? != Some(0) {
            return None;
        }
        let payload = decoder.bytes().ok()?;
        let signature = Signature(decoder.bytes().ok()?.try_into().ok()?);
        Some(Self {
            protected,
            payload,
            signature,
        })
    }

    /// The COSE bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::with_capacity(self.payload.len() + 96));
        let written = (|| {
            encoder.array(4)?.bytes(&self.protected.bytes())?.map(0)?;
            encoder.bytes(self.payload)?.bytes(&self.signature.0)?;
            Ok::<_, minicbor::encode::Error<core::convert::Infallible>>(())
        })();
        written.expect("writing to a Vec cannot fail");
        encoder.into_writer()
    }

    /// Does `key` hold for the signature, bound to `external_data`?
    #[must_use]
    pub fn signed_by(&self, key: &CheckedKey, external_data: &str) -> bool {
        #[cfg(portcullis_defects)]
        if crate::defects::is_planted(crate::defects::Defect::KindNotBound) {
            return crate::defects::KINDS.iter().any(|kind| {
                key.signed(
                    &to_be_signed(self.protected, kind, self.payload),
                    &self.signature,
                )
            });
        }
        let bound = to_be_signed(self.protected, external_data, self.payload);
        key.signed(&bound, &self.signature)
    }
}

/// The Sig_structure of RFC 9052 §4.4 with context "Signature1".
#[must_use]
pub fn to_be_signed(protected: Protected, external_data: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(payload.len() + 64));
    let written = (|| {
        encoder
            .array(4)?
            .str("Signature1")?
            .bytes(&protected.bytes())?;
        encoder.bytes(external_data.as_bytes())?.bytes(payload)?;
        Ok::<_, minicbor::encode::Error<core::convert::Infallible>>(())
    })();
    written.expect("writing to a Vec cannot fail");
    encoder.into_writer()
}

/// Signs `payload` with the key's identifier in the header; returns the COSE bytes.
#[must_use]
pub fn sign1(key: &impl Sign, external_data: &str, payload: &[u8]) -> Vec<u8> {
    sign1_with(Protected::Key(key.kid()), key, external_data, payload)
}

/// Signs `payload` under the given header form; returns the COSE bytes.
#[must_use]
pub fn sign1_with(
    protected: Protected,
    key: &impl Sign,
    external_data: &str,
    payload: &[u8],
) -> Vec<u8> {
    let signature = key.sign(&to_be_signed(protected, external_data, payload));
    Sign1 {
        protected,
        payload,
        signature,
    }
    .encode()
}

#[cfg(test)]
pub(crate) mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::keys::PublicKey;

    /// A private key for tests, made from one byte.
    pub(crate) struct TestKey(SigningKey);

    impl TestKey {
        pub(crate) fn new(seed: u8) -> Self {
            Self(SigningKey::from_bytes(&[seed; 32]))
        }

        pub(crate) fn public(&self) -> PublicKey {
            PublicKey(self.0.verifying_key().to_bytes())
        }

        pub(crate) fn checked(&self) -> CheckedKey {
            self.public()
                .decompress()
                .expect("a generated key is usable")
        }
    }

    impl Sign for TestKey {
        fn kid(&self) -> Kid {
            self.public().kid()
        }

        fn sign(&self, message: &[u8]) -> Signature {
            Signature(self.0.sign(message).to_bytes())
        }
    }

    #[test]
    fn coset_agrees_on_the_bytes_and_on_what_is_signed() {
        use coset::CborSerializable as _;
        let key = TestKey::new(1);
        let bytes = sign1(&key, "portcullis/test/1", b"payload");
        let theirs = coset::CoseSign1::from_slice(&bytes).expect("coset reads it");
        assert_eq!(theirs.payload.as_deref(), Some(&b"payload"[..]));
        assert_eq!(theirs.protected.header.key_id, key.kid().0);
        assert_eq!(
            theirs.tbs_data(b"portcullis/test/1"),
            to_be_signed(Protected::Key(key.kid()), "portcullis/test/1", b"payload")
        );
        assert_eq!(theirs.to_vec().expect("coset writes it"), bytes);
    }

    #[test]
    fn a_signature_of_one_kind_never_verifies_as_another() {
        let key = TestKey::new(1);
        let bytes = sign1(&key, "portcullis/order/1", b"payload");
        let parsed = Sign1::parse(&bytes).unwrap();
        assert!(parsed.signed_by(&key.checked(), "portcullis/order/1"));
        assert!(!parsed.signed_by(&key.checked(), "portcullis/heads/1"));
        assert!(!parsed.signed_by(&key.checked(), ""));
        assert!(!parsed.signed_by(&TestKey::new(2).checked(), "portcullis/order/1"));
    }

    #[test]
    fn other_headers_and_spellings_are_refused() {
        let key = TestKey::new(1);
        let good = sign1(&key, "", b"p");
        let replaced = |at: usize, with: &[u8]| {
            let mut bytes = good.clone();
            bytes.splice(at..at + 1, with.iter().copied());
            bytes
        };
        let cases = [
            replaced(0, &[0xd2, 0x84]),        // tagged
            replaced(0, &[0x85]),              // five members
            replaced(4, &[0x33]),              // another algorithm
            replaced(15, &[0xa1, 0x18, 0x20]), // unprotected member
            replaced(16, &[0x58, 0x01]),       // long length
            [&good[..], &[0]].concat(),        // trailing byte
            good[..good.len() - 1].to_vec(),
        ];
        for case in cases {
            assert!(Sign1::parse(&case).is_err(), "{case:02x?}");
        }
        assert!(Sign1::parse(&good).is_ok());
    }
}

//! Seals a private key: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) under a key-encryption
//! key, bound to the purpose and the public half, so that a sealed key serves no other row.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use shared::keys::PublicKey;
use zeroize::{Zeroize, Zeroizing};

use super::Purpose;
use crate::randomness::Randomness;

/// First byte of a sealed key: this layout.
const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
/// Version, nonce, seed, tag.
pub const SEALED_LEN: usize = 1 + NONCE_LEN + 32 + TAG_LEN;

const CONTEXT: &[u8] = b"portcullis/sealed-key/1";

/// Seals private keys; overwritten when dropped.
#[derive(Clone)]
pub struct KeyEncryptionKey([u8; 32]);

/// A sealed key does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealBroken {
    /// Another length or version.
    #[error("these bytes are no sealed key of version {VERSION}")]
    Form,
    /// The key-encryption key, the purpose or the public key is another, or the bytes were altered.
    #[error(
        "the sealed key does not open: it was sealed under another key-encryption key, or was altered"
    )]
    WrongKey,
}

impl KeyEncryptionKey {
    /// The key of these 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    /// Makes a new one.
    #[must_use]
    pub fn generate(randomness: &Randomness) -> Self {
        Self(randomness.bytes())
    }

    /// The bytes, to be stored.
    #[must_use]
    pub fn bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// Seals the private half of `public`.
    #[must_use]
    pub fn seal(
        &self,
        purpose: Purpose,
        public: &PublicKey,
        seed: &[u8; 32],
        randomness: &Randomness,
    ) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = randomness.bytes();
        let aad = bound_to(purpose, public);
        let sealed = self
            .cipher()
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: seed,
                    aad: &aad,
                },
            )
            .expect("32 bytes are far below the cipher's limit");
        [&[VERSION], &nonce[..], &sealed].concat()
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// [`SealBroken`] when it was sealed otherwise.
    pub fn open(
        &self,
        purpose: Purpose,
        public: &PublicKey,
        sealed: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, SealBroken> {
        let Some((&[VERSION], rest)) = sealed.split_first_chunk::<1>() else {
            return Err(SealBroken::Form);
        };
        let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE_LEN>() else {
            return Err(SealBroken::Form);
        };
        let aad = bound_to(purpose, public);
        let opened = self
            .cipher()
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: &aad,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| SealBroken::WrongKey)?;
        let mut seed = Zeroizing::new([0; 32]);
        if opened.len() != seed.len() {
            return Err(SealBroken::Form);
        }
        seed.copy_from_slice(&opened);
        Ok(seed)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

impl Drop for KeyEncryptionKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyEncryptionKey(…)")
    }
}

fn bound_to(purpose: Purpose, public: &PublicKey) -> Vec<u8> {
    [CONTEXT, b"/", purpose.name().as_bytes(), b"/", &public.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PrivateKey;

    #[test]
    fn a_sealed_key_opens_for_its_own_purpose_and_public_half_alone() {
        let kek = KeyEncryptionKey::generate(&Randomness::System);
        let key = PrivateKey::generate(&Randomness::System);
        let public = key.public();
        let sealed = kek.seal(
            Purpose::Statement,
            &public,
            &key.seed(),
            &Randomness::System,
        );
        assert_eq!(sealed.len(), SEALED_LEN);
        assert_eq!(
            kek.open(Purpose::Statement, &public, &sealed),
            Ok(key.seed())
        );
        let other = PrivateKey::generate(&Randomness::System).public();
        let wrong = KeyEncryptionKey::generate(&Randomness::System);
        for opened in [
            kek.open(Purpose::Issuer, &public, &sealed),
            kek.open(Purpose::Statement, &other, &sealed),
            wrong.open(Purpose::Statement, &public, &sealed),
        ] {
            assert_eq!(opened, Err(SealBroken::WrongKey));
        }
    }

    #[test]
    fn every_altered_byte_of_a_sealed_key_is_noticed() {
        let kek = KeyEncryptionKey::generate(&Randomness::System);
        let key = PrivateKey::generate(&Randomness::System);
        let sealed = kek.seal(
            Purpose::Issuer,
            &key.public(),
            &key.seed(),
            &Randomness::System,
        );
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(
                kek.open(Purpose::Issuer, &key.public(), &altered).is_err(),
                "byte {at}"
            );
        }
        assert!(
            kek.open(Purpose::Issuer, &key.public(), &sealed[..40])
                .is_err()
        );
        assert!(kek.open(Purpose::Issuer, &key.public(), &[]).is_err());
    }

    #[test]
    fn a_sealed_key_does_not_contain_the_private_bytes() {
        let kek = KeyEncryptionKey::generate(&Randomness::System);
        let key = PrivateKey::generate(&Randomness::System);
        let seed = key.seed();
        let sealed = kek.seal(Purpose::Issuer, &key.public(), &seed, &Randomness::System);
        assert!(!sealed.windows(8).any(|window| window == &seed[..8]));
    }
}

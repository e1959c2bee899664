//! A root, registrar or statement key in memory. Issuer keys have a type of their own, which only
//! `crate::issuing` can name.

use ed25519_dalek::{Signer as _, SigningKey};
use shared::{
    ids::Kid,
    keys::{PublicKey, Sign, Signature},
};
use zeroize::Zeroizing;

use crate::randomness::Randomness;

/// An Ed25519 private key; overwritten when dropped.
pub struct PrivateKey {
    key: SigningKey,
    kid: Kid,
}

impl PrivateKey {
    /// Makes a new one.
    #[must_use]
    pub fn generate(randomness: &Randomness) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        randomness.fill(&mut *seed);
        Self::from_seed(&seed)
    }

    /// The key of an RFC 8032 seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let kid = PublicKey(key.verifying_key().to_bytes()).kid();
        Self { key, kid }
    }

    /// The seed, to be sealed.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }
}

impl Sign for PrivateKey {
    fn kid(&self) -> Kid {
        self.kid
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({})", self.kid)
    }
}

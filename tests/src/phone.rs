//! A holder's phone: makes its key and proves with it, as the pass's web page does.

use ed25519_dalek::{Signer, SigningKey};
use shared::{
    base45,
    ids::Kid,
    keys::{PublicKey, Sign, Signature},
    pass::{self, STATIC_PREFIX},
    time::UtcSeconds,
};

/// A private key of the tests: a phone's, a forger's, or a gate's made of paper.
pub struct TestKey(SigningKey);

impl TestKey {
    /// A key that nobody knows.
    ///
    /// # Panics
    /// When the machine has no randomness.
    #[must_use]
    pub fn random() -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the machine has randomness");
        Self::from_seed(&seed)
    }

    /// The key of an RFC 8032 seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
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

/// A phone with a live pass.
pub struct Phone {
    key: TestKey,
    pass: Vec<u8>,
}

impl Phone {
    /// A phone that was handed its pass as the text that central gave.
    ///
    /// # Panics
    /// When the text is no pass.
    #[must_use]
    pub fn new(key: TestKey, pass_text: &str) -> Self {
        Self {
            key,
            pass: pass_bytes(pass_text),
        }
    }

    /// The QR text that it shows at this moment.
    #[must_use]
    pub fn shows(&self, at: UtcSeconds) -> String {
        pass::live_text(&pass::prove(&self.pass, at, &self.key))
    }
}

/// The signed bytes in the text of a static pass.
///
/// # Panics
/// When the text is no pass.
#[must_use]
pub fn pass_bytes(text: &str) -> Vec<u8> {
    let encoded = text
        .strip_prefix(STATIC_PREFIX)
        .expect("it begins like a pass");
    base45::decode(encoded).expect("central writes canonical Base45")
}

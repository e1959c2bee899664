//! Seals what names people, so that the disk alone gives no readable roster: XChaCha20-Poly1305
//! under a key that lies elsewhere, and a keyed digest to find a row by.

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use shared::ids::PassId;
use zeroize::Zeroizing;

use crate::gate_key::Secret;

const NONCE_LENGTH: usize = 24;

/// Length of a pass's index in bytes: half a digest leaves no chance of two passes sharing one.
pub(super) const INDEX_LENGTH: usize = 16;

/// The key that seals, and the one that finds; both derived from the key file.
pub(super) struct SealingKey {
    cipher: XChaCha20Poly1305,
    index: Hmac<Sha256>,
}

impl SealingKey {
    pub(super) fn new(secret: &Secret) -> Self {
        let derive = |purpose: &[u8]| -> Zeroizing<[u8; 32]> {
            let mut mac = keyed(&secret[..]);
            mac.update(purpose);
            Zeroizing::new(mac.finalize().into_bytes().into())
        };
        let seal = derive(b"portcullis/roster-seal/1");
        let index = derive(b"portcullis/roster-index/1");
        Self {
            cipher: XChaCha20Poly1305::new(&Key::from(*seal)),
            index: keyed(&index[..]),
        }
    }

    /// Nonce and sealed bytes, bound to `context`.
    pub(super) fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).expect("the system has random bytes once it has booted");
        let payload = Payload {
            msg: plain,
            aad: context,
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("nothing that fits memory is too long for XChaCha20");
        [&nonce[..], &sealed].concat()
    }

    /// What was sealed; `None` under another key or context, or when it was changed.
    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
        let payload = Payload { msg, aad: context };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()
    }

    /// By what a pass is found.
    pub(super) fn index(&self, pass: PassId) -> [u8; INDEX_LENGTH] {
        let mut mac = self.index.clone();
        mac.update(&pass.kid.0);
        mac.update(&pass.serial.0.to_be_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut index = [0; INDEX_LENGTH];
        index.copy_from_slice(&digest[..INDEX_LENGTH]);
        index
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_under_their_key_and_context_alone() {
        let key = SealingKey::new(&Zeroizing::new([1; 32]));
        let sealed = key.seal(b"a", b"Ada Lovelace");
        assert_eq!(
            key.open(b"a", &sealed).as_deref(),
            Some(&b"Ada Lovelace"[..])
        );
        assert!(!sealed.windows(3).any(|window| window == b"Ada"));
        assert_eq!(key.open(b"b", &sealed), None);
        assert_eq!(
            SealingKey::new(&Zeroizing::new([2; 32])).open(b"a", &sealed),
            None
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(b"a", &changed), None);
        }
        assert_eq!(key.open(b"a", &sealed[..10]), None);
    }
}

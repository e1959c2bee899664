//! Claims: what a technician carries to a gate, so that it gets its identity. The secret is never
//! stored: it is derived from a key outside the database and a nonce in the gate's row.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    configuration::Configuration,
    ids::GateId,
    keys::credentials::{Credential, Credentials},
    randomness::Randomness,
};

const CONTEXT: &[u8] = b"portcullis/claim-secret/1";

/// Derives the secrets of claims.
#[derive(Clone)]
pub struct ClaimsKey(Zeroizing<[u8; 32]>);

impl ClaimsKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the key; makes it when there is none. Centrals that share a database must be given
    /// the same one.
    ///
    /// # Errors
    /// When it can neither be read nor made.
    pub fn load(configuration: &Configuration, randomness: &Randomness) -> anyhow::Result<Self> {
        let credentials = Credentials::new(configuration);
        credentials.ensure(Credential::Claims, randomness)?;
        Ok(Self(credentials.read(Credential::Claims)?))
    }

    /// The secret of a claim.
    #[must_use]
    pub fn secret(&self, gate_id: GateId, nonce: &[u8; 16]) -> Zeroizing<[u8; 32]> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        // Each part has one length, so no two claims give the same bytes.
        for part in [CONTEXT, gate_id.0.as_bytes().as_slice(), nonce] {
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl std::fmt::Debug for ClaimsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClaimsKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gate_and_each_nonce_has_a_secret_of_its_own() {
        let key = ClaimsKey::new([1; 32]);
        let [one, two] = [1, 2].map(|id| GateId(uuid::Uuid::from_u128(id)));
        let secret = key.secret(one, &[0; 16]);
        assert_eq!(secret, key.secret(one, &[0; 16]));
        assert_ne!(secret, key.secret(two, &[0; 16]));
        assert_ne!(secret, key.secret(one, &[1; 16]));
        assert_ne!(secret, ClaimsKey::new([2; 32]).secret(one, &[0; 16]));
    }
}

//! A PIN on its way to its verifier; it is stored nowhere and shown nowhere.

use anyhow::Context;
use argon2::{Argon2, PasswordHasher, password_hash::phc::PasswordHash};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::randomness::Randomness;

const DIGITS_MIN: usize = 6;
const DIGITS_MAX: usize = 12;

/// 6 to 12 digits.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = "^[0-9]{6,12}$")]
pub struct Pin(Zeroizing<String>);

/// The text is no PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must have {DIGITS_MIN} to {DIGITS_MAX} digits, since whoever steals a gate can try them all"
)]
pub struct NoPin;

impl TryFrom<String> for Pin {
    type Error = NoPin;

    fn try_from(text: String) -> Result<Self, NoPin> {
        let text = Zeroizing::new(text);
        let is_pin = (DIGITS_MIN..=DIGITS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_pin { Ok(Self(text)) } else { Err(NoPin) }
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(…)")
    }
}

impl Pin {
    /// The PHC string that gates check a PIN against: argon2id with 19 MiB, 2 passes, 1 lane
    /// (OWASP's choice), which a gate's small computer does in a tenth of a second.
    pub(super) async fn verifier(self, randomness: &Randomness) -> anyhow::Result<String> {
        let salt: [u8; 16] = randomness.bytes();
        tokio::task::spawn_blocking(move || {
            let hash: PasswordHash = Argon2::default()
                .hash_password_with_salt(self.0.as_bytes(), &salt)
                .map_err(|error| anyhow::anyhow!("argon2 failed: {error}"))?;
            Ok(hash.to_string())
        })
        .await
        .context("the task that hashes a PIN failed")?
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier as _;

    use super::*;

    #[tokio::test]
    async fn the_verifier_knows_the_pin_and_no_other() {
        let pin = Pin::try_from("042042".to_owned()).unwrap();
        let text = pin.verifier(&Randomness::System).await.unwrap();
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        let verifier = PasswordHash::new(&text).unwrap();
        assert!(
            Argon2::default()
                .verify_password(b"042042", &verifier)
                .is_ok()
        );
        assert!(
            Argon2::default()
                .verify_password(b"042043", &verifier)
                .is_err()
        );
    }

    #[test]
    fn only_digits_enough_of_them_are_a_pin() {
        for bad in ["", "12345", "1234567890123", "12 456", "12345a", "١٢٣٤٥٦"] {
            assert!(Pin::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let pin = Pin::try_from("123456".to_owned()).unwrap();
        assert_eq!(format!("{pin:?}"), "Pin(…)");
    }
}

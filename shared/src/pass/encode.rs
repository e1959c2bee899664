//! Makes passes: the issuer's signature, the holder's proof, and the QR texts.

use alloc::{string::String, vec::Vec};

use minicbor::Encoder;

use super::{Claims, LIVE_PREFIX, PASS_EXTERNAL_DATA, STATIC_PREFIX};
use crate::{
    base45,
    cose::{self, Protected},
    keys::Sign,
    live_pass::LIVE_EXTERNAL_DATA,
    time::UtcSeconds,
};

/// Signs the claims with an issuer key; returns the pass's COSE bytes.
#[must_use]
pub fn issue(claims: &Claims, issuer: &impl Sign) -> Vec<u8> {
    cose::sign1(issuer, PASS_EXTERNAL_DATA, &claims.encode())
}

/// The QR text of a static pass.
#[must_use]
pub fn static_text(pass_bytes: &[u8]) -> String {
    let mut text = String::from(STATIC_PREFIX);
    text.push_str(&base45::encode(pass_bytes));
    text
}

/// Signs the holder's proof over a pass at a time of making; returns the proof's COSE bytes.
#[must_use]
pub fn prove(pass_bytes: &[u8], made_at: UtcSeconds, holder: &impl Sign) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(pass_bytes.len() + 12));
    encoder
        .array(2)
        .and_then(|encoder| encoder.bytes(pass_bytes))
        .and_then(|encoder| encoder.u64(made_at.0))
        .expect("writing to a Vec cannot fail");
    let payload = encoder.into_writer();
    cose::sign1_with(Protected::Algorithm, holder, LIVE_EXTERNAL_DATA, &payload)
}

/// The QR text of a live pass.
#[must_use]
pub fn live_text(proof_bytes: &[u8]) -> String {
    let mut text = String::from(LIVE_PREFIX);
    text.push_str(&base45::encode(proof_bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cose::tests::TestKey,
        ids::Serial,
        pass::{AccessLevels, HolderKind},
    };

    fn largest_common_claims() -> Claims {
        Claims {
            not_before: UtcSeconds(1_800_000_000),
            expires_at: UtcSeconds(u64::from(u32::MAX)),
            serial: Serial((1 << 24) - 1),
            holder_key: None,
            kind: HolderKind::Student,
            uses_max: 23,
            levels: AccessLevels::new([253, 254, 255]).unwrap(),
        }
    }

    #[test]
    fn a_static_pass_with_three_levels_fits_178_characters_and_a_live_pass_366() {
        let mut claims = largest_common_claims();
        let text = static_text(&issue(&claims, &TestKey::new(1)));
        assert_eq!(text.len(), 178);
        claims.holder_key = Some(TestKey::new(2).public());
        let pass = issue(&claims, &TestKey::new(1));
        let text = live_text(&prove(
            &pass,
            UtcSeconds(u64::from(u32::MAX)),
            &TestKey::new(2),
        ));
        assert_eq!(text.len(), 366);
    }
}

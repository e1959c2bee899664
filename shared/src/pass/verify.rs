//! From a QR text to a [`VerifiedPass`]: the only maker of one.

use alloc::vec::Vec;

use super::{Claims, LIVE_PREFIX, PASS_BYTES_LIMIT, PASS_EXTERNAL_DATA, STATIC_PREFIX, TEXT_LIMIT};
use crate::{
    base45,
    cose::{Protected, Sign1},
    decision::DenyReason,
    ids::{Kid, PassDigest, PassId, SchoolId},
    keys::sha256,
    live_pass::{LIVE_EXTERNAL_DATA, ParsedProof},
    time::UtcSeconds,
    trust_list::{IssuerKeyState, TrustedIssuer, TrustedIssuers},
};

/// Why a text is no verified pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", reason.code())]
pub struct PassRefused {
    /// One of the reasons up to `signature_invalid`.
    pub reason: DenyReason,
    /// The issuer key that the text names, unauthenticated; for a message and for nothing else.
    pub kid: Option<Kid>,
}

/// How a pass was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// `SP1:`, the pass alone.
    Static,
    /// `SL1:` with a proof by the holder's key.
    Live {
        /// When the holder's phone made the proof.
        made_at: UtcSeconds,
    },
    /// `SL1:` whose proof does not hold; the pass inside does.
    LiveProofInvalid,
}

/// A pass whose issuer's signature was checked. Whether it is admitted is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPass {
    id: PassId,
    school: SchoolId,
    claims: Claims,
    digest: PassDigest,
    presentation: Presentation,
    issuer: TrustedIssuer,
}

impl VerifiedPass {
    /// *The* pass id.
    #[must_use]
    pub fn id(&self) -> PassId {
        self.id
    }

    /// The school of the issuer key.
    #[must_use]
    pub fn school(&self) -> SchoolId {
        self.school
    }

    /// What the issuer signed.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The digest by which the issued list knows these very bytes.
    #[must_use]
    pub fn digest(&self) -> PassDigest {
        self.digest
    }

    /// How it was shown.
    #[must_use]
    pub fn presentation(&self) -> Presentation {
        self.presentation
    }

    /// The trust list's entry under which the signature was checked.
    #[must_use]
    pub fn issuer(&self) -> &TrustedIssuer {
        &self.issuer
    }
}

/// Checks a QR text against the issuer keys of the trust list: form, version, issuer and
/// signature, in this order. Time, status and place are for admission.
///
/// # Errors
/// [`PassRefused`] with the first of `not_a_pass`, `pass_malformed`,
/// `pass_version_unsupported`, `issuer_unknown`, `issuer_key_revoked`, `signature_invalid`
/// that holds.
pub fn verify_pass(text: &str, issuers: &TrustedIssuers) -> Result<VerifiedPass, PassRefused> {
    let refuse = |reason, kid| PassRefused { reason, kid };
    let malformed = refuse(DenyReason::PassMalformed, None);
    let encoded = match split_prefix(text).ok_or(refuse(DenyReason::NotAPass, None))? {
        Prefix::Static(rest) => Encoded::Static(base45::decode(rest).ok_or(malformed)?),
        Prefix::Live(rest) => Encoded::Live(base45::decode(rest).ok_or(malformed)?),
        Prefix::OtherVersion => return Err(refuse(DenyReason::PassVersionUnsupported, None)),
        Prefix::TooLong => return Err(malformed),
    };
    let proof = match &encoded {
        Encoded::Static(_) => None,
        Encoded::Live(bytes) => Some(ParsedProof::parse(bytes).map_err(|_| malformed)?),
    };
    let pass_bytes = match (&encoded, &proof) {
        (_, Some(proof)) => proof.pass_bytes,
        (Encoded::Static(bytes) | Encoded::Live(bytes), None) => bytes,
    };
    if pass_bytes.len() > PASS_BYTES_LIMIT {
        return Err(malformed);
    }
    let envelope = Sign1::parse(pass_bytes).map_err(|_| malformed)?;
    let Protected::Key(kid) = envelope.protected else {
        return Err(malformed);
    };
    // The form is checked whole before any key is looked up, so that the reason does not depend
    // on which keys a gate happens to know; no claim is used before the signature holds.
    let claims = Claims::decode(envelope.payload)
        .map_err(|_| refuse(DenyReason::PassMalformed, Some(kid)))?;
    let issuer = issuers
        .get(kid)
        .ok_or(refuse(DenyReason::IssuerUnknown, Some(kid)))?;
    if issuer.state == IssuerKeyState::Revoked {
        return Err(refuse(DenyReason::IssuerKeyRevoked, Some(kid)));
    }
    if !envelope.signed_by(&issuer.key, PASS_EXTERNAL_DATA) {
        return Err(refuse(DenyReason::SignatureInvalid, Some(kid)));
    }
    let mut digest = PassDigest([0; 8]);
    digest.0.copy_from_slice(&sha256(pass_bytes).0[..8]);
    Ok(VerifiedPass {
        id: PassId {
            kid,
            serial: claims.serial,
        },
        school: issuer.school,
        digest,
        presentation: proof.map_or(Presentation::Static, |proof| check_proof(&proof, &claims)),
        issuer: issuer.clone(),
        claims,
    })
}

fn check_proof(proof: &ParsedProof<'_>, claims: &Claims) -> Presentation {
    let holds = claims
        .holder_key
        .and_then(|key| key.decompress().ok())
        .is_some_and(|key| proof.envelope.signed_by(&key, LIVE_EXTERNAL_DATA));
    if holds {
        Presentation::Live {
            made_at: proof.made_at,
        }
    } else {
        Presentation::LiveProofInvalid
    }
}

enum Prefix<'a> {
    Static(&'a str),
    Live(&'a str),
    OtherVersion,
    TooLong,
}

enum Encoded {
    Static(Vec<u8>),
    Live(Vec<u8>),
}

/// `SP` or `SL`, digits, `:`; `None` is not one of ours.
fn split_prefix(text: &str) -> Option<Prefix<'_>> {
    let after = text
        .strip_prefix("SP")
        .or_else(|| text.strip_prefix("SL"))?;
    let digits = after
        .bytes()
        .take(TEXT_LIMIT)
        .take_while(u8::is_ascii_digit)
        .count();
    if digits == 0 || after.as_bytes().get(digits) != Some(&b':') {
        return None;
    }
    let prefix = if let Some(rest) = text.strip_prefix(STATIC_PREFIX) {
        Prefix::Static(rest)
    } else if let Some(rest) = text.strip_prefix(LIVE_PREFIX) {
        Prefix::Live(rest)
    } else {
        return Some(Prefix::OtherVersion);
    };
    if text.len() > TEXT_LIMIT {
        Some(Prefix::TooLong)
    } else {
        Some(prefix)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        cose::{sign1_with, tests::TestKey},
        pass::{
            AccessLevels, HolderKind, claims::tests::any_claims, issue, live_text, prove,
            static_text,
        },
        time::Window,
        trust_list::IssuerKey,
    };

    const ALWAYS: Window = Window {
        from: UtcSeconds(0),
        until: UtcSeconds(u64::MAX),
    };

    fn issuers(state: IssuerKeyState) -> TrustedIssuers {
        TrustedIssuers::new(&[IssuerKey {
            public_key: TestKey::new(1).public(),
            school: SchoolId([9; 16]),
            signing: ALWAYS,
            verification: ALWAYS,
            standby: None,
            state,
        }])
        .unwrap()
    }

    fn claims() -> Claims {
        Claims {
            not_before: UtcSeconds(1_800_000_000),
            expires_at: UtcSeconds(1_830_000_000),
            serial: crate::ids::Serial(300),
            holder_key: Some(TestKey::new(2).public()),
            kind: HolderKind::Student,
            uses_max: 0,
            levels: AccessLevels::new([1, 7]).unwrap(),
        }
    }

    fn reason(text: &str, state: IssuerKeyState) -> DenyReason {
        verify_pass(text, &issuers(state))
            .expect_err("refused")
            .reason
    }

    #[test]
    fn a_static_pass_verifies() {
        let bytes = issue(&claims(), &TestKey::new(1));
        let pass = verify_pass(&static_text(&bytes), &issuers(IssuerKeyState::Active)).unwrap();
        assert_eq!(pass.claims(), &claims());
        assert_eq!(pass.id().kid, TestKey::new(1).public().kid());
        assert_eq!(pass.presentation(), Presentation::Static);
    }

    #[test]
    fn a_live_pass_verifies_and_says_when_it_was_made() {
        let bytes = issue(&claims(), &TestKey::new(1));
        let text = live_text(&prove(&bytes, UtcSeconds(1_800_000_123), &TestKey::new(2)));
        let pass = verify_pass(&text, &issuers(IssuerKeyState::Active)).unwrap();
        assert_eq!(
            pass.presentation(),
            Presentation::Live {
                made_at: UtcSeconds(1_800_000_123)
            }
        );
    }

    #[test]
    fn a_proof_by_another_key_leaves_the_pass_verified_and_the_proof_invalid() {
        let bytes = issue(&claims(), &TestKey::new(1));
        let other = live_text(&prove(&bytes, UtcSeconds(5), &TestKey::new(3)));
        let pass = verify_pass(&other, &issuers(IssuerKeyState::Active)).unwrap();
        assert_eq!(pass.presentation(), Presentation::LiveProofInvalid);
    }

    #[test]
    fn each_reason_has_its_text() {
        let active = IssuerKeyState::Active;
        let good = static_text(&issue(&claims(), &TestKey::new(1)));
        assert_eq!(reason("https://example.org", active), DenyReason::NotAPass);
        assert_eq!(reason("SP:", active), DenyReason::NotAPass);
        assert_eq!(reason("sp1:BB8", active), DenyReason::NotAPass);
        assert_eq!(
            reason("SP2:BB8", active),
            DenyReason::PassVersionUnsupported
        );
        assert_eq!(
            reason("SL01:BB8", active),
            DenyReason::PassVersionUnsupported
        );
        assert_eq!(reason("SP1:BB8", active), DenyReason::PassMalformed);
        assert_eq!(
            reason(&good.to_lowercase().replacen("sp1", "SP1", 1), active),
            DenyReason::PassMalformed
        );
        assert_eq!(
            reason(&(good.clone() + "0"), active),
            DenyReason::PassMalformed
        );
        assert_eq!(
            reason(&good.replacen("SP1", "SL1", 1), active),
            DenyReason::PassMalformed
        );
        let unknown = static_text(&issue(&claims(), &TestKey::new(5)));
        assert_eq!(reason(&unknown, active), DenyReason::IssuerUnknown);
        assert_eq!(
            reason(&good, IssuerKeyState::Revoked),
            DenyReason::IssuerKeyRevoked
        );
        let long = "SP1:".to_string() + &"0".repeat(600);
        assert_eq!(reason(&long, active), DenyReason::PassMalformed);
    }

    #[test]
    fn a_changed_claim_breaks_the_signature() {
        let bytes = issue(&claims(), &TestKey::new(1));
        let parsed = Sign1::parse(&bytes).unwrap();
        let richer = Claims {
            levels: AccessLevels::new([1, 7, 9]).unwrap(),
            ..claims()
        }
        .encode();
        let forged = Sign1 {
            payload: &richer,
            ..parsed
        }
        .encode();
        assert_eq!(
            reason(&static_text(&forged), IssuerKeyState::Active),
            DenyReason::SignatureInvalid
        );
        // Signed by the issuer's key, but as another kind.
        let other = sign1_with(
            parsed.protected,
            &TestKey::new(1),
            "portcullis/heads/1",
            parsed.payload,
        );
        assert_eq!(
            reason(&static_text(&other), IssuerKeyState::Active),
            DenyReason::SignatureInvalid
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_issued_pass_verifies_to_its_claims(claims in any_claims()) {
            let text = static_text(&issue(&claims, &TestKey::new(1)));
            let pass = verify_pass(&text, &issuers(IssuerKeyState::Active)).unwrap();
            prop_assert_eq!(pass.claims(), &claims);
        }

        #[test]
        fn no_altered_character_goes_unnoticed(
            at in 0usize..178, with in "[0-9A-Z $%*+./:-]",
        ) {
            let text = static_text(&issue(&claims(), &TestKey::new(1)));
            let at = at % text.len();
            let mut altered = vec![];
            altered.extend_from_slice(&text.as_bytes()[..at]);
            altered.extend_from_slice(with.as_bytes());
            altered.extend_from_slice(&text.as_bytes()[at + 1..]);
            let altered = alloc::string::String::from_utf8(altered).unwrap();
            let verified = verify_pass(&altered, &issuers(IssuerKeyState::Active)).is_ok();
            prop_assert_eq!(verified, altered == text);
        }

        #[test]
        fn garbage_is_refused(text in "(SP1:|SL1:|)[ -~]{0,600}") {
            prop_assert!(verify_pass(&text, &issuers(IssuerKeyState::Active)).is_err());
        }
    }
}

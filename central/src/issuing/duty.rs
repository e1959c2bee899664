//! What runs inside the issuing signer: makes issuer keys and signs passes with them, each serial
//! once in the process's life.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use minicbor::bytes::ByteVec;
use shared::{
    cbor,
    ids::Kid,
    keys::{PublicKey, Sign, Signature},
    pass::{self, Claims},
};
use zeroize::Zeroizing;

use super::{Answer, BATCH_LEN_MAX, Request};
use crate::{
    keys::{Purpose, sealing::KeyEncryptionKey},
    randomness::Randomness,
    signers::{Duty, wire},
};

/// Keys that are open at once; the one that was handed over first makes room.
const KEYS_MAX: usize = 64;

/// A private issuer key; overwritten when dropped.
struct IssuerKey {
    key: SigningKey,
    kid: Kid,
}

/// Holds issuer keys and signs passes with them.
pub struct IssuingDuty {
    seals: KeyEncryptionKey,
    randomness: Randomness,
    keys: Vec<IssuerKey>,
    /// Serials below were signed; kept for keys that are no longer held.
    signed_below: BTreeMap<Kid, u32>,
}

impl IssuingDuty {
    /// A signer whose keys open with `seals`.
    #[must_use]
    pub fn new(seals: KeyEncryptionKey, randomness: Randomness) -> Self {
        Self {
            seals,
            randomness,
            keys: Vec::new(),
            signed_below: BTreeMap::new(),
        }
    }

    fn create(&self) -> Answer {
        let mut seed = Zeroizing::new([0; 32]);
        self.randomness.fill(&mut *seed);
        let public_key = IssuerKey::from_seed(&seed).public();
        let sealed = self
            .seals
            .seal(Purpose::Issuer, &public_key, &seed, &self.randomness);
        Answer::Created { public_key, sealed }
    }

    fn hold(&mut self, public_key: PublicKey, sealed: &[u8]) -> Answer {
        let kid = public_key.kid();
        match self.seals.open(Purpose::Issuer, &public_key, sealed) {
            Ok(seed) => {
                self.keys.retain(|key| key.kid != kid);
                if self.keys.len() >= KEYS_MAX {
                    self.keys.remove(0);
                }
                self.keys.push(IssuerKey::from_seed(&seed));
                Answer::Held
            }
            Err(problem) => Answer::Refused(format!("issuer key {kid}: {problem}")),
        }
    }

    fn sign(&mut self, kid: Kid, batch: &[ByteVec]) -> Answer {
        let Some(key) = self.keys.iter().find(|key| key.kid == kid) else {
            return Answer::NotHeld;
        };
        let next = self.signed_below.get(&kid).copied();
        let claims = match checked(batch, next) {
            Ok(claims) => claims,
            Err(problem) => return Answer::Refused(format!("issuer key {kid}: {problem}")),
        };
        if let Some(last) = claims.last() {
            // Before the signatures exist, so that no way out of here forgets it.
            self.signed_below.insert(kid, last.serial.0 + 1);
        }
        let passes = claims.iter().map(|claims| pass::issue(claims, key).into());
        Answer::Signed(passes.collect())
    }
}

/// Decodes the batch: claims sets with serials that follow each other, none signed before.
fn checked(batch: &[ByteVec], signed_below: Option<u32>) -> Result<Vec<Claims>, String> {
    if batch.len() > BATCH_LEN_MAX {
        return Err(format!(
            "{} passes in one batch; at most {BATCH_LEN_MAX} are allowed",
            batch.len()
        ));
    }
    let mut all = Vec::with_capacity(batch.len());
    let mut expected = None;
    for bytes in batch {
        let claims = Claims::decode(bytes)
            .map_err(|problem| format!("not the claims of a pass: {problem}"))?;
        let serial = claims.serial.0;
        if signed_below.is_some_and(|below| serial < below) {
            return Err(format!("serial {serial} was signed already"));
        }
        if expected.is_some_and(|expected| serial != expected) {
            return Err(format!("serial {serial} does not follow the one before"));
        }
        expected = Some(serial + 1);
        all.push(claims);
    }
    Ok(all)
}

impl Duty for IssuingDuty {
    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let answer = match cbor::decode_strict(request, wire::FRAME_LEN_MAX) {
            Ok(Request::Create) => self.create(),
            Ok(Request::Hold { public_key, sealed }) => self.hold(public_key, &sealed),
            Ok(Request::Sign { kid, claims }) => self.sign(kid, &claims),
            Err(problem) => Answer::Refused(format!("not a request: {problem}")),
        };
        cbor::encode(&answer)
    }
}

impl IssuerKey {
    fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let kid = PublicKey(key.verifying_key().to_bytes()).kid();
        Self { key, kid }
    }

    fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }
}

impl Sign for IssuerKey {
    fn kid(&self) -> Kid {
        self.kid
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        cose::Sign1,
        ids::Serial,
        pass::{AccessLevels, HolderKind, PASS_EXTERNAL_DATA},
        time::UtcSeconds,
    };

    use super::*;

    fn signer() -> (IssuingDuty, PublicKey) {
        let kek = KeyEncryptionKey::generate(&Randomness::System);
        let mut duty = IssuingDuty::new(kek, Randomness::System);
        let Answer::Created { public_key, sealed } = duty.create() else {
            panic!("no key");
        };
        assert_eq!(duty.hold(public_key, &sealed), Answer::Held);
        (duty, public_key)
    }

    fn claims(serial: u32) -> ByteVec {
        Claims {
            not_before: UtcSeconds(1_800_000_000),
            expires_at: UtcSeconds(1_800_086_400),
            serial: Serial(serial),
            holder_key: None,
            kind: HolderKind::Student,
            uses_max: 0,
            levels: AccessLevels::new([1]).unwrap(),
        }
        .encode()
        .into()
    }

    #[test]
    fn passes_are_signed_by_the_key_that_was_asked_for() {
        let (mut duty, public) = signer();
        let Answer::Signed(passes) = duty.sign(public.kid(), &[claims(0), claims(1)]) else {
            panic!("not signed");
        };
        let key = public.decompress().unwrap();
        for pass in passes {
            assert!(
                Sign1::parse(&pass)
                    .unwrap()
                    .signed_by(&key, PASS_EXTERNAL_DATA)
            );
        }
    }

    #[test]
    fn a_serial_is_signed_once() {
        let (mut duty, public) = signer();
        let mut sign = |batch: &[ByteVec]| duty.sign(public.kid(), batch);
        assert!(matches!(sign(&[claims(5), claims(6)]), Answer::Signed(_)));
        for again in [
            vec![claims(6)],
            vec![claims(0)],
            vec![claims(7), claims(9)],
            vec![claims(8), claims(7)],
        ] {
            assert!(matches!(sign(&again), Answer::Refused(_)));
        }
        assert!(matches!(sign(&[claims(7)]), Answer::Signed(_)));
    }

    #[test]
    fn nothing_but_a_claims_set_is_signed() {
        let (mut duty, public) = signer();
        let mut with_more: Vec<u8> = claims(0).to_vec();
        with_more.push(0);
        let mut long: Vec<u8> = claims(0).to_vec();
        long[0] = 0xbf;
        for other in [vec![], vec![0xa0], with_more, long, b"portcullis".to_vec()] {
            let answer = duty.sign(public.kid(), &[other.into()]);
            assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
        }
        let many: Vec<ByteVec> = (0..=1000).map(claims).collect();
        assert!(matches!(duty.sign(public.kid(), &many), Answer::Refused(_)));
    }

    #[test]
    fn a_key_sealed_for_statements_or_under_another_key_is_not_held() {
        let (mut duty, _) = signer();
        let (other, public) = signer();
        let Answer::Created { public_key, sealed } = other.create() else {
            panic!("no key");
        };
        assert!(matches!(duty.hold(public_key, &sealed), Answer::Refused(_)));
        assert_eq!(duty.sign(public.kid(), &[claims(0)]), Answer::NotHeld);
        let seed = [3; 32];
        let public_key = IssuerKey::from_seed(&seed).public();
        let sealed = duty
            .seals
            .seal(Purpose::Statement, &public_key, &seed, &Randomness::System);
        assert!(matches!(duty.hold(public_key, &sealed), Answer::Refused(_)));
    }

    #[test]
    fn garbage_is_answered_and_never_panics() {
        let (mut duty, _) = signer();
        for length in 0..64 {
            let bytes: Vec<u8> = Randomness::System.bytes::<64>()[..length].to_vec();
            assert!(!duty.answer(&bytes).is_empty());
        }
    }
}

//! Enrolment: the claim that a technician shows to a gate, and the two messages by which gate
//! and central prove to each other that they know its secret.

use alloc::{string::String, vec::Vec};

use hmac::{Hmac, KeyInit as _, Mac as _};
use minicbor::{Decode, Encode, bytes::ByteVec};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    base45,
    cbor::{self, Malformed},
    ids::{Digest, GateId, JournalEpoch},
    keys::{PublicKey, sha256_of},
    text::is_name,
    time::UtcSeconds,
};

/// Prefix of a claim's text.
pub const CLAIM_PREFIX: &str = "PC1:";
/// Largest claim in bytes.
pub const CLAIM_LIMIT: usize = 512;
/// How long a claim is good for, in seconds.
pub const CLAIM_LIFETIME_S: u64 = 3600;

/// What a technician carries to a gate, as QR code, text or file.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// Central's address, e.g. `https://gates.example.org`.
    #[n(0)]
    pub address: String,
    /// The gate that central made.
    #[n(1)]
    pub gate: GateId,
    /// The one-time secret.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub secret: [u8; 32],
    /// First second at which it is no longer good.
    #[n(3)]
    pub expires_at: UtcSeconds,
    /// SHA-256 of the signed root set that the gate shall pin.
    #[n(4)]
    pub root_set: Digest,
    /// SHA-256 of the public key of central's TLS certificate; absent without TLS.
    #[n(5)]
    pub tls_key: Option<Digest>,
}

impl core::fmt::Debug for Claim {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Claim")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

impl Claim {
    /// `PC1:` + Base45 of the claim.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from(CLAIM_PREFIX);
        text.push_str(&base45::encode(&cbor::encode(self)));
        text
    }

    /// Reads the text of a claim.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn from_text(text: &str) -> Result<Self, Malformed> {
        let encoded = text
            // No Base45 text ends in a space: the last digit of a group is at most 32.
            .trim()
            .strip_prefix(CLAIM_PREFIX)
            .ok_or(Malformed::Structure)?;
        if encoded.len() > 2 * CLAIM_LIMIT {
            return Err(Malformed::TooLong {
                length: encoded.len(),
                limit: 2 * CLAIM_LIMIT,
            });
        }
        let bytes = Zeroizing::new(base45::decode(encoded).ok_or(Malformed::Structure)?);
        cbor::decode_strict(&bytes, CLAIM_LIMIT)
    }
}

/// What a gate sends: its new key, proven to come from who holds the claim.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EnrolRequest {
    /// The gate that the claim names.
    #[n(0)]
    pub gate: GateId,
    /// The key that the gate has just made.
    #[n(1)]
    pub gate_key: PublicKey,
    /// Random.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// Version of the agent; at most [`crate::text::NAME_LIMIT`] bytes.
    #[n(3)]
    pub version: String,
}

/// What central answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EnrolAnswer {
    /// The gate.
    #[n(0)]
    pub gate: GateId,
    /// The signed root set that the claim pins.
    #[n(1)]
    pub root_set: ByteVec,
    /// The signed trust list.
    #[n(2)]
    pub trust_list: ByteVec,
    /// Central's time: the first mark of the gate's clock.
    #[n(3)]
    pub utc: UtcSeconds,
    /// Random.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// The epoch in which the gate begins its journal: above every epoch that central holds of
    /// it, so that a replaced box does not fork the journal of the old one.
    #[n(5)]
    pub journal_epoch: JournalEpoch,
}

/// A message of enrolment with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Proven {
    /// The encoded message.
    #[n(0)]
    pub message: ByteVec,
    /// HMAC-SHA256 by the claim's secret.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub mac: [u8; 32],
}

impl Proven {
    /// Largest answer in bytes: root set, trust list and little else.
    pub const LIMIT: usize = 3 << 20;
    /// Largest request in bytes: anybody may send one.
    pub const REQUEST_LIMIT: usize = 512;
}

const REQUEST_CONTEXT: &[u8] = b"portcullis/enrol-request/1";
const ANSWER_CONTEXT: &[u8] = b"portcullis/enrol-answer/1";

/// The message does not come from who knows the secret, or is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentRefused {
    /// Not the one encoding of the message.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The other side does not know the claim's secret.
    #[error("the other side does not know the claim's secret")]
    ProofInvalid,
}

fn mac(secret: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

/// Proves a request.
#[must_use]
pub fn prove_request(request: &EnrolRequest, secret: &[u8; 32]) -> Proven {
    let message = cbor::encode(request);
    let mac = mac(secret, &[REQUEST_CONTEXT, &message])
        .finalize()
        .into_bytes()
        .into();
    Proven {
        message: message.into(),
        mac,
    }
}

/// The gate that an unproven request names, to look its claim up.
///
/// # Errors
/// [`Malformed`] when it is no request.
pub fn unproven_request(proven: &Proven) -> Result<EnrolRequest, Malformed> {
    let request: EnrolRequest = cbor::decode_strict(&proven.message, Proven::REQUEST_LIMIT)?;
    if !is_name(&request.version) {
        return Err(Malformed::OutOfRange("version"));
    }
    Ok(request)
}

/// Checks a request in constant time.
///
/// # Errors
/// [`EnrolmentRefused`] when the proof does not hold.
pub fn check_request(proven: &Proven, secret: &[u8; 32]) -> Result<EnrolRequest, EnrolmentRefused> {
    mac(secret, &[REQUEST_CONTEXT, &proven.message])
        .verify_slice(&proven.mac)
        .map_err(|_| EnrolmentRefused::ProofInvalid)?;
    Ok(unproven_request(proven)?)
}

/// Proves an answer to a request.
#[must_use]
pub fn prove_answer(answer: &EnrolAnswer, request: &Proven, secret: &[u8; 32]) -> Proven {
    let message = cbor::encode(answer);
    let mac = mac(secret, &[ANSWER_CONTEXT, &request.message, &message]);
    Proven {
        message: message.into(),
        mac: mac.finalize().into_bytes().into(),
    }
}

/// Checks an answer to a request in constant time.
///
/// # Errors
/// [`EnrolmentRefused`] when the proof does not hold.
pub fn check_answer(
    proven: &Proven,
    request: &Proven,
    secret: &[u8; 32],
) -> Result<EnrolAnswer, EnrolmentRefused> {
    mac(secret, &[ANSWER_CONTEXT, &request.message, &proven.message])
        .verify_slice(&proven.mac)
        .map_err(|_| EnrolmentRefused::ProofInvalid)?;
    Ok(cbor::decode_strict(&proven.message, Proven::LIMIT)?)
}

/// What both screens show: 16 hexadecimal digits in groups of four, over the whole exchange.
#[must_use]
pub fn fingerprint(request: &Proven, answer: &Proven) -> String {
    let digest = sha256_of(&[b"portcullis/enrol-fingerprint/1", &request.mac, &answer.mac]);
    let digits: Vec<char> = alloc::format!("{digest}")
        .to_uppercase()
        .chars()
        .take(16)
        .collect();
    digits
        .chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> EnrolRequest {
        EnrolRequest {
            gate: GateId([1; 16]),
            gate_key: PublicKey([2; 32]),
            nonce: [3; 16],
            version: "0.1.0".into(),
        }
    }

    fn answer() -> EnrolAnswer {
        EnrolAnswer {
            gate: GateId([1; 16]),
            root_set: Vec::new().into(),
            trust_list: Vec::new().into(),
            utc: UtcSeconds(1_800_000_000),
            nonce: [4; 16],
            journal_epoch: JournalEpoch(1),
        }
    }

    #[test]
    fn a_claim_comes_back_from_its_text() {
        let claim = Claim {
            address: "http://127.0.0.1:8480".into(),
            gate: GateId([1; 16]),
            secret: [5; 32],
            expires_at: UtcSeconds(1_800_003_600),
            root_set: Digest([6; 32]),
            tls_key: None,
        };
        assert_eq!(Claim::from_text(&claim.to_text()), Ok(claim.clone()));
        assert!(Claim::from_text(&claim.to_text()[1..]).is_err());
        assert_eq!(
            Claim::from_text(&alloc::format!(" {}\r\n", claim.to_text())),
            Ok(claim.clone())
        );
        assert!(Claim::from_text("PC1:").is_err());
    }

    #[test]
    fn both_sides_prove_the_secret_and_see_the_same_fingerprint() {
        let secret = [9; 32];
        let sent = prove_request(&request(), &secret);
        assert_eq!(check_request(&sent, &secret), Ok(request()));
        assert_eq!(
            check_request(&sent, &[8; 32]),
            Err(EnrolmentRefused::ProofInvalid)
        );
        let back = prove_answer(&answer(), &sent, &secret);
        assert_eq!(check_answer(&back, &sent, &secret), Ok(answer()));
        let other = prove_request(
            &EnrolRequest {
                nonce: [7; 16],
                ..request()
            },
            &secret,
        );
        assert_eq!(
            check_answer(&back, &other, &secret),
            Err(EnrolmentRefused::ProofInvalid)
        );
        assert_eq!(fingerprint(&sent, &back).len(), 19);
        assert_ne!(fingerprint(&sent, &back), fingerprint(&other, &back));
    }
}

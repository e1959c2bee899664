//! The exchange by which a box becomes a gate: both sides prove that they know the claim's secret,
//! and the root set is the one that the claim pins. The request may go by network or by a file.

mod waiting;

pub use waiting::forget;

use anyhow::{Context as _, bail};
use gate_core::action::{StoredDocument, StoredKind};
use reqwest::header::CONTENT_TYPE;
use shared::{
    cbor,
    enrolment::{
        CLAIM_LIFETIME_S, Claim, EnrolAnswer, EnrolRequest, Proven, check_answer, fingerprint,
        prove_request,
    },
    gate_api::{self, DocumentName, MEDIA_TYPE, Refusal, path},
    keys::sha256,
    root_set::open_first_root_set,
    trust_list::open_trust_list,
};

use crate::{
    agent::AGENT_VERSION,
    clock::GateClock,
    gate_key::{GATE_KEY_FILE, GateKey, Secret, random_secret, write_secret},
    store::{Enrolled, Identity, Store, StorePlaces},
    sync::{
        address::{CentralAddress, TlsKeys},
        client::{CallFailed, exchange as send, http_client},
        tls::PinnedKeys,
        trusted_time::TrustedTime,
    },
};

/// Longest time for the exchange.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// An exchange that went well.
pub struct Enrolment {
    /// What both screens show.
    pub fingerprint: String,
    /// The claim by which.
    pub claim: Claim,
    secret: Secret,
    enrolled: Enrolled,
}

/// A key that a box offers to the central of a claim.
pub struct Offer {
    /// The claim.
    pub claim: Claim,
    request: Proven,
    secret: Secret,
}

impl Offer {
    /// Makes a key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn make(claim: Claim) -> anyhow::Result<Self> {
        let secret = random_secret().context("the system gives no random bytes")?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).context("the system gives no random bytes")?;
        let request = EnrolRequest {
            gate: claim.gate,
            gate_key: GateKey::new(&secret).public(),
            nonce,
            version: AGENT_VERSION.into(),
        };
        Ok(Self {
            request: prove_request(&request, &claim.secret),
            claim,
            secret,
        })
    }

    /// What central is sent.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        cbor::encode(&self.request)
    }

    /// Checks what central answered.
    ///
    /// # Errors
    /// When it refuses, or is not the claim's; the message says what to do.
    pub fn accept(self, answer: &[u8]) -> anyhow::Result<Enrolment> {
        if let Ok(refusal) = gate_api::read::<Refusal>(answer) {
            bail!("central refuses the claim: {}", refusal.detail);
        }
        let answer: Proven = cbor::decode_strict(answer, Proven::LIMIT).context(
            "central's answer is no answer to an enrolment: are both of fitting versions?",
        )?;
        let opened = check_answer(&answer, &self.request, &self.claim.secret).context(
            "whoever answered does not know the claim's secret: this is not your central; check the address",
        )?;
        let key = GateKey::new(&self.secret);
        Ok(Enrolment {
            fingerprint: fingerprint(&self.request, &answer),
            enrolled: check(&self.claim, &key, &opened)?,
            claim: self.claim,
            secret: self.secret,
        })
    }
}

/// Makes a key and offers it to the central of `claim`.
///
/// # Errors
/// When central cannot be reached, refuses, or is not the claim's; the message says what to do.
pub async fn exchange(claim: &Claim, clock: &GateClock) -> anyhow::Result<Enrolment> {
    let keys = match claim.tls_key {
        Some(_) => TlsKeys::Known,
        None => TlsKeys::Unknown,
    };
    let address = CentralAddress::parse(&claim.address, keys)?;
    let offer = Offer::make(claim.clone())?;
    let pinned = PinnedKeys::new(claim.tls_key.into_iter().collect());
    let http = http_client(pinned, time_of(claim, clock)).context("cannot make the HTTP client")?;
    let posted = http
        .post(address.join(path::ENROL))
        .timeout(TIMEOUT)
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .body(offer.request());
    let answer = match send(posted, path::ENROL, Proven::LIMIT).await {
        Ok(answer) => answer,
        Err(CallFailed::Refused(refusal)) => {
            bail!("central refuses the claim: {}", refusal.detail)
        }
        Err(failed) => {
            return Err(failed).with_context(|| {
                format!(
                    "cannot enrol at {}: check the network and the address",
                    claim.address
                )
            });
        }
    };
    offer.accept(&answer)
}

/// A claim is good for an hour, so it says what time it is about, to a box that does not know.
fn time_of(claim: &Claim, clock: &GateClock) -> TrustedTime {
    let now = clock.now();
    let earliest = claim.expires_at.minus(CLAIM_LIFETIME_S);
    let utc = now.utc.clamp(earliest, claim.expires_at);
    TrustedTime::new(clock.machine(), now.uptime, utc, earliest)
}

fn check(claim: &Claim, key: &GateKey, answer: &EnrolAnswer) -> anyhow::Result<Enrolled> {
    if answer.gate != claim.gate {
        bail!("central answered for another gate: make a new claim");
    }
    if sha256(&answer.root_set) != claim.root_set {
        bail!(
            "the root set that central sent is not the one that the claim names: make a new claim, and ask who changed the roots if it happens again"
        );
    }
    let root_set = open_first_root_set(&answer.root_set).context("central's root set")?;
    let trust_list = open_trust_list(&answer.trust_list, root_set.document())
        .context("central's trust list: sign a new one with `central keys`")?;
    let document = |name, number, bytes: &[u8]| StoredDocument {
        kind: StoredKind::Named(name),
        number,
        bytes: bytes.to_vec(),
    };
    Ok(Enrolled {
        identity: Identity {
            gate: claim.gate,
            gate_key: key.public(),
            pinned_root_set: claim.root_set,
            central_address: claim.address.clone(),
            tls_key: claim.tls_key,
            journal_epoch: answer.journal_epoch,
            enrolled_at: answer.utc,
        },
        documents: vec![
            document(
                DocumentName::RootSet,
                root_set.document().header.number,
                &answer.root_set,
            ),
            document(
                DocumentName::TrustList,
                trust_list.document().header.number,
                &answer.trust_list,
            ),
        ],
        mark: answer.utc,
    })
}

impl Enrolment {
    /// Keeps key and identity; `store` has none yet.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep(&self, store: &mut Store, places: &StorePlaces) -> anyhow::Result<()> {
        write_secret(&places.keys.join(GATE_KEY_FILE), &self.secret)?;
        store.enrol(places, &self.enrolled)?;
        Ok(())
    }
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Offer for gate {}", self.claim.gate)
    }
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enrolment({})", self.fingerprint)
    }
}

#[cfg(test)]
mod tests;

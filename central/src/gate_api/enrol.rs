//! POST /gate/v1/enrol: a box proves that it was shown a claim, and becomes the gate. Not signed,
//! because the key is new: both sides prove that they know the claim's secret instead.

use axum::{extract::State, http::Request, response::Response};
use shared::{
    cbor,
    document::SignedKind as _,
    enrolment::{
        EnrolAnswer, EnrolRequest, EnrolmentRefused, Proven, check_request, fingerprint,
        prove_answer, unproven_request,
    },
    gate_api::RefusalCode,
    ids::JournalEpoch,
    root_set::RootSet,
    time::UtcSeconds,
    trust_list::TrustList,
};

use super::{Refused, answer, authentication};
use crate::{
    app::{App, SharedApp},
    changes::{self, Change},
    db::{
        Transaction,
        gate_claims::{self, Enrolled, StoredClaim},
        gate_keys::{self, NewKey},
        signed_documents::{self, Stored, Subject},
    },
    ids::GateId,
};

/// A request with its proof, in bytes.
const BODY_LIMIT: usize = Proven::REQUEST_LIMIT + 64;

/// Answers a proven [`EnrolRequest`] with a proven [`EnrolAnswer`]. The claim is used up in the
/// transaction that stores the key.
///
/// # Errors
/// [`Refused`] when the claim is unknown, used or expired, or the proof does not hold.
pub async fn post(
    State(app): State<SharedApp>,
    request: Request<axum::body::Body>,
) -> Result<Response, Refused> {
    let body = authentication::read_strangers_body(request.into_body(), BODY_LIMIT).await?;
    let _permit = app.gates.bounds.stranger().await?;
    let proven: Proven = cbor::decode_strict(&body, BODY_LIMIT).map_err(Refused::malformed)?;
    let unproven = unproven_request(&proven).map_err(Refused::malformed)?;
    let gate_id = GateId::from(unproven.gate);
    let transaction = app.db.begin_across_schools().await?;
    let claim = gate_claims::lock(&transaction, gate_id).await?;
    if claim.is_some() {
        app.gates.bounds.enrol(gate_id, app.clock.now())?;
    }
    let request = check(&app, gate_id, claim.as_ref(), &proven)?;
    let Some(claim) = claim.filter(|claim| claim.expires_at > app.clock.now()) else {
        return Err(Refused::new(
            RefusalCode::ClaimRefused,
            "This claim has expired: make a new one and show it within the hour.",
        ));
    };
    let answer_proven = store(&app, transaction, &claim, &request, &proven).await?;
    app.changes.wake(Change::School(claim.school_id));
    // Gates that share an area with it are to know its key.
    app.publisher().tell_gates(claim.school_id).await;
    Ok(answer(cbor::encode(&answer_proven)))
}

/// Checks the proof in constant time. Without a claim a proof is checked all the same, so that
/// strangers do not learn which gates have one.
fn check(
    app: &App,
    gate_id: GateId,
    claim: Option<&StoredClaim>,
    proven: &Proven,
) -> Result<EnrolRequest, Refused> {
    let nonce = claim.map_or([0; 16], |claim| claim.nonce);
    let secret = app.claims.secret(gate_id, &nonce);
    let refused = || {
        Refused::new(
            RefusalCode::ClaimRefused,
            "Central has no such claim in force: it was used, replaced by a newer one, or mistyped. Make a new one \
             and show it within the hour.",
        )
    };
    let request = match check_request(proven, &secret) {
        Ok(request) => request,
        Err(EnrolmentRefused::ProofInvalid) => return Err(refused()),
        Err(EnrolmentRefused::Malformed(problem)) => return Err(Refused::malformed(problem)),
    };
    if claim.is_none() {
        return Err(refused());
    }
    if request.gate_key.decompress().is_err() {
        return Err(Refused::new(
            RefusalCode::Malformed,
            "The key of the gate is no usable Ed25519 key.",
        ));
    }
    Ok(request)
}

async fn store(
    app: &App,
    transaction: Transaction,
    claim: &StoredClaim,
    request: &EnrolRequest,
    proven: &Proven,
) -> Result<Proven, Refused> {
    let gate_id = GateId::from(request.gate);
    let now = app.clock.now();
    let journal_epoch = next_epoch(claim.journal_epoch)?;
    let (root_set, trust_list) = documents(&transaction, claim).await?;
    let answer = EnrolAnswer {
        gate: request.gate,
        root_set: root_set.document.into(),
        trust_list: trust_list.document.into(),
        utc: UtcSeconds(now.unix_seconds()),
        nonce: app.randomness.bytes(),
        journal_epoch,
    };
    let secret = app.claims.secret(gate_id, &claim.nonce);
    let answer = prove_answer(&answer, proven, &secret);
    let fingerprint = fingerprint(proven, &answer);
    let key = NewKey {
        gate_id,
        school_id: claim.school_id,
        public_key: request.gate_key,
        journal_epoch,
        enrolled_at: now,
    };
    if !gate_keys::put_in_force(&transaction, &key).await? {
        return Err(Refused::new(
            RefusalCode::ClaimRefused,
            "This key was enrolled before: have the box make a new one, and try again with the same claim.",
        ));
    }
    let enrolled = Enrolled {
        gate_id,
        public_key: request.gate_key,
        fingerprint: &fingerprint,
        agent_version: &request.version,
        journal_epoch,
        at: now,
    };
    gate_claims::consume(&transaction, &enrolled).await?;
    changes::announce(&transaction, Change::School(claim.school_id)).await?;
    transaction.commit().await?;
    tracing::info!(
        gate.id = %gate_id, journal.epoch = journal_epoch.0,
        "gate {gate_id} is enrolled; both screens show {fingerprint}"
    );
    Ok(answer)
}

/// Above every epoch that is held, so that a replaced box does not fork its predecessor's journal.
fn next_epoch(newest: JournalEpoch) -> Result<JournalEpoch, Refused> {
    let next = newest
        .0
        .checked_add(1)
        .filter(|epoch| i32::try_from(*epoch).is_ok());
    next.map(JournalEpoch).ok_or_else(|| {
        Refused::new(
            RefusalCode::ClaimRefused,
            "This gate has used all journal epochs up: retire it, create another and claim that.",
        )
    })
}

async fn documents(
    transaction: &Transaction,
    claim: &StoredClaim,
) -> Result<(Stored, Stored), Refused> {
    let kind = RootSet::EXTERNAL_DATA;
    let root_set =
        signed_documents::by_digest(transaction, kind, Subject::Central, claim.root_set).await?;
    let kind = TrustList::EXTERNAL_DATA;
    let trust_list =
        match signed_documents::newest_name(transaction, kind, Subject::Central).await? {
            Some(newest) => {
                signed_documents::at(transaction, kind, Subject::Central, newest.number).await?
            }
            None => None,
        };
    match (root_set, trust_list) {
        (Some(root_set), Some(trust_list)) => Ok((root_set, trust_list)),
        (None, _) | (_, None) => Err(Refused::new(
            RefusalCode::NotFound,
            "Central has no root set or trust list yet: run `central keys init --small-school`, then make a new claim.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use shared::{
        cbor,
        enrolment::{Claim, EnrolRequest, Proven, prove_request},
        gate_api::{RefusalCode, path},
        keys::PublicKey,
    };

    use crate::{
        keys::PrivateKey,
        testing::{self, Answer, Site, TestCentral},
    };

    async fn ready() -> (TestCentral, Site) {
        let central = testing::central().await;
        central.keys().await;
        let site = central.site().await;
        (central, site)
    }

    fn prove(claim: &Claim, seed: u8, secret: &[u8; 32]) -> Proven {
        let request = EnrolRequest {
            gate: claim.gate,
            gate_key: PrivateKey::from_seed(&[seed; 32]).public(),
            nonce: [seed; 16],
            version: "0.1.0".to_owned(),
        };
        prove_request(&request, secret)
    }

    async fn send(central: &TestCentral, proven: &Proven) -> Answer {
        central
            .send_unsigned(path::ENROL, cbor::encode(proven))
            .await
    }

    #[tokio::test]
    async fn both_screens_show_the_same_and_the_gate_is_enrolled() {
        let (central, site) = ready().await;
        let gate = central.enrol(&central.claim(&site).await, 1).await;
        let shown = central
            .get(&format!("{}/gates/{}", site.school, site.gate_id))
            .await;
        assert_eq!(shown.json["state"], "enrolled");
        assert_eq!(shown.json["fingerprint"], json!(gate.fingerprint));
        assert_eq!(shown.json["agent_version"], "0.1.0");
        assert_eq!(shown.json["journal"], json!({"epoch": 1, "seq": 0}));
    }

    #[tokio::test]
    async fn a_claim_is_good_for_one_enrolment_even_side_by_side() {
        let (central, site) = ready().await;
        let claim = central.claim(&site).await;
        let [one, two] = [1, 2].map(|seed| prove(&claim, seed, &claim.secret));
        let (one, two) = tokio::join!(send(&central, &one), send(&central, &two));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403]);
        let again = send(&central, &prove(&claim, 3, &claim.secret)).await;
        assert_eq!(again.refusal().code, RefusalCode::ClaimRefused);
    }

    #[tokio::test]
    async fn an_expired_or_replaced_claim_and_another_secret_are_refused() {
        let (central, site) = ready().await;
        let code = async |proven: Proven| send(&central, &proven).await.refusal().code;
        let earlier = central.claim(&site).await;
        let claim = central.claim(&site).await;
        let refused = RefusalCode::ClaimRefused;
        assert_eq!(code(prove(&claim, 1, &[0; 32])).await, refused);
        assert_eq!(code(prove(&earlier, 1, &earlier.secret)).await, refused);
        central.clock.advance(Duration::from_secs(3600));
        assert_eq!(code(prove(&claim, 1, &claim.secret)).await, refused);
        let shown = central
            .get(&format!("{}/gates/{}", site.school, site.gate_id))
            .await;
        assert_eq!(shown.json["state"], "created");
        let claim = central.claim(&site).await;
        central.clock.advance(Duration::from_secs(3599));
        assert_eq!(
            send(&central, &prove(&claim, 1, &claim.secret))
                .await
                .status,
            200
        );
    }

    #[tokio::test]
    async fn after_ten_attempts_a_gate_waits_a_minute() {
        let (central, site) = ready().await;
        let claim = central.claim(&site).await;
        for _ in 0..10 {
            let answer = send(&central, &prove(&claim, 1, &[0; 32])).await;
            assert_eq!(answer.refusal().code, RefusalCode::ClaimRefused);
        }
        let right = prove(&claim, 1, &claim.secret);
        let answer = send(&central, &right).await;
        assert_eq!(answer.refusal().code, RefusalCode::Busy);
        central.clock.advance(Duration::from_secs(61));
        assert_eq!(send(&central, &right).await.status, 200);
    }

    #[tokio::test]
    async fn a_key_belongs_to_one_gate_for_ever_and_must_be_one() {
        let (central, site) = ready().await;
        central.enrol(&central.claim(&site).await, 1).await;
        let claim = central.claim(&site).await;
        let answer = send(&central, &prove(&claim, 1, &claim.secret)).await;
        assert_eq!(answer.refusal().code, RefusalCode::ClaimRefused);
        let request = EnrolRequest {
            gate: claim.gate,
            gate_key: PublicKey([0; 32]),
            nonce: [1; 16],
            version: String::new(),
        };
        let answer = send(&central, &prove_request(&request, &claim.secret)).await;
        assert_eq!(answer.refusal().code, RefusalCode::Malformed);
        // Neither used the claim up.
        central.enrol(&claim, 2).await;
    }

    #[tokio::test]
    async fn a_replaced_box_is_told_so_and_the_new_one_begins_a_journal_of_its_own() {
        let (central, site) = ready().await;
        let mut old = central.enrolled_with_configuration(&site, 1).await;
        let message = old.heads_request(None);
        assert_eq!(old.send(&central, path::HEADS, &message).await.status, 200);
        let new = central.enrol(&central.claim(&site).await, 2).await;
        let answer = old.send(&central, path::HEADS, &message).await;
        assert_eq!(answer.refusal().code, RefusalCode::GateRetired);
        assert_eq!(new.state.position.epoch.0, old.state.position.epoch.0 + 1);
        let mut new = new;
        assert_eq!(new.send(&central, path::HEADS, &message).await.status, 200);
    }
}

//! Enrolment against a central that is honest, forgetful, or another one.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse as _};
use shared::{
    enrolment::{check_request, prove_answer},
    gate_api::{API_VERSION, Refusal, RefusalCode},
    ids::{Digest, GateId, JournalEpoch},
    time::UtcSeconds,
};

use super::*;
use crate::{
    clock::ClockConfig,
    event_loop::tests::rig::{Authority, T0},
    store::{StorePlaces, problem::StoreProblem},
};

/// What central does with a claim.
#[derive(Clone)]
enum Manner {
    Honest,
    OtherGate,
    OtherRoots,
    OtherTrustList,
    DoesNotKnowTheSecret,
    Refuses,
    Garbage,
}

struct Double {
    authority: Authority,
    manner: Manner,
    seen: Option<String>,
}

const SECRET: [u8; 32] = [8; 32];

async fn start(manner: Manner) -> (Claim, Arc<Mutex<Double>>) {
    let mut authority = Authority::new();
    let root_set = authority.everything().swap_remove(0).1;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let claim = Claim {
        address: format!("http://{}", listener.local_addr().unwrap()),
        gate: authority.gate,
        secret: SECRET,
        expires_at: T0.plus(600),
        root_set: sha256(&root_set),
        tls_key: None,
    };
    let double = Arc::new(Mutex::new(Double {
        authority,
        manner,
        seen: None,
    }));
    let router = Router::new()
        .route(path::ENROL, axum::routing::post(enrol))
        .with_state(Arc::clone(&double));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (claim, double)
}

async fn enrol(State(double): State<Arc<Mutex<Double>>>, body: Bytes) -> axum::response::Response {
    let mut double = double.lock().unwrap();
    let request: Proven = cbor::decode_strict(&body, Proven::LIMIT).unwrap();
    let asked = check_request(&request, &SECRET).unwrap();
    let mut documents = Authority::new().everything();
    let mut answer = EnrolAnswer {
        gate: asked.gate,
        trust_list: documents.swap_remove(1).1.into(),
        root_set: documents.swap_remove(0).1.into(),
        utc: T0,
        nonce: [1; 16],
        journal_epoch: JournalEpoch(4),
    };
    let mut secret = SECRET;
    match double.manner {
        Manner::Honest => {}
        Manner::OtherGate => answer.gate = GateId([9; 16]),
        Manner::OtherRoots => {
            let mut other = Authority::new();
            let set = other.root_set(2);
            answer.root_set = other.sign_root_set(&set, &[]).into();
        }
        Manner::OtherTrustList => {
            let list = double.authority.trust_list();
            let statement = double.authority.statement.clone();
            answer.trust_list = shared::document::sign(&list, &statement).unwrap().into();
        }
        Manner::DoesNotKnowTheSecret => secret = [0; 32],
        Manner::Garbage => return vec![1_u8; 50].into_response(),
        Manner::Refuses => {
            let refusal = Refusal {
                version: API_VERSION,
                code: RefusalCode::ClaimRefused,
                detail: "make a new one".into(),
                time: None,
                expected: None,
                counter_floor: None,
            };
            return (StatusCode::FORBIDDEN, cbor::encode(&refusal)).into_response();
        }
    }
    let answer = prove_answer(&answer, &request, &secret);
    double.seen = Some(fingerprint(&request, &answer));
    cbor::encode(&answer).into_response()
}

fn clock() -> GateClock {
    // A box that wakes in 1970.
    GateClock::new(ClockConfig::Offset {
        offset_s: -4_000_000_000,
    })
}

#[tokio::test]
async fn both_screens_show_the_same_fingerprint_and_the_identity_is_kept() {
    let (claim, double) = start(Manner::Honest).await;
    let enrolment = exchange(&claim, &clock()).await.unwrap();
    assert_eq!(
        Some(&enrolment.fingerprint),
        double.lock().unwrap().seen.as_ref()
    );

    let folder = tempfile::tempdir().unwrap();
    let places = StorePlaces {
        state: folder.path().join("state"),
        keys: folder.path().join("keys"),
    };
    let mut store = Store::open(&places).unwrap();
    enrolment.keep(&mut store, &places).unwrap();
    let again = enrolment.keep(&mut store, &places).unwrap_err();
    assert!(again.downcast_ref::<StoreProblem>().is_some(), "{again}");
    drop(store);
    let store = Store::open(&places).unwrap();
    let loaded = store.load().unwrap();
    assert_eq!(loaded.identity.gate, claim.gate);
    assert_eq!(loaded.identity.journal_epoch, JournalEpoch(4));
    assert_eq!(loaded.memory.facts.mark, T0);
    assert_eq!(loaded.documents.len(), 2);
}

#[tokio::test]
async fn whoever_is_not_the_claims_central_enrols_nobody() {
    for (manner, word) in [
        (Manner::OtherGate, "another gate"),
        (Manner::OtherRoots, "root set"),
        (Manner::OtherTrustList, "trust list"),
        (Manner::DoesNotKnowTheSecret, "not your central"),
        (Manner::Refuses, "make a new one"),
        (Manner::Garbage, "no answer to an enrolment"),
    ] {
        let (claim, _double) = start(manner).await;
        let error = format!("{:#}", exchange(&claim, &clock()).await.unwrap_err());
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_claim_says_what_time_it_is_about() {
    let claim = Claim {
        address: String::new(),
        gate: GateId([1; 16]),
        secret: SECRET,
        expires_at: T0,
        root_set: Digest([0; 32]),
        tls_key: None,
    };
    let earliest = T0.minus(CLAIM_LIFETIME_S);
    assert_eq!(time_of(&claim, &clock()).now(), earliest);
    let late = GateClock::new(ClockConfig::Offset {
        offset_s: 4_000_000_000,
    });
    assert_eq!(time_of(&claim, &late).now(), UtcSeconds(T0.0));
    let floor = time_of(&claim, &late).floor();
    assert!(floor.since(earliest) <= 60, "no wall clock moves the floor");
}

/// Central's answer to a request that came as a file.
async fn answered(claim: &Claim, request: Vec<u8>) -> Vec<u8> {
    let url = format!("{}{}", claim.address, path::ENROL);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).body(request).send().await.unwrap();
    answer.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn request_and_answer_may_be_carried_as_files() {
    let (claim, double) = start(Manner::Honest).await;
    let folder = tempfile::tempdir().unwrap();
    let places = StorePlaces {
        state: folder.path().join("state"),
        keys: folder.path().join("keys"),
    };
    let mut store = Store::open(&places).unwrap();
    let none = Offer::waiting(&places).unwrap_err().to_string();
    assert!(none.contains("--request"), "{none}");

    // One that was given up does not fit the answer to the next.
    let given_up = Offer::make(claim.clone()).unwrap();
    given_up.wait(&places).unwrap();
    let offer = Offer::make(claim.clone()).unwrap();
    offer.wait(&places).unwrap();
    let answer = answered(&claim, offer.request()).await;
    assert!(given_up.accept(&answer).is_err());
    drop(offer);

    let enrolment = Offer::waiting(&places).unwrap().accept(&answer).unwrap();
    let seen = double.lock().unwrap().seen.clone();
    assert_eq!(Some(&enrolment.fingerprint), seen.as_ref());
    enrolment.keep(&mut store, &places).unwrap();
    forget(&places).unwrap();
    assert!(Offer::waiting(&places).is_err());
    assert_eq!(store.identity().unwrap().gate, claim.gate);
}

#[tokio::test]
async fn a_carried_refusal_says_why_and_the_answer_of_another_central_is_not_taken() {
    for (manner, word) in [
        (Manner::Refuses, "make a new one"),
        (Manner::DoesNotKnowTheSecret, "not your central"),
        (Manner::Garbage, "no answer to an enrolment"),
    ] {
        let (claim, _double) = start(manner).await;
        let offer = Offer::make(claim.clone()).unwrap();
        let answer = answered(&claim, offer.request()).await;
        let error = format!("{:#}", offer.accept(&answer).unwrap_err());
        assert!(error.contains(word), "{error}");
    }
}

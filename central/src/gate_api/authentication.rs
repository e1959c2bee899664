//! Who asks? The one place that decides it for gates: an HTTP message signature (RFC 9421) by the
//! gate's key over method, path, query, body and a counter that is never used twice.

use std::time::Duration;

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, request::Parts},
};
use shared::{
    gate_api::{Message, REQUEST_LIMIT, RefusalCode, read},
    ids::Kid,
    keys::CheckedKey,
    request_signature::{
        COUNTER_HEADER, CoveredRequest, HEADER_LIMIT, Parameters, SignatureRefused, SignedHeaders,
        check_request, parse_counter,
    },
};
use tokio::sync::OwnedSemaphorePermit;

use super::{Refused, time};
use crate::{
    app::{App, SharedApp},
    db::{
        gate_counters::{self, Counter},
        gate_keys::{self, KeyOwner, Standing},
    },
    ids::{GateId, SchoolId},
};

/// Largest distance between a request's `created` and central's clock, in seconds: quartz drifts
/// minutes a month, and a request that was held up is not worth more.
const CREATED_TOLERANCE_S: u64 = 300;
/// A body of 1 MiB at 300 kbit/s.
const BODY_WAIT: Duration = Duration::from_secs(30);
const STRANGERS_BODY_WAIT: Duration = Duration::from_secs(5);

/// A gate and the key that is in force for it. Naming one proves nothing: what it signed does.
#[derive(Clone, Debug)]
pub struct EnrolledGate {
    /// The gate.
    pub gate_id: GateId,
    /// Its school.
    pub school_id: SchoolId,
    /// What people call it.
    pub name: String,
    /// Its key.
    pub key: CheckedKey,
}

/// A gate whose request was authenticated. Only `authenticate` makes one.
#[derive(Clone, Debug)]
pub struct Gate {
    enrolled: EnrolledGate,
    _proof: Proof,
}

impl std::ops::Deref for Gate {
    type Target = EnrolledGate;

    fn deref(&self) -> &EnrolledGate {
        &self.enrolled
    }
}

#[derive(Clone, Copy, Debug)]
struct Proof;

/// A gate's request: who asks, and what.
#[derive(Debug)]
pub struct Signed<T> {
    /// Who asks.
    pub gate: Gate,
    /// What.
    pub message: T,
    /// Counts the request among those that may be worked on at once.
    pub permit: OwnedSemaphorePermit,
}

impl<T: Message> FromRequest<SharedApp> for Signed<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &SharedApp) -> Result<Self, Refused> {
        let (gate, body, permit) = authenticate(request, app).await?;
        let message = read(&body).map_err(Refused::malformed)?;
        Ok(Self {
            gate,
            message,
            permit,
        })
    }
}

/// Authenticates a request before anything in it is looked at. A stranger costs central a look
/// at four short headers and one indexed read; a body is read only for a key that is in force.
///
/// # Errors
/// [`Refused`] says what does not hold.
async fn authenticate(
    request: Request,
    app: &App,
) -> Result<(Gate, Bytes, OwnedSemaphorePermit), Refused> {
    let (parts, body) = request.into_parts();
    let headers = read_headers(&parts.headers)?;
    let parameters = Parameters::parse(&headers.signature_input).map_err(refuse_signature)?;
    let counter = parse_counter(&headers.counter).map_err(refuse_signature)?;
    let owner = find_owner(app, parameters.keyid).await?;
    let permit = app.gates.bounds.admit().await?;
    let body = read_body(body).await?;
    let key = check_signature(&parts, &headers, &body, counter, &owner)?;
    take_counter(app, &owner, key.kid(), counter).await?;
    check_clock(app, &parameters).await?;
    let enrolled = EnrolledGate {
        gate_id: owner.gate_id,
        school_id: owner.school_id,
        name: owner.name,
        key,
    };
    let gate = Gate {
        enrolled,
        _proof: Proof,
    };
    Ok((gate, body, permit))
}

fn read_headers(headers: &HeaderMap) -> Result<SignedHeaders, Refused> {
    let read = |name: &'static str| {
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(refuse_signature(SignatureRefused::Header(name)));
        };
        match value.to_str() {
            Ok(text) if text.len() <= HEADER_LIMIT => Ok(text.to_owned()),
            Ok(_) | Err(_) => Err(refuse_signature(SignatureRefused::Header(name))),
        }
    };
    Ok(SignedHeaders {
        content_digest: read("content-digest")?,
        counter: read(COUNTER_HEADER)?,
        signature_input: read("signature-input")?,
        signature: read("signature")?,
    })
}

async fn find_owner(app: &App, kid: Kid) -> Result<KeyOwner, Refused> {
    let transaction = app.db.begin_across_schools().await?;
    let owner = gate_keys::find(&transaction, kid).await?;
    transaction.commit().await?;
    let Some(owner) = owner else {
        return Err(Refused::new(
            RefusalCode::GateUnknown,
            "Central knows no gate with this key: enrol the gate with a new claim.",
        ));
    };
    match owner.standing {
        Standing::InForce => Ok(owner),
        Standing::Replaced => Err(not_in_force(
            "Another box was enrolled in place of this one: switch this one off, or enrol it with a new claim.",
        )),
        Standing::Retired => Err(not_in_force(
            "This gate was retired: create another gate and enrol the box as that.",
        )),
    }
}

fn not_in_force(detail: &'static str) -> Refused {
    Refused::new(RefusalCode::GateRetired, detail)
}

/// A whole body within [`REQUEST_LIMIT`].
async fn read_body(body: axum::body::Body) -> Result<Bytes, Refused> {
    read_within(body, REQUEST_LIMIT, BODY_WAIT).await
}

/// A whole body of somebody whom nobody knows yet: it is short and comes at once, and holds nobody
/// else's place meanwhile.
pub(super) async fn read_strangers_body(
    body: axum::body::Body,
    limit: usize,
) -> Result<Bytes, Refused> {
    read_within(body, limit, STRANGERS_BODY_WAIT).await
}

async fn read_within(
    body: axum::body::Body,
    limit: usize,
    wait: Duration,
) -> Result<Bytes, Refused> {
    match tokio::time::timeout(wait, to_bytes(body, limit)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Refused::new(
            RefusalCode::Malformed,
            format!("The body broke off or has more than {limit} bytes: send less at a time."),
        )),
        Err(_) => Err(Refused::busy(format!(
            "The body did not arrive within {} s: try again when the link is better.",
            wait.as_secs()
        ))),
    }
}

fn check_signature(
    parts: &Parts,
    headers: &SignedHeaders,
    body: &[u8],
    counter: u64,
    owner: &KeyOwner,
) -> Result<CheckedKey, Refused> {
    let key = owner.public_key.decompress().map_err(|error| Refused {
        cause: Some(anyhow::Error::msg(format!(
            "the key of gate {} in the database: {error}",
            owner.gate_id
        ))),
        ..Refused::busy(
            "Central cannot use the key it holds of this gate: enrol it with a new claim.",
        )
    })?;
    let query = parts
        .uri
        .query()
        .map_or_else(|| "?".to_owned(), |query| format!("?{query}"));
    let covered = CoveredRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: &query,
        body,
        counter,
    };
    check_request(&covered, headers, &key).map_err(refuse_signature)?;
    Ok(key)
}

fn refuse_signature(problem: SignatureRefused) -> Refused {
    let detail = match problem {
        SignatureRefused::Header(name) => format!(
            "The header {name} is missing or malformed: each request is signed as docs/formats.md says."
        ),
        SignatureRefused::ContentDigest | SignatureRefused::Invalid => format!(
            "{problem}: the request was changed on its way (does a proxy rewrite paths or bodies?), or the gate signs \
             with another key than it was enrolled with."
        ),
    };
    Refused::new(RefusalCode::SignatureInvalid, detail)
}

/// Only after the signature: nobody else can use a gate's counters up.
async fn take_counter(app: &App, owner: &KeyOwner, kid: Kid, counter: u64) -> Result<(), Refused> {
    let transaction = app.db.begin_across_schools().await?;
    let now = app.clock.now();
    let outcome = gate_counters::take(&transaction, owner.gate_id, kid, counter, now).await?;
    transaction.commit().await?;
    match outcome {
        Counter::Taken => Ok(()),
        Counter::Used { floor } => Err(Refused {
            counter_floor: Some(floor),
            ..Refused::new(
                RefusalCode::CounterUsed,
                format!(
                    "Counter {counter} was used or is too old: go on with a greater one, from {floor} up."
                ),
            )
        }),
        Counter::KeyNotInForce => Err(not_in_force(
            "This key was taken out of force just now: see central's page of the gate.",
        )),
    }
}

/// A gate that woke in 1970 learns the time from the refusal: signed, and bound to its nonce.
async fn check_clock(app: &App, parameters: &Parameters) -> Result<(), Refused> {
    let now = app.clock.now().unix_seconds();
    let created = parameters.created;
    if created.0.abs_diff(now) <= CREATED_TOLERANCE_S {
        return Ok(());
    }
    Err(Refused {
        time: Some(time::sign(app, parameters.nonce).await?),
        ..Refused::new(
            RefusalCode::ClockWrong,
            format!(
                "The request was made at {created} by the gate's clock, more than {CREATED_TOLERANCE_S} s from \
                 central's: the signed time beside this sets it right."
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use shared::{
        cbor, document,
        gate_api::{API_VERSION, OrdersRequest, RefusalCode, path},
        heads::SignedTime,
        request_signature::COUNTER_HEADER,
    };

    use crate::keys::PrivateKey;
    use crate::testing::{self, Answer, TestCentral, TestGate, build};

    const MESSAGE: OrdersRequest = OrdersRequest {
        version: API_VERSION,
        after: None,
    };

    async fn ready() -> (TestCentral, TestGate) {
        let central = testing::central().await;
        let site = central.site().await;
        let gate = central.enrolled(&site).await;
        (central, gate)
    }

    async fn ask(central: &TestCentral, gate: &mut TestGate) -> Answer {
        gate.send(central, path::ORDERS, &MESSAGE).await
    }

    #[tokio::test]
    async fn a_request_that_was_sent_before_is_refused() {
        let (central, mut gate) = ready().await;
        let body = cbor::encode(&MESSAGE);
        let headers = gate.sign(&central, path::ORDERS, &body);
        let send = async || {
            central
                .send(build(path::ORDERS, &headers, body.clone()))
                .await
        };
        assert_eq!(send().await.status, 200);
        let again = send().await.refusal();
        assert_eq!(again.code, RefusalCode::CounterUsed);
        assert_eq!(again.counter_floor, Some(0));
        gate.counter = 1_000;
        assert_eq!(ask(&central, &mut gate).await.status, 200);
        gate.counter = 936;
        let refusal = ask(&central, &mut gate).await.refusal();
        assert_eq!(refusal.code, RefusalCode::CounterUsed);
        assert_eq!(refusal.counter_floor, Some(937));
    }

    #[tokio::test]
    async fn sixty_four_requests_side_by_side_are_all_answered_in_any_order() {
        let (central, mut gate) = ready().await;
        let mut requests: Vec<_> = (0..64)
            .map(|_| gate.request(&central, path::ORDERS, cbor::encode(&MESSAGE)))
            .collect();
        requests.reverse();
        let mut answers = tokio::task::JoinSet::new();
        for request in requests {
            let router = crate::router::router(central.app.clone());
            answers.spawn(tower::ServiceExt::oneshot(router, request));
        }
        while let Some(answer) = answers.join_next().await {
            assert_eq!(answer.unwrap().unwrap().status(), 200);
        }
    }

    #[tokio::test]
    async fn another_body_path_digest_or_counter_than_was_signed_is_refused() {
        let (central, gate) = ready().await;
        let body = cbor::encode(&MESSAGE);
        let signed = gate.sign(&central, path::ORDERS, &body);
        let other = gate.sign(&central, path::ORDERS, b"other");
        let mut with_other_digest = signed.clone();
        with_other_digest.content_digest = other.content_digest.clone();
        let mut with_other_counter = signed.clone();
        with_other_counter.counter = "7".to_owned();
        let cases = [
            build(path::ORDERS, &signed, b"other".to_vec()),
            build(path::ORDERS, &with_other_digest, body.clone()),
            build(path::ORDERS, &with_other_digest, b"other".to_vec()),
            build(path::ORDERS, &with_other_counter, body.clone()),
            build(path::HEADS, &signed, body.clone()),
            build(&format!("{}?a=b", path::ORDERS), &signed, body.clone()),
        ];
        for case in cases {
            let uri = case.uri().clone();
            let refusal = central.send(case).await.refusal();
            assert_eq!(refusal.code, RefusalCode::SignatureInvalid, "{uri}");
        }
        // None of them used the counter up.
        let answer = central.send(build(path::ORDERS, &signed, body)).await;
        assert_eq!(answer.status, 200);
    }

    #[tokio::test]
    async fn a_header_that_is_missing_doubled_or_oversized_is_named() {
        let (central, gate) = ready().await;
        let body = cbor::encode(&MESSAGE);
        let signed = gate.sign(&central, path::ORDERS, &body);
        for name in [
            "content-digest",
            COUNTER_HEADER,
            "signature-input",
            "signature",
        ] {
            let request = || build(path::ORDERS, &signed, body.clone());
            let mut missing = request();
            missing.headers_mut().remove(name);
            let mut doubled = request();
            let value = doubled.headers()[name].clone();
            doubled.headers_mut().append(name, value);
            let mut oversized = request();
            let value = "9".repeat(513).parse().unwrap();
            oversized.headers_mut().insert(name, value);
            for request in [missing, doubled, oversized] {
                let refusal = central.send(request).await.refusal();
                assert_eq!(refusal.code, RefusalCode::SignatureInvalid);
                assert!(refusal.detail.contains(name), "{}", refusal.detail);
            }
        }
    }

    #[tokio::test]
    async fn a_gate_that_wakes_in_1970_is_given_the_time_bound_to_its_nonce() {
        let (central, mut gate) = ready().await;
        let now = central.app.clock.now().unix_seconds();
        for (ahead, is_answered) in [(-300, true), (300, true), (-301, false), (301, false)] {
            gate.clock_ahead_s = ahead;
            let answer = ask(&central, &mut gate).await;
            assert_eq!(answer.status == 200, is_answered, "{ahead} s");
        }
        gate.clock_ahead_s = -i64::try_from(now).unwrap();
        let nonce_of = gate.counter;
        let refusal = ask(&central, &mut gate).await.refusal();
        assert_eq!(refusal.code, RefusalCode::ClockWrong);
        let time = refusal.time.expect("a signed time");
        let time = document::open::<SignedTime>(&time, &TestCentral::statement_ring()).unwrap();
        assert_eq!(time.document().utc.0, now);
        assert_eq!(time.document().nonce[..8], nonce_of.to_be_bytes());
        gate.clock_ahead_s = 0;
        assert_eq!(ask(&central, &mut gate).await.status, 200);
    }

    #[tokio::test]
    async fn a_request_with_a_wrong_clock_uses_its_counter_up_as_well() {
        let (central, mut gate) = ready().await;
        gate.clock_ahead_s = 400;
        let body = cbor::encode(&MESSAGE);
        let headers = gate.sign(&central, path::ORDERS, &body);
        let send = async || {
            central
                .send(build(path::ORDERS, &headers, body.clone()))
                .await
        };
        assert_eq!(send().await.refusal().code, RefusalCode::ClockWrong);
        central.clock.advance(std::time::Duration::from_secs(400));
        assert_eq!(send().await.refusal().code, RefusalCode::CounterUsed);
    }

    #[tokio::test]
    async fn a_stranger_and_a_retired_gate_are_told_what_they_are() {
        let (central, mut gate) = ready().await;
        let mut stranger = TestGate {
            key: PrivateKey::from_seed(&[77; 32]).into(),
            ..gate.clone()
        };
        let refusal = ask(&central, &mut stranger).await.refusal();
        assert_eq!(refusal.code, RefusalCode::GateUnknown);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction
            .batch_execute("UPDATE gates SET state = 'retired'")
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let refusal = ask(&central, &mut gate).await.refusal();
        assert_eq!(refusal.code, RefusalCode::GateRetired);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let (central, mut gate) = ready().await;
        let body = vec![0; shared::gate_api::REQUEST_LIMIT + 1];
        let request = gate.request(&central, path::JOURNAL, body);
        let refusal = central.send(request).await.refusal();
        assert_eq!(refusal.code, RefusalCode::Malformed);
        assert!(refusal.detail.contains("1048576"), "{}", refusal.detail);
    }
}

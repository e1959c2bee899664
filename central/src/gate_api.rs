//! What gates ask of central (`shared::gate_api`): one file for each path. Every request but
//! enrolment and time is signed by the gate's key; every refusal is CBOR and says what to do.

mod answers;
pub mod authentication;
mod bounds;
pub mod document;
pub mod enrol;
pub mod heads;
pub mod heartbeat;
pub mod issued_range;
pub mod journal;
pub mod orders;
mod refusal;
pub mod time;

pub use answers::Answers;
pub use bounds::Bounds;
pub use refusal::Refused;

use axum::{
    extract::{DefaultBodyLimit, Request, State},
    http::header,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};
use shared::gate_api::{MEDIA_TYPE, REQUEST_LIMIT, RefusalCode, path};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    app::SharedApp, ingest::Partitions, metrics::gates::RefusalLabels, observe::RequestId,
};

/// What central keeps in memory about the traffic of gates. All of it may be lost.
#[derive(Debug, Default)]
pub struct Traffic {
    /// How much is under way.
    pub bounds: Bounds,
    /// Documents that many gates ask for.
    pub answers: Answers,
    /// Months whose partition is there.
    pub partitions: Partitions,
}

/// The gates' routes. They stand in `docs/formats.md`, not in the OpenAPI document.
pub fn routes(app: &SharedApp) -> OpenApiRouter<SharedApp> {
    let only_post = |handler: MethodRouter<SharedApp>| handler.fallback(refuse_method);
    OpenApiRouter::new()
        .route(path::ENROL, only_post(post(enrol::post)))
        .route(path::HEADS, only_post(post(heads::post)))
        .route(path::DOCUMENT, only_post(post(document::post)))
        .route(path::ISSUED_RANGE, only_post(post(issued_range::post)))
        .route(path::ORDERS, only_post(post(orders::post)))
        .route(path::JOURNAL, only_post(post(journal::post)))
        .route(path::HEARTBEAT, only_post(post(heartbeat::post)))
        .route(path::TIME, only_post(post(time::post)))
        .layer(DefaultBodyLimit::max(REQUEST_LIMIT))
        .route_layer(from_fn_with_state(app.clone(), note_refusals))
}

/// A message as an answer.
fn answer(body: impl Into<axum::body::Body>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], body.into()).into_response()
}

async fn refuse_method() -> Refused {
    Refused::new(RefusalCode::Malformed, "Gates ask by POST alone.")
}

/// Counts refusals and writes them to the log: what is wrong with a gate is a technician's work,
/// what is wrong with central an operator's.
async fn note_refusals(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let id = request.extensions().get::<RequestId>().cloned();
    let id = id.map_or_else(String::new, |id| id.0);
    let mut response = next.run(request).await;
    let Some(trace) = response.extensions_mut().remove::<refusal::Trace>() else {
        return response;
    };
    let code = refusal::name(trace.code);
    app.metrics
        .gates
        .refusals
        .get_or_create(&RefusalLabels { code })
        .inc();
    match trace.cause {
        Some(cause) => tracing::error!(
            request.id = %id, http.route = %path, refusal = code,
            "request {id} of a gate failed: {path}: {cause}"
        ),
        None => tracing::warn!(
            request.id = %id, http.route = %path, refusal = code,
            "refused a gate's {path} ({code}): {}", trace.detail
        ),
    }
    response
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use axum::http::Request as HttpRequest;
    use proptest::{collection::vec, prelude::*};
    use shared::gate_api::read;

    use super::*;
    use crate::testing::{self, Answer, TestCentral, TestGate};

    const PATHS: [&str; 8] = [
        path::ENROL,
        path::HEADS,
        path::DOCUMENT,
        path::ISSUED_RANGE,
        path::ORDERS,
        path::JOURNAL,
        path::HEARTBEAT,
        path::TIME,
    ];

    /// One central for all cases, with what it runs on.
    struct Ground {
        runtime: tokio::runtime::Runtime,
        central: TestCentral,
        gate: std::sync::Mutex<TestGate>,
    }

    fn ground() -> &'static Ground {
        static GROUND: OnceLock<Ground> = OnceLock::new();
        GROUND.get_or_init(|| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let (central, gate) = runtime.block_on(async {
                let central = testing::central().await;
                let site = central.site().await;
                let gate = central.enrolled(&site).await;
                (central, gate)
            });
            Ground {
                runtime,
                central,
                gate: gate.into(),
            }
        })
    }

    fn assert_refused_or_answered(answer: &Answer) {
        assert!(answer.status < 500, "{} {}", answer.status, answer.text);
        assert_eq!(answer.header("content-type"), MEDIA_TYPE);
        if answer.status != 200 {
            assert!(read::<shared::gate_api::Refusal>(&answer.bytes).is_ok());
        }
    }

    /// Bytes, and bytes that look a little like CBOR maps and arrays.
    fn garbage() -> impl Strategy<Value = Vec<u8>> {
        let cbor_like = vec(
            prop_oneof![
                (0u8..0x18).prop_map(|byte| vec![byte]),
                (0xa0u8..0xa8).prop_map(|byte| vec![byte]),
                (0x80u8..0x88).prop_map(|byte| vec![byte]),
                Just(vec![0xf6]),
                Just(vec![0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
                vec(any::<u8>(), 16).prop_map(|bytes| [&[0x50], &bytes[..]].concat()),
                vec(any::<u8>(), 32).prop_map(|bytes| [&[0x58, 32], &bytes[..]].concat()),
            ],
            0..12,
        );
        prop_oneof![
            vec(any::<u8>(), 0..300),
            cbor_like.prop_map(|parts| parts.concat()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn garbage_from_a_gate_or_a_stranger_is_refused_and_breaks_nothing(
            path in prop::sample::select(&PATHS[..]),
            body in garbage(),
            header in "[ -~]{0,600}",
        ) {
            let ground = ground();
            let signed = {
                let mut gate = ground.gate.lock().unwrap();
                gate.request(&ground.central, path, body.clone())
            };
            let answer = ground.runtime.block_on(ground.central.send(signed));
            assert_refused_or_answered(&answer);
            let mut stranger = HttpRequest::post(path);
            for name in ["signature-input", "signature", "content-digest", "portcullis-counter"] {
                stranger = stranger.header(name, &header);
            }
            let stranger = stranger.body(body.into()).unwrap();
            let answer = ground.runtime.block_on(ground.central.send(stranger));
            assert_refused_or_answered(&answer);
        }
    }

    #[tokio::test]
    async fn another_method_and_an_unsigned_request_are_refused_in_cbor() {
        let central = testing::central().await;
        for path in PATHS {
            for method in ["GET", "PUT", "DELETE", "POST"] {
                let request = HttpRequest::builder().method(method).uri(path);
                let answer = central.send(request.body("".into()).unwrap()).await;
                assert!(
                    (400..500).contains(&answer.status),
                    "{method} {path}: {}",
                    answer.status
                );
                assert!(!answer.refusal().detail.is_empty());
            }
        }
        let text = central.get("/metrics").await.text;
        assert!(
            text.contains("portcullis_gate_refusals_total{code=\"signature_invalid\"} 6"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn without_its_database_central_tells_gates_to_come_again() {
        let central = testing::central().await;
        let site = central.site().await;
        let mut gate = central.enrolled(&site).await;
        central.app.db.close();
        let message = gate.heads_request(None);
        let answer = gate.send(&central, path::HEADS, &message).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.refusal().code, RefusalCode::Busy);
        assert_eq!(answer.header("retry-after"), "5");
    }
}

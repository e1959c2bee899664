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

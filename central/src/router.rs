//! Every route on one page, grouped by who calls it.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admin_api::schools,
    app::SharedApp,
    auth,
    extract::BODY_LEN_MAX,
    health, metrics, observe, openapi,
    problem::{self, Problem},
};

/// An administrator's request that takes longer was given up by its browser.
const ADMIN_LIMIT: Duration = Duration::from_secs(60);

/// Load balancers, orchestrators, Prometheus: no token, nothing personal.
fn monitoring() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(health::get))
        .routes(routes!(health::ready))
        .routes(routes!(health::live))
        .routes(routes!(metrics::get))
}

/// Administrators, with a bearer token.
fn administrators(app: &SharedApp) -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(schools::list::list, schools::create::create))
        .routes(routes!(schools::get::get, schools::update::update))
        .layer(from_fn(limit_time))
        .route_layer(from_fn_with_state(app.clone(), auth::require_administrator))
}

/// The whole server.
pub fn router(app: SharedApp) -> Router {
    let (routes, document) = all(&app).split_for_parts();
    let document: Arc<str> = document.to_json().unwrap_or_default().into();
    routes
        .route(
            "/api/v1/openapi.json",
            get(async move || openapi::response(&document)),
        )
        .fallback(async || {
            problem::ROUTE_NOT_FOUND.because("See /api/v1/openapi.json for what there is.")
        })
        .method_not_allowed_fallback(async || {
            problem::METHOD_NOT_ALLOWED.because("The `Allow` header names the methods it takes.")
        })
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

/// The document that describes it.
#[must_use]
pub fn document(app: &SharedApp) -> OpenApi {
    all(app).into_openapi()
}

fn all(app: &SharedApp) -> OpenApiRouter<SharedApp> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(monitoring())
        .merge(administrators(app))
}

async fn limit_time(request: Request, next: Next) -> Result<Response, Problem> {
    tokio::time::timeout(ADMIN_LIMIT, next.run(request)).await.map_err(|_| {
        problem::TIMED_OUT.because(format!(
            "No answer within {} s. Repeat the request with the same Idempotency-Key, or with less at a time.",
            ADMIN_LIMIT.as_secs()
        ))
    })
}

fn answer_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Problem::from(anyhow::anyhow!("a handler panicked: {text}")).into_response()
}

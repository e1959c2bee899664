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
    admin_api::{
        access_levels, access_points, areas, doors, gate_staff, gates, issuer_keys, orders, passes,
        scans, schedules, schools, students,
    },
    app::SharedApp,
    auth,
    extract::BODY_LEN_MAX,
    gate_api, health, metrics, observe, openapi,
    problem::{self, Problem},
    publishing,
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
        .routes(routes!(students::list::list, students::create::create))
        .routes(routes!(
            students::get::get,
            students::update::update,
            students::delete::delete
        ))
        .routes(routes!(areas::list::list, areas::create::create))
        .routes(routes!(
            areas::get::get,
            areas::update::update,
            areas::delete::delete
        ))
        .routes(routes!(gates::list::list, gates::create::create))
        .routes(routes!(
            gates::get::get,
            gates::update::update,
            gates::delete::delete
        ))
        .routes(routes!(gates::retire::retire))
        .routes(routes!(gates::claim::claim))
        .routes(routes!(gates::lift_quarantine::lift))
        .routes(routes!(scans::journal::list))
        .routes(routes!(scans::search::search))
        .routes(routes!(doors::list::list, doors::create::create))
        .routes(routes!(
            doors::get::get,
            doors::update::update,
            doors::delete::delete
        ))
        .routes(routes!(
            access_points::list::list,
            access_points::create::create
        ))
        .routes(routes!(
            access_points::get::get,
            access_points::update::update,
            access_points::delete::delete
        ))
        .routes(routes!(schedules::list::list, schedules::create::create))
        .routes(routes!(
            schedules::get::get,
            schedules::update::update,
            schedules::delete::delete
        ))
        .routes(routes!(
            access_levels::list::list,
            access_levels::create::create
        ))
        .routes(routes!(
            access_levels::get::get,
            access_levels::update::update,
            access_levels::delete::delete
        ))
        .merge(issuing())
        .merge(commanding())
        .layer(from_fn_with_state(app.clone(), publishing::after_change))
        .layer(from_fn(limit_time))
        .merge(carrying())
        .route_layer(from_fn_with_state(app.clone(), auth::require_administrator))
}

/// Administrators: what a stick carries. Files are long, so each part of one has its time.
fn carrying() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(
        gates::carry_documents::carry_documents,
        gates::carry_journal::carry_journal
    ))
}

/// Administrators: issuer keys and passes.
fn issuing() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(
            issuer_keys::list::list,
            issuer_keys::create::create
        ))
        .routes(routes!(issuer_keys::freeze::freeze))
        .routes(routes!(passes::list::list, passes::create::create))
        .routes(routes!(passes::create_many::create_many))
        .routes(routes!(passes::revoke_many::revoke_many))
        .routes(routes!(passes::suspend_many::suspend_many))
        .routes(routes!(passes::reinstate_many::reinstate_many))
        .routes(routes!(passes::get::get))
        .routes(routes!(passes::revoke::revoke))
        .routes(routes!(passes::suspend::suspend))
        .routes(routes!(passes::reinstate::reinstate))
        .routes(routes!(passes::text::text))
        .routes(routes!(passes::qr_svg::qr_svg))
        .routes(routes!(passes::qr_png::qr_png))
}

/// Administrators: what gates and the people at them are told.
fn commanding() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(orders::list::list, orders::create::create))
        .routes(routes!(orders::lock_down::lock_down))
        .routes(routes!(orders::end_lockdown::end_lockdown))
        .routes(routes!(gate_staff::list::list, gate_staff::create::create))
        .routes(routes!(
            gate_staff::update::update,
            gate_staff::delete::delete
        ))
}

/// The whole server.
pub fn router(app: SharedApp) -> Router {
    let (routes, mut document) = all(&app).split_for_parts();
    openapi::complete(&mut document);
    let document: Arc<str> = document.to_json().unwrap_or_default().into();
    routes
        .route(
            "/api/v1/openapi.json",
            get(async move || openapi::answer(&document)),
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
    let mut document = all(app).into_openapi();
    openapi::complete(&mut document);
    document
}

fn all(app: &SharedApp) -> OpenApiRouter<SharedApp> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(monitoring())
        .merge(administrators(app))
        .merge(gate_api::routes(app))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::testing;

    fn collect<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(text) if name == key => found.push(text),
                        Some(_) | None => collect(value, key, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, key, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[tokio::test]
    async fn the_served_document_is_the_contract() {
        let central = testing::central().await;
        let document = central.get("/api/v1/openapi.json").await.json;
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));

        let mut references = Vec::new();
        collect(&document, "$ref", &mut references);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(
                document.pointer(pointer).is_some(),
                "{reference} leads nowhere"
            );
        }
        let mut operations = Vec::new();
        collect(&document["paths"], "operationId", &mut operations);
        let unique: BTreeSet<_> = operations.iter().collect();
        assert_eq!(
            unique.len(),
            operations.len(),
            "two operations share a name: {operations:?}"
        );

        insta::assert_json_snapshot!("openapi", document);
    }

    #[tokio::test]
    async fn an_address_or_method_that_does_not_exist_is_a_problem_too() {
        let central = testing::central().await;
        let answer = central.get("/nowhere").await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &"route_not_found".into())
        );
        let answer = central.delete("/api/v1/schools").await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (405, &"method_not_allowed".into())
        );
        assert_eq!(answer.header("allow"), "GET,HEAD,POST");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

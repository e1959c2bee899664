//! Around every request: its id, its log line, its metrics, and problems completed with the id.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};

use crate::{app::App, metrics::HttpLabels, problem::Trace};

/// Names a request; a client or proxy may choose it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An id that came from outside goes into logs: short, and without anything that could pose as
/// something else.
const REQUEST_ID_LEN_MAX: usize = 64;

/// Names the request in the log and in problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// The outermost layer.
pub async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let stopwatch = app.clock.stopwatch();
    let id = request_id(&request)
        .unwrap_or_else(|| app.randomness.uuid(app.clock.now()).simple().to_string());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let method = method_label(request.method());
    request.extensions_mut().insert(RequestId(id.clone()));

    let mut response = next.run(request).await;

    let trace = response.extensions_mut().remove::<Trace>();
    let cause = trace.as_ref().and_then(|trace| trace.cause.clone());
    if let Some(trace) = trace {
        let completed = trace.body.with_request_id(id.clone()).response();
        let (parts, body) = completed.into_parts();
        // Headers that a layer further in has set, such as `allow`, stay.
        for (name, value) in &parts.headers {
            response.headers_mut().insert(name, value.clone());
        }
        *response.body_mut() = body;
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }

    let status = response.status().as_u16();
    let duration = stopwatch.elapsed();
    let duration_ms = duration.as_secs_f64() * 1000.0;
    app.metrics.observe_request(
        HttpLabels {
            method: method.to_owned(),
            route: route.clone(),
            status,
        },
        duration,
    );
    match cause {
        Some(cause) => tracing::error!(
            request.id = %id, http.method = method, http.route = %route, http.status = status, duration_ms,
            "request {id} failed: {method} {route}: {cause}"
        ),
        None => tracing::debug!(
            request.id = %id, http.method = method, http.route = %route, http.status = status, duration_ms,
            "{method} {route}: {status} in {duration_ms:.1} ms"
        ),
    }
    response
}

/// Strangers can make up as many methods as they like; labels are kept for good.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 8] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("other")
}

fn request_id(request: &Request) -> Option<String> {
    let text = request.headers().get(&REQUEST_ID)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_taken =
        !text.is_empty() && text.len() <= REQUEST_ID_LEN_MAX && text.chars().all(is_plain);
    is_taken.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};

    use crate::testing;

    #[tokio::test]
    async fn methods_that_strangers_make_up_are_one_label() {
        let central = testing::central().await;
        for method in ["MADEUP1", "MADEUP2"] {
            let request = Request::builder().method(method).uri("/");
            central.send(request.body(Body::empty()).unwrap()).await;
        }
        let metrics = central.get("/metrics").await.text;
        assert!(!metrics.contains("MADEUP"), "{metrics}");
        assert!(metrics.contains("method=\"other\""), "{metrics}");
    }
}

//! The frame of the OpenAPI 3.1 document; the handlers fill it.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::problem::ProblemBody;

/// Name of the scheme that routes for administrators refer to.
pub const ADMINISTRATOR: &str = "administrator";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis central",
        description = "Issues passes, tells gates whom to let in, collects what they saw. \
            Errors are `application/problem+json` (RFC 9457). Lists are paged: pass `next_cursor` back as `cursor`. \
            A POST that makes something takes an `Idempotency-Key`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "monitoring", description = "For load balancers and Prometheus; no token"),
        (name = "schools", description = "Schools, to which everything else belongs"),
    ),
    modifiers(&Security),
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token made by `central admin token create`"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(ADMINISTRATOR, SecurityScheme::Http(scheme));
    }
}

/// Title, tags, security scheme and the problem's schema.
#[must_use]
pub fn frame() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Serves the finished document.
pub(crate) fn response(document: &str) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        document.to_owned(),
    )
        .into_response()
}

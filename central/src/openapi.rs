//! The frame of the OpenAPI 3.1 document; the handlers fill it.

use std::collections::BTreeMap;

use axum::{http::header, response::IntoResponse};
use utoipa::{
    IntoResponses, Modify, OpenApi as _,
    openapi::{
        ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::problem::ProblemBody;

/// Name of the scheme that routes for administrators refer to.
pub const ADMINISTRATOR: &str = "administrator";

#[derive(utoipa::OpenApi)]
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
        (name = "students", description = "The people whom passes are for"),
        (name = "passes", description = "What students show at gates: issued, revoked, suspended, reinstated"),
        (name = "issuer keys", description = "Keys that sign a school's passes"),
        (name = "areas", description = "Where doors lead; `null` is outside"),
        (name = "gates", description = "The appliances at the doors"),
        (name = "scans", description = "What the gates reported"),
        (name = "doors", description = "Doors, turnstiles, speed gates"),
        (name = "access points", description = "One direction through a door, with its reader"),
        (name = "schedules", description = "Weekly periods, and special days that override them"),
        (name = "access levels", description = "Named sets of (access point, schedule); passes carry their numbers"),
        (name = "orders", description = "What gates are told to do at once"),
        (name = "gate staff", description = "People who may act at gates, signed in there by PIN"),
    ),
    modifiers(&Security),
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
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
pub fn frame() -> OpenApi {
    Document::openapi()
}

/// Adds what every administrators' route can answer, so that no route repeats it.
pub(crate) fn complete(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            if operation.security.is_none() {
                continue;
            }
            for status in [401, 500, 503] {
                let responses = &mut operation.responses.responses;
                responses
                    .entry(status.to_string())
                    .or_insert_with(|| problem_response(common_description(status)).into());
            }
        }
    }
}

fn common_description(status: u16) -> &'static str {
    match status {
        401 => "`unauthenticated`",
        503 => "`database_unavailable`, `timed_out`: try again",
        _ => "`internal_error`",
    }
}

macro_rules! problem_responses {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $description:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let response = problem_response($description).into();
                    BTreeMap::from([($status.to_owned(), response)])
                }
            }
        )*
    };
}

problem_responses! {
    /// Something that the request names is not understood.
    BadRequest = "400", "A path, query or header is not understood";
    /// Something that the path names does not exist.
    NotFound = "404", "Something that the path names does not exist";
    /// The state of things forbids it.
    Conflict = "409", "The state of things forbids it: `detail` says what to do";
    /// The body has a value that cannot be taken.
    Invalid = "422", "The body has a value that cannot be taken: `errors` names the field";
}

fn problem_response(description: &str) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content(crate::problem::MEDIA_TYPE, content)
        .build()
}

/// Serves the finished document.
pub(crate) fn answer(document: &str) -> axum::response::Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        document.to_owned(),
    )
        .into_response()
}

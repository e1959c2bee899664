//! The layer around administrators' routes: what a request changed is published before it is
//! answered, whichever route that was.

use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};

use crate::{app::SharedApp, ids::SchoolId};

const SCHOOLS: &str = "/api/v1/schools/";

/// Publishes what is behind in the request's school after a change that succeeded.
pub async fn after_change(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let is_change = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let school_id = school_of(request.uri().path());
    let response = next.run(request).await;
    let Some(school_id) = school_id.filter(|_| is_change && response.status().is_success()) else {
        return response;
    };
    app.publisher().tell_gates(school_id).await;
    response
}

fn school_of(path: &str) -> Option<SchoolId> {
    let rest = path.strip_prefix(SCHOOLS)?;
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_school_stands_in_the_path() {
        let id = "0198f0c0-0000-7000-8000-000000000001";
        let school = Some(id.parse().unwrap());
        assert_eq!(school_of(&format!("/api/v1/schools/{id}")), school);
        assert_eq!(school_of(&format!("/api/v1/schools/{id}/gates")), school);
        assert_eq!(school_of("/api/v1/schools"), None);
        assert_eq!(school_of("/api/v1/schools/x/gates"), None);
    }
}

//! GET /api/v1/schools/{school_id}/passes/{kid}/{serial}/text

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{PassPath, text_of};
use crate::{
    app::SharedApp,
    extract::Path,
    openapi::{BadRequest, NotFound},
    problem::Problem,
};

/// The text of a pass's QR code: whoever has it can show it at a gate
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/passes/{kid}/{serial}/text",
    operation_id = "get_pass_text", tag = "passes",
    params(PassPath),
    responses(
        (status = 200, description = "The text", body = String, content_type = "text/plain"),
        BadRequest, NotFound,
    ),
    security(("administrator" = [])),
)]
pub async fn text(
    State(app): State<SharedApp>,
    Path(path): Path<PassPath>,
) -> Result<Response, Problem> {
    let text = text_of(&app, &path).await?;
    Ok(no_store("text/plain; charset=utf-8", text))
}

/// An answer that opens doors: no cache keeps it.
pub(super) fn no_store(media_type: &'static str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::keys::central_with_keys;

    #[tokio::test]
    async fn a_pass_is_shown_as_text_drawing_and_picture_and_kept_by_no_cache() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let body = json!({"expires_at": "2027-07-31T00:00:00Z", "levels": []});
        central.post(&format!("{school}/passes"), body).await;
        for (part, media_type, begins) in [
            ("text", "text/plain; charset=utf-8", &b"SP1:"[..]),
            ("qr.svg", "image/svg+xml", b"<svg "),
            ("qr.png", "image/png", b"\x89PNG"),
        ] {
            let answer = central
                .get(&format!("{school}/passes/{kid}/0/{part}"))
                .await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-type"), media_type);
            assert_eq!(answer.header("cache-control"), "no-store");
            assert!(answer.bytes.starts_with(begins), "{part}");
        }
    }
}

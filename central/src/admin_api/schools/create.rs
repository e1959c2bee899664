//! POST /api/v1/schools

use axum::{extract::State, http::StatusCode, response::Response};

use super::Fields;
use crate::{
    app::SharedApp,
    db::schools::{self, School},
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    ids::SchoolId,
    openapi::Invalid,
    problem::Problem,
};

/// Make a school
#[utoipa::path(
    post, path = "/api/v1/schools", operation_id = "create_school", tag = "schools",
    params(IdempotencyKey),
    request_body = Fields,
    responses(
        (status = 201, description = "Made", body = School),
        Invalid,
    ),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Idempotent { body, request }: Idempotent<Fields>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let school = School {
        school_id: SchoolId(app.randomness.uuid(now)),
        name: body.name,
        time_zone: body.time_zone,
        created_at: now,
    };
    let transaction = app.db.begin_in_school(school.school_id).await?;
    if let Attempt::Answered(answer) = idempotency::begin(&transaction, &request, now).await? {
        return Ok(answer);
    }
    schools::insert(&transaction, &school).await?;
    idempotency::finish(transaction, &request, StatusCode::CREATED, &school).await
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use serde_json::json;

    use crate::testing::{self, Answer, TestCentral};

    async fn post(central: &TestCentral, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::post("/api/v1/schools")
            .header("authorization", format!("Bearer {}", central.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        central
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
    const SCHOOL: &str = r#"{"name": " Northfield College ", "time_zone": "europe/london"}"#;

    #[tokio::test]
    async fn a_school_is_made_and_can_be_read() {
        let central = testing::central().await;
        let made = post(&central, &[JSON], SCHOOL).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json["name"], "Northfield College");
        assert_eq!(made.json["time_zone"], "Europe/London");
        assert_eq!(made.json["created_at"], "2026-09-01T08:00:00Z");
        let path = format!(
            "/api/v1/schools/{}",
            made.json["school_id"].as_str().unwrap()
        );
        assert_eq!(central.get(&path).await.json, made.json);
    }

    #[tokio::test]
    async fn the_same_key_makes_one_school_and_gives_the_same_answer() {
        let central = testing::central().await;
        let headers = [JSON, ("idempotency-key", "k1")];
        let first = post(&central, &headers, SCHOOL).await;
        let again = post(&central, &headers, SCHOOL).await;
        assert_eq!((again.status, &again.bytes), (201, &first.bytes));
        assert_eq!(again.header("idempotency-replayed"), "true");
        let list = central.get("/api/v1/schools").await;
        assert_eq!(list.json["items"].as_array().unwrap().len(), 1);

        let other = r#"{"name": "Other", "time_zone": "UTC"}"#;
        let reused = post(&central, &headers, other).await;
        assert_eq!(
            (reused.status, &reused.json["code"]),
            (422, &json!("idempotency_key_reused"))
        );
    }

    #[tokio::test]
    async fn requests_with_one_key_at_the_same_moment_make_one_school() {
        let central = testing::central().await;
        let headers = [JSON, ("idempotency-key", "k1")];
        let (one, two) = tokio::join!(
            post(&central, &headers, SCHOOL),
            post(&central, &headers, SCHOOL)
        );
        assert_eq!((one.status, &one.bytes), (201, &two.bytes));
        let list = central.get("/api/v1/schools").await;
        assert_eq!(list.json["items"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_failed_attempt_leaves_its_key_free() {
        let central = testing::central().await;
        let headers = [JSON, ("idempotency-key", "k1")];
        assert_eq!(
            post(&central, &headers, r#"{"name": ""}"#).await.status,
            422
        );
        assert_eq!(post(&central, &headers, SCHOOL).await.status, 201);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_refused_with_its_own_code() {
        let central = testing::central().await;
        let long = format!("{SCHOOL}{}", " ".repeat(1024 * 1024));
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, u16, &'a str);
        let cases: [Case; 8] = [
            (&[], SCHOOL, 415, "unsupported_media_type"),
            (&[JSON], "{", 400, "invalid_json"),
            (&[JSON], &format!("{SCHOOL} x"), 400, "invalid_json"),
            (&[JSON], &long, 413, "body_too_large"),
            (
                &[JSON],
                r#"{"name": "A", "time_zone": "UTC", "nmae": 1}"#,
                422,
                "invalid_body",
            ),
            (&[JSON], r#"{"name": "A"}"#, 422, "invalid_body"),
            (
                &[JSON],
                r#"{"name": "A\u0000", "time_zone": "UTC"}"#,
                422,
                "invalid_body",
            ),
            (
                &[JSON, ("idempotency-key", "")],
                SCHOOL,
                400,
                "invalid_header",
            ),
        ];
        for (headers, body, status, code) in cases {
            let answer = post(&central, headers, body).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (status, &json!(code)),
                "{}",
                answer.text
            );
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.json["request_id"], answer.header("x-request-id"));
        }
        let body = r#"{"name": "A", "time_zone": "Berlin"}"#;
        let answer = post(&central, &[JSON], body).await;
        assert_eq!(answer.json["errors"][0]["field"], "time_zone");
    }
}

//! POST /api/v1/schools/{school_id}/passes/batch

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::issuing::{self, HolderKey, TemplateFields};
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    ids::{Kid, StudentId},
    issuing::Holder,
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// A request is answered within seconds, and its body fits the limit of all bodies.
const HOLDERS_MAX: usize = 10_000;

/// Passes for many holders, alike but for the holder.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasses {
    /// For whom, 1 to 10,000.
    #[schema(min_items = 1, max_items = 10_000)]
    holders: Vec<NewHolder>,
    /// What all of them say.
    template: TemplateFields,
}

/// One holder.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHolder {
    /// The holder.
    student_id: StudentId,
    /// The key of their phone: makes it a live pass.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    holder_key: Option<HolderKey>,
}

/// Passes that were issued.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IssuedPasses {
    /// The issuer key.
    kid: Kid,
    /// In the order of the holders.
    passes: Vec<IssuedPass>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IssuedPass {
    /// Its number under the issuer key.
    serial: i32,
    /// The holder.
    student_id: StudentId,
}

/// Issue passes to up to 10,000 holders: all of them or none
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/passes/batch", operation_id = "issue_passes",
    tag = "passes",
    params(SchoolPath, IdempotencyKey),
    request_body = NewPasses,
    responses((status = 201, description = "Issued", body = IssuedPasses), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create_many(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<NewPasses>,
) -> Result<Response, Problem> {
    if body.holders.is_empty() || body.holders.len() > HOLDERS_MAX {
        return Err(Problem::invalid_field(
            "holders",
            format!("must be 1 to {HOLDERS_MAX}: send more in several requests"),
        ));
    }
    let now = app.clock.now();
    let transaction = schools::begin_in(&app, school_id).await?;
    if let Attempt::Answered(answer) = idempotency::begin(&transaction, &request, now).await? {
        return Ok(answer);
    }
    let holders: Vec<Holder> = body
        .holders
        .iter()
        .map(|holder| Holder {
            student_id: Some(holder.student_id),
            holder_key: holder.holder_key.map(Into::into),
        })
        .collect();
    let issued =
        issuing::issue(&app, &transaction, school_id, &body.template, &holders, now).await?;
    let passes = (issued.first..)
        .zip(&body.holders)
        .map(|(serial, holder)| IssuedPass {
            serial,
            student_id: holder.student_id,
        });
    let answer = IssuedPasses {
        kid: issued.kid,
        passes: passes.collect(),
    };
    let answer = idempotency::finish(transaction, &request, StatusCode::CREATED, &answer).await?;
    issuing::list(&app, school_id, issued).await;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::{
        ids::{PassDigest, Serial},
        issued_list::{CHAIN_START, IssuedList, extend_chain},
    };

    use crate::{
        db::{issued_digests, signed_documents::Subject},
        ids::Kid,
        testing::{TestCentral, keys::central_with_keys},
    };

    const YEAR_END: &str = "2027-07-31T00:00:00Z";

    /// So many students, made without the web API.
    async fn students(central: &TestCentral, school: &str, count: i32) -> Vec<Value> {
        let school_id = school.rsplit('/').next().unwrap();
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let sql = format!(
            "INSERT INTO students (student_id, school_id, holder_number, student_number, name, created_at) \
             SELECT gen_random_uuid(), '{school_id}', n, 'S' || n, 'Student ' || n, now() \
             FROM generate_series(1, {count}) AS n RETURNING student_id"
        );
        let rows = transaction.query(&sql, &[]).await.unwrap();
        transaction.commit().await.unwrap();
        rows.iter()
            .map(|row| json!({"student_id": row.get::<_, uuid::Uuid>(0)}))
            .collect()
    }

    async fn issued_list(central: &TestCentral, kid: Kid) -> IssuedList {
        let newest = central.newest(Subject::Issuer(kid.0)).await;
        newest.into_document()
    }

    #[tokio::test]
    async fn a_year_of_students_gets_passes_that_the_issued_list_has() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid: Kid = keys.issuer(&central, &school).await.parse().unwrap();
        let holders = students(&central, &school, 2_345).await;
        let template = json!({"expires_at": YEAR_END, "levels": []});
        let body = json!({"holders": holders, "template": template});
        let made = central.post(&format!("{school}/passes/batch"), body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let passes_made = made.json["passes"].as_array().unwrap();
        assert_eq!(passes_made.len(), 2_345);
        assert_eq!(passes_made[2_344]["serial"], 2_344);
        assert_eq!(
            passes_made[2_344]["student_id"],
            body_student(&holders, 2_344)
        );
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let digests = issued_digests::read(&transaction, kid.0, (Serial(0), 10_000))
            .await
            .unwrap()
            .unwrap();
        let digests = digests
            .chunks(8)
            .map(|digest| PassDigest(digest.try_into().unwrap()));
        let list = issued_list(&central, kid).await;
        assert_eq!(list.count, 2_345);
        assert_eq!(list.chain, extend_chain(CHAIN_START, digests));
    }

    fn body_student(holders: &[Value], at: usize) -> Value {
        holders[at]["student_id"].clone()
    }

    #[tokio::test]
    async fn issuings_at_the_same_moment_share_no_serial() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid: Kid = keys.issuer(&central, &school).await.parse().unwrap();
        let holders = students(&central, &school, 50).await;
        let template = json!({"expires_at": YEAR_END, "levels": []});
        let body = json!({"holders": holders, "template": template});
        let path = format!("{school}/passes/batch");
        let issue = || central.post(&path, body.clone());
        let (a, b, c, d) = tokio::join!(issue(), issue(), issue(), issue());
        let mut serials = Vec::new();
        for answer in [a, b, c, d] {
            assert_eq!(answer.status, 201, "{}", answer.text);
            for pass in answer.json["passes"].as_array().unwrap() {
                serials.push(pass["serial"].as_i64().unwrap());
            }
        }
        serials.sort_unstable();
        assert_eq!(serials, (0..200).collect::<Vec<_>>());
        assert_eq!(issued_list(&central, kid).await.count, 200);
    }

    #[tokio::test]
    async fn all_are_issued_or_none_and_a_failed_attempt_leaves_no_gap() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid: Kid = keys.issuer(&central, &school).await.parse().unwrap();
        let mut holders = students(&central, &school, 3).await;
        let template = json!({"expires_at": YEAR_END, "levels": []});
        let path = format!("{school}/passes/batch");
        let nobody = json!({"student_id": "0198f0c0-0000-7000-8000-000000000001"});
        holders.push(nobody);
        let body = json!({"holders": holders, "template": template});
        assert_eq!(central.post(&path, body).await.status, 422);
        holders.pop();
        // Signed, and then not stored: the insert meets a row that must not be there.
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let stray = "INSERT INTO passes (kid, serial, school_id, holder_kind, not_before, expires_at, uses_max, \
                levels, pass_bytes, digest, created_at) \
            SELECT kid, 1, school_id, 0, now(), now(), 0, '{}', '', '\\x0000000000000000', now() \
            FROM signing_keys WHERE state = 'open' AND purpose = 'issuer'";
        transaction.execute(stray, &[]).await.unwrap();
        transaction.commit().await.unwrap();
        let body = json!({"holders": holders, "template": template});
        assert_eq!(central.post(&path, body.clone()).await.status, 500);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction
            .execute("DELETE FROM passes", &[])
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let made = central.post(&path, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json["passes"][0]["serial"], 0);
        assert_eq!(issued_list(&central, kid).await.count, 3);
    }

    #[tokio::test]
    async fn nobody_and_too_many_are_refused() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        keys.issuer(&central, &school).await;
        let template = json!({"expires_at": YEAR_END, "levels": []});
        let holder = json!({"student_id": "0198f0c0-0000-7000-8000-000000000001"});
        for holders in [vec![], vec![holder; 10_001]] {
            let body = json!({"holders": holders, "template": template});
            let answer = central.post(&format!("{school}/passes/batch"), body).await;
            assert_eq!(answer.json["errors"][0]["field"], "holders");
        }
    }
}

//! DELETE /api/v1/schools/{school_id}/students/{student_id}

use axum::{extract::State, http::StatusCode};

use super::{StudentPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::{erasure, students},
    extract::Path,
    openapi::{Conflict, NotFound},
    problem::{Kind, PUBLICATION_DELAYED, Problem},
};

/// The student has passes that are good.
pub const STUDENT_HAS_PASSES: Kind = Kind::new(
    StatusCode::CONFLICT,
    "student_has_passes",
    "This student has valid passes",
);

/// Erase a student
///
/// When this is answered, name and number are gone from the student's row, from records, from kept
/// answers and from the rosters that gates are given. Records that gates send later come without the
/// person. The passes stay, under a number that says nothing; journals still verify.
#[utoipa::path(
    delete, path = "/api/v1/schools/{school_id}/students/{student_id}", operation_id = "erase_student",
    tag = "students",
    params(StudentPath),
    responses((status = 204, description = "Erased"), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn delete(
    State(app): State<SharedApp>,
    Path(StudentPath {
        school_id,
        student_id,
    }): Path<StudentPath>,
) -> Result<StatusCode, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let Some(holder) = students::lock(&transaction, student_id).await? else {
        return Err(not_found(student_id));
    };
    let now = app.clock.now();
    let passes = students::passes_of(&transaction, student_id, now).await?;
    if passes > 0 {
        return Err(STUDENT_HAS_PASSES.because(format!(
            "{passes} passes would still open doors: revoke them, then erase the student."
        )));
    }
    erasure::erase(&transaction, school_id, student_id, now).await?;
    transaction.commit().await?;
    if let Err(error) = app.publisher().rosters_without(school_id, holder).await {
        return Err(Problem {
            cause: Some(error),
            ..PUBLICATION_DELAYED.because(
                "The student is erased, and rosters are rid of them as soon as these can be signed.",
            )
        });
    }
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    const PASS: &str = "INSERT INTO signing_keys (kid, purpose, school_id, public_key, sealed_private, state, \
            signing_from, signing_until, verification_from, verification_until, created_at) \
        SELECT '\\x0102030405060708', 'issuer', school_id, sha256('x'), '', 'open', \
            now(), now() + interval '1 day', now(), now() + interval '1 day', now() FROM students; \
        INSERT INTO passes (kid, serial, school_id, student_id, holder_kind, not_before, expires_at, uses_max, \
            levels, pass_bytes, digest, created_at) \
        SELECT '\\x0102030405060708', 0, school_id, student_id, 0, now(), '2027-09-01', 0, '{0}', '', \
            '\\x0102030405060708', now() FROM students";

    #[tokio::test]
    async fn an_erased_student_leaves_nothing_that_says_who_it_was() {
        let central = testing::central().await;
        let students = format!("{}/students", central.school_path().await);
        let body = json!({
            "student_number": "2026-1", "name": "Amara Nwosu", "language": "ig",
            "release_time": "extended",
        });
        let made = central.post(&students, body.clone()).await;
        let path = format!("{students}/{}", made.json["student_id"].as_str().unwrap());
        assert_eq!(central.delete(&path).await.status, 204);
        assert_eq!(central.get(&path).await.status, 404);
        assert_eq!(central.put(&path, body.clone()).await.status, 404);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let row = transaction
            .query_one("SELECT s::text FROM students AS s", &[])
            .await
            .unwrap();
        let row: String = row.get(0);
        assert!(
            !row.contains("Amara")
                && !row.contains("2026-1")
                && !row.contains("ig")
                && !row.contains("extended"),
            "{row}"
        );
        assert_eq!(
            central.post(&students, body).await.status,
            201,
            "the number is free again"
        );
    }

    #[tokio::test]
    async fn records_and_kept_answers_forget_an_erased_student_and_no_other() {
        let central = testing::central().await;
        let students = format!("{}/students", central.school_path().await);
        let body = json!({"student_number": "2026-1", "name": "Amara Nwosu"});
        let made = central.post(&students, body).await;
        let path = format!("{students}/{}", made.json["student_id"].as_str().unwrap());
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction.batch_execute(PASS).await.unwrap();
        transaction
            .batch_execute(
                "UPDATE passes SET state = 'revoked'; \
                 INSERT INTO journal_records (gate_id, school_id, journal_epoch, seq, recorded_at, \
                     received_at, public_part, commitment, salt, personal_part, hash, event_kind, \
                     kid, serial, holder_number) \
                 SELECT gen_random_uuid(), school_id, 1, seq, now(), now(), 'p', 'c', 's', 'who', 'h', 0, \
                     kid, serial, holder \
                 FROM schools, (VALUES (1, '\\x0102030405060708'::bytea, 0, NULL), (2, NULL, NULL, 1), \
                     (3, '\\x0102030405060708', 1, 2)) AS records (seq, kid, serial, holder)",
            )
            .await
            .unwrap();
        transaction
            .execute(
                "INSERT INTO idempotency_keys SELECT admin_token_id, 'k', sha256('x'), 201, \
                     'application/json', convert_to($1, 'UTF8'), now() FROM admin_tokens LIMIT 1",
                &[&made.text],
            )
            .await
            .unwrap();
        transaction.commit().await.unwrap();

        assert_eq!(central.delete(&path).await.status, 204);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let known = transaction
            .query(
                "SELECT seq FROM journal_records WHERE personal_part IS NOT NULL OR salt IS NOT NULL \
                     OR kid IS NOT NULL OR holder_number IS NOT NULL",
                &[],
            )
            .await
            .unwrap();
        let known: Vec<i64> = known.iter().map(|row| row.get(0)).collect();
        assert_eq!(known, [3], "the other person's alone");
        let kept = transaction
            .query_one(
                "SELECT convert_from(body, 'UTF8') FROM idempotency_keys",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(kept.get::<_, String>(0), "{}");
    }

    #[tokio::test]
    async fn a_student_whose_pass_opens_doors_is_not_erased() {
        let central = testing::central().await;
        let students = format!("{}/students", central.school_path().await);
        let made = central
            .post(&students, json!({"student_number": "1", "name": "Bo"}))
            .await;
        let path = format!("{students}/{}", made.json["student_id"].as_str().unwrap());
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction.batch_execute(PASS).await.unwrap();
        transaction.commit().await.unwrap();
        let answer = central.delete(&path).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("student_has_passes"))
        );
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction
            .batch_execute("UPDATE passes SET state = 'revoked'")
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(central.delete(&path).await.status, 204);
    }
}

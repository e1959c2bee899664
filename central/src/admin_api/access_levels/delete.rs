//! DELETE /api/v1/schools/{school_id}/access-levels/{level}

use axum::{extract::State, http::StatusCode};

use super::{AccessLevelPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::access_levels,
    extract::Path,
    openapi::{Conflict, NotFound},
    problem::{Kind, Problem},
};

/// Passes carry it.
pub const ACCESS_LEVEL_IN_USE: Kind = Kind::new(
    StatusCode::CONFLICT,
    "access_level_in_use",
    "Passes carry this access level",
);

/// Delete an access level
#[utoipa::path(
    delete, path = "/api/v1/schools/{school_id}/access-levels/{level}", operation_id = "delete_access_level",
    tag = "access levels",
    params(AccessLevelPath),
    responses((status = 204, description = "Deleted"), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn delete(
    State(app): State<SharedApp>,
    Path(AccessLevelPath { school_id, level }): Path<AccessLevelPath>,
) -> Result<StatusCode, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    if !access_levels::lock(&transaction, school_id, level).await? {
        return Err(not_found(level));
    }
    let now = app.clock.now();
    let passes = access_levels::passes_with(&transaction, school_id, level, now).await?;
    if passes > 0 {
        return Err(ACCESS_LEVEL_IN_USE.because(format!(
            "{passes} valid passes carry the number {level}, which a later access level may get: revoke them or let \
             them expire first. Without grants the level admits nowhere meanwhile."
        )));
    }
    access_levels::delete(&transaction, school_id, level).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn an_access_level_that_no_pass_carries_can_go() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/access-levels/{}", site.school, site.level);
        assert_eq!(central.delete(&path).await.status, 204);
        assert_eq!(central.delete(&path).await.status, 404);
    }

    #[tokio::test]
    async fn an_access_level_that_a_valid_pass_carries_stays() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/access-levels/{}", site.school, site.level);
        let transaction = central
            .app
            .db
            .begin_in_school(site.school_id)
            .await
            .unwrap();
        let pass = format!(
            "INSERT INTO signing_keys (kid, purpose, school_id, public_key, sealed_private, state, \
                signing_from, signing_until, verification_from, verification_until, created_at) \
             VALUES ('\\x0102030405060708', 'issuer', '{school}', sha256('x'), '', 'open', \
                now(), now() + interval '1 day', now(), now() + interval '1 day', now()); \
             INSERT INTO passes (kid, serial, school_id, holder_kind, not_before, expires_at, uses_max, levels, \
                pass_bytes, digest, created_at) \
             VALUES ('\\x0102030405060708', 0, '{school}', 0, now(), '2027-09-01', 0, '{{3,{level}}}', '', \
                '\\x0102030405060708', now())",
            school = site.school_id,
            level = site.level
        );
        transaction.batch_execute(&pass).await.unwrap();
        transaction.commit().await.unwrap();
        let answer = central.delete(&path).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("access_level_in_use"))
        );
        let year = std::time::Duration::from_secs(366 * 86_400);
        central.clock.advance(year);
        assert_eq!(
            central.delete(&path).await.status,
            204,
            "the pass has expired"
        );
    }
}

//! POST /api/v1/schools/{school_id}/access-levels

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{check, refused};
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::access_levels::{self, AccessGrant, AccessLevel, AccessLevelFields},
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    ids::AccessLevelId,
    number::Bounded,
    openapi::{Conflict, Invalid, NotFound},
    problem::{Kind, Problem},
    text::Name,
};

/// The school has an access level with this number, or with every number.
pub const LEVEL_TAKEN: Kind = Kind::new(
    StatusCode::CONFLICT,
    "level_taken",
    "The number of the access level is taken",
);

/// An access level to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccessLevel {
    /// Its number in passes; the smallest free one unless said.
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 255)]
    level: Option<Bounded<0, 255>>,
    /// What staff call it.
    name: Name,
    /// Where and when it admits.
    #[serde(default)]
    grants: Vec<AccessGrant>,
}

fn all_taken() -> Problem {
    LEVEL_TAKEN.because("The school has all 256 access levels: delete one that no pass carries.")
}

/// Make an access level
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/access-levels", operation_id = "create_access_level",
    tag = "access levels",
    params(SchoolPath, IdempotencyKey),
    request_body = NewAccessLevel,
    responses((status = 201, description = "Made", body = AccessLevel), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Idempotent { body, request }: Idempotent<NewAccessLevel>,
) -> Result<Response, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let attempt = idempotency::begin(&transaction, &request, app.clock.now()).await?;
    if let Attempt::Answered(answer) = attempt {
        return Ok(answer);
    }
    let level = match body.level {
        Some(level) => AccessLevelId(level.get() as i16),
        None => access_levels::free_level(&transaction, school_id)
            .await?
            .ok_or_else(all_taken)?,
    };
    if access_levels::lock(&transaction, school_id, level).await? {
        return Err(LEVEL_TAKEN.because(format!(
            "The school has an access level {level}: leave the number out to get a free one."
        )));
    }
    let mut fields = AccessLevelFields {
        name: body.name,
        grants: body.grants,
    };
    check(&transaction, school_id, &mut fields).await?;
    let access_level = access_levels::insert(&transaction, school_id, level, &fields)
        .await
        .map_err(|error| refused(error, &fields))?;
    idempotency::finish(transaction, &request, StatusCode::CREATED, &access_level).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn access_levels_get_the_smallest_free_number_unless_said() {
        let central = testing::central().await;
        let levels = format!("{}/access-levels", central.school_path().await);
        for (body, level) in [
            (json!({"name": "A"}), 0),
            (json!({"name": "B", "level": 2}), 2),
            (json!({"name": "C"}), 1),
            (json!({"name": "D"}), 3),
            (json!({"name": "E", "level": 255}), 255),
        ] {
            let made = central.post(&levels, body).await;
            assert_eq!(
                (made.status, &made.json["level"]),
                (201, &json!(level)),
                "{}",
                made.text
            );
        }
        let taken = central
            .post(&levels, json!({"name": "F", "level": 2}))
            .await;
        assert_eq!(
            (taken.status, &taken.json["code"]),
            (409, &json!("level_taken"))
        );
        let taken = central.post(&levels, json!({"name": "A"})).await;
        assert_eq!(
            (taken.status, &taken.json["code"]),
            (409, &json!("name_taken"))
        );
        let answer = central
            .post(&levels, json!({"name": "G", "level": 256}))
            .await;
        assert_eq!(answer.status, 422);
    }

    #[tokio::test]
    async fn grants_name_access_points_and_schedules_of_the_same_school() {
        let central = testing::central().await;
        let (site, other) = (central.site().await, central.site().await);
        let levels = format!("{}/access-levels", site.school);
        for (point, schedule) in [
            (other.entry_id, site.schedule_id),
            (site.entry_id, other.schedule_id),
            (site.entry_id, 999),
        ] {
            let grants = json!([{"access_point_id": point, "schedule_id": schedule}]);
            let answer = central
                .post(&levels, json!({"name": "X", "grants": grants}))
                .await;
            assert_eq!(
                (answer.status, &answer.json["errors"][0]["field"]),
                (422, &json!("grants"))
            );
        }
    }
}

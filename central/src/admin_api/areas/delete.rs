//! DELETE /api/v1/schools/{school_id}/areas/{area_id}

use axum::{extract::State, http::StatusCode};

use super::{AreaPath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::{self, Violation, areas},
    extract::Path,
    openapi::{Conflict, NotFound},
    problem::{Kind, Problem},
};

/// An access point leads to or from it.
pub const AREA_IN_USE: Kind = Kind::new(
    StatusCode::CONFLICT,
    "area_in_use",
    "Access points lead to or from this area",
);

/// Delete an area
#[utoipa::path(
    delete, path = "/api/v1/schools/{school_id}/areas/{area_id}", operation_id = "delete_area", tag = "areas",
    params(AreaPath),
    responses((status = 204, description = "Deleted"), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn delete(
    State(app): State<SharedApp>,
    Path(AreaPath { school_id, area_id }): Path<AreaPath>,
) -> Result<StatusCode, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let deleted =
        areas::delete(&transaction, area_id)
            .await
            .map_err(|error| match db::violation(&error) {
                Some(Violation::Reference) => AREA_IN_USE.because(
                    "Let its access points lead elsewhere, or delete them, then delete the area.",
                ),
                Some(Violation::Unique) | None => error.into(),
            })?;
    if deleted == 0 {
        return Err(not_found(area_id));
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_deleted_area_is_gone() {
        let central = testing::central().await;
        let areas = format!("{}/areas", central.school_path().await);
        let made = central.post(&areas, json!({"name": "Library"})).await;
        let path = format!("{areas}/{}", made.json["area_id"]);
        assert_eq!(central.delete(&path).await.status, 204);
        assert_eq!(central.get(&path).await.status, 404);
        assert_eq!(central.delete(&path).await.status, 404);
    }

    #[tokio::test]
    async fn an_area_that_an_access_point_leads_to_stays() {
        let central = testing::central().await;
        let site = central.site().await;
        let answer = central
            .delete(&format!("{}/areas/{}", site.school, site.area_id))
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("area_in_use"))
        );
    }
}

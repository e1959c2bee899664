//! DELETE /api/v1/schools/{school_id}/gates/{gate_id}

use axum::{extract::State, http::StatusCode};

use super::{GatePath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::{self, Violation, gates},
    extract::Path,
    openapi::{Conflict, NotFound},
    problem::{Kind, Problem},
};

/// It has doors, or was enrolled.
pub const GATE_IN_USE: Kind = Kind::new(
    StatusCode::CONFLICT,
    "gate_in_use",
    "This gate has doors, or records of its own",
);

/// Delete a gate that never was enrolled
#[utoipa::path(
    delete, path = "/api/v1/schools/{school_id}/gates/{gate_id}", operation_id = "delete_gate",
    tag = "gates",
    params(GatePath),
    responses((status = 204, description = "Deleted"), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn delete(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
) -> Result<StatusCode, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let deleted = gates::delete_created(&transaction, gate_id)
        .await
        .map_err(|error| match db::violation(&error) {
            Some(Violation::Reference) => GATE_IN_USE
                .because("Give its doors to another gate, or delete them, then delete it."),
            Some(Violation::Unique) | None => error.into(),
        })?;
    if deleted == 0 {
        return Err(match gates::get(&transaction, gate_id).await? {
            Some(_) => {
                GATE_IN_USE.because("It was enrolled, and its records stay: retire it instead.")
            }
            None => not_found(gate_id),
        });
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_gate_without_doors_that_never_was_enrolled_can_go() {
        let central = testing::central().await;
        let gates = format!("{}/gates", central.school_path().await);
        let made = central.post(&gates, json!({"name": "Main gate"})).await;
        let path = format!("{gates}/{}", made.json["gate_id"].as_str().unwrap());
        assert_eq!(central.delete(&path).await.status, 204);
        assert_eq!(central.delete(&path).await.status, 404);
    }

    #[tokio::test]
    async fn a_gate_with_doors_or_a_past_stays() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/gates/{}", site.school, site.gate_id);
        let answer = central.delete(&path).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("gate_in_use"))
        );
        assert_eq!(
            central
                .post(&format!("{path}/retire"), json!(null))
                .await
                .status,
            200
        );
        let answer = central.delete(&path).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (409, &json!("gate_in_use"))
        );
    }
}

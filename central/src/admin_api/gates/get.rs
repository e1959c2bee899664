//! GET /api/v1/schools/{school_id}/gates/{gate_id}

use axum::extract::State;

use super::{GatePath, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::gates::{self, Gate},
    extract::{Json, Path},
    openapi::NotFound,
    problem::Problem,
};

/// A gate
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/gates/{gate_id}", operation_id = "get_gate",
    tag = "gates",
    params(GatePath),
    responses((status = 200, description = "The gate", body = Gate), NotFound),
    security(("administrator" = [])),
)]
pub async fn get(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
) -> Result<Json<Gate>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let gate = gates::get(&transaction, gate_id).await?;
    gate.map(Json).ok_or_else(|| not_found(gate_id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_gate_of_another_school_is_not_found() {
        let central = testing::central().await;
        let site = central.site().await;
        let other = central.school_path().await;
        let answer = central
            .get(&format!("{other}/gates/{}", site.gate_id))
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("gate_not_found"))
        );
    }
}

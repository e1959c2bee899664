//! PUT /api/v1/schools/{school_id}/gates/{gate_id}

use axum::extract::State;

use super::{GatePath, check, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::gates::{self, Gate, GateFields},
    extract::{Json, Path},
    openapi::{Invalid, NotFound},
    problem::Problem,
};

/// Change a gate
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}/gates/{gate_id}", operation_id = "update_gate",
    tag = "gates",
    params(GatePath),
    request_body = GateFields,
    responses((status = 200, description = "Changed", body = Gate), NotFound, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
    Json(body): Json<GateFields>,
) -> Result<Json<Gate>, Problem> {
    check(&body)?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let gate = gates::update(&transaction, gate_id, &body).await?;
    let Some(gate) = gate else {
        return Err(not_found(gate_id));
    };
    transaction.commit().await?;
    Ok(Json(gate))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_gate_changes_its_name_and_intervals() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/gates/{}", site.school, site.gate_id);
        let body = json!({"name": "West gate", "sync": {"pull_s": 3600}});
        assert_eq!(central.put(&path, body).await.status, 200);
        let gate = central.get(&path).await.json;
        assert_eq!(
            (&gate["name"], &gate["sync"]["pull_s"]),
            (&json!("West gate"), &json!(3600))
        );
        assert_eq!(gate["sync"]["heartbeat_s"], 60);
    }
}

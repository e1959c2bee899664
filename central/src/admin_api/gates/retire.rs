//! POST /api/v1/schools/{school_id}/gates/{gate_id}/retire

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

/// Revoke a gate's identity for ever: it was stolen, or is replaced
///
/// Doing it again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/gates/{gate_id}/retire", operation_id = "retire_gate",
    tag = "gates",
    params(GatePath),
    responses((status = 200, description = "Retired", body = Gate), NotFound),
    security(("administrator" = [])),
)]
pub async fn retire(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
) -> Result<Json<Gate>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    let gate = gates::retire(&transaction, gate_id).await?;
    let Some(gate) = gate else {
        return Err(not_found(gate_id));
    };
    transaction.commit().await?;
    tracing::info!(gate.id = %gate_id, "the gate {gate_id} is retired");
    Ok(Json(gate))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing;

    #[tokio::test]
    async fn a_retired_gate_stays_retired_and_its_claim_is_void() {
        let central = testing::central().await;
        let site = central.site().await;
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let claim = "UPDATE gates SET claim_nonce = '\\x00112233445566778899aabbccddeeff', \
            claim_expires_at = '2026-09-01T09:00:00Z'";
        transaction.batch_execute(claim).await.unwrap();
        transaction.commit().await.unwrap();
        let path = format!("{}/gates/{}/retire", site.school, site.gate_id);
        for _ in 0..2 {
            let answer = central.post(&path, json!(null)).await;
            assert_eq!(
                (answer.status, &answer.json["state"]),
                (200, &json!("retired"))
            );
        }
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let sql = "SELECT count(*) FROM gates WHERE claim_nonce IS NOT NULL";
        let row = transaction.query_one(sql, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0);
    }
}

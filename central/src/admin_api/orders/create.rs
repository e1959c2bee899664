//! POST /api/v1/schools/{school_id}/gates/{gate_id}/orders

use axum::{extract::State, http::StatusCode, response::Response};

use super::{Action, GATE_RETIRED, Order, order_all, wake};
use crate::{
    admin_api::{
        gates::{GatePath, not_found},
        schools,
    },
    app::SharedApp,
    db::{
        Transaction, doors,
        gates::{self, GateState},
        passes, students,
    },
    extract::Path,
    idempotency::{self, Attempt, IdempotencyKey, Idempotent},
    ids::{DoorId, GateId, SchoolId},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Order a gate to do something: it hears of it within a second when it is in touch
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/gates/{gate_id}/orders", operation_id = "create_order",
    tag = "orders",
    params(GatePath, IdempotencyKey),
    request_body = Action,
    responses((status = 201, description = "Ordered", body = Order), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
    Idempotent {
        body: action,
        request,
    }: Idempotent<Action>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    // The key may have been replaced by a command a moment ago.
    app.statements.reload().await?;
    let transaction = schools::begin_in(&app, school_id).await?;
    if let Attempt::Answered(answer) = idempotency::begin(&transaction, &request, now).await? {
        return Ok(answer);
    }
    let gate = gates::get(&transaction, gate_id).await?;
    match gate.map(|gate| gate.state) {
        None => return Err(not_found(gate_id)),
        Some(GateState::Retired) => {
            return Err(GATE_RETIRED.because("Its identity is revoked for ever."));
        }
        Some(GateState::Created | GateState::Enrolled) => {}
    }
    check(&transaction, school_id, gate_id, action).await?;
    let orders = order_all(&app, &transaction, school_id, &[gate_id], action).await?;
    let answer =
        idempotency::finish(transaction, &request, StatusCode::CREATED, &orders.first()).await?;
    wake(&app, &[gate_id]);
    tracing::info!(gate.id = %gate_id, "gate {gate_id} is ordered: {action:?}");
    Ok(answer)
}

/// What the action names is the gate's or the school's.
async fn check(
    transaction: &Transaction,
    school_id: SchoolId,
    gate_id: GateId,
    action: Action,
) -> Result<(), Problem> {
    match action {
        Action::LockDown {} | Action::EndLockdown {} => Ok(()),
        Action::SetDoorMode { door_id, .. } | Action::Release { door_id } => {
            check_door(transaction, gate_id, door_id).await
        }
        Action::ForgiveHolder { holder_number } => {
            if students::has_holder(transaction, school_id, holder_number).await? {
                return Ok(());
            }
            Err(Problem::invalid_field(
                "holder_number",
                format!("no student of the school has the holder number {holder_number}"),
            ))
        }
        Action::ForgivePass { pass } => {
            if passes::get(transaction, school_id, pass).await?.is_some() {
                return Ok(());
            }
            Err(Problem::invalid_field(
                "pass",
                format!("the school has no pass {pass}"),
            ))
        }
    }
}

async fn check_door(
    transaction: &Transaction,
    gate_id: GateId,
    door_id: DoorId,
) -> Result<(), Problem> {
    let doors = doors::of_gate(transaction, gate_id).await?;
    if doors.iter().any(|door| door.door_id == door_id) {
        return Ok(());
    }
    Err(Problem::invalid_field(
        "door_id",
        format!("the gate has no door {door_id}"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{self, keys::central_with_keys};

    #[tokio::test]
    async fn orders_follow_each_other_in_one_sequence_of_the_gate() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let orders = format!("{}/gates/{}/orders", site.school, site.gate_id);
        let asked = [
            json!({"action": "lock_down"}),
            json!({"action": "end_lockdown"}),
            json!({"action": "set_door_mode", "door_id": site.door_id, "mode": "locked_open"}),
            json!({"action": "release", "door_id": site.door_id}),
        ];
        for (index, action) in asked.iter().enumerate() {
            let made = central.post(&orders, action.clone()).await;
            assert_eq!(made.status, 201, "{}", made.text);
            assert_eq!(made.json["number"], format!("1.{}", index + 1));
            assert_eq!(made.json["action"], action["action"]);
        }
        let mut listed: Vec<Value> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = central.get(&format!("{orders}?limit=3{cursor}")).await.json;
            listed.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(listed.len(), 4);
        assert_eq!(listed[2]["mode"], "locked_open");
        assert_eq!(listed[3]["made_at"], "2026-09-01T08:00:00Z");
        assert_eq!(listed[3]["expires_at"], "2026-09-01T08:00:30Z");
    }

    #[tokio::test]
    async fn what_is_not_the_gates_or_the_schools_is_refused() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let orders = format!("{}/gates/{}/orders", site.school, site.gate_id);
        for (action, field) in [
            (
                json!({"action": "release", "door_id": site.door_id + 1}),
                "door_id",
            ),
            (
                json!({"action": "forgive_holder", "holder_number": 7}),
                "holder_number",
            ),
            (
                json!({"action": "forgive_pass", "pass": {"kid": "0011223344556677", "serial": 0}}),
                "pass",
            ),
        ] {
            let refused = central.post(&orders, action).await;
            assert_eq!(refused.status, 422, "{}", refused.text);
            assert_eq!(refused.json["errors"][0]["field"], field);
        }
        let accessed =
            json!({"action": "set_door_mode", "door_id": site.door_id, "mode": "accessed"});
        assert_eq!(central.post(&orders, accessed).await.status, 422);
        let retire = format!("{}/gates/{}/retire", site.school, site.gate_id);
        central.post(&retire, json!(null)).await;
        let retired = central.post(&orders, json!({"action": "lock_down"})).await;
        assert_eq!(retired.json["code"], "gate_retired");
    }

    #[tokio::test]
    async fn a_holder_and_a_pass_of_the_school_are_forgiven() {
        let (central, keys) = central_with_keys().await;
        let site = central.site().await;
        let kid = keys.issuer(&central, &site.school).await;
        let student = json!({"student_number": "1", "name": "Amara Nwosu"});
        central
            .post(&format!("{}/students", site.school), student)
            .await;
        let pass = json!({"expires_at": "2027-07-31T00:00:00Z", "levels": []});
        central.post(&format!("{}/passes", site.school), pass).await;
        let orders = format!("{}/gates/{}/orders", site.school, site.gate_id);
        for action in [
            json!({"action": "forgive_holder", "holder_number": 1}),
            json!({"action": "forgive_pass", "pass": {"kid": kid, "serial": 0}}),
        ] {
            let made = central.post(&orders, action).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        let list = central.get(&orders).await.json;
        assert_eq!(list["items"][1]["pass"]["kid"], json!(kid));
    }

    #[tokio::test]
    async fn without_a_statement_key_nothing_is_ordered() {
        let central = testing::central().await;
        let site = central.site().await;
        let orders = format!("{}/gates/{}/orders", site.school, site.gate_id);
        let refused = central.post(&orders, json!({"action": "lock_down"})).await;
        assert_eq!(
            (refused.status, &refused.json["code"]),
            (409, &json!("no_statement_key"))
        );
    }
}

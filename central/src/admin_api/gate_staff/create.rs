//! POST /api/v1/schools/{school_id}/gate-staff

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::pin::Pin;
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::gate_staff::{self, GateStaff, StaffRole},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::{Kind, Problem},
    text::Name,
};

/// As many people as gates can hold.
pub const GATE_STAFF_FULL: Kind = Kind::new(
    StatusCode::CONFLICT,
    "gate_staff_full",
    "The school has as many gate staff as its gates can hold",
);

/// A new member of the gate staff.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStaff {
    /// Their name.
    #[schema(example = "Ms Okafor")]
    name: Name,
    /// What they may do.
    role: StaffRole,
    /// What they sign in with; shown nowhere afterwards.
    #[schema(value_type = String, pattern = "^[0-9]{6,12}$")]
    pin: Pin,
}

/// Let somebody act at the school's gates
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/gate-staff", operation_id = "create_gate_staff",
    tag = "gate staff",
    params(SchoolPath),
    request_body = NewStaff,
    responses((status = 201, description = "Made", body = GateStaff), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn create(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Json(body): Json<NewStaff>,
) -> Result<Response, Problem> {
    let verifier = body.pin.verifier(&app.randomness).await?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let count = gate_staff::lock_and_count(&transaction, school_id).await?;
    if usize::try_from(count).is_ok_and(|count| count >= shared::configuration::STAFF_LIMIT) {
        return Err(GATE_STAFF_FULL.because(format!(
            "{count} people may act at the school's gates: delete those who left."
        )));
    }
    let now = app.clock.now();
    let staff = gate_staff::insert(
        &transaction,
        school_id,
        &body.name,
        body.role,
        &verifier,
        now,
    )
    .await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(staff)).into_response())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::{
        configuration::{Configuration, Staff},
        ids::StaffNumber,
    };

    use crate::{
        db::signed_documents::Subject,
        testing::{self, TestCentral, keys::central_with_keys},
    };

    async fn staff(central: &TestCentral, gate: crate::ids::GateId) -> Vec<Staff> {
        let newest = central
            .newest::<Configuration>(Subject::Gate(gate))
            .await
            .into_document();
        newest.staff
    }

    #[tokio::test]
    async fn staff_reach_the_gates_with_what_proves_their_pin_and_leave_them() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let path = format!("{}/gate-staff", site.school);
        let body = json!({"name": "Ms Okafor", "role": "guard", "pin": "314159"});
        let made = central.post(&path, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert!(!made.text.contains("pin"), "{}", made.text);
        let number = made.json["staff_number"].as_u64().unwrap();
        let told = staff(&central, site.gate_id).await;
        assert_eq!(told.len(), 1);
        assert_eq!(u64::from(told[0].number.0), number);
        assert!(told[0].pin_verifier.starts_with("$argon2id$"));

        let one = format!("{path}/{number}");
        let changed = central
            .patch(&one, json!({"role": "supervisor", "pin": "271828"}))
            .await;
        assert_eq!(changed.json["role"], "supervisor", "{}", changed.text);
        let after = staff(&central, site.gate_id).await;
        assert_ne!(after[0].pin_verifier, told[0].pin_verifier);
        assert_eq!(after[0].name, "Ms Okafor");

        assert_eq!(central.delete(&one).await.status, 204);
        assert!(staff(&central, site.gate_id).await.is_empty());
        assert_eq!(central.get(&path).await.json["items"], json!([]));
        for answer in [
            central.delete(&one).await,
            central.patch(&one, json!({})).await,
        ] {
            assert_eq!(answer.json["code"], "gate_staff_not_found");
        }
        let next = json!({"name": "Mr Lind", "role": "technician", "pin": "161803"});
        let next = central.post(&path, next).await.json["staff_number"].as_u64();
        assert_ne!(
            next.map(|number| StaffNumber(number as u32)),
            Some(StaffNumber(number as u32))
        );
    }

    #[tokio::test]
    async fn a_pin_that_is_none_is_refused_and_not_repeated() {
        let central = testing::central().await;
        let staff = format!("{}/gate-staff", central.school_path().await);
        let body = json!({"name": "Ms Okafor", "role": "guard", "pin": "secret"});
        let refused = central.post(&staff, body).await;
        assert_eq!(refused.status, 422);
        assert!(!refused.text.contains("secret"), "{}", refused.text);
        assert!(refused.text.contains("6 to 12 digits"), "{}", refused.text);
    }

    #[tokio::test]
    async fn staff_of_another_school_are_not_touched() {
        let central = testing::central().await;
        let (school, other) = (central.school_path().await, central.school_path().await);
        let body = json!({"name": "Ms Okafor", "role": "guard", "pin": "314159"});
        let made = central.post(&format!("{school}/gate-staff"), body).await;
        let path = format!("{other}/gate-staff/{}", made.json["staff_number"]);
        assert_eq!(central.delete(&path).await.status, 404);
    }
}

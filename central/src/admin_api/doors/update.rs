//! PUT /api/v1/schools/{school_id}/doors/{door_id}

use axum::extract::State;

use super::{DoorPath, check, not_found};
use crate::{
    admin_api::schools,
    app::SharedApp,
    db::doors::{self, Door, DoorFields},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// Change a door
#[utoipa::path(
    put, path = "/api/v1/schools/{school_id}/doors/{door_id}", operation_id = "update_door",
    tag = "doors",
    params(DoorPath),
    request_body = DoorFields,
    responses((status = 200, description = "Changed", body = Door), NotFound, Conflict, Invalid),
    security(("administrator" = [])),
)]
pub async fn update(
    State(app): State<SharedApp>,
    Path(DoorPath { school_id, door_id }): Path<DoorPath>,
    Json(body): Json<DoorFields>,
) -> Result<Json<Door>, Problem> {
    let transaction = schools::begin_in(&app, school_id).await?;
    check(&transaction, Some(door_id), &body).await?;
    let door = doors::update(&transaction, door_id, &body).await?;
    let Some(door) = door else {
        return Err(not_found(door_id));
    };
    transaction.commit().await?;
    Ok(Json(door))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::configuration::{Configuration, HoursBegin};

    use crate::{
        db::signed_documents::Subject,
        publishing::Which,
        testing::{self, keys::central_with_keys},
    };

    fn chamber(gate: &Value) -> Value {
        json!({
            "gate_id": gate, "name": "Inner door", "kind": "door", "lock_type": "fail_secure",
            "contact": "present", "passage": "door_contact",
        })
    }

    #[tokio::test]
    async fn two_doors_of_a_chamber_name_each_other_until_one_is_told_otherwise() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let doors = format!("{}/doors", site.school);
        let outer = format!("{doors}/{}", site.door_id);
        let mut inner = chamber(&json!(site.gate_id));
        inner["interlock_door_id"] = json!(site.door_id);
        let made = central.post(&doors, inner.clone()).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json["interlock_door_id"], json!(site.door_id));
        let id = &made.json["door_id"];
        assert_eq!(&central.get(&outer).await.json["interlock_door_id"], id);

        central.app.publisher().catch_up(Which::All).await.unwrap();
        let newest = central
            .newest::<Configuration>(Subject::Gate(site.gate_id))
            .await;
        let told = newest.into_document();
        let partners: Vec<_> = told.doors.iter().map(|door| door.interlock).collect();
        assert_eq!(partners, [Some(told.doors[1].id), Some(told.doors[0].id)]);

        let third = central.post(&doors, inner.clone()).await;
        assert_eq!(
            (third.status, &third.json["code"]),
            (409, &json!("door_interlocked"))
        );
        // It stays as it is, and ends at both.
        let path = format!("{doors}/{id}");
        assert_eq!(central.put(&path, inner.clone()).await.status, 200);
        inner["interlock_door_id"] = Value::Null;
        assert_eq!(central.put(&path, inner).await.status, 200);
        for path in [&path, &outer] {
            assert_eq!(
                central.get(path).await.json["interlock_door_id"],
                json!(null)
            );
        }
    }

    #[tokio::test]
    async fn an_interlock_is_with_another_door_of_the_same_gate() {
        let central = testing::central().await;
        let site = central.site().await;
        let other = central.site().await;
        let path = format!("{}/doors/{}", site.school, site.door_id);
        let gates = format!("{}/gates", site.school);
        let library = central.post(&gates, json!({"name": "Library"})).await;
        let doors = format!("{}/doors", site.school);
        let elsewhere = central
            .post(&doors, chamber(&library.json["gate_id"]))
            .await;
        for partner in [
            json!(site.door_id),
            elsewhere.json["door_id"].clone(),
            json!(other.door_id),
        ] {
            let mut door = chamber(&json!(site.gate_id));
            door["interlock_door_id"] = partner;
            let answer = central.put(&path, door).await;
            assert_eq!(
                (answer.status, &answer.json["errors"][0]["field"]),
                (422, &json!("interlock_door_id"))
            );
        }
    }

    #[tokio::test]
    async fn a_door_that_goes_to_another_gate_leaves_its_companion_behind() {
        let central = testing::central().await;
        let site = central.site().await;
        let doors = format!("{}/doors", site.school);
        let mut inner = chamber(&json!(site.gate_id));
        inner["interlock_door_id"] = json!(site.door_id);
        let made = central.post(&doors, inner.clone()).await;
        let gates = format!("{}/gates", site.school);
        let library = central.post(&gates, json!({"name": "Library"})).await;
        inner["gate_id"] = library.json["gate_id"].clone();
        let path = format!("{doors}/{}", made.json["door_id"]);
        assert_eq!(central.put(&path, inner.clone()).await.status, 422);
        inner["interlock_door_id"] = json!(null);
        assert_eq!(central.put(&path, inner).await.status, 200);
        let outer = format!("{doors}/{}", site.door_id);
        assert_eq!(
            central.get(&outer).await.json["interlock_door_id"],
            json!(null)
        );
    }

    #[tokio::test]
    async fn unlocked_hours_bring_their_schedule_to_the_gate_and_keep_it_from_being_deleted() {
        let (central, _) = central_with_keys().await;
        let site = central.site().await;
        let other = central.site().await;
        let schedules = format!("{}/schedules", site.school);
        let evenings = central.post(&schedules, json!({"name": "Evenings"})).await;
        let id = &evenings.json["schedule_id"];
        let path = format!("{}/doors/{}", site.school, site.door_id);
        let mut door = central.get(&path).await.json;
        door.as_object_mut().unwrap().remove("door_id");
        door["unlocked_hours"] = json!({"schedule_id": id, "begin": "with_first_person"});
        assert_eq!(central.put(&path, door.clone()).await.status, 200);
        assert_eq!(
            central.get(&path).await.json["unlocked_hours"],
            door["unlocked_hours"]
        );

        central.app.publisher().catch_up(Which::All).await.unwrap();
        let newest = central
            .newest::<Configuration>(Subject::Gate(site.gate_id))
            .await;
        let told = newest.into_document();
        let hours = told.doors[0].hours.unwrap();
        assert_eq!(hours.begin, HoursBegin::WithFirstPerson);
        assert!(told.schedules.iter().any(|it| it.id == hours.schedule));

        let used = central.delete(&format!("{schedules}/{id}")).await;
        assert_eq!(
            (used.status, &used.json["code"]),
            (409, &json!("schedule_in_use"))
        );
        door["unlocked_hours"]["schedule_id"] = json!(other.schedule_id);
        let foreign = central.put(&path, door).await;
        assert_eq!(
            (foreign.status, &foreign.json["errors"][0]["field"]),
            (422, &json!("unlocked_hours.schedule_id"))
        );
    }

    #[tokio::test]
    async fn a_door_moves_to_the_gate_that_replaces_its_own() {
        let central = testing::central().await;
        let site = central.site().await;
        let gate = central
            .post(
                &format!("{}/gates", site.school),
                json!({"name": "New box"}),
            )
            .await;
        let path = format!("{}/doors/{}", site.school, site.door_id);
        let mut door = central.get(&path).await.json;
        door.as_object_mut().unwrap().remove("door_id");
        door["gate_id"] = gate.json["gate_id"].clone();
        assert_eq!(central.put(&path, door).await.status, 200);
        assert_eq!(
            central.get(&path).await.json["gate_id"],
            gate.json["gate_id"]
        );
        let old = format!("{}/gates/{}", site.school, site.gate_id);
        assert_eq!(
            central.delete(&old).await.status,
            204,
            "the old gate has no doors left"
        );
    }
}

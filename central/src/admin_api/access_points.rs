//! Access points: one direction through a door.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod update;

use axum::http::StatusCode;
use serde::Deserialize;
use shared::configuration::ACCESS_POINTS_PER_GATE;
use utoipa::IntoParams;

use crate::{
    admin_api::doors::GATE_FULL,
    db::{
        Transaction,
        access_points::{self, AccessPointFields},
        areas, doors, gates,
    },
    ids::{AccessPointId, SchoolId},
    problem::{Kind, Problem},
};

/// The path names no access point of the school.
pub const ACCESS_POINT_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "access_point_not_found",
    "The school has no such access point",
);

/// Names an access point of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AccessPointPath {
    /// The school.
    pub school_id: SchoolId,
    /// The access point.
    pub access_point_id: AccessPointId,
}

fn not_found(access_point_id: AccessPointId) -> Problem {
    ACCESS_POINT_NOT_FOUND.because(format!("The school has no access point {access_point_id}."))
}

/// Do the door and the areas exist, and has the gate room for the access point?
async fn check(
    transaction: &Transaction,
    access_point: Option<AccessPointId>,
    fields: &AccessPointFields,
) -> Result<(), Problem> {
    if fields.from_area_id == fields.to_area_id {
        return Err(Problem::invalid_field(
            "to_area_id",
            "must not be where the holder comes from",
        ));
    }
    let areas = [
        ("from_area_id", fields.from_area_id),
        ("to_area_id", fields.to_area_id),
    ];
    for (field, area) in areas {
        let Some(area) = area else { continue };
        if areas::get(transaction, area).await?.is_none() {
            return Err(Problem::invalid_field(
                field,
                "must be an area of this school, or null",
            ));
        }
    }
    let Some(door) = doors::get(transaction, fields.door_id).await? else {
        return Err(Problem::invalid_field(
            "door_id",
            "must be a door of this school",
        ));
    };
    let gate_id = door.fields.gate_id;
    gates::lock(transaction, gate_id).await?;
    let others = access_points::of_gate(transaction, gate_id).await?;
    let others = others
        .iter()
        .filter(|other| Some(other.access_point_id) != access_point)
        .count();
    if others >= ACCESS_POINTS_PER_GATE {
        return Err(GATE_FULL.because(format!(
            "A gate has at most {ACCESS_POINTS_PER_GATE} access points: give the door to another gate."
        )));
    }
    Ok(())
}

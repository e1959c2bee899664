//! Doors: what a gate opens.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod update;

use axum::http::StatusCode;
use serde::Deserialize;
use shared::configuration::DOORS_PER_GATE;
use utoipa::IntoParams;

use crate::{
    db::{
        Transaction,
        doors::{self, ContactSensing, Door, DoorFields, PassageSensing},
        gates, schedules,
    },
    ids::{DoorId, SchoolId},
    problem::{Kind, Problem},
};

/// The path names no door of the school.
pub const DOOR_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "door_not_found",
    "The school has no such door",
);

/// The gate has as many doors as a box has lines.
pub const GATE_FULL: Kind = Kind::new(
    StatusCode::CONFLICT,
    "gate_full",
    "The gate has as many as it can",
);

/// An interlock is of two doors.
pub const DOOR_INTERLOCKED: Kind = Kind::new(
    StatusCode::CONFLICT,
    "door_interlocked",
    "The other door is interlocked already",
);

/// Names a door of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct DoorPath {
    /// The school.
    pub school_id: SchoolId,
    /// The door.
    pub door_id: DoorId,
}

fn not_found(door_id: DoorId) -> Problem {
    DOOR_NOT_FOUND.because(format!("The school has no door {door_id}."))
}

/// Do the fields make sense together, and has the gate room for the door?
async fn check(
    transaction: &Transaction,
    door: Option<DoorId>,
    fields: &DoorFields,
) -> Result<(), Problem> {
    check_sense(fields)?;
    if !gates::lock(transaction, fields.gate_id).await? {
        return Err(Problem::invalid_field(
            "gate_id",
            "must be a gate of this school",
        ));
    }
    let mut others = doors::of_gate(transaction, fields.gate_id).await?;
    others.retain(|other| Some(other.door_id) != door);
    if let Some(other) = fields.interlock_door_id {
        check_interlock(door, &others, other)?;
    }
    if let Some(hours) = fields.unlocked_hours
        && schedules::get(transaction, hours.schedule_id)
            .await?
            .is_none()
    {
        return Err(Problem::invalid_field(
            "unlocked_hours.schedule_id",
            "must be a schedule of this school",
        ));
    }
    if others.len() >= DOORS_PER_GATE {
        return Err(GATE_FULL.because(format!(
            "A gate has at most {DOORS_PER_GATE} doors: give this one to another gate."
        )));
    }
    Ok(())
}

/// May `door`, which is new or none of `others`, be interlocked with one of them?
fn check_interlock(door: Option<DoorId>, others: &[Door], other: DoorId) -> Result<(), Problem> {
    let Some(other) = others.iter().find(|it| it.door_id == other) else {
        return Err(Problem::invalid_field(
            "interlock_door_id",
            "must be another door of the same gate",
        ));
    };
    match other.fields.interlock_door_id {
        Some(third) if Some(third) != door => Err(DOOR_INTERLOCKED.because(format!(
            "Door {} is interlocked with door {third}: end that first.",
            other.door_id
        ))),
        Some(_) | None => Ok(()),
    }
}

fn check_sense(fields: &DoorFields) -> Result<(), Problem> {
    if fields.passage == PassageSensing::DoorContact && fields.contact == ContactSensing::Absent {
        return Err(Problem::invalid_field(
            "passage",
            "door_contact needs a contact that is present",
        ));
    }
    if fields.extended_release_time_ms < fields.release_time_ms {
        return Err(Problem::invalid_field(
            "extended_release_time_ms",
            "must not be shorter than release_time_ms",
        ));
    }
    if fields.pre_alarm_ms.get() > fields.open_time_ms.get() {
        return Err(Problem::invalid_field(
            "pre_alarm_ms",
            "must not be longer than open_time_ms",
        ));
    }
    Ok(())
}

//! People who may act at a school's gates, signed in there by PIN.

pub mod create;
pub mod delete;
pub mod list;
pub mod update;

pub mod pin;

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    ids::{SchoolId, StaffNumber},
    problem::{Kind, Problem},
};

/// The path names nobody of the school's gate staff.
pub const STAFF_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "gate_staff_not_found",
    "The school has no such member of its gate staff",
);

/// Names a member of a school's gate staff.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct StaffPath {
    /// The school.
    pub school_id: SchoolId,
    /// The number that journals name.
    pub staff_number: StaffNumber,
}

fn not_found(staff_number: StaffNumber) -> Problem {
    STAFF_NOT_FOUND.because(format!(
        "Nobody of the gate staff has the number {staff_number}."
    ))
}

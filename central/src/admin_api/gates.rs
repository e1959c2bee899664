//! Gates: the appliances at the doors. Enrolment has an API of its own.

pub mod carry_documents;
pub mod carry_journal;
pub mod claim;
pub mod create;
pub mod delete;
pub mod get;
pub mod lift_quarantine;
pub mod list;
pub mod retire;
pub mod update;

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    db::gates::GateFields,
    ids::{GateId, SchoolId},
    problem::{Kind, Problem},
};

/// The path names no gate of the school.
pub const GATE_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "gate_not_found",
    "The school has no such gate",
);

/// Names a gate of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct GatePath {
    /// The school.
    pub school_id: SchoolId,
    /// The gate.
    pub gate_id: GateId,
}

pub(crate) fn not_found(gate_id: GateId) -> Problem {
    GATE_NOT_FOUND.because(format!("The school has no gate {gate_id}."))
}

fn check(fields: &GateFields) -> Result<(), Problem> {
    if fields.policies.freshness.is_ascending() {
        return Ok(());
    }
    Err(Problem::invalid_field(
        "policies.freshness",
        "fresh_s, warn_s, restrict_s and expired_s must not descend",
    ))
}

//! Access levels: passes carry their numbers.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod update;

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    db::{
        self, Transaction, Violation,
        access_levels::{self, AccessLevelFields},
    },
    ids::{AccessLevelId, SchoolId},
    problem::{FieldProblem, Kind, NAME_TAKEN, Problem},
};

/// The path names no access level of the school.
pub const ACCESS_LEVEL_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "access_level_not_found",
    "The school has no such access level",
);

/// More grants than the access points of a large school times its schedules are a mistake.
const GRANTS_MAX: usize = 1_000;

/// Names an access level of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AccessLevelPath {
    /// The school.
    pub school_id: SchoolId,
    /// The access level.
    pub level: AccessLevelId,
}

fn not_found(level: AccessLevelId) -> Problem {
    ACCESS_LEVEL_NOT_FOUND.because(format!("The school has no access level {level}."))
}

/// Sorts the grants, or says which the school cannot give.
async fn check(
    transaction: &Transaction,
    school_id: SchoolId,
    fields: &mut AccessLevelFields,
) -> Result<(), Problem> {
    if fields.grants.len() > GRANTS_MAX {
        return Err(Problem::invalid_field(
            "grants",
            format!("may be {GRANTS_MAX}"),
        ));
    }
    fields.grants.sort_unstable();
    fields.grants.dedup();
    let unknown = access_levels::unknown_grants(transaction, school_id, &fields.grants).await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let problem = |grant: &access_levels::AccessGrant| FieldProblem {
        field: "grants".to_owned(),
        detail: format!(
            "access point {} and schedule {} must both be this school's",
            grant.access_point_id, grant.schedule_id
        ),
    };
    Err(Problem::invalid_fields(
        unknown.iter().map(problem).collect(),
    ))
}

/// What it means that the database refused to store an access level.
fn refused(error: anyhow::Error, fields: &AccessLevelFields) -> Problem {
    match db::violation(&error) {
        Some(Violation::Unique) => NAME_TAKEN.because(format!(
            "Another access level is called \"{}\": choose another name.",
            fields.name
        )),
        Some(Violation::Reference) | None => error.into(),
    }
}

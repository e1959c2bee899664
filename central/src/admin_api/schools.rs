//! Schools: everything else belongs to one.

pub mod create;
pub mod get;
pub mod list;
pub mod update;

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    db::{Transaction, schools},
    ids::SchoolId,
    problem::{Kind, Problem},
    text::{Name, TimeZoneName},
};

/// The path names no school.
pub const SCHOOL_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "school_not_found",
    "There is no such school",
);

/// What is said about a school.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SchoolFields)]
pub struct Fields {
    /// What people call it.
    #[schema(example = "Northfield College")]
    name: Name,
    /// The zone in which its schedules are meant.
    #[schema(example = "Europe/London")]
    time_zone: TimeZoneName,
}

/// Names a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct SchoolPath {
    /// The school.
    pub school_id: SchoolId,
}

/// Opens a transaction that sees the rows of a school, which exists.
///
/// # Errors
/// [`SCHOOL_NOT_FOUND`], or when the database fails.
pub async fn begin_in(app: &App, school_id: SchoolId) -> Result<Transaction, Problem> {
    let transaction = app.db.begin_in_school(school_id).await?;
    if schools::get(&transaction, school_id).await?.is_none() {
        return Err(not_found(school_id));
    }
    Ok(transaction)
}

fn not_found(school_id: SchoolId) -> Problem {
    SCHOOL_NOT_FOUND.because(format!(
        "No school has the id {school_id}: GET /api/v1/schools lists them."
    ))
}

//! Areas: where doors lead.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod update;

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    db::{self, Violation},
    ids::{AreaId, SchoolId},
    number::Bounded,
    problem::{Kind, NAME_TAKEN, Problem},
    text::Name,
};

/// The path names no area of the school.
pub const AREA_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "area_not_found",
    "The school has no such area",
);

/// What is said about an area.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AreaFields)]
pub struct Fields {
    /// What people call it.
    #[schema(example = "Library")]
    name: Name,
    /// Most people inside; without it there is no limit.
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 1_000_000)]
    capacity: Option<Capacity>,
}

/// Most people inside an area; the bound is above any building's.
type Capacity = Bounded<1, 1_000_000>;

/// Names an area of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AreaPath {
    /// The school.
    pub school_id: SchoolId,
    /// The area.
    pub area_id: AreaId,
}

impl Fields {
    fn capacity(&self) -> Option<i32> {
        self.capacity.map(Bounded::get)
    }
}

fn not_found(area_id: AreaId) -> Problem {
    AREA_NOT_FOUND.because(format!("The school has no area {area_id}."))
}

/// What it means that the database refused to store an area.
fn refused(error: anyhow::Error, name: &Name) -> Problem {
    match db::violation(&error) {
        Some(Violation::Unique) => NAME_TAKEN.because(format!(
            "Another area is called {name:?}: choose another name."
        )),
        Some(Violation::Reference) | None => error.into(),
    }
}

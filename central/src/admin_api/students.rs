//! Students: the people whom passes are for.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod update;

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    db::{self, Violation, students::StudentFields},
    ids::{SchoolId, StudentId},
    problem::{Kind, Problem},
};

/// The path names no student of the school.
pub const STUDENT_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "student_not_found",
    "The school has no such student",
);

/// Another student of the school has the number.
pub const STUDENT_NUMBER_TAKEN: Kind = Kind::new(
    StatusCode::CONFLICT,
    "student_number_taken",
    "Another student of this school has this number",
);

/// Names a student of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct StudentPath {
    /// The school.
    pub school_id: SchoolId,
    /// The student.
    pub student_id: StudentId,
}

fn not_found(student_id: StudentId) -> Problem {
    STUDENT_NOT_FOUND.because(format!("The school has no student {student_id}."))
}

/// What it means that the database refused to store a student.
fn refused(error: anyhow::Error, fields: &StudentFields) -> Problem {
    match db::violation(&error) {
        Some(Violation::Unique) => STUDENT_NUMBER_TAKEN.because(format!(
            "The number {} is another student's: change it here or there.",
            fields.student_number
        )),
        Some(Violation::Reference) | None => error.into(),
    }
}

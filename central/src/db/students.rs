//! Table `students`. How a person is erased stands in `erasure`.

use std::collections::BTreeSet;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::{ids::HolderNumber, roster::DoorNeed};
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::{Connection, Word};
use crate::{
    ids::{SchoolId, StudentId},
    instant::UtcInstant,
    paging::PageRequest,
    text::{LanguageTag, Name, StudentNumber},
};

/// A person whom passes are for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Student {
    /// Their id.
    pub student_id: StudentId,
    /// Their number in the rosters of gates.
    pub holder_number: i32,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub fields: StudentFields,
    /// When they were entered here.
    pub created_at: UtcInstant,
}

/// What is said about a student.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StudentFields {
    /// Their number at the school; unique there.
    #[schema(example = "2026-0417")]
    pub student_number: StudentNumber,
    /// Their name.
    #[schema(example = "Amara Nwosu")]
    pub name: Name,
    /// The language in which gates speak to them.
    #[serde(default = "english")]
    #[schema(example = "en")]
    pub language: LanguageTag,
    /// How long doors stay released for them.
    #[serde(default)]
    pub release_time: ReleaseTime,
}

/// How long doors stay released for a student.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseTime {
    /// As long as for most people.
    #[default]
    Usual,
    /// For the door's extended release time: they need longer to go through.
    Extended,
}

impl ReleaseTime {
    /// The same as rosters carry it.
    #[must_use]
    pub const fn to_wire(self) -> Option<DoorNeed> {
        match self {
            Self::Usual => None,
            Self::Extended => Some(DoorNeed::ExtendedRelease),
        }
    }
}

/// Which students a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StudentFilter {
    /// Only with this number.
    pub student_number: Option<StudentNumber>,
    /// Only with this in their name, whatever its case.
    pub name: Option<Name>,
}

fn english() -> LanguageTag {
    "en".parse().expect("en is a language tag")
}

const COLUMNS: &str =
    "student_id, holder_number, student_number, name, language, release_time, created_at";

fn student(row: &Row) -> Student {
    let Word(release_time) = row.get("release_time");
    Student {
        student_id: row.get("student_id"),
        holder_number: row.get("holder_number"),
        fields: StudentFields {
            student_number: row.get("student_number"),
            name: row.get("name"),
            language: row.get("language"),
            release_time,
        },
        created_at: row.get("created_at"),
    }
}

/// # Errors
/// When the student number is taken, or the database fails.
pub async fn insert(
    connection: &Connection,
    school_id: SchoolId,
    student_id: StudentId,
    fields: &StudentFields,
    now: UtcInstant,
) -> anyhow::Result<Student> {
    let row = connection
        .query_one(
            &format!(
                "WITH numbered AS ( \
                    UPDATE schools SET next_holder_number = next_holder_number + 1 \
                    WHERE school_id = $1 RETURNING next_holder_number - 1 AS holder_number) \
                 INSERT INTO students \
                    (school_id, student_id, holder_number, student_number, name, language, \
                     release_time, created_at) \
                 SELECT $1, $2, holder_number, $3, $4, $5, $6, $7 FROM numbered RETURNING {COLUMNS}"
            ),
            &[
                &school_id,
                &student_id,
                &fields.student_number,
                &fields.name,
                &fields.language,
                &Word(fields.release_time),
                &now,
            ],
        )
        .await
        .context("cannot store a student")?;
    Ok(student(&row))
}

/// # Errors
/// When the database fails.
pub async fn get(
    connection: &Connection,
    student_id: StudentId,
) -> anyhow::Result<Option<Student>> {
    let sql =
        format!("SELECT {COLUMNS} FROM students WHERE student_id = $1 AND deleted_at IS NULL");
    let row = connection
        .query_opt(&sql, &[&student_id])
        .await
        .with_context(|| format!("cannot read the student {student_id}"))?;
    Ok(row.as_ref().map(student))
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    filter: &StudentFilter,
    page: &PageRequest<StudentId>,
) -> anyhow::Result<Vec<Student>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM students \
         WHERE school_id = $1 AND deleted_at IS NULL \
            AND ($2::uuid IS NULL OR student_id > $2) \
            AND ($3::text IS NULL OR student_number = $3) \
            AND ($4::text IS NULL OR strpos(lower(name), lower($4)) > 0) \
         ORDER BY student_id LIMIT $5"
    );
    let rows = connection
        .query(
            &sql,
            &[
                &school_id,
                &page.after,
                &filter.student_number,
                &filter.name,
                &page.sql_limit(),
            ],
        )
        .await
        .context("cannot list the students")?;
    Ok(rows.iter().map(student).collect())
}

/// The student as they are afterwards; `None` when there is none.
///
/// # Errors
/// When the student number is taken, or the database fails.
pub async fn update(
    connection: &Connection,
    student_id: StudentId,
    fields: &StudentFields,
) -> anyhow::Result<Option<Student>> {
    let sql = format!(
        "UPDATE students SET student_number = $2, name = $3, language = $4, release_time = $5 \
         WHERE student_id = $1 AND deleted_at IS NULL RETURNING {COLUMNS}"
    );
    let row = connection
        .query_opt(
            &sql,
            &[
                &student_id,
                &fields.student_number,
                &fields.name,
                &fields.language,
                &Word(fields.release_time),
            ],
        )
        .await
        .with_context(|| format!("cannot change the student {student_id}"))?;
    Ok(row.as_ref().map(student))
}

/// Locks the row, so that no pass can be issued to the student until the transaction ends, and
/// gives their holder number; `None` when there is no such student.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &Connection,
    student_id: StudentId,
) -> anyhow::Result<Option<HolderNumber>> {
    let row = connection
        .query_opt(
            "SELECT holder_number FROM students WHERE student_id = $1 AND deleted_at IS NULL FOR UPDATE",
            &[&student_id],
        )
        .await
        .with_context(|| format!("cannot lock the student {student_id}"))?;
    Ok(row.map(|row| HolderNumber(row.get::<_, i32>(0).unsigned_abs())))
}

/// How many of the student's passes are neither revoked nor expired.
///
/// # Errors
/// When the database fails.
pub async fn passes_of(
    connection: &Connection,
    student_id: StudentId,
    now: UtcInstant,
) -> anyhow::Result<i64> {
    let row = connection
        .query_one(
            "SELECT count(*) FROM passes \
             WHERE student_id = $1 AND state <> 'revoked' AND expires_at > $2",
            &[&student_id, &now],
        )
        .await
        .with_context(|| format!("cannot count the passes of the student {student_id}"))?;
    Ok(row.get(0))
}

/// The first of `ids` who is no student of the school; the others cannot be erased until the
/// transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn first_unknown(
    connection: &Connection,
    school_id: SchoolId,
    ids: &[StudentId],
) -> anyhow::Result<Option<StudentId>> {
    let rows = connection
        .query(
            "SELECT student_id FROM students \
             WHERE school_id = $1 AND student_id = ANY($2) AND deleted_at IS NULL \
             ORDER BY student_id FOR KEY SHARE",
            &[&school_id, &ids],
        )
        .await
        .context("cannot look up students")?;
    let found: BTreeSet<StudentId> = rows.iter().map(|row| row.get(0)).collect();
    Ok(ids.iter().find(|id| !found.contains(id)).copied())
}

/// Does a student of the school have this holder number?
///
/// # Errors
/// When the database fails.
pub async fn has_holder(
    connection: &Connection,
    school_id: SchoolId,
    holder_number: i32,
) -> anyhow::Result<bool> {
    let row = connection
        .query_opt(
            "SELECT FROM students WHERE school_id = $1 AND holder_number = $2 AND deleted_at IS NULL",
            &[&school_id, &holder_number],
        )
        .await
        .context("cannot look up a holder")?;
    Ok(row.is_some())
}

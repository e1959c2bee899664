//! Table `schools`.

use anyhow::Context;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::Connection;
use crate::{
    ids::SchoolId,
    instant::UtcInstant,
    paging::PageRequest,
    text::{Name, TimeZoneName},
};

/// A school.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct School {
    /// Its id.
    pub school_id: SchoolId,
    /// What people call it.
    pub name: Name,
    /// The zone in which its schedules are meant.
    pub time_zone: TimeZoneName,
    /// When it was made here.
    pub created_at: UtcInstant,
}

fn school(row: &Row) -> School {
    School {
        school_id: row.get("school_id"),
        name: row.get("name"),
        time_zone: row.get("time_zone"),
        created_at: row.get("created_at"),
    }
}

/// # Errors
/// When the database fails.
pub async fn insert(connection: &Connection, school: &School) -> anyhow::Result<()> {
    connection
        .execute(
            "INSERT INTO schools (school_id, name, time_zone, created_at) VALUES ($1, $2, $3, $4)",
            &[
                &school.school_id,
                &school.name,
                &school.time_zone,
                &school.created_at,
            ],
        )
        .await
        .context("cannot store a school")?;
    Ok(())
}

/// # Errors
/// When the database fails.
pub async fn get(connection: &Connection, school_id: SchoolId) -> anyhow::Result<Option<School>> {
    let statement = connection
        .prepare_cached(
            "SELECT school_id, name, time_zone, created_at FROM schools WHERE school_id = $1",
        )
        .await
        .context("cannot read a school")?;
    let row = connection
        .query_opt(&statement, &[&school_id])
        .await
        .with_context(|| format!("cannot read the school {school_id}"))?;
    Ok(row.as_ref().map(school))
}

/// Ordered by id, which is the order of making.
///
/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    page: &PageRequest<SchoolId>,
) -> anyhow::Result<Vec<School>> {
    let rows = connection
        .query(
            "SELECT school_id, name, time_zone, created_at FROM schools \
             WHERE $1::uuid IS NULL OR school_id > $1 ORDER BY school_id LIMIT $2",
            &[&page.after, &page.sql_limit()],
        )
        .await
        .context("cannot list the schools")?;
    Ok(rows.iter().map(school).collect())
}

/// The school as it is afterwards; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn update(
    connection: &Connection,
    school_id: SchoolId,
    name: &Name,
    time_zone: &TimeZoneName,
) -> anyhow::Result<Option<School>> {
    let row = connection
        .query_opt(
            "UPDATE schools SET name = $2, time_zone = $3 WHERE school_id = $1 \
             RETURNING school_id, name, time_zone, created_at",
            &[&school_id, name, time_zone],
        )
        .await
        .with_context(|| format!("cannot change the school {school_id}"))?;
    Ok(row.as_ref().map(school))
}

//! Table `areas`.

use anyhow::Context;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::Connection;
use crate::{
    ids::{AreaId, SchoolId},
    paging::PageRequest,
    text::Name,
};

/// Where a door leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Area {
    /// Its id.
    pub area_id: AreaId,
    /// What people call it.
    pub name: Name,
    /// Most people inside; `null` for no limit.
    pub capacity: Option<i32>,
}

impl Area {
    /// The same as gates carry it.
    #[must_use]
    pub fn to_wire(&self) -> shared::configuration::Area {
        shared::configuration::Area {
            id: self.area_id.into(),
            name: self.name.as_str().to_owned(),
            capacity: self.capacity.map(i32::unsigned_abs),
        }
    }
}

fn area(row: &Row) -> Area {
    Area {
        area_id: row.get("area_id"),
        name: row.get("name"),
        capacity: row.get("capacity"),
    }
}

/// # Errors
/// When the name is taken, or the database fails.
pub async fn insert(
    connection: &Connection,
    school_id: SchoolId,
    name: &Name,
    capacity: Option<i32>,
) -> anyhow::Result<Area> {
    let row = connection
        .query_one(
            "INSERT INTO areas (school_id, name, capacity) VALUES ($1, $2, $3) \
             RETURNING area_id, name, capacity",
            &[&school_id, name, &capacity],
        )
        .await
        .context("cannot store an area")?;
    Ok(area(&row))
}

/// # Errors
/// When the database fails.
pub async fn get(connection: &Connection, area_id: AreaId) -> anyhow::Result<Option<Area>> {
    let row = connection
        .query_opt(
            "SELECT area_id, name, capacity FROM areas WHERE area_id = $1",
            &[&area_id],
        )
        .await
        .with_context(|| format!("cannot read the area {area_id}"))?;
    Ok(row.as_ref().map(area))
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    page: &PageRequest<AreaId>,
) -> anyhow::Result<Vec<Area>> {
    let rows = connection
        .query(
            "SELECT area_id, name, capacity FROM areas \
             WHERE school_id = $1 AND ($2::integer IS NULL OR area_id > $2) ORDER BY area_id LIMIT $3",
            &[&school_id, &page.after, &page.sql_limit()],
        )
        .await
        .context("cannot list the areas")?;
    Ok(rows.iter().map(area).collect())
}

/// Those of `ids` that exist, ascending.
///
/// # Errors
/// When the database fails.
pub async fn read(connection: &Connection, ids: &[AreaId]) -> anyhow::Result<Vec<Area>> {
    let rows = connection
        .query(
            "SELECT area_id, name, capacity FROM areas WHERE area_id = ANY($1) ORDER BY area_id",
            &[&ids],
        )
        .await
        .context("cannot read areas")?;
    Ok(rows.iter().map(area).collect())
}

/// The area as it is afterwards; `None` when there is none.
///
/// # Errors
/// When the name is taken, or the database fails.
pub async fn update(
    connection: &Connection,
    area_id: AreaId,
    name: &Name,
    capacity: Option<i32>,
) -> anyhow::Result<Option<Area>> {
    let row = connection
        .query_opt(
            "UPDATE areas SET name = $2, capacity = $3 WHERE area_id = $1 \
             RETURNING area_id, name, capacity",
            &[&area_id, name, &capacity],
        )
        .await
        .with_context(|| format!("cannot change the area {area_id}"))?;
    Ok(row.as_ref().map(area))
}

/// How many areas that were: one or none.
///
/// # Errors
/// When an access point names it, or the database fails.
pub async fn delete(connection: &Connection, area_id: AreaId) -> anyhow::Result<u64> {
    connection
        .execute("DELETE FROM areas WHERE area_id = $1", &[&area_id])
        .await
        .with_context(|| format!("cannot delete the area {area_id}"))
}

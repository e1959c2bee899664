//! Table `access_points`.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::configuration as wire;
use tokio_postgres::{Row, types::Json};
use utoipa::ToSchema;

use super::Connection;
use crate::{
    ids::{AccessPointId, AreaId, DoorId, GateId, SchoolId},
    paging::PageRequest,
    policy::AccessPointPolicies,
    text::Name,
};

/// One direction through a door, with its reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccessPoint {
    /// Its id.
    pub access_point_id: AccessPointId,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub fields: AccessPointFields,
}

/// What is said about an access point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessPointFields {
    /// Its door.
    pub door_id: DoorId,
    /// What people call it.
    #[schema(example = "Main gate, in")]
    pub name: Name,
    /// Where the holder comes from; `null` is outside.
    pub from_area_id: Option<AreaId>,
    /// Where the holder goes; `null` is outside.
    pub to_area_id: Option<AreaId>,
    /// What it does when something is not known or not fresh.
    #[serde(default)]
    pub policies: AccessPointPolicies,
}

impl AccessPoint {
    /// The same as gates carry it.
    #[must_use]
    pub fn to_wire(&self) -> wire::AccessPoint {
        let area = |area: Option<AreaId>| {
            area.map_or(shared::ids::AreaId::OUTSIDE, shared::ids::AreaId::from)
        };
        let policies = &self.fields.policies;
        wire::AccessPoint {
            id: self.access_point_id.into(),
            name: self.fields.name.as_str().to_owned(),
            door: self.fields.door_id.into(),
            from: area(self.fields.from_area_id),
            to: area(self.fields.to_area_id),
            unknown_status: policies.unknown_status.into(),
            unknown_issuance: policies.unknown_issuance.into(),
            untrusted_clock: policies.untrusted_clock.into(),
            anti_passback: policies.anti_passback.into(),
            live_pass: policies.live_pass.into(),
            second_person: policies.second_person.into(),
        }
    }
}

const COLUMNS: &str = "access_point_id, door_id, name, from_area_id, to_area_id, policies";

fn access_point(row: &Row) -> anyhow::Result<AccessPoint> {
    let Json(policies) = row
        .try_get("policies")
        .context("an access point's policies in the database")?;
    Ok(AccessPoint {
        access_point_id: row.get("access_point_id"),
        fields: AccessPointFields {
            door_id: row.get("door_id"),
            name: row.get("name"),
            from_area_id: row.get("from_area_id"),
            to_area_id: row.get("to_area_id"),
            policies,
        },
    })
}

/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &Connection,
    school_id: SchoolId,
    fields: &AccessPointFields,
) -> anyhow::Result<AccessPoint> {
    let row = connection
        .query_one(
            &format!(
                "INSERT INTO access_points (school_id, door_id, name, from_area_id, to_area_id, policies) \
                 VALUES ($1, $2, $3, $4, $5, $6) RETURNING {COLUMNS}"
            ),
            &[
                &school_id,
                &fields.door_id,
                &fields.name,
                &fields.from_area_id,
                &fields.to_area_id,
                &Json(fields.policies),
            ],
        )
        .await
        .context("cannot store an access point")?;
    access_point(&row)
}

/// # Errors
/// When the database fails.
pub async fn get(
    connection: &Connection,
    access_point_id: AccessPointId,
) -> anyhow::Result<Option<AccessPoint>> {
    let sql = format!("SELECT {COLUMNS} FROM access_points WHERE access_point_id = $1");
    let row = connection
        .query_opt(&sql, &[&access_point_id])
        .await
        .with_context(|| format!("cannot read the access point {access_point_id}"))?;
    row.as_ref().map(access_point).transpose()
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    page: &PageRequest<AccessPointId>,
) -> anyhow::Result<Vec<AccessPoint>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM access_points \
         WHERE school_id = $1 AND ($2::integer IS NULL OR access_point_id > $2) \
         ORDER BY access_point_id LIMIT $3"
    );
    let rows = connection
        .query(&sql, &[&school_id, &page.after, &page.sql_limit()])
        .await
        .context("cannot list the access points")?;
    rows.iter().map(access_point).collect()
}

/// Those of one gate, ascending.
///
/// # Errors
/// When the database fails.
pub async fn of_gate(connection: &Connection, gate_id: GateId) -> anyhow::Result<Vec<AccessPoint>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM access_points \
         WHERE door_id IN (SELECT door_id FROM doors WHERE gate_id = $1) ORDER BY access_point_id"
    );
    let rows = connection
        .query(&sql, &[&gate_id])
        .await
        .with_context(|| format!("cannot list the access points of the gate {gate_id}"))?;
    rows.iter().map(access_point).collect()
}

/// The access point as it is afterwards; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn update(
    connection: &Connection,
    access_point_id: AccessPointId,
    fields: &AccessPointFields,
) -> anyhow::Result<Option<AccessPoint>> {
    let row = connection
        .query_opt(
            &format!(
                "UPDATE access_points \
                 SET door_id = $2, name = $3, from_area_id = $4, to_area_id = $5, policies = $6 \
                 WHERE access_point_id = $1 RETURNING {COLUMNS}"
            ),
            &[
                &access_point_id,
                &fields.door_id,
                &fields.name,
                &fields.from_area_id,
                &fields.to_area_id,
                &Json(fields.policies),
            ],
        )
        .await
        .with_context(|| format!("cannot change the access point {access_point_id}"))?;
    row.as_ref().map(access_point).transpose()
}

/// Deletes it with the grants that name it; how many that were: one or none.
///
/// # Errors
/// When the database fails.
pub async fn delete(
    connection: &Connection,
    access_point_id: AccessPointId,
) -> anyhow::Result<u64> {
    connection
        .execute(
            "DELETE FROM access_points WHERE access_point_id = $1",
            &[&access_point_id],
        )
        .await
        .with_context(|| format!("cannot delete the access point {access_point_id}"))
}

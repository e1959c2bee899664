//! Tables `access_levels`, `access_level_grants`.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::access_level as wire;
use utoipa::ToSchema;

use super::Connection;
use crate::{
    ids::{AccessLevelId, AccessPointId, ScheduleId, SchoolId},
    instant::UtcInstant,
    paging::PageRequest,
    text::Name,
};

/// A named set of (access point, schedule).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccessLevel {
    /// Its number in passes.
    pub level: AccessLevelId,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub fields: AccessLevelFields,
}

/// What is said about an access level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLevelFields {
    /// What staff call it.
    #[schema(example = "Students, library")]
    pub name: Name,
    /// Where and when it admits.
    #[serde(default)]
    pub grants: Vec<AccessGrant>,
}

/// One place and time of an access level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessGrant {
    /// Where.
    pub access_point_id: AccessPointId,
    /// When.
    pub schedule_id: ScheduleId,
}

impl AccessLevel {
    /// The same as gates carry it.
    #[must_use]
    pub fn to_wire(&self) -> wire::AccessLevel {
        let grants = self.fields.grants.iter().map(|grant| wire::AccessGrant {
            access_point: grant.access_point_id.into(),
            schedule: grant.schedule_id.into(),
        });
        wire::AccessLevel {
            id: self.level.into(),
            name: self.fields.name.as_str().to_owned(),
            grants: grants.collect(),
        }
    }
}

/// The smallest number that no access level of the school has; `None` when all are taken.
///
/// # Errors
/// When the database fails.
pub async fn free_level(
    connection: &Connection,
    school_id: SchoolId,
) -> anyhow::Result<Option<AccessLevelId>> {
    let row = connection
        .query_one(
            "SELECT min(level)::smallint FROM generate_series(0, 255) AS free (level) \
             WHERE NOT EXISTS (SELECT FROM access_levels AS taken \
                WHERE taken.school_id = $1 AND taken.level = free.level)",
            &[&school_id],
        )
        .await
        .context("cannot find a free access level")?;
    Ok(row.get(0))
}

/// # Errors
/// When the level or the name is taken, or the database fails.
pub async fn insert(
    connection: &Connection,
    school_id: SchoolId,
    level: AccessLevelId,
    fields: &AccessLevelFields,
) -> anyhow::Result<AccessLevel> {
    connection
        .execute(
            "INSERT INTO access_levels (school_id, level, name) VALUES ($1, $2, $3)",
            &[&school_id, &level, &fields.name],
        )
        .await
        .context("cannot store an access level")?;
    insert_grants(connection, school_id, level, &fields.grants).await?;
    Ok(AccessLevel {
        level,
        fields: fields.clone(),
    })
}

/// # Errors
/// When the database fails.
pub async fn get(
    connection: &Connection,
    school_id: SchoolId,
    level: AccessLevelId,
) -> anyhow::Result<Option<AccessLevel>> {
    Ok(read(connection, school_id, &[level]).await?.pop())
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    page: &PageRequest<AccessLevelId>,
) -> anyhow::Result<Vec<AccessLevel>> {
    let rows = connection
        .query(
            "SELECT level FROM access_levels \
             WHERE school_id = $1 AND ($2::smallint IS NULL OR level > $2) ORDER BY level LIMIT $3",
            &[&school_id, &page.after, &page.sql_limit()],
        )
        .await
        .context("cannot list the access levels")?;
    let levels: Vec<AccessLevelId> = rows.iter().map(|row| row.get(0)).collect();
    read(connection, school_id, &levels).await
}

/// Those of `levels` that the school has, ascending, their grants ascending too.
///
/// # Errors
/// When the database fails.
pub async fn read(
    connection: &Connection,
    school_id: SchoolId,
    levels: &[AccessLevelId],
) -> anyhow::Result<Vec<AccessLevel>> {
    let rows = connection
        .query(
            "SELECT level, name, access_point_id, schedule_id \
             FROM access_levels LEFT JOIN access_level_grants USING (school_id, level) \
             WHERE school_id = $1 AND level = ANY($2) ORDER BY level, access_point_id, schedule_id",
            &[&school_id, &levels],
        )
        .await
        .context("cannot read access levels")?;
    let mut found: BTreeMap<AccessLevelId, AccessLevelFields> = BTreeMap::new();
    for row in &rows {
        let fields = found
            .entry(row.get(0))
            .or_insert_with(|| AccessLevelFields {
                name: row.get(1),
                grants: Vec::new(),
            });
        if let (Some(access_point_id), Some(schedule_id)) = (row.get(2), row.get(3)) {
            fields.grants.push(AccessGrant {
                access_point_id,
                schedule_id,
            });
        }
    }
    Ok(found
        .into_iter()
        .map(|(level, fields)| AccessLevel { level, fields })
        .collect())
}

/// The levels that admit at one of these access points, ascending.
///
/// # Errors
/// When the database fails.
pub async fn admitting_at(
    connection: &Connection,
    school_id: SchoolId,
    access_points: &[AccessPointId],
) -> anyhow::Result<Vec<AccessLevelId>> {
    let rows = connection
        .query(
            "SELECT DISTINCT level FROM access_level_grants \
             WHERE school_id = $1 AND access_point_id = ANY($2) ORDER BY level",
            &[&school_id, &access_points],
        )
        .await
        .context("cannot look up who is admitted")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Those of `levels` that the school does not have; the others cannot be deleted until the
/// transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn missing(
    connection: &Connection,
    school_id: SchoolId,
    levels: &[AccessLevelId],
) -> anyhow::Result<Vec<AccessLevelId>> {
    let rows = connection
        .query(
            "SELECT level FROM access_levels WHERE school_id = $1 AND level = ANY($2) FOR SHARE",
            &[&school_id, &levels],
        )
        .await
        .context("cannot look up access levels")?;
    let found: Vec<AccessLevelId> = rows.iter().map(|row| row.get(0)).collect();
    let is_missing = |level: &&AccessLevelId| !found.contains(level);
    Ok(levels.iter().filter(is_missing).copied().collect())
}

/// The access level as it is afterwards; `None` when there is none.
///
/// # Errors
/// When the name is taken, or the database fails.
pub async fn update(
    connection: &Connection,
    school_id: SchoolId,
    level: AccessLevelId,
    fields: &AccessLevelFields,
) -> anyhow::Result<Option<AccessLevel>> {
    let updated = connection
        .execute(
            "UPDATE access_levels SET name = $3 WHERE school_id = $1 AND level = $2",
            &[&school_id, &level, &fields.name],
        )
        .await
        .with_context(|| format!("cannot change the access level {level}"))?;
    if updated == 0 {
        return Ok(None);
    }
    connection
        .execute(
            "DELETE FROM access_level_grants WHERE school_id = $1 AND level = $2",
            &[&school_id, &level],
        )
        .await
        .with_context(|| format!("cannot clear the access level {level}"))?;
    insert_grants(connection, school_id, level, &fields.grants).await?;
    Ok(Some(AccessLevel {
        level,
        fields: fields.clone(),
    }))
}

/// Locks the row, so that no pass can be issued with the level until the transaction ends; `false`
/// when there is none.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &Connection,
    school_id: SchoolId,
    level: AccessLevelId,
) -> anyhow::Result<bool> {
    let row = connection
        .query_opt(
            "SELECT FROM access_levels WHERE school_id = $1 AND level = $2 FOR UPDATE",
            &[&school_id, &level],
        )
        .await
        .with_context(|| format!("cannot lock the access level {level}"))?;
    Ok(row.is_some())
}

/// How many passes that are neither revoked nor expired carry the level.
///
/// # Errors
/// When the database fails.
pub async fn passes_with(
    connection: &Connection,
    school_id: SchoolId,
    level: AccessLevelId,
    now: UtcInstant,
) -> anyhow::Result<i64> {
    let row = connection
        .query_one(
            "SELECT count(*) FROM passes \
             WHERE school_id = $1 AND $2 = ANY(levels) AND state <> 'revoked' AND expires_at > $3",
            &[&school_id, &level, &now],
        )
        .await
        .with_context(|| format!("cannot count the passes with the access level {level}"))?;
    Ok(row.get(0))
}

/// # Errors
/// When the database fails.
pub async fn delete(
    connection: &Connection,
    school_id: SchoolId,
    level: AccessLevelId,
) -> anyhow::Result<()> {
    connection
        .execute(
            "DELETE FROM access_levels WHERE school_id = $1 AND level = $2",
            &[&school_id, &level],
        )
        .await
        .with_context(|| format!("cannot delete the access level {level}"))?;
    Ok(())
}

/// Those of `grants` that name an access point or a schedule which the school does not have.
///
/// # Errors
/// When the database fails.
pub async fn unknown_grants(
    connection: &Connection,
    school_id: SchoolId,
    grants: &[AccessGrant],
) -> anyhow::Result<Vec<AccessGrant>> {
    let points: Vec<_> = grants.iter().map(|grant| grant.access_point_id).collect();
    let schedules: Vec<_> = grants.iter().map(|grant| grant.schedule_id).collect();
    let rows = connection
        .query(
            "SELECT g.access_point_id, g.schedule_id \
             FROM unnest($2::integer[], $3::integer[]) AS g (access_point_id, schedule_id) \
             LEFT JOIN access_points AS p ON p.school_id = $1 AND p.access_point_id = g.access_point_id \
             LEFT JOIN schedules AS s ON s.school_id = $1 AND s.schedule_id = g.schedule_id \
             WHERE p.access_point_id IS NULL OR s.schedule_id IS NULL",
            &[&school_id, &points, &schedules],
        )
        .await
        .context("cannot look up an access level's grants")?;
    let grant = |row: &tokio_postgres::Row| AccessGrant {
        access_point_id: row.get(0),
        schedule_id: row.get(1),
    };
    Ok(rows.iter().map(grant).collect())
}

async fn insert_grants(
    connection: &Connection,
    school_id: SchoolId,
    level: AccessLevelId,
    grants: &[AccessGrant],
) -> anyhow::Result<()> {
    let points: Vec<_> = grants.iter().map(|grant| grant.access_point_id).collect();
    let schedules: Vec<_> = grants.iter().map(|grant| grant.schedule_id).collect();
    connection
        .execute(
            "INSERT INTO access_level_grants (school_id, level, access_point_id, schedule_id) \
             SELECT $1, $2, * FROM unnest($3::integer[], $4::integer[])",
            &[&school_id, &level, &points, &schedules],
        )
        .await
        .context("cannot store an access level's grants")?;
    Ok(())
}

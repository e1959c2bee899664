//! Table `gate_staff`: people who may act at a school's gates, with what proves their PIN.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::{configuration as wire, ids::StaffNumber as WireNumber};
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::{Connection, Word};
use crate::{
    ids::{SchoolId, StaffNumber},
    instant::UtcInstant,
    paging::PageRequest,
    text::Name,
};

/// What a member of staff may do at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaffRole {
    /// Let in with a reason, forgive, silence an alarm.
    Guard,
    /// Also door modes, and the end of a lockdown.
    Supervisor,
    /// Self-test and wiring.
    Technician,
}

/// A member of staff. The PIN is nowhere, and what proves it is for gates alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GateStaff {
    /// The number that journals name.
    pub staff_number: StaffNumber,
    /// Their name.
    pub name: Name,
    /// What they may do.
    pub role: StaffRole,
    /// When they were entered here.
    pub created_at: UtcInstant,
}

/// A member of staff with what proves the PIN.
#[derive(Clone, Debug)]
pub struct StaffRow {
    /// What administrators see.
    pub staff: GateStaff,
    /// PHC string (argon2id).
    pin_verifier: String,
}

impl StaffRow {
    /// The same as gates carry it.
    #[must_use]
    pub fn to_wire(&self) -> wire::Staff {
        wire::Staff {
            number: WireNumber(self.staff.staff_number.0.unsigned_abs()),
            name: self.staff.name.as_str().to_owned(),
            role: match self.staff.role {
                StaffRole::Guard => wire::StaffRole::Guard,
                StaffRole::Supervisor => wire::StaffRole::Supervisor,
                StaffRole::Technician => wire::StaffRole::Technician,
            },
            pin_verifier: self.pin_verifier.clone(),
        }
    }
}

const COLUMNS: &str = "staff_number, name, role, created_at";

fn gate_staff(row: &Row) -> anyhow::Result<GateStaff> {
    let Word(role) = row.try_get("role").context("a role in the database")?;
    Ok(GateStaff {
        staff_number: row.get("staff_number"),
        name: row.get("name"),
        role,
        created_at: row.get("created_at"),
    })
}

/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &Connection,
    school_id: SchoolId,
    name: &Name,
    role: StaffRole,
    pin_verifier: &str,
    now: UtcInstant,
) -> anyhow::Result<GateStaff> {
    let row = connection
        .query_one(
            &format!(
                "INSERT INTO gate_staff (school_id, name, role, pin_verifier, created_at) \
                 VALUES ($1, $2, $3, $4, $5) RETURNING {COLUMNS}"
            ),
            &[&school_id, name, &Word(role), &pin_verifier, &now],
        )
        .await
        .context("cannot store a member of staff")?;
    gate_staff(&row)
}

/// Who may act at the school's gates, with what proves their PINs, ascending.
///
/// # Errors
/// When the database fails.
pub async fn all(connection: &Connection, school_id: SchoolId) -> anyhow::Result<Vec<StaffRow>> {
    let sql = format!(
        "SELECT {COLUMNS}, pin_verifier FROM gate_staff \
         WHERE school_id = $1 AND deleted_at IS NULL ORDER BY staff_number"
    );
    let rows = connection
        .query(&sql, &[&school_id])
        .await
        .context("cannot list the gate staff")?;
    let row = |row: &Row| {
        Ok(StaffRow {
            staff: gate_staff(row)?,
            pin_verifier: row.get("pin_verifier"),
        })
    };
    rows.iter().map(row).collect()
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    page: &PageRequest<StaffNumber>,
) -> anyhow::Result<Vec<GateStaff>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM gate_staff WHERE school_id = $1 AND deleted_at IS NULL \
            AND ($2::integer IS NULL OR staff_number > $2) ORDER BY staff_number LIMIT $3"
    );
    let rows = connection
        .query(&sql, &[&school_id, &page.after, &page.sql_limit()])
        .await
        .context("cannot list the gate staff")?;
    rows.iter().map(gate_staff).collect()
}

/// How many members of staff a school has, with the school's row locked, so that they stay so
/// many.
///
/// # Errors
/// When the database fails.
pub async fn lock_and_count(connection: &Connection, school_id: SchoolId) -> anyhow::Result<i64> {
    connection
        .execute(
            "SELECT FROM schools WHERE school_id = $1 FOR NO KEY UPDATE",
            &[&school_id],
        )
        .await
        .context("cannot lock a school")?;
    let row = connection
        .query_one(
            "SELECT count(*) FROM gate_staff WHERE school_id = $1 AND deleted_at IS NULL",
            &[&school_id],
        )
        .await
        .context("cannot count the gate staff")?;
    Ok(row.get(0))
}

/// What changes about a member of staff; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Changed<'a> {
    /// Their name.
    pub name: Option<&'a Name>,
    /// What they may do.
    pub role: Option<StaffRole>,
    /// PHC string of their new PIN.
    pub pin_verifier: Option<&'a str>,
}

/// The member of staff as they are afterwards; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn update(
    connection: &Connection,
    school_id: SchoolId,
    staff_number: StaffNumber,
    changed: &Changed<'_>,
) -> anyhow::Result<Option<GateStaff>> {
    let sql = format!(
        "UPDATE gate_staff SET name = coalesce($3, name), role = coalesce($4, role), \
            pin_verifier = coalesce($5, pin_verifier) \
         WHERE school_id = $1 AND staff_number = $2 AND deleted_at IS NULL RETURNING {COLUMNS}"
    );
    let row = connection
        .query_opt(
            &sql,
            &[
                &school_id,
                &staff_number,
                &changed.name,
                &changed.role.map(Word),
                &changed.pin_verifier,
            ],
        )
        .await
        .context("cannot change a member of staff")?;
    row.as_ref().map(gate_staff).transpose()
}

/// Ends what a member of staff may do. Name and number stay, since journals name the number.
///
/// # Errors
/// When the database fails.
pub async fn delete(
    connection: &Connection,
    school_id: SchoolId,
    staff_number: StaffNumber,
    now: UtcInstant,
) -> anyhow::Result<u64> {
    connection
        .execute(
            "UPDATE gate_staff SET deleted_at = $3, pin_verifier = '' \
             WHERE school_id = $1 AND staff_number = $2 AND deleted_at IS NULL",
            &[&school_id, &staff_number, &now],
        )
        .await
        .context("cannot delete a member of staff")
}

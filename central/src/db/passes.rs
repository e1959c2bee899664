//! Table `passes`: what was issued, and the state of each.

mod issue;
mod roster;

pub use issue::{Columns, Template, insert};
pub use roster::{RosterRow, roster_rows};

use std::{fmt, str::FromStr};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::{pass::HolderKind as WireKind, status_list::StatusSets};
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::{Connection, Word};
use crate::{
    ids::{AccessLevelId, Kid, NoKid, SchoolId, StudentId},
    instant::UtcInstant,
    paging::PageRequest,
};

/// What a pass says about its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// A student.
    Student,
    /// A member of staff.
    Staff,
    /// A visitor.
    Visitor,
}

/// The state of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassState {
    /// Good within its dates.
    Valid,
    /// Not good for now.
    Suspended,
    /// Never good again.
    Revoked,
}

/// Is a pass shown live, with a holder's proof?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassForm {
    /// The QR code is the pass: a card, a print, a wallet.
    Static,
    /// A phone that has the holder's key renews the code every few seconds.
    Live,
}

/// A pass, without the code that opens doors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pass {
    /// The issuer key.
    pub kid: Kid,
    /// Its number under that key.
    pub serial: i32,
    /// The holder, where central knows one.
    pub student_id: Option<StudentId>,
    /// What kind of person the holder is.
    pub holder_kind: HolderKind,
    /// Is it shown live?
    pub form: PassForm,
    /// The first instant at which it is good.
    pub not_before: UtcInstant,
    /// The first instant at which it is good no more.
    pub expires_at: UtcInstant,
    /// How often it may be used; 0 is without limit.
    pub uses_max: i64,
    /// Where and when it admits.
    pub levels: Vec<AccessLevelId>,
    /// Its state.
    pub state: PassState,
    /// When the state last changed.
    pub state_changed_at: Option<UtcInstant>,
    /// Why.
    pub state_reason: Option<String>,
    /// When it was issued.
    pub created_at: UtcInstant,
}

/// *The* identity of a pass.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct PassId {
    /// The issuer key.
    pub kid: Kid,
    /// Its number under that key.
    #[schema(minimum = 0, maximum = 16_777_215)]
    pub serial: i32,
}

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kid, self.serial)
    }
}

impl FromStr for PassId {
    type Err = NoKid;

    fn from_str(text: &str) -> Result<Self, NoKid> {
        let (kid, serial) = text.split_once('/').ok_or(NoKid)?;
        Ok(Self {
            kid: kid.parse()?,
            serial: serial.parse().map_err(|_| NoKid)?,
        })
    }
}

impl Pass {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> PassId {
        PassId {
            kid: self.kid,
            serial: self.serial,
        }
    }
}

impl From<HolderKind> for WireKind {
    fn from(kind: HolderKind) -> Self {
        match kind {
            HolderKind::Student => Self::Student,
            HolderKind::Staff => Self::Staff,
            HolderKind::Visitor => Self::Visitor,
        }
    }
}

impl HolderKind {
    fn number(self) -> i16 {
        match self {
            Self::Student => 0,
            Self::Staff => 1,
            Self::Visitor => 2,
        }
    }

    fn from_number(number: i16) -> anyhow::Result<Self> {
        match number {
            0 => Ok(Self::Student),
            1 => Ok(Self::Staff),
            2 => Ok(Self::Visitor),
            _ => anyhow::bail!("{number} is no kind of holder"),
        }
    }
}

const COLUMNS: &str = "kid, serial, student_id, holder_kind, holder_key IS NOT NULL AS is_live, \
    not_before, expires_at, uses_max, levels, state, state_changed_at, state_reason, created_at";

fn pass(row: &Row) -> anyhow::Result<Pass> {
    let Word(state) = row.try_get("state").context("a pass's state")?;
    let is_live: bool = row.get("is_live");
    Ok(Pass {
        kid: row.get("kid"),
        serial: row.get("serial"),
        student_id: row.get("student_id"),
        holder_kind: HolderKind::from_number(row.get("holder_kind"))?,
        form: if is_live {
            PassForm::Live
        } else {
            PassForm::Static
        },
        not_before: row.get("not_before"),
        expires_at: row.get("expires_at"),
        uses_max: row.get("uses_max"),
        levels: row.get("levels"),
        state,
        state_changed_at: row.get("state_changed_at"),
        state_reason: row.get("state_reason"),
        created_at: row.get("created_at"),
    })
}

/// # Errors
/// When the database fails.
pub async fn get(
    connection: &Connection,
    school_id: SchoolId,
    id: PassId,
) -> anyhow::Result<Option<Pass>> {
    let sql =
        format!("SELECT {COLUMNS} FROM passes WHERE kid = $1 AND serial = $2 AND school_id = $3");
    let row = connection
        .query_opt(&sql, &[&id.kid, &id.serial, &school_id])
        .await
        .context("cannot read a pass")?;
    row.as_ref().map(pass).transpose()
}

/// The signed bytes of a pass.
///
/// # Errors
/// When the database fails.
pub async fn pass_bytes(
    connection: &Connection,
    school_id: SchoolId,
    id: PassId,
) -> anyhow::Result<Option<Vec<u8>>> {
    let row = connection
        .query_opt(
            "SELECT pass_bytes FROM passes WHERE kid = $1 AND serial = $2 AND school_id = $3",
            &[&id.kid, &id.serial, &school_id],
        )
        .await
        .context("cannot read a pass")?;
    Ok(row.map(|row| row.get(0)))
}

/// Which passes a list has.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassFilter {
    /// Only of this holder.
    pub student_id: Option<StudentId>,
    /// Only in this state.
    pub state: Option<PassState>,
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    filter: &PassFilter,
    page: &PageRequest<PassId>,
) -> anyhow::Result<Vec<Pass>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM passes \
         WHERE school_id = $1 AND ($2::uuid IS NULL OR student_id = $2) AND ($3::text IS NULL OR state = $3) \
            AND ($4::bytea IS NULL OR (kid, serial) > ($4, $5)) \
         ORDER BY kid, serial LIMIT $6"
    );
    let after_kid = page.after.map(|after| after.kid);
    let after_serial = page.after.map(|after| after.serial);
    let rows = connection
        .query(
            &sql,
            &[
                &school_id,
                &filter.student_id,
                &filter.state.map(Word),
                &after_kid,
                &after_serial,
                &page.sql_limit(),
            ],
        )
        .await
        .context("cannot list passes")?;
    rows.iter().map(pass).collect()
}

/// Reads these passes of a school and locks their rows until the transaction ends, ascending.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &Connection,
    school_id: SchoolId,
    ids: &[PassId],
) -> anyhow::Result<Vec<Pass>> {
    let (kids, serials): (Vec<_>, Vec<_>) = ids.iter().map(|id| (id.kid, id.serial)).unzip();
    let sql = format!(
        "SELECT {COLUMNS} FROM passes WHERE school_id = $1 \
            AND (kid, serial) IN (SELECT * FROM unnest($2::bytea[], $3::integer[])) \
         ORDER BY kid, serial FOR NO KEY UPDATE"
    );
    let rows = connection
        .query(&sql, &[&school_id, &kids, &serials])
        .await
        .context("cannot lock passes")?;
    rows.iter().map(pass).collect()
}

/// Puts these passes into a state.
///
/// # Errors
/// When the database fails.
pub async fn set_state(
    connection: &Connection,
    school_id: SchoolId,
    ids: &[PassId],
    state: PassState,
    reason: Option<&str>,
    now: UtcInstant,
) -> anyhow::Result<()> {
    let (kids, serials): (Vec<_>, Vec<_>) = ids.iter().map(|id| (id.kid, id.serial)).unzip();
    connection
        .execute(
            "UPDATE passes SET state = $4, state_reason = $5, state_changed_at = $6 \
             WHERE school_id = $1 AND (kid, serial) IN (SELECT * FROM unnest($2::bytea[], $3::integer[]))",
            &[&school_id, &kids, &serials, &Word(state), &reason, &now],
        )
        .await
        .context("cannot change the state of passes")?;
    Ok(())
}

/// Which passes of a key are not valid.
///
/// # Errors
/// When the database fails.
pub async fn status_sets(connection: &Connection, kid: Kid) -> anyhow::Result<StatusSets> {
    let rows = connection
        .query(
            "SELECT serial, state = 'revoked' FROM passes WHERE kid = $1 AND state <> 'valid' \
             ORDER BY serial",
            &[&kid],
        )
        .await
        .with_context(|| format!("cannot read the states of the passes of {kid}"))?;
    let mut sets = StatusSets::default();
    for row in &rows {
        let serial = row.get::<_, i32>(0).unsigned_abs();
        if row.get(1) {
            sets.revoked.push(serial);
        } else {
            sets.suspended.push(serial);
        }
    }
    Ok(sets)
}

//! What is behind: every change counts a version up, and what was published remembers the version
//! that it holds (see `migrations/central/0005_publication.sql`).

use anyhow::Context;
use tokio_postgres::Row;

use super::{Connection, signing_keys::KeyState};
use crate::{
    ids::{GateId, Kid, SchoolId},
    instant::UtcInstant,
};

/// A gate and what of it is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateBehind {
    /// The gate.
    pub gate_id: GateId,
    /// Its configuration is to be looked at.
    pub configuration: Lag,
    /// Its roster is to be looked at.
    pub roster: Lag,
}

/// Is a document to be looked at?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// It holds everything.
    None,
    /// There are changes that it does not hold, or it expires before long.
    Behind,
}

const ISSUERS_BEHIND: &str = "SELECT kid FROM signing_keys AS key \
    WHERE purpose = 'issuer' AND verification_until > $2 AND ($1::uuid IS NULL OR school_id = $1) AND \
        (published_status_version < status_version OR published_serial < next_serial \
            OR published_frozen <> (state IN ('frozen', 'revoked')) \
            OR $4::timestamptz IS NOT NULL AND 2 > (SELECT count(DISTINCT kind) \
                FROM signed_documents AS document \
                WHERE document.kind = ANY($3) AND document.subject = key.kid \
                    AND document.epoch = (SELECT epoch FROM central_state) \
                    AND document.expires_at > $4)) \
    ORDER BY kid";

/// Issuer keys of a school, or of all, whose lists (of these two `kinds`) do not hold everything,
/// or expire before `renew`.
///
/// # Errors
/// When the database fails.
pub async fn issuers(
    connection: &Connection,
    school_id: Option<SchoolId>,
    kinds: [&'static str; 2],
    now: UtcInstant,
    renew: Option<UtcInstant>,
) -> anyhow::Result<Vec<Kid>> {
    let rows = connection
        .query(
            ISSUERS_BEHIND,
            &[&school_id, &now, &kinds.as_slice(), &renew],
        )
        .await
        .context("cannot look for lists that are behind")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

const GATES_BEHIND: &str = "SELECT gate_id, configuration, roster FROM ( \
        SELECT gate_id, \
            published_configuration_version < configuration_version \
                OR $4::timestamptz IS NOT NULL AND NOT EXISTS ( \
                SELECT FROM signed_documents WHERE kind = $2 AND subject = uuid_send(gate_id) \
                    AND epoch = (SELECT epoch FROM central_state) AND expires_at > $4) AS configuration, \
            published_roster_version < roster_version \
                OR $4::timestamptz IS NOT NULL AND NOT EXISTS ( \
                SELECT FROM signed_documents WHERE kind = $3 AND subject = uuid_send(gate_id) \
                    AND epoch = (SELECT epoch FROM central_state) AND expires_at > $4) AS roster \
        FROM gates JOIN access_versions USING (school_id) \
        WHERE state <> 'retired' AND ($1::uuid IS NULL OR school_id = $1)) AS behind \
    WHERE configuration OR roster ORDER BY gate_id";

/// Gates of a school, or of all, whose configuration or roster (these two `kinds`) does not hold
/// everything, or expires before `renew`.
///
/// # Errors
/// When the database fails.
pub async fn gates(
    connection: &Connection,
    school_id: Option<SchoolId>,
    kinds: [&'static str; 2],
    renew: Option<UtcInstant>,
) -> anyhow::Result<Vec<GateBehind>> {
    let rows = connection
        .query(GATES_BEHIND, &[&school_id, &kinds[0], &kinds[1], &renew])
        .await
        .context("cannot look for gates that are behind")?;
    let lag = |is_behind: bool| if is_behind { Lag::Behind } else { Lag::None };
    let behind = |row: &Row| GateBehind {
        gate_id: row.get(0),
        configuration: lag(row.get(1)),
        roster: lag(row.get(2)),
    };
    Ok(rows.iter().map(behind).collect())
}

/// Has everything be looked at again: after a change of what gates trust.
///
/// # Errors
/// When the database fails.
pub async fn forget_all(transaction: &Connection) -> anyhow::Result<()> {
    transaction
        .batch_execute(
            "UPDATE signing_keys SET published_status_version = -1, published_serial = -1 \
                WHERE purpose = 'issuer'; \
             UPDATE gates SET published_configuration_version = 0, published_roster_version = 0",
        )
        .await
        .context("cannot have everything be published again")
}

/// Notes which changes a status list holds.
///
/// # Errors
/// When the database fails.
pub async fn note_status(connection: &Connection, kid: Kid, version: i64) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE signing_keys SET published_status_version = $2 WHERE kid = $1",
            &[&kid, &version],
        )
        .await
        .with_context(|| format!("cannot note the status list of {kid}"))?;
    Ok(())
}

/// Notes how many passes an issued list holds, and whether it is frozen.
///
/// # Errors
/// When the database fails.
pub async fn note_issued(
    connection: &Connection,
    kid: Kid,
    next_serial: i32,
    state: KeyState,
) -> anyhow::Result<()> {
    let is_frozen = matches!(state, KeyState::Frozen | KeyState::Revoked);
    connection
        .execute(
            "UPDATE signing_keys SET published_serial = $2, published_frozen = $3 WHERE kid = $1",
            &[&kid, &next_serial, &is_frozen],
        )
        .await
        .with_context(|| format!("cannot note the issued list of {kid}"))?;
    Ok(())
}

/// Notes which changes a gate's configuration holds.
///
/// # Errors
/// When the database fails.
pub async fn note_configuration(
    connection: &Connection,
    gate_id: GateId,
    version: i64,
) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE gates SET published_configuration_version = $2 WHERE gate_id = $1",
            &[&gate_id, &version],
        )
        .await
        .with_context(|| format!("cannot note the configuration of gate {gate_id}"))?;
    Ok(())
}

/// Notes which changes a gate's roster holds.
///
/// # Errors
/// When the database fails.
pub async fn note_roster(
    connection: &Connection,
    gate_id: GateId,
    version: i64,
) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE gates SET published_roster_version = $2 WHERE gate_id = $1",
            &[&gate_id, &version],
        )
        .await
        .with_context(|| format!("cannot note the roster of gate {gate_id}"))?;
    Ok(())
}

/// A gate's school, with the versions of what its configuration and roster are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessVersions {
    /// The gate's school.
    pub school_id: SchoolId,
    /// Of what configurations are made of.
    pub configuration: i64,
    /// Of what rosters are made of.
    pub roster: i64,
}

/// Reads the versions; `None` when there is no such gate, or it is retired. To be read before
/// what they count, so that a change in between is published twice and not never.
///
/// # Errors
/// When the database fails.
pub async fn access_versions(
    connection: &Connection,
    gate_id: GateId,
) -> anyhow::Result<Option<AccessVersions>> {
    let row = connection
        .query_opt(
            "SELECT school_id, configuration_version, roster_version \
             FROM gates JOIN access_versions USING (school_id) \
             WHERE gate_id = $1 AND state <> 'retired'",
            &[&gate_id],
        )
        .await
        .with_context(|| format!("cannot read the versions of gate {gate_id}"))?;
    Ok(row.map(|row| AccessVersions {
        school_id: row.get(0),
        configuration: row.get(1),
        roster: row.get(2),
    }))
}

/// Counts a change of who may stand in the rosters of a school's gates.
///
/// # Errors
/// When the database fails.
pub async fn count_roster_change(
    connection: &Connection,
    school_id: SchoolId,
) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE access_versions SET roster_version = roster_version + 1 WHERE school_id = $1",
            &[&school_id],
        )
        .await
        .context("cannot count a change of rosters")?;
    Ok(())
}

/// Counts a change of what the configurations of a school's gates say.
///
/// # Errors
/// When the database fails.
pub async fn count_configuration_change(
    connection: &Connection,
    school_id: SchoolId,
) -> anyhow::Result<()> {
    connection
        .execute(
            "UPDATE access_versions SET configuration_version = configuration_version + 1 \
             WHERE school_id = $1",
            &[&school_id],
        )
        .await
        .context("cannot count a change of configurations")?;
    Ok(())
}

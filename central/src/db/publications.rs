//! What was published and what is behind: writes of `signed_documents`, and the versions that
//! changes count up (see `migrations/central/0005_publication.sql`).

use anyhow::Context;
use shared::ids::{CentralEpoch, Digest, DocumentNumber};
use tokio_postgres::Row;

use super::Connection;
use crate::{
    ids::{GateId, Kid, SchoolId},
    instant::UtcInstant,
};

/// A document's kind (the external data of its signature) and whose it is (see the table).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// External data of the signature.
    pub kind: &'static str,
    /// Empty, or the bytes of a kid or gate id.
    pub subject: &'a [u8],
}

/// The newest document of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub number: DocumentNumber,
    /// When it was signed.
    pub made_at: UtcInstant,
    /// When it may no longer be relied on.
    pub expires_at: UtcInstant,
    /// The signed bytes.
    pub document: Vec<u8>,
}

/// A document to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewDocument<'a> {
    /// Where.
    pub place: Place<'a>,
    /// Its number.
    pub number: DocumentNumber,
    /// Whose rows it is made of; none for central's own.
    pub school_id: Option<SchoolId>,
    /// When it was signed.
    pub made_at: UtcInstant,
    /// When it may no longer be relied on.
    pub expires_at: UtcInstant,
    /// SHA-256 of the signed bytes.
    pub digest: Digest,
    /// The signed bytes.
    pub document: &'a [u8],
}

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

/// Whoever publishes to a place waits here until the transaction of another has ended.
///
/// # Errors
/// When the database fails.
pub async fn lock(transaction: &Connection, place: Place<'_>) -> anyhow::Result<()> {
    let statement = transaction
        .prepare_cached(
            "SELECT pg_advisory_xact_lock(hashtextextended($1 || encode($2, 'hex'), 0))",
        )
        .await
        .with_context(|| format!("cannot lock {}", place.kind))?;
    transaction
        .execute(&statement, &[&place.kind, &place.subject])
        .await
        .with_context(|| format!("cannot lock {}", place.kind))?;
    Ok(())
}

/// The epoch that central is in.
///
/// # Errors
/// When the database fails.
pub async fn epoch(connection: &Connection) -> anyhow::Result<CentralEpoch> {
    let row = connection
        .query_one("SELECT epoch FROM central_state", &[])
        .await
        .context("cannot read central's epoch")?;
    let epoch = u32::try_from(row.get::<_, i32>(0)).context("central's epoch is negative")?;
    Ok(CentralEpoch(epoch))
}

/// The newest document of a place.
///
/// # Errors
/// When the database fails.
pub async fn newest(
    connection: &Connection,
    place: Place<'_>,
) -> anyhow::Result<Option<Published>> {
    let statement = connection
        .prepare_cached(
            "SELECT epoch, n, made_at, expires_at, document FROM signed_documents \
             WHERE kind = $1 AND subject = $2 ORDER BY epoch DESC, n DESC LIMIT 1",
        )
        .await
        .with_context(|| format!("cannot read the newest {}", place.kind))?;
    let row = connection
        .query_opt(&statement, &[&place.kind, &place.subject])
        .await
        .with_context(|| format!("cannot read the newest {}", place.kind))?;
    row.as_ref().map(published).transpose()
}

/// The documents of a place after a number, oldest first, up to `limit`.
///
/// # Errors
/// When the database fails.
pub async fn after(
    connection: &Connection,
    place: Place<'_>,
    number: Option<DocumentNumber>,
    limit: i64,
) -> anyhow::Result<Vec<Published>> {
    let (epoch, n) = number.map_or((0, 0), |number| {
        let epoch = i32::try_from(number.epoch.0).unwrap_or(i32::MAX);
        (epoch, i64::try_from(number.n).unwrap_or(i64::MAX))
    });
    let rows = connection
        .query(
            "SELECT epoch, n, made_at, expires_at, document FROM signed_documents \
             WHERE kind = $1 AND subject = $2 AND (epoch, n) > ($3, $4) ORDER BY epoch, n LIMIT $5",
            &[&place.kind, &place.subject, &epoch, &n, &limit],
        )
        .await
        .with_context(|| format!("cannot list {}", place.kind))?;
    rows.iter().map(published).collect()
}

fn published(row: &Row) -> anyhow::Result<Published> {
    let epoch = u32::try_from(row.get::<_, i32>("epoch")).context("an epoch is negative")?;
    let n = u64::try_from(row.get::<_, i64>("n")).context("a number is negative")?;
    Ok(Published {
        number: DocumentNumber {
            epoch: CentralEpoch(epoch),
            n,
        },
        made_at: row.get("made_at"),
        expires_at: row.get("expires_at"),
        document: row.get("document"),
    })
}

/// Stores a document.
///
/// # Errors
/// When there is one of this number, or the database fails.
pub async fn insert(connection: &Connection, new: &NewDocument<'_>) -> anyhow::Result<()> {
    let context = || format!("cannot store {} {}", new.place.kind, new.number);
    let epoch = i32::try_from(new.number.epoch.0).with_context(context)?;
    let n = i64::try_from(new.number.n).with_context(context)?;
    let statement = connection
        .prepare_cached(
            "INSERT INTO signed_documents \
                (kind, subject, epoch, n, school_id, made_at, expires_at, digest, document) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .await
        .with_context(context)?;
    connection
        .execute(
            &statement,
            &[
                &new.place.kind,
                &new.place.subject,
                &epoch,
                &n,
                &new.school_id,
                &new.made_at,
                &new.expires_at,
                &new.digest.0.as_slice(),
                &new.document,
            ],
        )
        .await
        .with_context(context)?;
    Ok(())
}

/// Deletes all but the newest `keep` documents of a place.
///
/// # Errors
/// When the database fails.
pub async fn prune(connection: &Connection, place: Place<'_>, keep: i64) -> anyhow::Result<()> {
    let statement = connection
        .prepare_cached(
            "DELETE FROM signed_documents WHERE kind = $1 AND subject = $2 AND (epoch, n) <= \
                (SELECT epoch, n FROM signed_documents WHERE kind = $1 AND subject = $2 \
                 ORDER BY epoch DESC, n DESC OFFSET $3 LIMIT 1)",
        )
        .await
        .with_context(|| format!("cannot prune {}", place.kind))?;
    connection
        .execute(&statement, &[&place.kind, &place.subject, &keep])
        .await
        .with_context(|| format!("cannot prune {}", place.kind))?;
    Ok(())
}

/// Deletes the documents of a place that expired before `before`, but for the newest.
///
/// # Errors
/// When the database fails.
pub async fn prune_expired(
    connection: &Connection,
    place: Place<'_>,
    before: UtcInstant,
) -> anyhow::Result<()> {
    connection
        .execute(
            "DELETE FROM signed_documents WHERE kind = $1 AND subject = $2 AND expires_at < $3 \
                AND (epoch, n) < (SELECT epoch, n FROM signed_documents \
                    WHERE kind = $1 AND subject = $2 ORDER BY epoch DESC, n DESC LIMIT 1)",
            &[&place.kind, &place.subject, &before],
        )
        .await
        .with_context(|| format!("cannot prune {}", place.kind))?;
    Ok(())
}

const ISSUERS_BEHIND: &str = "SELECT kid FROM signing_keys AS key \
    WHERE purpose = 'issuer' AND verification_until > $2 AND ($1::uuid IS NULL OR school_id = $1) AND \
        (published_status_version < status_version OR published_serial < next_serial \
            OR published_frozen <> (state = 'frozen') \
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
pub async fn issuers_behind(
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
pub async fn gates_behind(
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
    state: super::signing_keys::KeyState,
) -> anyhow::Result<()> {
    let is_frozen = state == super::signing_keys::KeyState::Frozen;
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

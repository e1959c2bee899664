//! Publishing to `signed_documents`: under a lock for each place, so that numbers follow each
//! other. What gates ask for is read in `signed_documents`.

use anyhow::Context;
use shared::{
    document::SignedKind as _,
    ids::{CentralEpoch, Digest, DocumentNumber},
    roster::Roster,
};
use tokio_postgres::Row;

use super::{Connection, signed_documents::Subject};
use crate::{
    ids::{GateId, SchoolId},
    instant::UtcInstant,
};

/// Where a document is numbered: its kind, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// External data of the signature.
    pub kind: &'static str,
    /// Whose.
    pub subject: Subject,
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
    pub place: Place,
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

/// Whoever publishes to a place waits here until the transaction of another has ended.
///
/// # Errors
/// When the database fails.
pub async fn lock(transaction: &Connection, place: Place) -> anyhow::Result<()> {
    let statement = transaction
        .prepare_cached(
            "SELECT pg_advisory_xact_lock(hashtextextended($1 || encode($2, 'hex'), 0))",
        )
        .await
        .with_context(|| format!("cannot lock {}", place.kind))?;
    transaction
        .execute(&statement, &[&place.kind, &place.subject.bytes()])
        .await
        .with_context(|| format!("cannot lock {}", place.kind))?;
    Ok(())
}

/// The newest document of a place.
///
/// # Errors
/// When the database fails.
pub async fn newest(connection: &Connection, place: Place) -> anyhow::Result<Option<Published>> {
    let statement = connection
        .prepare_cached(
            "SELECT epoch, n, made_at, expires_at, document FROM signed_documents \
             WHERE kind = $1 AND subject = $2 ORDER BY epoch DESC, n DESC LIMIT 1",
        )
        .await
        .with_context(|| format!("cannot read the newest {}", place.kind))?;
    let row = connection
        .query_opt(&statement, &[&place.kind, &place.subject.bytes()])
        .await
        .with_context(|| format!("cannot read the newest {}", place.kind))?;
    row.as_ref().map(published).transpose()
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

/// When the newest document of a place was signed, and its length in bytes.
///
/// # Errors
/// When the database fails.
pub async fn newest_size(
    connection: &Connection,
    place: Place,
) -> anyhow::Result<Option<(UtcInstant, usize)>> {
    let row = connection
        .query_opt(
            "SELECT made_at, octet_length(document) FROM signed_documents \
             WHERE kind = $1 AND subject = $2 ORDER BY epoch DESC, n DESC LIMIT 1",
            &[&place.kind, &place.subject.bytes()],
        )
        .await
        .with_context(|| format!("cannot measure the newest {}", place.kind))?;
    Ok(row.map(|row| (row.get(0), row.get::<_, i32>(1).unsigned_abs() as usize)))
}

/// The gates of a school that take a roster and have been given one.
///
/// # Errors
/// When the database fails.
pub async fn gates_with_roster(
    connection: &Connection,
    school_id: SchoolId,
) -> anyhow::Result<Vec<GateId>> {
    let rows = connection
        .query(
            "SELECT gate_id FROM gates WHERE school_id = $1 AND state <> 'retired' AND EXISTS \
                (SELECT FROM signed_documents WHERE kind = $2 AND subject = uuid_send(gate_id)) \
             ORDER BY gate_id",
            &[&school_id, &Roster::EXTERNAL_DATA],
        )
        .await
        .context("cannot look up which gates have a roster")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
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
                &new.place.subject.bytes(),
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
pub async fn prune(connection: &Connection, place: Place, keep: i64) -> anyhow::Result<()> {
    let statement = connection
        .prepare_cached(
            "DELETE FROM signed_documents WHERE kind = $1 AND subject = $2 AND (epoch, n) <= \
                (SELECT epoch, n FROM signed_documents WHERE kind = $1 AND subject = $2 \
                 ORDER BY epoch DESC, n DESC OFFSET $3 LIMIT 1)",
        )
        .await
        .with_context(|| format!("cannot prune {}", place.kind))?;
    connection
        .execute(&statement, &[&place.kind, &place.subject.bytes(), &keep])
        .await
        .with_context(|| format!("cannot prune {}", place.kind))?;
    Ok(())
}

/// Removes documents of former epochs of central that expired before `before`.
///
/// # Errors
/// When the database fails.
pub async fn prune_former_epochs(
    connection: &Connection,
    place: Place,
    before: UtcInstant,
) -> anyhow::Result<()> {
    connection
        .execute(
            "DELETE FROM signed_documents WHERE kind = $1 AND subject = $2 AND expires_at < $3 \
                AND epoch < (SELECT epoch FROM central_state)",
            &[&place.kind, &place.subject.bytes(), &before],
        )
        .await
        .with_context(|| format!("cannot prune {}", place.kind))?;
    Ok(())
}

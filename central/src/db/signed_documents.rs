//! Table `signed_documents`: what gates may ask for. The newest number of a kind and subject is
//! in force; earlier ones stay as long as deltas may start from them.

use anyhow::Context;
use shared::{
    heads::Newest,
    ids::{CentralEpoch, Digest, DocumentNumber, Kid},
};
use tokio_postgres::Row;

use super::Connection;
use crate::ids::GateId;

/// Whose document it is, within its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Central's own: root set, trust list.
    Central,
    /// An issuer key's: status list, issued list.
    Issuer(Kid),
    /// A gate's: configuration, roster, order.
    Gate(GateId),
}

/// A document with its name among those of its kind and subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Number and digest.
    pub newest: Newest,
    /// The signed bytes.
    pub document: Vec<u8>,
}

impl Subject {
    /// As the column has it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Central => &[],
            Self::Issuer(kid) => &kid.0,
            Self::Gate(gate_id) => gate_id.0.as_bytes(),
        }
    }
}

/// The epoch that this central is in.
///
/// # Errors
/// When the database fails.
pub async fn epoch(connection: &Connection) -> anyhow::Result<CentralEpoch> {
    let statement = connection
        .prepare_cached("SELECT epoch FROM central_state")
        .await
        .context("cannot read central's epoch")?;
    let row = connection
        .query_one(&statement, &[])
        .await
        .context("cannot read central's epoch")?;
    let epoch = u32::try_from(row.get::<_, i32>(0)).context("central's epoch is negative")?;
    Ok(CentralEpoch(epoch))
}

/// Number and digest of the newest of a kind; `None` when there never was one.
///
/// # Errors
/// When the database fails.
pub async fn newest_name(
    connection: &Connection,
    kind: &str,
    subject: Subject,
) -> anyhow::Result<Option<Newest>> {
    let statement = connection
        .prepare_cached(
            "SELECT epoch, n, digest FROM signed_documents WHERE kind = $1 AND subject = $2 \
             ORDER BY epoch DESC, n DESC LIMIT 1",
        )
        .await
        .with_context(|| format!("cannot look for {kind}"))?;
    let row = connection
        .query_opt(&statement, &[&kind, &subject.bytes()])
        .await
        .with_context(|| format!("cannot look for {kind}"))?;
    row.as_ref().map(name).transpose()
}

/// The document of this number.
///
/// # Errors
/// When the database fails.
pub async fn at(
    connection: &Connection,
    kind: &str,
    subject: Subject,
    number: DocumentNumber,
) -> anyhow::Result<Option<Stored>> {
    let (epoch, n) = columns(number);
    let statement = connection
        .prepare_cached(
            "SELECT epoch, n, digest, document FROM signed_documents \
             WHERE kind = $1 AND subject = $2 AND epoch = $3 AND n = $4",
        )
        .await
        .with_context(|| format!("cannot read {kind} {number}"))?;
    let row = connection
        .query_opt(&statement, &[&kind, &subject.bytes(), &epoch, &n])
        .await
        .with_context(|| format!("cannot read {kind} {number}"))?;
    row.as_ref().map(stored).transpose()
}

/// The documents after this number, oldest first, at most `limit`; all with `None`.
///
/// # Errors
/// When the database fails.
pub async fn after(
    connection: &Connection,
    kind: &str,
    subject: Subject,
    number: Option<DocumentNumber>,
    limit: usize,
) -> anyhow::Result<Vec<Stored>> {
    let (epoch, n) = number.map_or((0, 0), columns);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = connection
        .prepare_cached(
            "SELECT epoch, n, digest, document FROM signed_documents \
             WHERE kind = $1 AND subject = $2 AND (epoch, n) > ($3, $4) ORDER BY epoch, n LIMIT $5",
        )
        .await
        .with_context(|| format!("cannot list {kind}"))?;
    let rows = connection
        .query(&statement, &[&kind, &subject.bytes(), &epoch, &n, &limit])
        .await
        .with_context(|| format!("cannot list {kind}"))?;
    rows.iter().map(stored).collect()
}

/// The document whose signed bytes have this digest.
///
/// # Errors
/// When the database fails.
pub async fn by_digest(
    connection: &Connection,
    kind: &str,
    subject: Subject,
    digest: Digest,
) -> anyhow::Result<Option<Stored>> {
    let row = connection
        .query_opt(
            "SELECT epoch, n, digest, document FROM signed_documents \
             WHERE kind = $1 AND subject = $2 AND digest = $3",
            &[&kind, &subject.bytes(), &digest.0.as_slice()],
        )
        .await
        .with_context(|| format!("cannot read {kind} by its digest"))?;
    row.as_ref().map(stored).transpose()
}

/// A number beyond what the columns hold is beyond every document too.
fn columns(number: DocumentNumber) -> (i32, i64) {
    (
        i32::try_from(number.epoch.0).unwrap_or(i32::MAX),
        i64::try_from(number.n).unwrap_or(i64::MAX),
    )
}

/// Reads `epoch`, `n` and `digest` of a row.
pub(super) fn name(row: &Row) -> anyhow::Result<Newest> {
    let epoch = u32::try_from(row.get::<_, i32>("epoch")).context("an epoch is negative")?;
    let n = u64::try_from(row.get::<_, i64>("n")).context("a number is negative")?;
    let digest = row.get::<_, &[u8]>("digest").try_into();
    Ok(Newest {
        number: DocumentNumber {
            epoch: CentralEpoch(epoch),
            n,
        },
        digest: Digest(digest.context("a digest has no 32 bytes")?),
    })
}

fn stored(row: &Row) -> anyhow::Result<Stored> {
    Ok(Stored {
        newest: name(row)?,
        document: row.get("document"),
    })
}

//! Signed documents, the newest of each name. Whoever loads them checks them again.

use gate_core::action::{StoredDocument, StoredKind};
use rusqlite::{Connection, Row, params};
use shared::{
    gate_api::DocumentName,
    ids::{CentralEpoch, DocumentNumber, Kid},
};

use super::{columns::unreadable, sealing::SealingKey};

/// What a roster's sealed bytes are bound to.
const ROSTER_CONTEXT: &[u8] = b"portcullis/stored-roster/1";

pub(super) fn put(
    connection: &Connection,
    document: &StoredDocument,
    sealing: &SealingKey,
) -> rusqlite::Result<()> {
    let (kind, kid) = columns(document.kind);
    let sealed = match document.kind {
        StoredKind::Named(DocumentName::Roster) => {
            Some(sealing.seal(ROSTER_CONTEXT, &document.bytes))
        }
        StoredKind::Named(_)
        | StoredKind::Heads
        | StoredKind::Order
        | StoredKind::FormerTrustList
        | StoredKind::FormerRootSet => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO documents (kind, kid, central_epoch, n, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, kid) DO UPDATE SET central_epoch = excluded.central_epoch,
                 n = excluded.n, bytes = excluded.bytes",
        )?
        .execute(params![
            kind,
            kid,
            document.number.epoch.0,
            document.number.n,
            sealed.as_deref().unwrap_or(&document.bytes),
        ])?;
    Ok(())
}

/// All of them. A roster whose sealing key is lost is left out: the gate pulls it again.
pub(super) fn load(
    connection: &Connection,
    sealing: &SealingKey,
) -> rusqlite::Result<Vec<StoredDocument>> {
    let mut documents: Vec<StoredDocument> = connection
        .prepare("SELECT kind, kid, central_epoch, n, bytes FROM documents ORDER BY kind, kid")?
        .query_map([], from_row)?
        .collect::<rusqlite::Result<_>>()?;
    documents.retain_mut(|document| match document.kind {
        StoredKind::Named(DocumentName::Roster) => {
            match sealing.open(ROSTER_CONTEXT, &document.bytes) {
                Some(opened) => {
                    document.bytes = opened;
                    true
                }
                None => {
                    tracing::warn!("the stored roster cannot be unsealed; it is pulled again");
                    false
                }
            }
        }
        StoredKind::Named(_)
        | StoredKind::Heads
        | StoredKind::Order
        | StoredKind::FormerTrustList
        | StoredKind::FormerRootSet => true,
    });
    Ok(documents)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredDocument> {
    let kind: i64 = row.get(0)?;
    let kid: Vec<u8> = row.get(1)?;
    let kind = kind_of(kind, &kid).ok_or_else(|| unreadable(0, UnknownKind(kind)))?;
    let number = DocumentNumber {
        epoch: CentralEpoch(row.get(2)?),
        n: row.get(3)?,
    };
    Ok(StoredDocument {
        kind,
        number,
        bytes: row.get(4)?,
    })
}

#[derive(Debug, thiserror::Error)]
#[error("no document has kind {0}")]
struct UnknownKind(i64);

fn columns(kind: StoredKind) -> (i64, Vec<u8>) {
    match kind {
        StoredKind::Named(DocumentName::RootSet) => (0, Vec::new()),
        StoredKind::Named(DocumentName::TrustList) => (1, Vec::new()),
        StoredKind::Named(DocumentName::Configuration) => (2, Vec::new()),
        StoredKind::Named(DocumentName::Roster) => (3, Vec::new()),
        StoredKind::Named(DocumentName::StatusList(kid)) => (4, kid.0.to_vec()),
        StoredKind::Named(DocumentName::IssuedList(kid)) => (5, kid.0.to_vec()),
        StoredKind::Heads => (6, Vec::new()),
        StoredKind::Order => (7, Vec::new()),
        StoredKind::FormerTrustList => (8, Vec::new()),
        StoredKind::FormerRootSet => (9, Vec::new()),
    }
}

fn kind_of(kind: i64, kid: &[u8]) -> Option<StoredKind> {
    let kid = || kid.try_into().ok().map(Kid);
    let named = match kind {
        0 => DocumentName::RootSet,
        1 => DocumentName::TrustList,
        2 => DocumentName::Configuration,
        3 => DocumentName::Roster,
        4 => DocumentName::StatusList(kid()?),
        5 => DocumentName::IssuedList(kid()?),
        6 => return Some(StoredKind::Heads),
        7 => return Some(StoredKind::Order),
        8 => return Some(StoredKind::FormerTrustList),
        9 => return Some(StoredKind::FormerRootSet),
        _ => return None,
    };
    Some(StoredKind::Named(named))
}

//! What the store knows of a verified pass: one read by key in the digests, one in the roster.

use std::collections::HashMap;

use gate_core::{
    action::{StoredDocument, StoredKind},
    input::Lookup,
};
use rusqlite::Connection;
use shared::{
    cbor,
    cose::Sign1,
    document::SignedKind as _,
    gate_api::DocumentName,
    ids::{Kid, PassDigest, PassId},
    issued_list::{Growth, IssuedEntry, IssuedList},
};

use super::{
    issued::{IssuedIndex, IssuedProgress},
    roster,
    sealing::SealingKey,
};

/// The issued lists that are held: they say how far the stored digests are believed.
#[derive(Debug, Default)]
pub(super) struct HeldIssuedLists(HashMap<Kid, HeldList>);

#[derive(Clone, Copy, Debug)]
struct HeldList {
    growth: Growth,
    vouched: IssuedProgress,
}

impl HeldIssuedLists {
    /// Those among stored documents.
    pub(super) fn of(documents: &[StoredDocument]) -> Self {
        let mut held = Self::default();
        documents.iter().for_each(|document| held.take(document));
        held
    }

    /// Takes over a list that the core has checked and that was stored; other kinds are none.
    pub(super) fn take(&mut self, document: &StoredDocument) {
        let StoredKind::Named(DocumentName::IssuedList(kid)) = document.kind else {
            return;
        };
        let list: Result<IssuedList, _> = Sign1::parse(&document.bytes)
            .and_then(|envelope| cbor::decode_strict(envelope.payload, IssuedList::LIMIT));
        let Ok(list) = list else {
            tracing::error!(issuer.kid = %kid, "the stored issued list of {kid} is unreadable");
            return;
        };
        let vouched = IssuedProgress {
            pulled: list.count,
            chain: list.chain,
        };
        let growth = list.growth;
        self.0.insert(kid, HeldList { growth, vouched });
    }

    /// How far the held list of an issuer key vouches for digests.
    pub(super) fn vouched(&self, kid: Kid) -> IssuedProgress {
        self.0
            .get(&kid)
            .map_or(IssuedProgress::NONE, |list| list.vouched)
    }
}

pub(super) fn look_up(
    connection: &Connection,
    issued: &IssuedIndex,
    held: &HeldIssuedLists,
    sealing: &SealingKey,
    (pass, digest): (PassId, PassDigest),
) -> rusqlite::Result<Lookup> {
    let entry = match held.0.get(&pass.kid) {
        None => IssuedEntry::NoList,
        Some(list) if pass.serial.0 >= list.vouched.pulled => {
            IssuedEntry::of(digest, None, list.growth)
        }
        Some(list) => {
            let stored = issued
                .digest(connection, pass.kid, pass.serial)?
                .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            IssuedEntry::of(digest, Some(stored), list.growth)
        }
    };
    Ok(Lookup {
        issued: entry,
        holder: roster::holder(connection, sealing, pass)?,
    })
}

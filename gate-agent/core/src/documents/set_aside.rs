//! Lists that nobody vouches for any more, because the key that signed them or the issuer they are
//! of was taken out of the trust list. They say nothing in a pass's favour; what they say against
//! one counts until a list takes their place: a revoked pass stays revoked, a frozen list frozen,
//! across restarts too.

use alloc::collections::BTreeMap;

use shared::{
    cbor,
    cose::Sign1,
    document::{self, DocumentRejected, SignedKind},
    gate_api::DocumentName,
    ids::{Kid, PassId},
    issued_list::IssuedList,
    status_list::{PassState, StatusBitmaps, StatusList, StatusSets},
};

use super::DocumentProblem;
use crate::action::{StoredDocument, StoredKind};

/// The lists that were set aside, at most one of each kind for an issuer key.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetAside {
    pub(super) status_lists: BTreeMap<Kid, StatusBitmaps>,
    pub(super) issued_lists: BTreeMap<Kid, IssuedList>,
}

impl SetAside {
    /// What a status list that was set aside says of a pass.
    pub(crate) fn state(&self, pass: PassId) -> Option<PassState> {
        let bitmaps = self.status_lists.get(&pass.kid)?;
        Some(bitmaps.state(pass.serial))
    }

    /// Keeps a stored list that did not stand its check at start for want of the key alone. Its
    /// signature was checked when it came, and it can do no more than deny.
    pub(super) fn keep(&mut self, stored: &StoredDocument, problem: DocumentProblem) {
        if !is_for_want_of_the_key(problem) {
            return;
        }
        match stored.kind {
            StoredKind::Named(DocumentName::StatusList(kid)) => {
                let list = read_checked::<StatusList>(&stored.bytes).filter(|list| list.kid == kid);
                let sets = list.and_then(|list| StatusSets::decode(&list).ok());
                if let Some(sets) = sets {
                    self.status_lists.insert(kid, StatusBitmaps::new(&sets));
                }
            }
            StoredKind::Named(DocumentName::IssuedList(kid)) => {
                let list = read_checked::<IssuedList>(&stored.bytes).filter(|list| list.kid == kid);
                if let Some(list) = list {
                    self.issued_lists.insert(kid, list);
                }
            }
            StoredKind::Named(
                DocumentName::RootSet
                | DocumentName::TrustList
                | DocumentName::Configuration
                | DocumentName::Roster,
            )
            | StoredKind::Heads
            | StoredKind::Order
            | StoredKind::FormerTrustList
            | StoredKind::FormerRootSet => {}
        }
    }
}

fn is_for_want_of_the_key(problem: DocumentProblem) -> bool {
    matches!(
        problem,
        DocumentProblem::Rejected(DocumentRejected::KeyUnknown(_))
            | DocumentProblem::NoTrustList
            | DocumentProblem::IssuerUnknown(_)
    )
}

/// Reads a document whose signature was checked when it came.
pub(super) fn read_checked<T: SignedKind>(bytes: &[u8]) -> Option<T> {
    let envelope = Sign1::parse(bytes).ok()?;
    let document = cbor::decode_strict(envelope.payload, T::LIMIT).ok()?;
    document::check(&document).ok()?;
    Some(document)
}

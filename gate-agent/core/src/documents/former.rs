//! What vouched before. A configuration whose statement key was withdrawn is not relied on for
//! passes any more, but until its successor comes the gate has doors to watch and guards to obey by
//! it, across restarts too: the trust list that vouched for it is kept, and with it the root set
//! that named that list's registrar key. One of each is enough.

use shared::{
    document::{DocumentRejected, Verified},
    ids::Kid,
    keys::{KeyRing, PublicKey},
    root_set::{RootSet, open_first_root_set},
    trust_list::{self, TrustList},
};

use super::{
    DocumentProblem as Problem,
    check::Incoming,
    in_force::{Documents, NumberAndDigest},
};
use crate::action::{StoredDocument, StoredKind};

/// What vouched before.
#[derive(Clone, Debug, Default)]
pub(super) struct Former {
    root_set: Option<RootSet>,
    trust_list: Option<FormerTrustList>,
}

#[derive(Clone, Debug)]
struct FormerTrustList {
    signed_by: Kid,
    statements: KeyRing,
}

impl Former {
    /// The statement keys of the former trust list.
    pub(super) fn statements(&self) -> Option<&KeyRing> {
        self.trust_list.as_ref().map(|list| &list.statements)
    }
}

impl Documents {
    /// What must be stored with `incoming` because that takes its place.
    pub(crate) fn to_keep_behind(&self, incoming: &Incoming) -> Option<StoredDocument> {
        let kept = |kind, id: NumberAndDigest, bytes: &[u8]| StoredDocument {
            kind,
            number: id.number,
            bytes: bytes.to_vec(),
        };
        match incoming {
            Incoming::TrustList(new) => {
                let held = self.trust.as_ref()?;
                let signed_by = self.configuration.as_ref()?.signed_by;
                let is_named = |keys: &[PublicKey]| keys.iter().any(|key| key.kid() == signed_by);
                let is_last = is_named(&held.list.document.statement_keys)
                    && !is_named(&new.document().statement_keys);
                is_last.then(|| kept(StoredKind::FormerTrustList, held.list.id, &held.bytes))
            }
            Incoming::RootSet(new) => {
                let held = self.root_set.as_ref()?;
                let registrar = self.registrar_behind_configuration()?;
                let is_named = |keys: &[PublicKey]| keys.iter().any(|key| key.kid() == registrar);
                let is_last =
                    is_named(&held.document.registrars) && !is_named(&new.document().registrars);
                is_last.then(|| kept(StoredKind::FormerRootSet, held.id, &self.root_set_bytes))
            }
            Incoming::Configuration(_)
            | Incoming::Roster(_)
            | Incoming::StatusList(_)
            | Incoming::IssuedList(_)
            | Incoming::Heads(_) => None,
        }
    }

    /// The registrar key that signed the trust list which vouches, or vouched, for the
    /// configuration.
    fn registrar_behind_configuration(&self) -> Option<Kid> {
        let signed_by = self.configuration.as_ref()?.signed_by;
        let now = self
            .trust
            .as_ref()
            .filter(|trust| trust.statements.get(signed_by).is_some());
        let before = self.former.trust_list.as_ref();
        now.map(|trust| trust.list.signed_by)
            .or_else(|| before.map(|list| list.signed_by))
    }

    /// Keeps what [`Self::to_keep_behind`] names.
    pub(super) fn keep_behind(&mut self, incoming: &Incoming) {
        match self.to_keep_behind(incoming).map(|kept| kept.kind) {
            Some(StoredKind::FormerTrustList) => {
                let held = self.trust.as_ref();
                self.former.trust_list = held.map(|trust| FormerTrustList {
                    signed_by: trust.list.signed_by,
                    statements: trust.statements.clone(),
                });
            }
            Some(StoredKind::FormerRootSet) => {
                let held = self.root_set.as_ref();
                self.former.root_set = held.map(|set| set.document.clone());
            }
            Some(StoredKind::Named(_) | StoredKind::Heads | StoredKind::Order) | None => {}
        }
    }

    /// Puts what was stored of it back at start.
    pub(super) fn reopen_former(&mut self, kept: &StoredDocument) -> Result<(), Problem> {
        match kept.kind {
            StoredKind::FormerTrustList => {
                let list = self.reopen_trust_list(&kept.bytes)?;
                let statements = list.document().statement_ring();
                self.former.trust_list = Some(FormerTrustList {
                    signed_by: list.signed_by(),
                    statements: statements.expect("opening checks every key"),
                });
            }
            StoredKind::FormerRootSet => {
                let set = open_first_root_set(&kept.bytes)?;
                self.former.root_set = Some(set.into_document());
            }
            StoredKind::Named(_) | StoredKind::Heads | StoredKind::Order => {}
        }
        Ok(())
    }

    /// Opens a trust list that was checked when it came: the root set that named its registrar key
    /// may be the former one.
    pub(super) fn reopen_trust_list(&self, bytes: &[u8]) -> Result<Verified<TrustList>, Problem> {
        match (self.open_trust_list(bytes), &self.former.root_set) {
            (Err(Problem::Rejected(DocumentRejected::KeyUnknown(_))), Some(former)) => {
                Ok(trust_list::open_trust_list(bytes, former)?)
            }
            (answer, _) => answer,
        }
    }
}

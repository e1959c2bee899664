//! What is in force, ready to be asked.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use shared::{
    configuration::Configuration,
    document::{Header, SignedKind, Verified},
    gate_api::DocumentName,
    heads::{Heads, Newest},
    ids::{Digest, DocumentNumber, GateId, Kid, PassId},
    issued_list::IssuedList,
    keys::{KeyRing, PublicKey, sha256},
    order::Order,
    root_set::RootSet,
    roster::Roster,
    status_list::{PassState, StatusBitmaps, StatusList, StatusSets},
    time::UtcSeconds,
    trust_list::{TrustList, TrustedIssuers},
};

use super::{check::Incoming, former::Former, set_aside::SetAside};
use crate::action::{StoredDocument, StoredKind};

/// Number and digest of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberAndDigest {
    pub(crate) number: DocumentNumber,
    pub(crate) digest: Digest,
}

impl NumberAndDigest {
    pub(crate) fn of_stored(document: &StoredDocument) -> Self {
        Self {
            number: document.number,
            digest: sha256(&document.bytes),
        }
    }
}

impl From<Newest> for NumberAndDigest {
    fn from(newest: Newest) -> Self {
        Self {
            number: newest.number,
            digest: newest.digest,
        }
    }
}

/// A document in force.
#[derive(Clone, Debug)]
pub(crate) struct InForce<T> {
    pub(crate) document: T,
    pub(crate) id: NumberAndDigest,
    pub(crate) signed_by: Kid,
}

impl<T> InForce<T> {
    pub(crate) fn new(verified: Verified<T>, header: impl Fn(&T) -> Header) -> Self {
        Self {
            id: NumberAndDigest {
                number: header(verified.document()).number,
                digest: verified.digest(),
            },
            signed_by: verified.signed_by(),
            document: verified.into_document(),
        }
    }
}

/// A trust list in force, its keys decompressed.
#[derive(Clone, Debug)]
pub(crate) struct TrustInForce {
    pub(crate) list: InForce<TrustList>,
    pub(super) bytes: Vec<u8>,
    pub(crate) issuers: TrustedIssuers,
    pub(crate) statements: KeyRing,
}

/// A status list in force: coded as signed, for deltas, and as bitmaps, to be asked.
#[derive(Clone, Debug)]
pub(crate) struct StatusInForce {
    pub(crate) list: InForce<StatusList>,
    bitmaps: StatusBitmaps,
}

impl StatusInForce {
    pub(crate) fn new(list: InForce<StatusList>) -> Self {
        Self {
            bitmaps: bitmaps_of(&list.document),
            list,
        }
    }

    pub(crate) fn state(&self, pass: PassId) -> PassState {
        self.bitmaps.state(pass.serial)
    }

    pub(crate) fn expires_at(&self) -> UtcSeconds {
        self.list.document.header.expires_at
    }

    pub(crate) fn number(&self) -> DocumentNumber {
        self.list.id.number
    }

    pub(super) fn into_bitmaps(self) -> StatusBitmaps {
        self.bitmaps
    }
}

/// Everything in force.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    pub(crate) gate: GateId,
    pub(crate) pinned_root_set: Digest,
    pub(crate) root_set: Option<InForce<RootSet>>,
    pub(super) root_set_bytes: Vec<u8>,
    /// Identifiers of the root set's registrar keys.
    registrars: Vec<Kid>,
    pub(crate) trust: Option<TrustInForce>,
    pub(crate) configuration: Option<InForce<Configuration>>,
    pub(crate) heads: Option<InForce<Heads>>,
    /// The roster itself is the store's; here is which.
    pub(crate) roster: Option<NumberAndDigest>,
    pub(crate) status_lists: BTreeMap<Kid, StatusInForce>,
    pub(crate) issued_lists: BTreeMap<Kid, InForce<IssuedList>>,
    pub(crate) set_aside: SetAside,
    pub(super) former: Former,
    pub(crate) order: Option<NumberAndDigest>,
    /// Numbers that must not be gone back behind although the document itself is not in force:
    /// stored documents that did not stand their check at start.
    pub(crate) floors: BTreeMap<StoredKind, DocumentNumber>,
    pub(crate) behind: Behind,
}

/// Which of the documents that vouch for others is probably out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    Nothing,
    /// A statement came that the trust list at hand does not vouch for.
    TrustList,
    /// A trust list came that the root set at hand does not vouch for.
    RootSet,
}

impl Documents {
    pub(crate) fn empty(gate: GateId, pinned_root_set: Digest) -> Self {
        Self {
            gate,
            pinned_root_set,
            root_set: None,
            root_set_bytes: Vec::new(),
            registrars: Vec::new(),
            trust: None,
            configuration: None,
            heads: None,
            roster: None,
            status_lists: BTreeMap::new(),
            issued_lists: BTreeMap::new(),
            set_aside: SetAside::default(),
            former: Former::default(),
            order: None,
            floors: BTreeMap::new(),
            behind: Behind::Nothing,
        }
    }

    pub(crate) fn configuration(&self) -> Option<&Configuration> {
        self.configuration.as_ref().map(|held| &held.document)
    }

    /// What is in force under this name.
    pub(crate) fn held(&self, kind: StoredKind) -> Option<NumberAndDigest> {
        match kind {
            StoredKind::Heads => self.heads.as_ref().map(|held| held.id),
            StoredKind::Order => self.order,
            StoredKind::FormerTrustList | StoredKind::FormerRootSet => None,
            StoredKind::Named(name) => match name {
                DocumentName::RootSet => self.root_set.as_ref().map(|held| held.id),
                DocumentName::TrustList => self.trust.as_ref().map(|trust| trust.list.id),
                DocumentName::Configuration => self.configuration.as_ref().map(|held| held.id),
                DocumentName::Roster => self.roster,
                DocumentName::StatusList(kid) => self.status_lists.get(&kid).map(|s| s.list.id),
                DocumentName::IssuedList(kid) => self.issued_lists.get(&kid).map(|held| held.id),
            },
        }
    }

    /// Puts a checked and stored document in force.
    pub(crate) fn put_in_force(&mut self, incoming: Incoming) {
        self.keep_behind(&incoming);
        self.behind = match (&incoming, self.behind) {
            // Heads that the trust list vouches for name everything that is newer.
            (Incoming::TrustList(_) | Incoming::Heads(_), _) => Behind::Nothing,
            (Incoming::RootSet(_), Behind::RootSet) => Behind::TrustList,
            (_, behind) => behind,
        };
        match incoming {
            Incoming::RootSet(verified) => {
                let set = verified.document();
                self.registrars = set.registrars.iter().map(PublicKey::kid).collect();
                self.root_set_bytes = verified.bytes().to_vec();
                self.root_set = Some(InForce::new(verified, |set| set.header));
            }
            Incoming::TrustList(verified) => {
                self.trust = Some(trust_in_force(verified));
                self.set_lists_of_unknown_issuers_aside();
            }
            Incoming::Configuration(verified) => {
                self.configuration = Some(InForce::new(verified, |it| it.header));
            }
            Incoming::Roster(id) => self.roster = Some(id),
            Incoming::StatusList(verified) => {
                let kid = verified.document().kid;
                let list = InForce::new(verified, |list| list.header);
                self.status_lists.insert(kid, StatusInForce::new(list));
                self.set_aside.status_lists.remove(&kid);
            }
            Incoming::IssuedList(verified) => {
                let kid = verified.document().kid;
                self.issued_lists
                    .insert(kid, InForce::new(verified, |list| list.header));
                self.set_aside.issued_lists.remove(&kid);
            }
            Incoming::Heads(verified) => {
                self.heads = Some(InForce::new(verified, |heads| heads.header));
            }
        }
    }

    /// Is the key of a statement (still) in the trust list? A statement whose key was taken out
    /// of it is not relied on any more, although it was when it came.
    pub(crate) fn vouches_for(&self, signed_by: Kid) -> bool {
        self.vouching_trust()
            .is_some_and(|trust| trust.statements.get(signed_by).is_some())
    }

    /// The trust list, while the root set names the registrar key that signed it: one that was
    /// signed with a stolen registrar key ends with that key, not when the next list comes.
    pub(crate) fn vouching_trust(&self) -> Option<&TrustInForce> {
        let is_named = |trust: &&TrustInForce| self.registrars.contains(&trust.list.signed_by);
        self.trust.as_ref().filter(is_named)
    }

    /// What is revoked and suspended of a key, by the list in force or set aside.
    pub(super) fn status_bitmaps(&self, kid: Kid) -> Option<&StatusBitmaps> {
        let in_force = self.status_lists.get(&kid).map(|held| &held.bitmaps);
        in_force.or_else(|| self.set_aside.status_lists.get(&kid))
    }

    /// The issued list of a key, in force or set aside.
    pub(crate) fn issued_list(&self, kid: Kid) -> Option<&IssuedList> {
        let in_force = self.issued_lists.get(&kid).map(|held| &held.document);
        in_force.or_else(|| self.set_aside.issued_lists.get(&kid))
    }

    /// The trust list may name the issuer again one day: no revocation and no freeze is forgotten.
    fn set_lists_of_unknown_issuers_aside(&mut self) {
        let Some(trust) = &self.trust else { return };
        let is_gone = |kid: &Kid| trust.issuers.get(*kid).is_none();
        for (kid, list) in self.status_lists.extract_if(.., |kid, _| is_gone(kid)) {
            let kind = StoredKind::Named(DocumentName::StatusList(kid));
            self.floors.insert(kind, list.number());
            let bitmaps = list.into_bitmaps();
            self.set_aside.status_lists.insert(kid, bitmaps);
        }
        for (kid, list) in self.issued_lists.extract_if(.., |kid, _| is_gone(kid)) {
            let kind = StoredKind::Named(DocumentName::IssuedList(kid));
            self.floors.insert(kind, list.id.number);
            self.set_aside.issued_lists.insert(kid, list.document);
        }
    }
}

/// The bitmaps of a list that was checked.
pub(super) fn bitmaps_of(list: &StatusList) -> StatusBitmaps {
    let sets = StatusSets::decode(list).expect("a list was opened, and opening decodes both sets");
    StatusBitmaps::new(&sets)
}

pub(crate) fn trust_in_force(verified: Verified<TrustList>) -> TrustInForce {
    let bytes = verified.bytes().to_vec();
    let list = InForce::new(verified, |list| list.header);
    let usable = "a trust list was opened, and opening checks every key";
    TrustInForce {
        issuers: TrustedIssuers::new(&list.document.issuer_keys).expect(usable),
        statements: list.document.statement_ring().expect(usable),
        list,
        bytes,
    }
}

/// The kind of a document as records name it: the external data of its signature.
pub(crate) fn kind_of(kind: StoredKind) -> String {
    let external_data = match kind {
        StoredKind::Heads => Heads::EXTERNAL_DATA,
        StoredKind::Order => Order::EXTERNAL_DATA,
        StoredKind::FormerTrustList => TrustList::EXTERNAL_DATA,
        StoredKind::FormerRootSet => RootSet::EXTERNAL_DATA,
        StoredKind::Named(name) => match name {
            DocumentName::RootSet => RootSet::EXTERNAL_DATA,
            DocumentName::TrustList => TrustList::EXTERNAL_DATA,
            DocumentName::Configuration => Configuration::EXTERNAL_DATA,
            DocumentName::Roster => Roster::EXTERNAL_DATA,
            DocumentName::StatusList(_) => StatusList::EXTERNAL_DATA,
            DocumentName::IssuedList(_) => IssuedList::EXTERNAL_DATA,
        },
    };
    String::from(external_data)
}

//! What the gate wants from central: what heads name and it does not hold.

use alloc::vec::Vec;

use shared::{gate_api::DocumentName, heads::Heads, ids::DocumentNumber};

use super::in_force::{Behind, Documents, NumberAndDigest};
use crate::action::StoredKind;

/// A document to be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub name: DocumentName,
    /// The one at hand.
    pub have: Option<DocumentNumber>,
}

impl Documents {
    /// What to pull, in the order in which one vouches for the other.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        let mut names = Vec::new();
        if self.root_set.is_none() || self.behind == Behind::RootSet {
            names.push(DocumentName::RootSet);
        }
        if self.vouching_trust().is_none() || self.behind != Behind::Nothing {
            names.push(DocumentName::TrustList);
        }
        if let Some(heads) = &self.heads {
            let named = named_by(&heads.document);
            let missing = named.filter(|(name, newest)| !self.holds(*name, *newest));
            for (name, _) in missing {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let have = |name| {
            let kind = StoredKind::Named(name);
            self.held(kind).map(|held| held.number)
        };
        names
            .into_iter()
            .map(|name| Wanted {
                name,
                have: have(name),
            })
            .collect()
    }

    /// Does `heads` name an order that is not held?
    pub(crate) fn wants_orders(&self) -> bool {
        self.heads
            .as_ref()
            .is_some_and(|heads| !self.holds_order_of(&heads.document))
    }

    /// Is everything that bears on a decision as new as `heads` say? The roster, which only
    /// recognises people, does not count.
    pub(crate) fn hold_all_of(&self, heads: &Heads) -> bool {
        named_by(heads)
            .filter(|(name, _)| *name != DocumentName::Roster)
            .all(|(name, newest)| self.holds(name, newest))
            && self.holds_order_of(heads)
    }

    /// The newest order that was taken, whether or not it is still at hand.
    fn newest_order(&self) -> Option<DocumentNumber> {
        let held = self.order.map(|order| order.number);
        held.max(self.floors.get(&StoredKind::Order).copied())
    }

    fn holds(&self, name: DocumentName, newest: NumberAndDigest) -> bool {
        self.held(StoredKind::Named(name))
            .is_some_and(|held| held == newest || held.number > newest.number)
    }

    fn holds_order_of(&self, heads: &Heads) -> bool {
        let Some(newest) = heads.order else {
            return true;
        };
        self.newest_order() >= Some(newest.number)
    }
}

fn named_by(heads: &Heads) -> impl Iterator<Item = (DocumentName, NumberAndDigest)> + '_ {
    let single = [
        Some((DocumentName::RootSet, heads.root_set)),
        Some((DocumentName::TrustList, heads.trust_list)),
        Some((DocumentName::Configuration, heads.configuration)),
        heads.roster.map(|roster| (DocumentName::Roster, roster)),
    ];
    let lists = heads.issuers.iter().flat_map(|issuer| {
        [
            (DocumentName::StatusList(issuer.kid), issuer.status_list),
            (DocumentName::IssuedList(issuer.kid), issuer.issued_list),
        ]
    });
    single
        .into_iter()
        .flatten()
        .chain(lists)
        .map(|(name, newest)| (name, newest.into()))
}

//! Which holder each pass is of, as far as scans have shown since the start: whoever forgives names
//! a pass or a holder, and whereabouts are kept under one or the other.

use alloc::{collections::BTreeMap, vec::Vec};

use shared::{
    ids::{HolderNumber, PassId},
    order::Subject,
};

use crate::{memory::MemoryChange, presence::PRESENCES_LIMIT};

/// Holders that the roster named for passes. When there are as many as there may be whereabouts,
/// all are forgotten and learned again with the next scans.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenHolders(BTreeMap<PassId, HolderNumber>);

impl SeenHolders {
    /// The roster was asked about a pass.
    pub(super) fn learn(&mut self, pass: PassId, holder: Option<HolderNumber>) {
        let Some(holder) = holder else {
            self.0.remove(&pass);
            return;
        };
        if self.0.len() >= PRESENCES_LIMIT && !self.0.contains_key(&pass) {
            self.0.clear();
        }
        self.0.insert(pass, holder);
    }

    /// Forgets where somebody is, under every name.
    pub(super) fn forgive(&self, subject: Subject) -> Vec<MemoryChange> {
        let holder = match subject {
            Subject::Pass(pass) => self.0.get(&pass).copied(),
            Subject::Holder(holder) => Some(holder),
        };
        let passes = self.0.iter().filter(|(_, of)| Some(**of) == holder);
        let passes = passes.map(|(pass, _)| Subject::Pass(*pass));
        let mut subjects: Vec<Subject> = passes.collect();
        subjects.extend(holder.map(Subject::Holder));
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
        let forgotten = subjects.into_iter().map(MemoryChange::ForgetPresence);
        forgotten.collect()
    }
}

//! Who is where, as far as this gate knows, and how many are in each area. Presence moves with a
//! grant (reserved) and moves back when the grant was not taken.

use alloc::collections::BTreeMap;

use shared::{ids::AreaId, order::Subject};

use crate::memory::Presence;

/// Most subjects whose whereabouts are kept: twice the holders that a gate may recognise, so that
/// passes of unknown holders fit too. At the limit whoever has been away longest is forgotten,
/// and with nobody away whoever has been anywhere longest.
pub(crate) const PRESENCES_LIMIT: usize = 200_000;

/// All whereabouts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presences {
    by_subject: BTreeMap<Subject, Presence>,
    inside: BTreeMap<AreaId, u32>,
}

impl Presences {
    pub(crate) fn new(presences: &[Presence]) -> Self {
        let mut all = Self::default();
        for presence in presences {
            all.set(*presence);
        }
        all
    }

    pub(crate) fn get(&self, subject: Subject) -> Option<Presence> {
        self.by_subject.get(&subject).copied()
    }

    /// Returns what was there before.
    pub(crate) fn set(&mut self, presence: Presence) -> Option<Presence> {
        let before = self.by_subject.insert(presence.subject, presence);
        if let Some(before) = before {
            self.leave(before.area);
        }
        *self.inside.entry(presence.area).or_insert(0) += 1;
        before
    }

    /// Returns what was there before.
    pub(crate) fn forget(&mut self, subject: Subject) -> Option<Presence> {
        let before = self.by_subject.remove(&subject)?;
        self.leave(before.area);
        Some(before)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Presence> + '_ {
        self.by_subject.values()
    }

    pub(crate) fn inside(&self, area: AreaId) -> u32 {
        self.inside.get(&area).copied().unwrap_or(0)
    }

    /// Whom to forget before another subject is added, when there is no room.
    pub(crate) fn to_forget_for(&self, subject: Subject) -> Option<Subject> {
        if self.by_subject.len() < PRESENCES_LIMIT || self.by_subject.contains_key(&subject) {
            return None;
        }
        let rank = |presence: &&Presence| (presence.area != AreaId::OUTSIDE, presence.since);
        self.by_subject
            .values()
            .min_by_key(rank)
            .map(|presence| presence.subject)
    }

    fn leave(&mut self, area: AreaId) {
        if let Some(count) = self.inside.get_mut(&area) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{ids::HolderNumber, time::UtcSeconds};

    use super::*;

    fn at(holder: u32, area: u32, since: u64) -> Presence {
        Presence {
            subject: Subject::Holder(HolderNumber(holder)),
            area: AreaId(area),
            since: UtcSeconds(since),
        }
    }

    #[test]
    fn areas_count_each_subject_once() {
        let mut all = Presences::new(&[at(1, 1, 0), at(2, 1, 0)]);
        assert_eq!(all.set(at(1, 1, 5)), Some(at(1, 1, 0)));
        assert_eq!(all.inside(AreaId(1)), 2);
        all.set(at(1, 2, 6));
        assert_eq!((all.inside(AreaId(1)), all.inside(AreaId(2))), (1, 1));
        assert_eq!(all.forget(at(2, 0, 0).subject), Some(at(2, 1, 0)));
        assert_eq!(all.forget(at(2, 0, 0).subject), None);
        assert_eq!(all.inside(AreaId(1)), 0);
    }
}

//! Granted is not taken: grants that wait to be settled by the door's contact, the turnstile's
//! rotation, or the end of their time.

use alloc::{collections::VecDeque, vec::Vec};

use shared::{
    configuration::PassageSensing,
    ids::{DoorId, ScanId},
    time::Uptime,
};

use crate::timers::TimerReason;

/// A grant whose lock was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenPassage {
    pub(crate) scan: ScanId,
    pub(crate) door: DoorId,
    pub(crate) due: Uptime,
}

/// All of them, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenPassages(VecDeque<OpenPassage>);

impl OpenPassages {
    pub(crate) fn open(&mut self, passage: OpenPassage) {
        self.0.push_back(passage);
    }

    /// Somebody went through `door`: a turn of a turnstile is one person's, an opened leaf is
    /// everybody's who was let through.
    pub(crate) fn taken(&mut self, door: DoorId, sensing: PassageSensing) -> Vec<ScanId> {
        let here = |passage: &OpenPassage| passage.door == door;
        match sensing {
            PassageSensing::Rotation => {
                let at = self.0.iter().position(here);
                at.and_then(|at| self.0.remove(at))
                    .map(|passage| passage.scan)
                    .into_iter()
                    .collect()
            }
            PassageSensing::DoorContact | PassageSensing::None => self.remove(here),
        }
    }

    /// Nobody went through in time.
    pub(crate) fn take_due(&mut self, now: Uptime) -> Vec<ScanId> {
        self.remove(|passage| passage.due <= now)
    }

    pub(crate) fn is_any_at(&self, door: DoorId) -> bool {
        self.0.iter().any(|passage| passage.door == door)
    }

    pub(crate) fn next_timer(&self) -> Option<(Uptime, TimerReason)> {
        self.0
            .iter()
            .map(|passage| (passage.due, TimerReason::PassageDue(passage.scan)))
            .min()
    }

    fn remove(&mut self, which: impl Fn(&OpenPassage) -> bool) -> Vec<ScanId> {
        let scans = self.0.iter().filter(|passage| which(passage));
        let scans = scans.map(|passage| passage.scan).collect();
        self.0.retain(|passage| !which(passage));
        scans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> OpenPassages {
        let mut passages = OpenPassages::default();
        for (scan, door) in [(1, 1), (2, 2), (3, 1)] {
            passages.open(OpenPassage {
                scan: ScanId(scan),
                door: DoorId(door),
                due: Uptime(scan * 1000),
            });
        }
        passages
    }

    #[test]
    fn a_turn_settles_the_oldest_grant_and_an_opening_all_of_the_door() {
        let mut passages = three();
        let door = DoorId(1);
        assert_eq!(passages.taken(door, PassageSensing::Rotation), [ScanId(1)]);
        assert!(passages.is_any_at(door));
        let mut passages = three();
        assert_eq!(
            passages.taken(door, PassageSensing::DoorContact),
            [ScanId(1), ScanId(3)]
        );
        assert!(!passages.is_any_at(door));
        assert!(passages.is_any_at(DoorId(2)));
    }

    #[test]
    fn a_grant_ends_when_its_time_is_over() {
        let mut passages = three();
        assert_eq!(
            passages.next_timer(),
            Some((Uptime(1000), TimerReason::PassageDue(ScanId(1))))
        );
        assert_eq!(passages.take_due(Uptime(2000)), [ScanId(1), ScanId(2)]);
        assert_eq!(passages.take_due(Uptime(2999)), []);
    }
}

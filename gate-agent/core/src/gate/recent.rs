//! The last decided scans, so that a guard's override can name one.

use alloc::collections::VecDeque;

use shared::{
    decision::Decision,
    ids::{AccessPointId, HolderNumber, PassId, ScanId},
    order::Subject,
};

/// How many are kept: a guard answers within a few people, not within hundreds.
const RECENT_LIMIT: usize = 100;

#[derive(Clone, Debug, Default)]
pub(super) struct RecentScans(VecDeque<RecentScan>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecentScan {
    pub(super) scan: ScanId,
    pub(super) access_point: AccessPointId,
    pub(super) decision: Decision,
    pub(super) subject: Subject,
    pub(super) pass: PassId,
    pub(super) holder: Option<HolderNumber>,
}

impl RecentScans {
    pub(super) fn push(&mut self, scan: RecentScan) {
        if self.0.len() == RECENT_LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(scan);
    }

    pub(super) fn denied(&self, scan: ScanId, at: AccessPointId) -> Option<RecentScan> {
        let is_it = |recent: &&RecentScan| {
            recent.scan == scan
                && recent.access_point == at
                && matches!(recent.decision, Decision::Deny(_))
        };
        self.0.iter().find(is_it).copied()
    }
}

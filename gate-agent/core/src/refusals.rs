//! Counts of refused texts: one record per ten seconds and access point, so that a waved-about QR
//! code cannot fill the disk.

use alloc::{collections::BTreeMap, vec::Vec};

use shared::{decision::DenyReason, ids::AccessPointId, journal::RefusedCount, time::Uptime};

use crate::timers::TimerReason;

/// How long refusals are counted into one record, in ms.
pub(crate) const COUNT_FOR_MS: u64 = 10_000;

/// Refusals that are not recorded yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(BTreeMap<AccessPointId, Counting>);

#[derive(Clone, Debug)]
struct Counting {
    due: Uptime,
    counts: BTreeMap<DenyReason, u32>,
}

impl Refusals {
    pub(crate) fn count(&mut self, now: Uptime, access_point: AccessPointId, reason: DenyReason) {
        let counting = self.0.entry(access_point).or_insert_with(|| Counting {
            due: now.plus_ms(COUNT_FOR_MS),
            counts: BTreeMap::new(),
        });
        let count = counting.counts.entry(reason).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// What is due for a record.
    pub(crate) fn take_due(&mut self, now: Uptime) -> Vec<(AccessPointId, Vec<RefusedCount>)> {
        self.0
            .extract_if(.., |_, counting| counting.due <= now)
            .map(counted)
            .collect()
    }

    /// Everything, due or not: the gate stops.
    pub(crate) fn take_all(&mut self) -> Vec<(AccessPointId, Vec<RefusedCount>)> {
        core::mem::take(&mut self.0)
            .into_iter()
            .map(counted)
            .collect()
    }

    pub(crate) fn next_timer(&self) -> Option<(Uptime, TimerReason)> {
        self.0
            .iter()
            .map(|(access_point, counting)| (counting.due, TimerReason::RefusalsDue(*access_point)))
            .min()
    }
}

fn counted(
    (access_point, counting): (AccessPointId, Counting),
) -> (AccessPointId, Vec<RefusedCount>) {
    let counts = counting
        .counts
        .into_iter()
        .map(|(reason, count)| RefusedCount { reason, count })
        .collect();
    (access_point, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_refusals_in_ten_seconds_are_one_record_by_reason() {
        let mut refusals = Refusals::default();
        let point = AccessPointId(1);
        for i in 0..1000 {
            let reason = if i % 4 == 0 {
                DenyReason::SignatureInvalid
            } else {
                DenyReason::NotAPass
            };
            refusals.count(Uptime(500 + i), point, reason);
        }
        assert_eq!(refusals.take_due(Uptime(10_499)), []);
        assert_eq!(
            refusals.next_timer(),
            Some((Uptime(10_500), TimerReason::RefusalsDue(point)))
        );
        let due = refusals.take_due(Uptime(10_500));
        let count = |reason, count| RefusedCount { reason, count };
        assert_eq!(
            due,
            [(
                point,
                alloc::vec![
                    count(DenyReason::NotAPass, 750),
                    count(DenyReason::SignatureInvalid, 250)
                ]
            )]
        );
        assert_eq!(refusals.next_timer(), None);
    }
}

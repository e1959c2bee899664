//! Whereabouts that are too old to mean anything are forgotten, so that the count of an area does
//! not drift for ever with everybody who left unseen.

use alloc::vec::Vec;

use shared::{
    configuration::Configuration,
    order::Subject,
    policy::AntiPassbackPolicy,
    time::{Now, Uptime},
};

use super::Gate;
use crate::{
    commits::{Consequence, Draft},
    memory::MemoryChange,
    timers::TimerReason,
};

/// How often, in ms.
const FORGET_EVERY_MS: u64 = 3_600_000;
/// Most subjects forgotten in one commit; the rest a second later.
const FORGET_AT_ONCE: usize = 1000;
const REST_AFTER_MS: u64 = 1000;

impl Gate {
    pub(super) fn forget_old_presences(&mut self, now: Now) {
        if now.uptime < self.forget_at {
            return;
        }
        let old = self.old_presences(now);
        let rest = if old.len() == FORGET_AT_ONCE {
            REST_AFTER_MS
        } else {
            FORGET_EVERY_MS
        };
        self.forget_at = now.uptime.plus_ms(rest);
        if !old.is_empty() {
            let draft = Draft {
                changes: old.into_iter().map(MemoryChange::ForgetPresence).collect(),
                ..Draft::default()
            };
            self.commit(draft, Consequence::Nothing);
        }
    }

    pub(super) fn forget_timer(&self) -> (Uptime, TimerReason) {
        (self.forget_at, TimerReason::ForgetPresences)
    }

    fn old_presences(&self, now: Now) -> Vec<Subject> {
        let Some(configuration) = self.configuration() else {
            return Vec::new();
        };
        let Some(limit_s) = longest_memory_s(configuration) else {
            return Vec::new();
        };
        let utc = self.clock.at_least(now);
        self.memory
            .presences
            .iter()
            .filter(|presence| utc.since(presence.since) > limit_s)
            .map(|presence| presence.subject)
            .take(FORGET_AT_ONCE)
            .collect()
    }
}

/// How long presence matters to anti-passback: the longest of all access points that enforce it,
/// since each of them asks where a holder comes from. None where none does.
fn longest_memory_s(configuration: &Configuration) -> Option<u64> {
    let limits = configuration
        .access_points
        .iter()
        .filter_map(|point| match point.anti_passback {
            AntiPassbackPolicy::Enforce { forget_after_s, .. } => Some(forget_after_s),
            AntiPassbackPolicy::Off | AntiPassbackPolicy::Alert => None,
        });
    limits.max()
}

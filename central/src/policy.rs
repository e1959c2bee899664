//! The policies and limits of `shared` in the words of the web API, with what holds when nobody
//! says otherwise. The same JSON stands in the database.

use serde::{Deserialize, Serialize};
use shared::{configuration as wire, policy as wire_policy};
use utoipa::ToSchema;

use crate::number::Bounded;

const HOUR_S: u32 = 3600;
const DAY_S: u32 = 24 * HOUR_S;

/// What an access point does when something is not known or not fresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessPointPolicies {
    /// The status of a pass is unknown, or the status list is old.
    pub unknown_status: UnknownStatusPolicy,
    /// The issued list at hand does not reach the pass's serial.
    pub unknown_issuance: UnknownIssuancePolicy,
    /// The gate's clock is not believed.
    pub untrusted_clock: UntrustedClockPolicy,
    /// Must a holder leave before entering again?
    pub anti_passback: AntiPassbackPolicy,
    /// Are static passes good enough here?
    pub live_pass: LivePassPolicy,
    /// Must a second person follow?
    pub second_person: SecondPersonPolicy,
}

/// The status of a pass is unknown, or older than the ladder's *restrict* step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
pub enum UnknownStatusPolicy {
    /// Deny with `status_unknown`.
    Deny {},
    /// Grant while the last heads are younger than this.
    GrantFor {
        /// Seconds since the last heads.
        max_age_s: u32,
    },
    /// Deny, and offer the guard to let in.
    AskGuard {},
}

impl Default for UnknownStatusPolicy {
    /// Until the ladder's last step: a broken link shuts nobody out for a month.
    fn default() -> Self {
        Self::GrantFor {
            max_age_s: 30 * DAY_S,
        }
    }
}

/// The issued list at hand does not reach the pass's serial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownIssuancePolicy {
    /// Deny with `issuance_unknown`.
    Deny,
    /// Take the signature's word for it.
    Grant,
    /// Deny, and offer the guard to let in: enrolled this morning, or forged with a stolen key.
    #[default]
    AskGuard,
}

/// The clock is not believed, and the signed times that the gate has seen do not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
pub enum UntrustedClockPolicy {
    /// Deny with `clock_untrusted`.
    Deny {},
    /// Grant what would be good at every instant from the newest signed time to this much later.
    GrantWithin {
        /// Seconds after the newest signed time.
        gap_s: u32,
    },
    /// Deny, and offer the guard to let in.
    AskGuard {},
}

impl Default for UntrustedClockPolicy {
    /// A box without a clock chip works on after a long weekend's power cut.
    fn default() -> Self {
        Self::GrantWithin { gap_s: 3 * DAY_S }
    }
}

/// Must a holder leave before entering again?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
pub enum AntiPassbackPolicy {
    /// Not looked at.
    Off {},
    /// Granted, recorded as a violation.
    Alert {},
    /// Denied.
    Enforce {
        /// A presence older than this is forgotten, in seconds.
        forget_after_s: u32,
        /// When a gate that shares the area was not heard for longer than this, in seconds,
        /// enforcing falls back to alert; 0: there is none to wait for.
        #[serde(default)]
        peer_silence_s: u32,
    },
}

impl Default for AntiPassbackPolicy {
    fn default() -> Self {
        Self::Off {}
    }
}

/// Are static passes good enough here?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LivePassPolicy {
    /// Static passes without a holder key are taken.
    #[default]
    Optional,
    /// Only live passes.
    Required,
}

/// Must a second person follow?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
pub enum SecondPersonPolicy {
    /// No.
    NotRequired {},
    /// Two different holders within this time.
    Required {
        /// Seconds between the two scans.
        within_s: u32,
    },
}

impl Default for SecondPersonPolicy {
    fn default() -> Self {
        Self::NotRequired {}
    }
}

/// Policies and limits of a gate as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatePolicies {
    /// What an open reservation counts as after a crash.
    pub unknown_outcome: UnknownOutcomePolicy,
    /// The journal is full of records that central has not acknowledged.
    pub full_journal: FullJournalPolicy,
    /// Two reads of one pass at one access point within this time are one scan.
    #[schema(value_type = i32, minimum = 0, maximum = 60_000)]
    pub repeat_scan_ms: Bounded<0, 60_000>,
    /// Largest difference between a live pass's time and the gate's clock.
    #[schema(value_type = i32, minimum = 1, maximum = 300)]
    pub proof_tolerance_s: Bounded<1, 300>,
    /// Ages of the last word from central at which the gate grows careful.
    pub freshness: FreshnessLimits,
}

impl Default for GatePolicies {
    fn default() -> Self {
        Self {
            unknown_outcome: UnknownOutcomePolicy::CountAsTaken,
            full_journal: FullJournalPolicy::Deny,
            repeat_scan_ms: const { Bounded::new(3_000).expect("within its bounds") },
            proof_tolerance_s: const { Bounded::new(30).expect("within its bounds") },
            freshness: FreshnessLimits::default(),
        }
    }
}

/// What an open reservation counts as after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownOutcomePolicy {
    /// As if the holder had gone through.
    CountAsTaken,
    /// As if the holder had not.
    CountAsNotTaken,
}

/// What happens when the journal is full of records that central has not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FullJournalPolicy {
    /// Deny with `gate_fault`.
    Deny,
    /// Drop the oldest record behind a signed anchor.
    DropOldest,
}

/// What a step of the ladder of freshness allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaleListsPolicy {
    /// Grant, with the step shown and recorded.
    Grant,
    /// Deny with `status_unknown`, and offer the guard to let in.
    AskGuard,
    /// Deny with `status_unknown`.
    Deny,
}

/// The ladder of freshness: ages of the last signed word from central, in seconds, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FreshnessLimits {
    /// Younger is *fresh*.
    pub fresh_s: u32,
    /// From here on *warn*.
    pub warn_s: u32,
    /// From here on *restrict*.
    pub restrict_s: u32,
    /// From here on *expired*.
    pub expired_s: u32,
    /// What *restrict* allows.
    pub when_restrict: StaleListsPolicy,
    /// What *expired* allows.
    pub when_expired: StaleListsPolicy,
}

impl Default for FreshnessLimits {
    fn default() -> Self {
        Self {
            fresh_s: 15 * 60,
            warn_s: DAY_S,
            restrict_s: 3 * DAY_S,
            expired_s: 30 * DAY_S,
            when_restrict: StaleListsPolicy::Grant,
            when_expired: StaleListsPolicy::Deny,
        }
    }
}

impl FreshnessLimits {
    /// Does each step come no earlier than the one before?
    #[must_use]
    pub fn is_ascending(&self) -> bool {
        [self.fresh_s, self.warn_s, self.restrict_s, self.expired_s].is_sorted()
    }
}

/// How often a gate talks to central.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SyncIntervals {
    /// Seconds between pulls when no long poll wakes the gate.
    #[schema(value_type = i32, minimum = 1, maximum = 86_400)]
    pub pull_s: Bounded<1, 86_400>,
    /// Longest wait of a long poll, in seconds; proxies cut what takes a minute.
    #[schema(value_type = i32, minimum = 1, maximum = 55)]
    pub long_poll_s: Bounded<1, 55>,
    /// Seconds between heartbeats.
    #[schema(value_type = i32, minimum = 1, maximum = 3_600)]
    pub heartbeat_s: Bounded<1, 3_600>,
    /// Longest time a record waits for its upload, in milliseconds.
    #[schema(value_type = i32, minimum = 0, maximum = 60_000)]
    pub push_ms: Bounded<0, 60_000>,
}

impl Default for SyncIntervals {
    fn default() -> Self {
        Self {
            pull_s: const { Bounded::new(300).expect("within its bounds") },
            long_poll_s: const { Bounded::new(50).expect("within its bounds") },
            heartbeat_s: const { Bounded::new(60).expect("within its bounds") },
            push_ms: const { Bounded::new(1_000).expect("within its bounds") },
        }
    }
}

impl From<UnknownStatusPolicy> for wire_policy::UnknownStatusPolicy {
    fn from(policy: UnknownStatusPolicy) -> Self {
        match policy {
            UnknownStatusPolicy::Deny {} => Self::Deny,
            UnknownStatusPolicy::GrantFor { max_age_s } => Self::GrantFor {
                max_age_s: max_age_s.into(),
            },
            UnknownStatusPolicy::AskGuard {} => Self::AskGuard,
        }
    }
}

impl From<UnknownIssuancePolicy> for wire_policy::UnknownIssuancePolicy {
    fn from(policy: UnknownIssuancePolicy) -> Self {
        match policy {
            UnknownIssuancePolicy::Deny => Self::Deny,
            UnknownIssuancePolicy::Grant => Self::Grant,
            UnknownIssuancePolicy::AskGuard => Self::AskGuard,
        }
    }
}

impl From<UntrustedClockPolicy> for wire_policy::UntrustedClockPolicy {
    fn from(policy: UntrustedClockPolicy) -> Self {
        match policy {
            UntrustedClockPolicy::Deny {} => Self::Deny,
            UntrustedClockPolicy::GrantWithin { gap_s } => Self::GrantWithin {
                gap_s: gap_s.into(),
            },
            UntrustedClockPolicy::AskGuard {} => Self::AskGuard,
        }
    }
}

impl From<AntiPassbackPolicy> for wire_policy::AntiPassbackPolicy {
    fn from(policy: AntiPassbackPolicy) -> Self {
        match policy {
            AntiPassbackPolicy::Off {} => Self::Off,
            AntiPassbackPolicy::Alert {} => Self::Alert,
            AntiPassbackPolicy::Enforce {
                forget_after_s,
                peer_silence_s,
            } => Self::Enforce {
                forget_after_s: forget_after_s.into(),
                peer_silence_s: peer_silence_s.into(),
            },
        }
    }
}

impl From<LivePassPolicy> for wire_policy::LivePassPolicy {
    fn from(policy: LivePassPolicy) -> Self {
        match policy {
            LivePassPolicy::Optional => Self::Optional,
            LivePassPolicy::Required => Self::Required,
        }
    }
}

impl From<SecondPersonPolicy> for wire_policy::SecondPersonPolicy {
    fn from(policy: SecondPersonPolicy) -> Self {
        match policy {
            SecondPersonPolicy::NotRequired {} => Self::NotRequired,
            SecondPersonPolicy::Required { within_s } => Self::Required {
                within_s: within_s.into(),
            },
        }
    }
}

impl From<GatePolicies> for wire::GatePolicies {
    fn from(policies: GatePolicies) -> Self {
        Self {
            unknown_outcome: match policies.unknown_outcome {
                UnknownOutcomePolicy::CountAsTaken => {
                    wire_policy::UnknownOutcomePolicy::CountAsTaken
                }
                UnknownOutcomePolicy::CountAsNotTaken => {
                    wire_policy::UnknownOutcomePolicy::CountAsNotTaken
                }
            },
            full_journal: match policies.full_journal {
                FullJournalPolicy::Deny => wire_policy::FullJournalPolicy::Deny,
                FullJournalPolicy::DropOldest => wire_policy::FullJournalPolicy::DropOldest,
            },
            repeat_scan_ms: policies.repeat_scan_ms.unsigned(),
            proof_tolerance_s: policies.proof_tolerance_s.unsigned(),
        }
    }
}

impl From<StaleListsPolicy> for wire_policy::StaleListsPolicy {
    fn from(policy: StaleListsPolicy) -> Self {
        match policy {
            StaleListsPolicy::Grant => Self::Grant,
            StaleListsPolicy::AskGuard => Self::AskGuard,
            StaleListsPolicy::Deny => Self::Deny,
        }
    }
}

impl From<FreshnessLimits> for wire::FreshnessLimits {
    fn from(limits: FreshnessLimits) -> Self {
        Self {
            fresh_s: limits.fresh_s.into(),
            warn_s: limits.warn_s.into(),
            restrict_s: limits.restrict_s.into(),
            expired_s: limits.expired_s.into(),
            when_restrict: limits.when_restrict.into(),
            when_expired: limits.when_expired.into(),
        }
    }
}

impl From<SyncIntervals> for wire::SyncIntervals {
    fn from(sync: SyncIntervals) -> Self {
        Self {
            pull_s: sync.pull_s.unsigned(),
            long_poll_s: sync.long_poll_s.unsigned(),
            heartbeat_s: sync.heartbeat_s.unsigned(),
            push_ms: sync.push_ms.unsigned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_says_is_the_standard_ladder() {
        let policies: GatePolicies = serde_json::from_value(json!({})).unwrap();
        let limits = wire::FreshnessLimits::from(policies.freshness);
        assert_eq!(limits, wire::FreshnessLimits::STANDARD);
    }

    #[test]
    fn a_policy_with_a_field_of_another_is_refused() {
        let good = json!({"policy": "enforce", "forget_after_s": 60});
        assert!(serde_json::from_value::<AntiPassbackPolicy>(good).is_ok());
        for bad in [
            json!({"policy": "off", "forget_after_s": 60}),
            json!({"policy": "enforce"}),
            json!({"policy": "sometimes"}),
            json!("off"),
        ] {
            assert!(
                serde_json::from_value::<AntiPassbackPolicy>(bad.clone()).is_err(),
                "{bad}"
            );
        }
        assert!(
            serde_json::from_value::<AccessPointPolicies>(json!({"livepass": "required"})).is_err()
        );
    }
}

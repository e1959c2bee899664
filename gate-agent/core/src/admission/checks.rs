//! The checks, one function for each reason, and the list that puts them in order.

use alloc::vec::Vec;

use shared::{
    access_level::AccessGrant,
    decision::{DenyReason, FreshnessStep},
    ids::{AccessLevelId, AreaId},
    issued_list::IssuedEntry,
    pass::Presentation,
    policy::{
        LivePassPolicy, SecondPersonPolicy, StaleListsPolicy, UnknownIssuancePolicy,
        UnknownStatusPolicy, UntrustedClockPolicy,
    },
    schedule::Schedule,
    status_list::PassState,
    time::Window,
};

use super::{
    AdmissionFacts, DoorAdmits, Finding, OtherPerson, Shown, Standing, StatusKnown,
    span::{Span, Validity},
};
use crate::{
    freshness::{GateTime, step_at},
    passback::{self, Judgement},
};

type Check = fn(&Shown<'_>, &AdmissionFacts<'_>) -> Finding;

/// In the order of design §4. What comes before is `verify_pass`'s: without a verified pass there
/// is nothing to admit.
pub(super) const CHECKS: &[(DenyReason, Check)] = &[
    (DenyReason::IssuerKeyOutOfWindow, key_in_window),
    (DenyReason::PassNotIssued, issued),
    (DenyReason::IssuanceUnknown, issuance_known),
    (DenyReason::TrustListExpired, trust_list_current),
    (DenyReason::ConfigurationExpired, configuration_current),
    (DenyReason::PassExpired, not_expired),
    (DenyReason::PassNotYetValid, valid_already),
    (DenyReason::ClockUntrusted, clock_believed_enough),
    (DenyReason::ProofMissing, proof_shown),
    (DenyReason::ProofInvalid, proof_holds),
    (DenyReason::ProofStale, proof_recent),
    (DenyReason::ProofReplayed, proof_new),
    (DenyReason::LivePassRequired, live_where_required),
    (DenyReason::PassRevoked, not_revoked),
    (DenyReason::PassSuspended, not_suspended),
    (DenyReason::StatusUnknown, status_known),
    (DenyReason::AccessPointNotPermitted, permitted_here),
    (DenyReason::OutsideSchedule, permitted_now),
    (DenyReason::UsesExhausted, uses_left),
    (DenyReason::AntiPassbackViolated, left_before_entering),
    (DenyReason::AreaFull, room_inside),
    (DenyReason::SecondPersonRequired, second_person_here),
    (DenyReason::DoorBlocked, door_not_blocked),
    (DenyReason::DoorLockedDown, door_not_locked_down),
    (DenyReason::GateFault, gate_sound),
];

fn key_in_window(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let is_signed_in_time = shown.signing.contains(shown.claims.not_before);
    fails_if(!is_signed_in_time || fails_for_certain(span(facts).validity(shown.verification)))
}

fn issued(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    match facts.issued {
        IssuedEntry::OtherBytes | IssuedEntry::BeyondFrozen => Finding::Fails,
        IssuedEntry::Issued | IssuedEntry::BeyondKnown | IssuedEntry::NoList => Finding::Passes,
    }
}

fn issuance_known(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    match facts.issued {
        IssuedEntry::BeyondKnown | IssuedEntry::NoList => {
            match facts.access_point.unknown_issuance {
                UnknownIssuancePolicy::Deny => Finding::Fails,
                UnknownIssuancePolicy::Grant => Finding::Passes,
                UnknownIssuancePolicy::AskGuard => Finding::FailsAskGuard,
            }
        }
        IssuedEntry::Issued | IssuedEntry::OtherBytes | IssuedEntry::BeyondFrozen => {
            Finding::Passes
        }
    }
}

fn trust_list_current(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    fails_if(fails_for_certain(
        span(facts).expiry(facts.trust_expires_at),
    ))
}

/// Where the offset table ends, nothing can be said about schedules: central makes it outlive the
/// configuration by a year, so a gate beyond it lives on a configuration that is long out of date.
fn configuration_current(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let span = span(facts);
    let configuration = facts.configuration;
    fails_if(
        facts.configuration_standing == Standing::NoLonger
            || fails_for_certain(span.expiry(configuration.header.expires_at))
            || fails_for_certain(span.expiry(configuration.offsets.until)),
    )
}

fn not_expired(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    fails_if(span(facts).validity(validity_of(shown)) == Validity::Ended)
}

fn valid_already(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    fails_if(span(facts).validity(validity_of(shown)) == Validity::NotBegun)
}

/// With a clock that is not believed, what the mark leaves open is the policy's to answer.
fn clock_believed_enough(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    match (facts.time, facts.access_point.untrusted_clock) {
        (GateTime::Believed(_), _) => Finding::Passes,
        (GateTime::NotBelieved { .. }, UntrustedClockPolicy::Deny) => Finding::Fails,
        (GateTime::NotBelieved { .. }, UntrustedClockPolicy::AskGuard) => Finding::FailsAskGuard,
        (GateTime::NotBelieved { .. }, UntrustedClockPolicy::GrantWithin { .. }) => {
            fails_if(is_anything_undecided(shown, facts))
        }
    }
}

fn is_anything_undecided(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> bool {
    let span = span(facts);
    let proof = match shown.presentation {
        Presentation::Live { made_at } => {
            span.proof(made_at, facts.configuration.policies.proof_tolerance_s)
        }
        Presentation::Static | Presentation::LiveProofInvalid => Validity::Good,
    };
    let schedules = schedules_here(shown, facts);
    let offsets = &facts.configuration.offsets;
    [
        span.validity(shown.verification),
        span.expiry(facts.trust_expires_at),
        span.expiry(facts.configuration.header.expires_at),
        span.expiry(offsets.until),
        span.validity(validity_of(shown)),
        proof,
        if schedules.is_empty() {
            Validity::Good
        } else {
            span.schedules(&schedules, offsets)
        },
    ]
    .contains(&Validity::Undecided)
}

fn proof_shown(shown: &Shown<'_>, _: &AdmissionFacts<'_>) -> Finding {
    let is_bound = shown.claims.holder_key.is_some();
    fails_if(is_bound && shown.presentation == Presentation::Static)
}

fn proof_holds(shown: &Shown<'_>, _: &AdmissionFacts<'_>) -> Finding {
    fails_if(shown.presentation == Presentation::LiveProofInvalid)
}

fn proof_recent(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let Presentation::Live { made_at } = shown.presentation else {
        return Finding::Passes;
    };
    let tolerance_s = facts.configuration.policies.proof_tolerance_s;
    fails_if(fails_for_certain(span(facts).proof(made_at, tolerance_s)))
}

fn proof_new(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let Presentation::Live { made_at } = shown.presentation else {
        return Finding::Passes;
    };
    fails_if(facts.last_proof.is_some_and(|last| made_at <= last))
}

fn live_where_required(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    match (facts.access_point.live_pass, shown.presentation) {
        (LivePassPolicy::Required, Presentation::Static) if shown.claims.holder_key.is_none() => {
            Finding::Fails
        }
        (
            LivePassPolicy::Required | LivePassPolicy::Optional,
            Presentation::Static | Presentation::Live { .. } | Presentation::LiveProofInvalid,
        ) => Finding::Passes,
    }
}

fn not_revoked(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    fails_if(is_listed(facts, PassState::Revoked))
}

fn not_suspended(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    fails_if(is_listed(facts, PassState::Suspended))
}

/// A list that is missing, or past its own expiry, is the access point's policy to answer; one
/// that is old by the ladder is the ladder's, and never older than the access point allows.
fn status_known(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let span = span(facts);
    let age_s = facts
        .heads_age_s
        .map(|age| age.saturating_add(span.latest.since(span.earliest)));
    let policy = facts.access_point.unknown_status;
    let is_young_enough = match policy {
        UnknownStatusPolicy::GrantFor { max_age_s } => age_s.is_some_and(|age| age < max_age_s),
        UnknownStatusPolicy::Deny | UnknownStatusPolicy::AskGuard => true,
    };
    let is_usable = match facts.status {
        StatusKnown::NoList => false,
        StatusKnown::Listed { expires_at, .. } => span.expiry(expires_at) == Validity::Good,
    };
    if !is_usable {
        return match policy {
            UnknownStatusPolicy::Deny => Finding::Fails,
            UnknownStatusPolicy::AskGuard => Finding::FailsAskGuard,
            UnknownStatusPolicy::GrantFor { .. } => fails_if(!is_young_enough),
        };
    }
    let limits = &facts.configuration.freshness;
    let ladder = match step_at(limits, age_s) {
        FreshnessStep::Fresh | FreshnessStep::Normal | FreshnessStep::Warn => {
            return Finding::Passes;
        }
        FreshnessStep::Restrict => limits.when_restrict,
        FreshnessStep::Expired => limits.when_expired,
    };
    match ladder {
        StaleListsPolicy::Grant => fails_if(!is_young_enough),
        StaleListsPolicy::AskGuard => Finding::FailsAskGuard,
        StaleListsPolicy::Deny => Finding::Fails,
    }
}

fn permitted_here(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    fails_if(schedules_here(shown, facts).is_empty())
}

fn permitted_now(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let schedules = schedules_here(shown, facts);
    if schedules.is_empty() {
        return Finding::Passes;
    }
    let offsets = &facts.configuration.offsets;
    fails_if(fails_for_certain(
        span(facts).schedules(&schedules, offsets),
    ))
}

/// The way out is never limited: leaving is no use of a pass.
fn uses_left(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let uses_max = shown.claims.uses_max;
    let counts = facts.access_point.to != AreaId::OUTSIDE;
    fails_if(counts && uses_max != 0 && facts.uses >= uses_max)
}

fn left_before_entering(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let point = facts.access_point;
    let judgement = passback::judge(
        point.anti_passback,
        facts.presence,
        (point.from, point.to),
        span(facts).earliest,
        facts.peers,
    );
    match judgement {
        Judgement::InOrder => Finding::Passes,
        Judgement::Violated => Finding::Fails,
        Judgement::ViolatedAlert => Finding::Alerts,
    }
}

fn room_inside(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let to = facts.access_point.to;
    let areas = &facts.configuration.areas;
    let capacity = areas
        .binary_search_by_key(&to, |area| area.id)
        .ok()
        .and_then(|at| areas[at].capacity);
    let is_inside = facts.presence.is_some_and(|presence| presence.area == to);
    fails_if(!is_inside && capacity.is_some_and(|capacity| facts.inside >= capacity))
}

fn second_person_here(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    match (facts.access_point.second_person, facts.other_person) {
        (SecondPersonPolicy::Required { .. }, OtherPerson::Absent) => Finding::Fails,
        (SecondPersonPolicy::Required { .. }, OtherPerson::Present)
        | (SecondPersonPolicy::NotRequired, OtherPerson::Absent | OtherPerson::Present) => {
            Finding::Passes
        }
    }
}

fn door_not_blocked(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    let is_blocked = matches!(facts.door, DoorAdmits::Blocked | DoorAdmits::Interlocked);
    fails_if(is_blocked)
}

fn door_not_locked_down(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    fails_if(facts.door == DoorAdmits::LockedDown)
}

fn gate_sound(_: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Finding {
    fails_if(facts.door == DoorAdmits::Faulty)
}

/// Seconds by which the phone that made the proof is ahead of the gate's clock.
pub(super) fn phone_clock_off_s(shown: &Shown<'_>, facts: &AdmissionFacts<'_>) -> Option<i64> {
    let Presentation::Live { made_at } = shown.presentation else {
        return None;
    };
    let gate = span(facts).earliest.0;
    let off = i128::from(made_at.0) - i128::from(gate);
    i64::try_from(off).ok()
}

/// Schedules under which the pass's access levels admit at this access point; none for a pass of
/// another school, whose levels are numbered by that school.
fn schedules_here<'a>(shown: &Shown<'_>, facts: &AdmissionFacts<'a>) -> Vec<&'a Schedule> {
    let configuration = facts.configuration;
    if shown.school != configuration.school {
        return Vec::new();
    }
    let here = |grant: &&AccessGrant| grant.access_point == facts.access_point.id;
    let levels = shown.claims.levels.as_slice().iter().filter_map(|level| {
        let id = AccessLevelId(*level);
        let at = configuration
            .access_levels
            .binary_search_by_key(&id, |level| level.id);
        at.ok().map(|at| &configuration.access_levels[at])
    });
    levels
        .flat_map(|level| level.grants.iter().filter(here))
        .filter_map(|grant| {
            let at = configuration
                .schedules
                .binary_search_by_key(&grant.schedule, |schedule| schedule.id);
            at.ok().map(|at| &configuration.schedules[at])
        })
        .collect()
}

fn span(facts: &AdmissionFacts<'_>) -> Span {
    Span::of(facts.time, facts.access_point.untrusted_clock)
}

fn validity_of(shown: &Shown<'_>) -> Window {
    Window {
        from: shown.claims.not_before,
        until: shown.claims.expires_at,
    }
}

fn is_listed(facts: &AdmissionFacts<'_>, as_state: PassState) -> bool {
    match facts.status {
        StatusKnown::Listed { state, .. } => state == as_state,
        StatusKnown::NoList => false,
    }
}

/// `Undecided` is [`clock_believed_enough`]'s to report.
fn fails_for_certain(validity: Validity) -> bool {
    match validity {
        Validity::Ended | Validity::NotBegun => true,
        Validity::Good | Validity::Undecided => false,
    }
}

fn fails_if(fails: bool) -> Finding {
    if fails {
        Finding::Fails
    } else {
        Finding::Passes
    }
}

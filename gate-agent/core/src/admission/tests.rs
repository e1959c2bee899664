use shared::{
    configuration::Configuration,
    decision::{Decision, DenyReason, GuardOffer},
    ids::{AccessPointId, AreaId, HolderNumber, SchoolId},
    issued_list::IssuedEntry,
    order::Subject,
    pass::{AccessLevels, Claims, Presentation, VerifiedPass, verify_pass},
    policy::{
        AntiPassbackPolicy, LivePassPolicy, SecondPersonPolicy, StaleListsPolicy,
        UnknownIssuancePolicy, UnknownStatusPolicy, UntrustedClockPolicy,
    },
    status_list::PassState,
    time::{UtcSeconds, Window},
    trust_list::TrustedIssuers,
};

use super::*;
use crate::authority::{Authority, DAY, ENTRY, EXIT, LIBRARY, T0, YARD, holder_key};

/// A pass, a configuration, and facts under which the pass is admitted.
struct Case {
    authority: Authority,
    configuration: Configuration,
    point: AccessPointId,
    claims: Claims,
    time: GateTime,
    trust_expires_at: UtcSeconds,
    standing: Standing,
    issued: IssuedEntry,
    status: StatusKnown,
    heads_age_s: Option<u64>,
    last_proof: Option<UtcSeconds>,
    uses: u32,
    presence: Option<Presence>,
    inside: u32,
    other_person: OtherPerson,
    door: DoorAdmits,
    proof_made_at: Option<UtcSeconds>,
}

const LISTED: StatusKnown = StatusKnown::Listed {
    state: PassState::Valid,
    expires_at: T0.plus(400 * DAY),
};

impl Case {
    fn new() -> Self {
        let mut authority = Authority::new();
        let configuration = authority.configuration();
        Self {
            claims: authority.claims(&[1]),
            authority,
            configuration,
            point: ENTRY,
            time: GateTime::Believed(T0),
            trust_expires_at: T0.plus(400 * DAY),
            standing: Standing::VouchedFor,
            issued: IssuedEntry::Issued,
            status: LISTED,
            heads_age_s: Some(5),
            last_proof: None,
            uses: 0,
            presence: None,
            inside: 0,
            other_person: OtherPerson::Absent,
            door: DoorAdmits::Passes,
            proof_made_at: None,
        }
    }

    fn with(change: impl FnOnce(&mut Case)) -> Self {
        let mut case = Self::new();
        change(&mut case);
        case
    }

    fn live(made_at: UtcSeconds) -> Self {
        Self::with(|case| {
            case.claims.holder_key = Some(holder_key().public());
            case.proof_made_at = Some(made_at);
        })
    }

    fn point(&mut self) -> &mut AccessPoint {
        let id = self.point;
        let points = &mut self.configuration.access_points;
        points.iter_mut().find(|point| point.id == id).unwrap()
    }

    fn pass(&mut self) -> VerifiedPass {
        let list = self.authority.trust_list();
        let issuers = TrustedIssuers::new(&list.issuer_keys).unwrap();
        let pass = self.authority.forge(&self.claims);
        let text = match self.proof_made_at {
            Some(made_at) => pass.live_text(made_at),
            None => pass.text(),
        };
        verify_pass(&text, &issuers).unwrap()
    }

    fn facts(&self) -> AdmissionFacts<'_> {
        let points = &self.configuration.access_points;
        AdmissionFacts {
            time: self.time,
            trust_expires_at: self.trust_expires_at,
            configuration: &self.configuration,
            configuration_standing: self.standing,
            access_point: points.iter().find(|point| point.id == self.point).unwrap(),
            issued: self.issued,
            status: self.status,
            heads_age_s: self.heads_age_s,
            last_proof: self.last_proof,
            uses: self.uses,
            presence: self.presence,
            peers: Peers::None,
            inside: self.inside,
            other_person: self.other_person,
            door: self.door,
        }
    }

    fn admission(mut self) -> Admission {
        let pass = self.pass();
        admit(&pass, &self.facts())
    }

    /// All reasons that were found, in order.
    fn reasons(self) -> Vec<DenyReason> {
        let admission = self.admission();
        match admission.decision {
            Decision::Grant => vec![],
            Decision::Deny(first) => [vec![first], admission.also].concat(),
        }
    }
}

fn present_in(area: AreaId) -> Option<Presence> {
    Some(Presence {
        subject: Subject::Holder(HolderNumber(1)),
        area,
        since: T0.minus(60),
    })
}

#[test]
fn the_checks_stand_in_the_order_of_the_reasons_and_each_has_one() {
    assert!(CHECKS.is_sorted_by(|a, b| a.0 < b.0));
    let checked: Vec<_> = CHECKS.iter().map(|(reason, _)| *reason).collect();
    let by_verification = DenyReason::ALL
        .iter()
        .filter(|reason| **reason <= DenyReason::SignatureInvalid);
    assert_eq!(
        checked.len() + by_verification.count(),
        DenyReason::ALL.len()
    );
}

#[test]
fn a_valid_pass_is_granted() {
    let admission = Case::new().admission();
    assert_eq!(admission.decision, Decision::Grant);
    assert_eq!((admission.also, admission.alerts), (vec![], vec![]));
    assert_eq!(Case::live(T0).reasons(), []);
}

#[test]
fn one_thing_wrong_is_the_one_reason() {
    type Change = fn(&mut Case);
    let cases: &[(DenyReason, Change)] = &[
        (DenyReason::IssuerKeyOutOfWindow, |case| {
            case.claims.not_before = T0.minus(31 * DAY);
        }),
        (DenyReason::PassNotIssued, |case| {
            case.issued = IssuedEntry::OtherBytes;
        }),
        (DenyReason::PassNotIssued, |case| {
            case.issued = IssuedEntry::BeyondFrozen;
        }),
        (DenyReason::IssuanceUnknown, |case| {
            case.issued = IssuedEntry::BeyondKnown;
        }),
        (DenyReason::IssuanceUnknown, |case| {
            case.issued = IssuedEntry::NoList;
        }),
        (DenyReason::TrustListExpired, |case| {
            case.trust_expires_at = T0;
        }),
        (DenyReason::ConfigurationExpired, |case| {
            case.configuration.header.expires_at = T0;
        }),
        (DenyReason::ConfigurationExpired, |case| {
            case.standing = Standing::NoLonger;
        }),
        (DenyReason::PassExpired, |case| case.claims.expires_at = T0),
        (DenyReason::PassNotYetValid, |case| {
            case.claims.not_before = T0.plus(1);
        }),
        (DenyReason::ProofMissing, |case| {
            case.claims.holder_key = Some(holder_key().public());
        }),
        (DenyReason::ProofInvalid, |case| {
            case.proof_made_at = Some(T0);
        }),
        (DenyReason::LivePassRequired, |case| {
            case.point().live_pass = LivePassPolicy::Required;
        }),
        (DenyReason::PassRevoked, |case| {
            case.status = listed(PassState::Revoked);
        }),
        (DenyReason::PassSuspended, |case| {
            case.status = listed(PassState::Suspended);
        }),
        (DenyReason::StatusUnknown, |case| {
            case.status = StatusKnown::NoList;
        }),
        (DenyReason::AccessPointNotPermitted, |case| {
            case.claims.levels = AccessLevels::new([2]).unwrap();
        }),
        (DenyReason::AccessPointNotPermitted, |case| {
            case.configuration.school = SchoolId([99; 16]);
        }),
        (DenyReason::OutsideSchedule, |case| {
            case.claims.levels = AccessLevels::new([3]).unwrap();
        }),
        (DenyReason::UsesExhausted, |case| {
            case.claims.uses_max = 2;
            case.uses = 2;
        }),
        (DenyReason::AntiPassbackViolated, |case| {
            case.presence = present_in(YARD);
        }),
        (DenyReason::AreaFull, |case| {
            case.configuration.areas[1].capacity = Some(7);
            case.inside = 7;
        }),
        (DenyReason::SecondPersonRequired, |case| {
            case.point().second_person = SecondPersonPolicy::Required { within_s: 30 };
        }),
        (DenyReason::DoorBlocked, |case| {
            case.door = DoorAdmits::Blocked;
        }),
        (DenyReason::DoorLockedDown, |case| {
            case.door = DoorAdmits::LockedDown;
        }),
        (DenyReason::GateFault, |case| {
            case.door = DoorAdmits::Faulty;
        }),
    ];
    for (reason, change) in cases {
        assert_eq!(Case::with(*change).reasons(), [*reason]);
    }
}

fn listed(state: PassState) -> StatusKnown {
    StatusKnown::Listed {
        state,
        expires_at: T0.plus(400 * DAY),
    }
}

#[test]
fn the_first_of_several_is_the_reason_and_the_rest_is_told_in_order() {
    let case = Case::with(|case| {
        case.door = DoorAdmits::LockedDown;
        case.claims.expires_at = T0;
        case.status = listed(PassState::Revoked);
        case.presence = present_in(YARD);
    });
    assert_eq!(
        case.reasons(),
        [
            DenyReason::PassExpired,
            DenyReason::PassRevoked,
            DenyReason::AntiPassbackViolated,
            DenyReason::DoorLockedDown,
        ]
    );
}

#[test]
fn an_offset_table_that_has_ended_is_a_configuration_out_of_date() {
    let case = Case::with(|case| case.configuration.offsets.until = T0);
    assert_eq!(
        case.reasons(),
        [
            DenyReason::ConfigurationExpired,
            DenyReason::OutsideSchedule
        ]
    );
}

#[test]
fn the_verification_window_of_the_key_is_asked_for_now() {
    let list = Authority::new().trust_list();
    let until = list.issuer_keys[0].verification.until;
    let at = |utc| {
        Case::with(|case| {
            case.time = GateTime::Believed(utc);
            case.claims.expires_at = UtcSeconds(u64::MAX);
            case.trust_expires_at = UtcSeconds(u64::MAX);
        })
        .reasons()
        .first()
        .copied()
    };
    assert_eq!(at(until), Some(DenyReason::IssuerKeyOutOfWindow));
    assert_ne!(
        at(until.minus(1)),
        Some(DenyReason::IssuerKeyOutOfWindow),
        "the configuration is out of date by then"
    );
}

#[test]
fn a_proof_is_good_for_thirty_seconds_each_way_and_never_twice() {
    let stale = vec![DenyReason::ProofStale];
    assert_eq!(Case::live(T0.minus(30)).reasons(), []);
    assert_eq!(Case::live(T0.minus(31)).reasons(), stale);
    assert_eq!(Case::live(T0.plus(30)).reasons(), []);
    assert_eq!(Case::live(T0.plus(31)).reasons(), stale);
    for (last, reasons) in [
        (T0.minus(1), vec![]),
        (T0, vec![DenyReason::ProofReplayed]),
        (T0.plus(1), vec![DenyReason::ProofReplayed]),
    ] {
        let mut case = Case::live(T0);
        case.last_proof = Some(last);
        assert_eq!(case.reasons(), reasons, "{last}");
    }
}

#[test]
fn a_phone_whose_clock_is_wrong_gets_told_by_how_much() {
    let off = |made_at| Case::live(made_at).admission().phone_clock_off_s;
    assert_eq!(off(T0.minus(90)), Some(-90));
    assert_eq!(off(T0.plus(90)), Some(90));
    assert_eq!(off(T0.plus(5)), None);
}

#[test]
fn a_live_pass_is_taken_where_live_passes_are_required() {
    let mut case = Case::live(T0);
    case.point().live_pass = LivePassPolicy::Required;
    assert_eq!(case.reasons(), []);
}

#[test]
fn the_guard_is_asked_only_when_nothing_else_stands_against_it() {
    let ask = |case: &mut Case| {
        case.issued = IssuedEntry::BeyondKnown;
        case.point().unknown_issuance = UnknownIssuancePolicy::AskGuard;
    };
    let admission = Case::with(ask).admission();
    assert_eq!(
        admission.decision,
        Decision::Deny(DenyReason::IssuanceUnknown)
    );
    assert_eq!(admission.offer, GuardOffer::AskGuard);
    let admission = Case::with(|case| {
        ask(case);
        case.status = listed(PassState::Revoked);
    })
    .admission();
    assert_eq!(
        admission.decision,
        Decision::Deny(DenyReason::IssuanceUnknown)
    );
    assert_eq!(admission.offer, GuardOffer::None);
}

#[test]
fn a_student_enrolled_this_morning_is_let_in_where_the_policy_says_so() {
    let case = Case::with(|case| {
        case.issued = IssuedEntry::BeyondKnown;
        case.point().unknown_issuance = UnknownIssuancePolicy::Grant;
    });
    assert_eq!(case.reasons(), []);
    let case = Case::with(|case| {
        case.issued = IssuedEntry::BeyondFrozen;
        case.point().unknown_issuance = UnknownIssuancePolicy::Grant;
    });
    assert_eq!(case.reasons(), [DenyReason::PassNotIssued]);
}

#[test]
fn the_ladder_says_how_long_an_old_list_is_good() {
    let unknown = vec![DenyReason::StatusUnknown];
    let aged = |age_s: u64, change: fn(&mut Case)| {
        Case::with(|case| {
            case.heads_age_s = Some(age_s);
            change(case);
        })
        .reasons()
    };
    let standard = |_: &mut Case| {};
    assert_eq!(aged(29 * DAY, standard), []);
    assert_eq!(aged(30 * DAY, standard), unknown);
    let strict = |case: &mut Case| {
        case.configuration.freshness.when_restrict = StaleListsPolicy::Deny;
    };
    assert_eq!(aged(3 * DAY - 1, strict), []);
    assert_eq!(aged(3 * DAY, strict), unknown);
    let never = Case::with(|case| case.heads_age_s = None);
    assert_eq!(never.reasons(), unknown);
    let asks = Case::with(|case| {
        case.heads_age_s = Some(3 * DAY);
        case.configuration.freshness.when_restrict = StaleListsPolicy::AskGuard;
    });
    assert_eq!(asks.admission().offer, GuardOffer::AskGuard);
}

#[test]
fn an_access_point_may_ask_for_younger_lists_than_the_ladder() {
    let case = |age_s, status| {
        Case::with(|case| {
            case.heads_age_s = Some(age_s);
            case.status = status;
            case.point().unknown_status = UnknownStatusPolicy::GrantFor { max_age_s: 4 * DAY };
        })
    };
    let unknown = [DenyReason::StatusUnknown];
    assert_eq!(case(4 * DAY - 1, LISTED).reasons(), []);
    assert_eq!(case(4 * DAY, LISTED).reasons(), unknown);
    assert_eq!(case(4 * DAY - 1, StatusKnown::NoList).reasons(), []);
    assert_eq!(case(4 * DAY, StatusKnown::NoList).reasons(), unknown);
}

#[test]
fn an_expired_list_still_revokes_but_vouches_for_nobody() {
    let expired = |state| {
        Case::with(|case| {
            case.status = StatusKnown::Listed {
                state,
                expires_at: T0,
            };
        })
    };
    assert_eq!(
        expired(PassState::Valid).reasons(),
        [DenyReason::StatusUnknown]
    );
    assert_eq!(
        expired(PassState::Revoked).reasons(),
        [DenyReason::PassRevoked, DenyReason::StatusUnknown]
    );
}

#[test]
fn the_way_out_is_no_use_and_asks_for_no_room() {
    let case = Case::with(|case| {
        case.point = EXIT;
        case.claims.uses_max = 1;
        case.uses = 1;
        case.presence = present_in(YARD);
        case.inside = 1000;
    });
    assert_eq!(case.reasons(), []);
}

#[test]
fn somebody_who_is_inside_already_takes_no_further_room() {
    let case = Case::with(|case| {
        case.configuration.areas[1].capacity = Some(1);
        case.inside = 1;
        case.presence = present_in(YARD);
        case.point().anti_passback = AntiPassbackPolicy::Off;
    });
    assert_eq!(case.reasons(), []);
}

#[test]
fn an_alert_grants_and_tells() {
    let admission = Case::with(|case| {
        case.presence = present_in(YARD);
        case.point().anti_passback = AntiPassbackPolicy::Alert;
    })
    .admission();
    assert_eq!(admission.decision, Decision::Grant);
    assert_eq!(admission.alerts, [DenyReason::AntiPassbackViolated]);
}

#[test]
fn a_second_person_opens_what_the_first_could_not() {
    let case = Case::with(|case| {
        case.point().second_person = SecondPersonPolicy::Required { within_s: 30 };
        case.other_person = OtherPerson::Present;
    });
    assert_eq!(case.reasons(), []);
}

fn unbelieved(policy: UntrustedClockPolicy, change: impl FnOnce(&mut Case)) -> Vec<DenyReason> {
    Case::with(|case| {
        case.time = GateTime::NotBelieved { floor: T0 };
        case.point().untrusted_clock = policy;
        change(case);
    })
    .reasons()
}

const WITHIN_A_DAY: UntrustedClockPolicy = UntrustedClockPolicy::GrantWithin { gap_s: DAY };

#[test]
fn a_clock_that_is_not_believed_denies_asks_or_grants_within_the_gap() {
    let untrusted = [DenyReason::ClockUntrusted];
    assert_eq!(unbelieved(UntrustedClockPolicy::Deny, |_| ()), untrusted);
    assert_eq!(
        unbelieved(UntrustedClockPolicy::AskGuard, |_| ()),
        untrusted
    );
    assert_eq!(unbelieved(WITHIN_A_DAY, |_| ()), []);
    let ends_within = |case: &mut Case| case.claims.expires_at = T0.plus(DAY);
    assert_eq!(unbelieved(WITHIN_A_DAY, ends_within), untrusted);
    let ends_behind = |case: &mut Case| case.claims.expires_at = T0.plus(DAY + 1);
    assert_eq!(unbelieved(WITHIN_A_DAY, ends_behind), []);
    let begins_later = |case: &mut Case| case.claims.not_before = T0.plus(1);
    assert_eq!(unbelieved(WITHIN_A_DAY, begins_later), untrusted);
    // The second level admits on weekends only, and T0 is a Friday.
    let in_time = |case: &mut Case| {
        case.claims.levels = AccessLevels::new([3]).unwrap();
        case.time = GateTime::NotBelieved {
            floor: T0.plus(DAY),
        };
    };
    assert_eq!(
        unbelieved(UntrustedClockPolicy::GrantWithin { gap_s: 60 }, in_time),
        []
    );
    assert_eq!(
        unbelieved(
            UntrustedClockPolicy::GrantWithin { gap_s: 3 * DAY },
            in_time
        ),
        untrusted
    );
}

#[test]
fn what_the_mark_decides_it_decides_whatever_the_policy() {
    let over = |case: &mut Case| case.claims.expires_at = T0;
    for policy in [
        UntrustedClockPolicy::Deny,
        UntrustedClockPolicy::AskGuard,
        WITHIN_A_DAY,
    ] {
        assert_eq!(unbelieved(policy, over)[0], DenyReason::PassExpired);
    }
}

#[test]
fn the_age_of_a_proof_cannot_be_told_without_a_clock() {
    let live = |case: &mut Case| {
        case.claims.holder_key = Some(holder_key().public());
        case.proof_made_at = Some(T0.plus(5));
    };
    assert_eq!(unbelieved(WITHIN_A_DAY, live), [DenyReason::ClockUntrusted]);
    let old = |case: &mut Case| {
        case.claims.holder_key = Some(holder_key().public());
        case.proof_made_at = Some(T0.minus(31));
    };
    assert_eq!(unbelieved(WITHIN_A_DAY, old), [DenyReason::ProofStale]);
}

#[test]
fn lists_age_with_the_gap_that_is_granted() {
    let nearly_expired = |case: &mut Case| case.heads_age_s = Some(30 * DAY - 100);
    assert_eq!(
        unbelieved(WITHIN_A_DAY, nearly_expired),
        [DenyReason::StatusUnknown]
    );
    assert_eq!(
        unbelieved(
            UntrustedClockPolicy::GrantWithin { gap_s: 99 },
            nearly_expired
        ),
        []
    );
}

#[test]
fn a_simulated_pass_meets_the_same_checks_and_opens_nothing() {
    let mut case = Case::with(|case| case.point = LIBRARY);
    let pass = case.pass();
    let simulated = SimulatedPass {
        id: pass.id(),
        school: pass.school(),
        claims: pass.claims(),
        presentation: Presentation::Static,
        signing: pass.issuer().signing,
        verification: Window {
            from: UtcSeconds(0),
            until: UtcSeconds(u64::MAX),
        },
    };
    let facts = case.facts();
    let SimulatedAdmission(answer) = simulate(&simulated, &facts);
    assert_eq!(answer, admit(&pass, &facts));
    assert_eq!(
        answer.decision,
        Decision::Deny(DenyReason::AccessPointNotPermitted)
    );
}

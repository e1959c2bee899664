//! Attacks on the machine as a whole: whoever holds a stolen key, keeps documents back, or is
//! quick enough to act between a decision and its commit.

use shared::{
    configuration::Configuration,
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    ids::{AccessPointId, ScanId},
    issued_list::{Growth, IssuedEntry},
    journal::{DoorEvent, Event, PassageOutcome},
    order::{OrderAction, Subject},
    panel_api::PanelAsk,
    policy::{UnknownIssuancePolicy, UnknownOutcomePolicy, UnknownStatusPolicy},
    time::UtcSeconds,
};

use crate::{
    action::{Action, Commit, DoorCommand},
    authority::{
        Authority, DAY, ENTRY, EXIT, GUARD, IssuedPass, LIBRARY_DOOR, SUPERVISOR, SeedKey, T0,
        TURNSTILE, YARD,
    },
    documents::DocumentProblem,
    input::{DoorInput, GuardRequest, Lookup, PresentationEnd, TextsRead},
    memory::{Lockdown, PassUse, Presence, Reservation},
    testing::{Bench, StoreMode},
};

const REVOKED: Decision = Decision::Deny(DenyReason::PassRevoked);

/// Issues passes of level 1; the first is revoked, all others are not.
fn authority_with_passes(count: u32) -> (Authority, Vec<IssuedPass>) {
    let mut authority = Authority::new();
    let passes = (0..count)
        .map(|_| {
            let claims = authority.claims(&[1]);
            authority.issue(&claims)
        })
        .collect();
    authority.status.revoked = vec![0];
    (authority, passes)
}

/// The most trusting policies that there are.
fn trusting(authority: &mut Authority) -> Configuration {
    let mut configuration = authority.configuration();
    for point in &mut configuration.access_points {
        point.unknown_status = UnknownStatusPolicy::GrantFor { max_age_s: DAY };
        point.unknown_issuance = UnknownIssuancePolicy::Grant;
    }
    configuration
}

fn configure(bench: &mut Bench, change: impl Fn(&mut Configuration)) {
    let mut configuration = bench.authority.configuration();
    change(&mut configuration);
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    bench.heads();
}

/// Central has a new statement key; everything but the lists is signed anew.
fn rotate_statement_key(bench: &mut Bench) {
    bench.authority.statement = SeedKey::new(33);
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    let configuration = trusting(&mut bench.authority);
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    bench.heads();
}

/// Does everything but answer commits; returns those.
fn hold_commits(bench: &mut Bench) -> Vec<Commit> {
    let mut held = vec![];
    while let Some(action) = bench.gate.poll_action() {
        match action {
            Action::LookUp { scan, .. } => {
                let issued = IssuedEntry::Issued;
                let lookup = Lookup {
                    issued,
                    holder: None,
                };
                bench.gate.handle_lookup(bench.now, scan, lookup);
            }
            Action::Commit(commit) => held.push(commit),
            Action::Door { door, command } => {
                bench
                    .log
                    .push(crate::testing::Happened::Door(door, command));
            }
            Action::Show(_) | Action::Acknowledged(_) | Action::Pull => {}
        }
    }
    held
}

fn answer(bench: &mut Bench, commits: Vec<Commit>) {
    for commit in commits {
        bench.store.write(&commit, &bench.authority);
        bench.gate.handle_committed(bench.now, commit.token);
    }
    bench.run();
}

fn show_without_answer(bench: &mut Bench, at: AccessPointId, text: &str) -> Vec<Commit> {
    let read = picture(bench, at, text);
    bench.gate.handle_texts(bench.now, read);
    hold_commits(bench)
}

fn picture(bench: &Bench, at: AccessPointId, text: &str) -> TextsRead {
    TextsRead {
        access_point: at,
        texts: vec![text.to_owned()],
        taken_at: bench.now.uptime,
        end: PresentationEnd::SourceHasNoMoreFrames,
        source: None,
    }
}

fn order(bench: &mut Bench, action: OrderAction) {
    let bytes = bench.authority.sign_order(action, 600);
    bench.gate.handle_order(bench.now, bytes).unwrap();
}

fn guard(bench: &mut Bench, staff: shared::ids::StaffNumber, ask: PanelAsk) {
    let request = GuardRequest { staff, ask };
    bench.gate.handle_guard(bench.now, request).unwrap();
}

fn let_in() -> PanelAsk {
    PanelAsk::LetIn {
        access_point: ENTRY,
        scan: None,
        reason: "forgot the card".into(),
        name: None,
    }
}

#[test]
fn a_revoked_pass_stays_revoked_when_the_key_of_its_list_was_withdrawn_and_the_gate_restarts() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    rotate_statement_key(&mut bench);
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), REVOKED);
    bench.restart(1000);
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), REVOKED);
    // Of the others nothing is known any more, and the policy trusts them.
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
}

#[test]
fn a_frozen_list_does_not_thaw_when_its_key_was_withdrawn_and_the_gate_restarts() {
    let (mut authority, _) = authority_with_passes(2);
    authority.growth = Growth::Frozen;
    let minted = authority.forge(&authority.claims(&[1]));
    let mut bench = Bench::synced(authority);
    rotate_statement_key(&mut bench);
    let not_issued = Decision::Deny(DenyReason::PassNotIssued);
    for _ in 0..2 {
        assert_eq!(bench.decision(ENTRY, &minted.text()), not_issued);
        bench.authority.growth = Growth::Open;
        let list = bench.authority.issued_list();
        let thawed = bench.authority.sign_issued_list(&list);
        let name = DocumentName::IssuedList(bench.authority.kid());
        let answer = bench.document(name, thawed);
        assert_eq!(answer, Err(DocumentProblem::Thawed { count: 2 }));
        bench.restart(10_000);
    }
}

#[test]
fn an_issuer_that_left_the_trust_list_and_came_back_brings_no_revoked_pass_with_it() {
    let (mut authority, passes) = authority_with_passes(1);
    authority.growth = Growth::Frozen;
    let minted = authority.forge(&authority.claims(&[1]));
    let mut bench = Bench::synced(authority);
    let configuration = trusting(&mut bench.authority);
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    let mut without = bench.authority.trust_list();
    without.issuer_keys.clear();
    let without = bench.authority.sign_trust_list(&without);
    bench.document(DocumentName::TrustList, without).unwrap();
    assert_eq!(bench.show(ENTRY, &passes[0].text()), None, "issuer unknown");
    bench.restart(1000);
    let with = bench.authority.trust_list();
    let with = bench.authority.sign_trust_list(&with);
    bench.document(DocumentName::TrustList, with).unwrap();
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), REVOKED);
    let not_issued = Decision::Deny(DenyReason::PassNotIssued);
    assert_eq!(bench.decision(ENTRY, &minted.text()), not_issued);
}

#[test]
fn digests_that_are_ahead_of_the_list_in_force_vouch_for_nothing() {
    let (mut authority, _) = authority_with_passes(1);
    authority.growth = Growth::Frozen;
    let minted = authority.forge(&authority.claims(&[1]));
    let mut bench = Bench::synced(authority);
    bench
        .gate
        .handle_texts(bench.now, picture(&bench, ENTRY, &minted.text()));
    // The stand-in store says that every pass was issued.
    let commits = hold_commits(&mut bench);
    answer(&mut bench, commits);
    assert_eq!(bench.releases(), 0);
}

#[test]
fn a_trust_list_ends_with_the_registrar_key_that_signed_it() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let good = passes[1].text();
    bench.authority.registrar = SeedKey::new(22);
    let set = bench.authority.root_set(2);
    let bytes = bench.authority.sign_root_set(&set, &[]);
    bench.document(DocumentName::RootSet, bytes).unwrap();
    let denied = bench.show(ENTRY, &good).unwrap();
    assert!(denied.also.contains(&DenyReason::TrustListExpired));
    let statement = bench.authority.sign_status_list();
    let name = DocumentName::StatusList(bench.authority.kid());
    assert_eq!(
        bench.document(name, statement),
        Err(DocumentProblem::NoTrustList)
    );
    let wanted: Vec<_> = bench.gate.wanted().iter().map(|it| it.name).collect();
    assert!(wanted.contains(&DocumentName::TrustList), "{wanted:?}");
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    bench.wait_ms(6000);
    assert_eq!(bench.decision(ENTRY, &good), Decision::Grant);
}

#[test]
fn a_root_or_registrar_key_in_the_trust_list_is_refused() {
    let mut bench = Bench::synced(Authority::new());
    for above in [
        bench.authority.roots[0].public(),
        bench.authority.registrar.public(),
    ] {
        let mut list = bench.authority.trust_list();
        list.statement_keys = vec![above];
        let bytes = bench.authority.sign_trust_list(&list);
        let answer = bench.document(DocumentName::TrustList, bytes);
        assert!(matches!(answer, Err(DocumentProblem::Rejected(_))));
    }
}

#[test]
fn nobody_is_let_in_by_a_guard_when_a_lockdown_came_before_the_commit() {
    let mut bench = Bench::synced(Authority::new());
    guard(&mut bench, GUARD, let_in());
    let commits = hold_commits(&mut bench);
    guard(&mut bench, SUPERVISOR, PanelAsk::LockDown);
    answer(&mut bench, commits);
    assert_eq!(bench.releases(), 0);
    // A supervisor may.
    guard(&mut bench, SUPERVISOR, let_in());
    bench.run();
    assert_eq!(bench.releases(), 1);
}

#[test]
fn a_fault_of_the_door_lets_no_guard_through_a_lockdown() {
    let mut bench = Bench::synced(Authority::new());
    order(&mut bench, OrderAction::LockDown);
    bench.run();
    bench.door(TURNSTILE, DoorInput::FaultRaised);
    let staff = GUARD;
    let ask = let_in();
    let request = GuardRequest { staff, ask };
    let answer = bench.gate.handle_guard(bench.now, request);
    assert_eq!(answer, Err(crate::guard::GuardRefused::LockedDown));
}

#[test]
fn an_order_to_release_does_not_open_a_door_that_is_locked_down() {
    let mut bench = Bench::synced(Authority::new());
    order(&mut bench, OrderAction::LockDown);
    bench.run();
    order(&mut bench, OrderAction::Release { door: TURNSTILE });
    bench.run();
    assert_eq!(bench.releases(), 0);
    let released = |event: &Event| {
        matches!(
            event,
            Event::Door {
                event: DoorEvent::Released,
                ..
            }
        )
    };
    assert!(!bench.recorded().iter().any(released));
    // One that was under way when the lockdown came, neither.
    order(&mut bench, OrderAction::EndLockdown);
    bench.run();
    order(&mut bench, OrderAction::Release { door: TURNSTILE });
    let commits = hold_commits(&mut bench);
    guard(&mut bench, GUARD, PanelAsk::LockDown);
    answer(&mut bench, commits);
    assert_eq!(bench.releases(), 0);
}

#[test]
fn a_lockdown_that_is_called_while_another_is_being_ended_stands() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    order(&mut bench, OrderAction::LockDown);
    bench.run();
    for by_order in [true, false] {
        if by_order {
            order(&mut bench, OrderAction::EndLockdown);
        } else {
            guard(&mut bench, SUPERVISOR, PanelAsk::EndLockdown);
        }
        let commits = hold_commits(&mut bench);
        guard(&mut bench, GUARD, PanelAsk::LockDown);
        answer(&mut bench, commits);
        let locked_down = Decision::Deny(DenyReason::DoorLockedDown);
        assert_eq!(bench.decision(ENTRY, &passes[1].text()), locked_down);
        bench.wait_ms(6000);
    }
    guard(&mut bench, SUPERVISOR, PanelAsk::EndLockdown);
    bench.run();
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
}

#[test]
fn a_lockdown_or_time_that_a_failing_store_did_not_take_overwrites_no_newer_one() {
    let mut bench = Bench::synced(Authority::new());
    bench.store.mode = StoreMode::Fails;
    bench.wait_ms(1000);
    guard(&mut bench, GUARD, PanelAsk::LockDown);
    let time = bench.authority.sign_time([1; 16]);
    bench
        .gate
        .handle_signed_time(bench.now, &time, [1; 16])
        .unwrap();
    bench.run();
    bench.store.mode = StoreMode::Works;
    pass_4_s(&mut bench);
    guard(&mut bench, SUPERVISOR, PanelAsk::EndLockdown);
    let heads = bench.authority.heads();
    let heads = bench.authority.sign_heads(&heads);
    bench.gate.handle_heads(bench.now, heads).unwrap();
    let commits = hold_commits(&mut bench);
    answer(&mut bench, commits);
    let facts = bench.store.memory.facts;
    assert_eq!(facts.mark, bench.now.utc);
    assert_eq!(facts.lockdown, Lockdown::Off);
}

#[test]
fn a_settlement_that_a_failing_store_did_not_take_overwrites_no_newer_grant() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let text = passes[1].text();
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
    bench.store.mode = StoreMode::Fails;
    bench.wait_ms(6000);
    bench.store.mode = StoreMode::Works;
    pass_4_s(&mut bench);
    guard(&mut bench, GUARD, PanelAsk::SignOut);
    let commits = show_without_answer(&mut bench, ENTRY, &text);
    assert_eq!(commits.len(), 2);
    answer(&mut bench, commits);
    bench.door(TURNSTILE, DoorInput::Rotated);
    let uses = &bench.store.memory.uses;
    assert_eq!(uses.iter().map(|it| it.uses).collect::<Vec<_>>(), [1]);
    let presence = bench.store.memory.presences.last().copied();
    assert_eq!(presence.map(|it| it.area), Some(YARD));
    assert_eq!(bench.store.memory.reservations, []);
    bench.wait_ms(6000);
    let inside = Decision::Deny(DenyReason::AntiPassbackViolated);
    assert_eq!(bench.decision(ENTRY, &text), inside);
}

/// Both clocks move on, and no timer is served.
fn pass_4_s(bench: &mut Bench) {
    bench.now.utc = bench.now.utc.plus(4);
    bench.now.uptime = bench.now.uptime.plus_ms(4000);
    bench.authority.now = bench.now.utc;
}

#[test]
fn a_grant_whose_door_left_the_configuration_is_settled() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let mut commits = {
        let mut configuration = bench.authority.configuration();
        configuration.doors.retain(|door| door.id == LIBRARY_DOOR);
        configuration
            .access_points
            .retain(|point| point.door == LIBRARY_DOOR);
        for level in &mut configuration.access_levels {
            let is_left = |id| configuration.access_points.iter().any(|p| p.id == id);
            level.grants.retain(|grant| is_left(grant.access_point));
        }
        let bytes = bench.authority.sign_configuration(&configuration);
        let name = DocumentName::Configuration;
        bench.gate.handle_document(bench.now, name, bytes).unwrap();
        hold_commits(&mut bench)
    };
    commits.extend(show_without_answer(&mut bench, ENTRY, &passes[1].text()));
    answer(&mut bench, commits);
    assert_eq!(bench.store.memory.reservations, []);
    assert_eq!(bench.releases(), 0);
    assert!(bench.recorded().iter().any(|event| matches!(
        event,
        Event::Passage {
            outcome: PassageOutcome::NotTaken,
            ..
        }
    )));
}

#[test]
fn after_a_crash_every_open_grant_of_a_pass_is_given_back() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    configure(&mut bench, |configuration| {
        configuration.policies.unknown_outcome = UnknownOutcomePolicy::CountAsNotTaken;
    });
    let subject = Subject::Pass(passes[1].id);
    let presence = |area, since| Presence {
        subject,
        area,
        since: T0.plus(since),
    };
    let outside = presence(shared::ids::AreaId::OUTSIDE, 5);
    let reservation = |scan, before, at| Reservation {
        scan: ScanId(scan),
        access_point: ENTRY,
        subject,
        pass: passes[1].id,
        before: Some(before),
        uses: 1,
        at: T0.plus(at),
    };
    let memory = &mut bench.store.memory;
    memory.reservations = vec![
        reservation(1, outside, 10),
        reservation(2, presence(YARD, 10), 20),
    ];
    memory.presences = vec![presence(YARD, 20)];
    memory.uses = vec![PassUse {
        pass: passes[1].id,
        uses: 2,
        last_proof: None,
    }];
    bench.restart(1000);
    assert_eq!(bench.store.memory.reservations, []);
    assert_eq!(bench.store.memory.uses[0].uses, 0);
    assert_eq!(bench.store.memory.presences, [outside]);
}

#[test]
fn a_screenshot_from_before_the_clock_was_lost_does_not_stay_good() {
    let mut authority = Authority::new();
    let mut claims = authority.claims(&[1]);
    claims.holder_key = Some(crate::authority::holder_key().public());
    let pass = authority.issue(&claims);
    let mut bench = Bench::synced(authority);
    configure(&mut bench, |configuration| {
        for point in &mut configuration.access_points {
            let gap_s = 20;
            point.untrusted_clock = shared::policy::UntrustedClockPolicy::GrantWithin { gap_s };
        }
    });
    let screenshot = pass.live_text(bench.now.utc);
    // The power was cut, and the box has no clock chip.
    bench.now.utc = UtcSeconds(100);
    bench.gate = crate::gate::Gate::start(
        bench.now,
        crate::testing::loaded(bench.identity(), &bench.store),
    )
    .unwrap();
    bench.run();
    bench.wait_ms(120_000);
    let decided = bench.show(ENTRY, &screenshot).unwrap();
    let stale = Decision::Deny(DenyReason::ProofStale);
    assert!(
        decided.decision == stale || decided.also.contains(&DenyReason::ProofStale),
        "{decided:?}"
    );
}

#[test]
fn a_proof_opens_once_whatever_became_of_the_first_grant() {
    let mut authority = Authority::new();
    let mut claims = authority.claims(&[1]);
    claims.holder_key = Some(crate::authority::holder_key().public());
    let pass = authority.issue(&claims);
    let mut bench = Bench::synced(authority);
    let text = pass.live_text(bench.now.utc);
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
    bench.wait_ms(6000);
    let replayed = Decision::Deny(DenyReason::ProofReplayed);
    assert_eq!(bench.decision(ENTRY, &text), replayed, "not taken");
    bench.restart(1000);
    assert_eq!(bench.decision(ENTRY, &text), replayed, "restarted");
    let fresh = pass.live_text(bench.now.utc);
    let commits = show_without_answer(&mut bench, ENTRY, &fresh);
    let also = show_without_answer(&mut bench, EXIT, &fresh);
    answer(&mut bench, [commits, also].concat());
    assert_eq!(
        bench.releases(),
        2,
        "one for each proof, though two readers saw it"
    );
}

#[test]
fn a_release_leaves_only_behind_its_commit_and_only_once() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let is_release = |action: &Action| {
        matches!(
            action,
            Action::Door {
                command: DoorCommand::Release { .. } | DoorCommand::HoldReleased,
                ..
            }
        )
    };
    let commits = show_without_answer(&mut bench, ENTRY, &passes[1].text());
    order(&mut bench, OrderAction::Release { door: LIBRARY_DOOR });
    let mode = shared::order::DoorMode::Unlocked;
    let door = LIBRARY_DOOR;
    guard(&mut bench, SUPERVISOR, PanelAsk::SetDoorMode { door, mode });
    guard(&mut bench, GUARD, let_in());
    let mut commits = [commits, hold_commits(&mut bench)].concat();
    assert_eq!(bench.releases(), 0);
    let token = commits[0].token;
    for _ in 0..2 {
        bench.gate.handle_committed(bench.now, token);
    }
    let actions: Vec<Action> = core::iter::from_fn(|| bench.gate.poll_action()).collect();
    assert_eq!(
        actions.iter().filter(|action| is_release(action)).count(),
        1
    );
    // What is not written opens nothing.
    for commit in commits.drain(1..) {
        let problem = "disk full".to_owned();
        bench
            .gate
            .handle_commit_failed(bench.now, commit.token, problem);
    }
    let actions: Vec<Action> = core::iter::from_fn(|| bench.gate.poll_action()).collect();
    assert_eq!(
        actions.iter().filter(|action| is_release(action)).count(),
        0
    );
}

#[test]
fn numbers_never_go_back_for_any_kind_across_restarts_too() {
    let (authority, _) = authority_with_passes(2);
    let older = authority.clone().everything();
    let mut bench = Bench::synced(authority);
    for (name, bytes) in bench.authority.everything() {
        bench.document(name, bytes).unwrap();
    }
    let old_heads = {
        let heads = bench.authority.heads();
        bench.authority.sign_heads(&heads)
    };
    bench.heads();
    for _ in 0..2 {
        for (name, bytes) in older.clone() {
            if name == DocumentName::RootSet {
                continue; // the very one at hand
            }
            let answer = bench.document(name, bytes);
            assert!(
                matches!(answer, Err(DocumentProblem::OlderThanHeld { .. })),
                "{name:?}: {answer:?}"
            );
        }
        let answer = bench.gate.handle_heads(bench.now, old_heads.clone());
        assert!(matches!(answer, Err(DocumentProblem::OlderThanHeld { .. })));
        bench.run();
        bench.restart(1000);
    }
}

#[test]
fn another_gates_or_issuers_document_is_refused() {
    let (authority, _) = authority_with_passes(2);
    let mut bench = Bench::synced(authority.clone());
    let mut other = authority;
    other.gate = shared::ids::GateId([7; 16]);
    other.everything();
    let is_for_another = |answer| matches!(answer, Err(DocumentProblem::OtherGate(_)));
    for n in 0..3 {
        let bytes = other.sign_order(OrderAction::EndLockdown, 600 + n);
        assert!(is_for_another(bench.gate.handle_order(bench.now, bytes)));
    }
    let configuration = other.configuration();
    let bytes = other.sign_configuration(&configuration);
    assert!(is_for_another(
        bench.document(DocumentName::Configuration, bytes)
    ));
    let heads = other.heads();
    let bytes = other.sign_heads(&heads);
    assert!(is_for_another(bench.gate.handle_heads(bench.now, bytes)));
    let bytes = other.sign_clock_reset(T0);
    assert!(is_for_another(
        bench.gate.handle_clock_reset(bench.now, bytes)
    ));
    let bytes = bench.authority.sign_status_list();
    let name = DocumentName::StatusList(shared::ids::Kid([1; 8]));
    assert!(matches!(
        bench.document(name, bytes),
        Err(DocumentProblem::OtherIssuer { .. })
    ));
}

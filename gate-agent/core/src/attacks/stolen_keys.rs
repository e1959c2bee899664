//! Stolen and withdrawn keys, documents kept back or exchanged, proofs shown again.

use super::*;

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
fn heads_that_name_other_bytes_under_the_number_at_hand_renew_no_freshness() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    // Whoever sits in between handed out a list without revocations under the same number.
    let mut heads = bench.authority.heads();
    heads.issuers[0].status_list.digest = shared::ids::Digest([9; 32]);
    bench.wait_ms(30 * DAY * 1000);
    heads.header.made_at = bench.now.utc;
    heads.header.expires_at = bench.now.utc.plus(DAY);
    let bytes = bench.authority.sign_heads(&heads);
    bench.gate.handle_heads(bench.now, bytes).unwrap();
    bench.run();
    let name = DocumentName::StatusList(bench.authority.kid());
    assert!(bench.gate.wanted().iter().any(|wanted| wanted.name == name));
    let unknown = Decision::Deny(DenyReason::StatusUnknown);
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), unknown);
}

#[test]
fn a_card_that_went_in_keeps_its_holder_inside_when_the_roster_comes_to_know_card_and_phone() {
    let (authority, passes) = authority_with_passes(3);
    let mut bench = Bench::synced(authority);
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(6000);
    let both = vec![passes[1].id, passes[2].id];
    let holder = shared::ids::HolderNumber(7);
    bench.store.roster = vec![(holder, "Ada".to_owned(), both)];
    let inside = Decision::Deny(DenyReason::AntiPassbackViolated);
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), inside);
    assert_eq!(bench.decision(EXIT, &passes[1].text()), Decision::Grant);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(6000);
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(6000);
    assert_eq!(
        bench.decision(ENTRY, &passes[2].text()),
        inside,
        "the phone"
    );
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

/// Central has a new statement key, and the gate its trust list but nothing signed with it yet.
fn withdraw_statement_key(bench: &mut Bench, seed: u8) {
    bench.authority.statement = SeedKey::new(seed);
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
}

/// The doors are watched and a guard is obeyed, but no pass is granted.
fn assert_doors_work_and_passes_do_not(bench: &mut Bench, passes: &[IssuedPass]) {
    let before = bench.releases();
    guard(bench, GUARD, let_in());
    bench.run();
    assert_eq!(bench.releases(), before + 1, "a guard lets somebody in");
    bench.door(TURNSTILE, DoorInput::Rotated);
    for pass in passes {
        let decided = bench.show(ENTRY, &pass.text()).unwrap();
        assert!(matches!(decided.decision, Decision::Deny(_)), "{decided:?}");
    }
    let revoked = bench.show(ENTRY, &passes[0].text()).unwrap();
    let reason = DenyReason::PassRevoked;
    assert!(
        revoked.decision == Decision::Deny(reason) || revoked.also.contains(&reason),
        "{revoked:?}"
    );
}

#[test]
fn a_gate_that_restarts_behind_a_rotation_of_the_statement_key_keeps_its_doors() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    for seed in [33, 34, 35] {
        withdraw_statement_key(&mut bench, seed);
        assert_doors_work_and_passes_do_not(&mut bench, &passes);
        bench.restart(10_000);
        assert_doors_work_and_passes_do_not(&mut bench, &passes);
    }
    let kid = bench.authority.kid();
    let configuration = bench.authority.configuration();
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    let bytes = bench.authority.sign_status_list();
    bench
        .document(DocumentName::StatusList(kid), bytes)
        .unwrap();
    let list = bench.authority.issued_list();
    let bytes = bench.authority.sign_issued_list(&list);
    bench
        .document(DocumentName::IssuedList(kid), bytes)
        .unwrap();
    bench.heads();
    bench.restart(10_000);
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), REVOKED);
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
}

#[test]
fn a_gate_that_restarts_behind_a_rotation_of_the_registrar_key_keeps_its_doors() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    bench.authority.registrar = SeedKey::new(22);
    let set = bench.authority.root_set(2);
    let bytes = bench.authority.sign_root_set(&set, &[]);
    bench.document(DocumentName::RootSet, bytes).unwrap();
    for _ in 0..2 {
        assert_doors_work_and_passes_do_not(&mut bench, &passes);
        bench.restart(10_000);
    }
    withdraw_statement_key(&mut bench, 33);
    for _ in 0..2 {
        assert_doors_work_and_passes_do_not(&mut bench, &passes);
        bench.restart(10_000);
    }
}

#[test]
fn what_vouched_before_vouches_for_nothing_that_comes() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let stolen = bench.authority.statement.clone();
    withdraw_statement_key(&mut bench, 33);
    bench.restart(1000);
    bench.authority.statement = stolen;
    let name = DocumentName::StatusList(bench.authority.kid());
    let bytes = bench.authority.sign_status_list();
    assert!(matches!(
        bench.document(name, bytes),
        Err(DocumentProblem::Rejected(_))
    ));
    let configuration = trusting(&mut bench.authority);
    let bytes = bench.authority.sign_configuration(&configuration);
    assert!(matches!(
        bench.document(DocumentName::Configuration, bytes),
        Err(DocumentProblem::Rejected(_))
    ));
    assert_doors_work_and_passes_do_not(&mut bench, &passes);
}

#[test]
fn a_damaged_former_trust_list_costs_the_doors_and_no_revocation() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    withdraw_statement_key(&mut bench, 33);
    let kind = crate::action::StoredKind::FormerTrustList;
    let mut stored = bench.store.documents.iter_mut();
    let former = stored.find(|document| document.kind == kind);
    former.unwrap().bytes[60] ^= 1;
    bench.restart(1000);
    assert!(bench.gate.configuration().is_none());
    let configuration = trusting(&mut bench.authority);
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    bench.heads();
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), REVOKED);
}

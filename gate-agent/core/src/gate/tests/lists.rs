//! Status and issued lists at work: revoked, frozen, shrunk.

use shared::{
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    ids::{CentralEpoch, Serial},
    issued_list::Growth,
    journal::{Event, SyncEvent},
};

use crate::{
    authority::{Authority, ENTRY, IssuedPass, SeedKey},
    documents::DocumentProblem,
    testing::Bench,
};

fn deny(reason: DenyReason) -> Decision {
    Decision::Deny(reason)
}

/// A gate and three passes.
fn bench() -> (Bench, Vec<IssuedPass>) {
    let mut authority = Authority::new();
    let passes = (0..3)
        .map(|_| {
            let claims = authority.claims(&[1]);
            authority.issue(&claims)
        })
        .collect();
    (Bench::synced(authority), passes)
}

fn take_status(bench: &mut Bench) {
    let bytes = bench.authority.sign_status_list();
    let name = DocumentName::StatusList(bench.authority.kid());
    bench.document(name, bytes).unwrap();
}

fn take_issued(bench: &mut Bench) -> Result<(), DocumentProblem> {
    let list = bench.authority.issued_list();
    let bytes = bench.authority.sign_issued_list(&list);
    let name = DocumentName::IssuedList(bench.authority.kid());
    bench.document(name, bytes)
}

#[test]
fn a_revoked_or_suspended_pass_is_denied_from_the_next_scan_on_and_across_restarts() {
    let (mut bench, passes) = bench();
    bench.authority.status.revoked = vec![0];
    bench.authority.status.suspended = vec![1];
    take_status(&mut bench);
    for _ in 0..2 {
        let decision = bench.decision(ENTRY, &passes[0].text());
        assert_eq!(decision, deny(DenyReason::PassRevoked));
        let decision = bench.decision(ENTRY, &passes[1].text());
        assert_eq!(decision, deny(DenyReason::PassSuspended));
        bench.restart(60_000);
    }
    bench.authority.status.suspended = vec![];
    take_status(&mut bench);
    let decision = bench.decision(ENTRY, &passes[1].text());
    assert_eq!(decision, Decision::Grant, "reinstated");
}

#[test]
fn a_stolen_issuer_key_mints_nothing_and_a_frozen_one_keeps_honest_passes_good() {
    let (mut bench, passes) = bench();
    let beyond = bench.authority.forge(&bench.authority.claims(&[1]));
    let mut claims = bench.authority.claims(&[1, 2, 3]);
    claims.serial = passes[0].id.serial;
    let exchanged = bench.authority.forge(&claims);
    assert_eq!(
        bench.decision(ENTRY, &exchanged.text()),
        deny(DenyReason::PassNotIssued)
    );
    assert_eq!(
        bench.decision(ENTRY, &beyond.text()),
        deny(DenyReason::IssuanceUnknown)
    );
    bench.authority.growth = Growth::Frozen;
    take_issued(&mut bench).unwrap();
    bench.wait_ms(10_000);
    assert_eq!(
        bench.decision(ENTRY, &beyond.text()),
        deny(DenyReason::PassNotIssued)
    );
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), Decision::Grant);
}

#[test]
fn a_frozen_list_never_thaws_and_never_grows() {
    let (mut bench, _) = bench();
    bench.authority.growth = Growth::Frozen;
    take_issued(&mut bench).unwrap();
    bench.authority.growth = Growth::Open;
    assert_eq!(
        take_issued(&mut bench),
        Err(DocumentProblem::Thawed { count: 3 })
    );
    bench.authority.growth = Growth::Frozen;
    let claims = bench.authority.claims(&[1]);
    bench.authority.issue(&claims);
    assert_eq!(
        take_issued(&mut bench),
        Err(DocumentProblem::Thawed { count: 3 })
    );
}

#[test]
fn an_issued_list_never_shrinks_and_never_rewrites() {
    let (mut bench, _) = bench();
    let digest = bench.authority.issued.pop().unwrap();
    assert_eq!(
        take_issued(&mut bench),
        Err(DocumentProblem::Shrunk { held: 3, found: 2 })
    );
    let mut other = digest;
    other.0[0] ^= 1;
    bench.authority.issued.push(other);
    assert_eq!(
        take_issued(&mut bench),
        Err(DocumentProblem::Rewritten { count: 3 })
    );
    bench.authority.issued[2] = digest;
    assert_eq!(take_issued(&mut bench), Ok(()));
}

#[test]
fn lists_of_an_issuer_that_left_the_trust_list_go_and_do_not_come_back_older() {
    let (mut bench, passes) = bench();
    let name = DocumentName::StatusList(bench.authority.kid());
    let older = bench.authority.sign_status_list();
    take_status(&mut bench);
    let issuer = bench.authority.issuer.clone();
    let trust = |bench: &mut Bench, issuer: SeedKey| {
        bench.authority.issuer = issuer;
        let list = bench.authority.trust_list();
        let bytes = bench.authority.sign_trust_list(&list);
        bench.document(DocumentName::TrustList, bytes).unwrap();
    };
    trust(&mut bench, SeedKey::new(55));
    assert_eq!(bench.gate.held(name), None);
    assert_eq!(bench.show(ENTRY, &passes[0].text()), None);
    trust(&mut bench, issuer);
    assert!(matches!(
        bench.document(name, older),
        Err(DocumentProblem::OlderThanHeld { .. })
    ));
}

#[test]
fn a_newer_list_takes_no_revocation_back() {
    let (mut bench, passes) = bench();
    bench.authority.status.revoked = vec![0, 2];
    bench.authority.status.suspended = vec![1];
    take_status(&mut bench);
    bench.heads();
    let name = DocumentName::StatusList(bench.authority.kid());
    let revoked = deny(DenyReason::PassRevoked);
    for dropping in [vec![], vec![0], vec![2], vec![1]] {
        // Whoever stole the statement key signs it, and heads that name it.
        bench.authority.status.revoked = dropping.clone();
        bench.authority.status.suspended = vec![];
        let bytes = bench.authority.sign_status_list();
        let serial = Serial(if dropping.contains(&0) { 2 } else { 0 });
        let refused = Err(DocumentProblem::RevocationDropped { serial });
        assert_eq!(bench.document(name, bytes), refused);
        bench.heads();
        assert_eq!(bench.decision(ENTRY, &passes[0].text()), revoked);
        bench.restart(10_000);
    }
    let told = bench.recorded().into_iter().any(|event| {
        matches!(event, Event::Sync(SyncEvent::DocumentRefused { reason, .. })
            if reason.contains("revoked for ever"))
    });
    assert!(told);
    bench.authority.status.revoked = vec![0, 1, 2];
    take_status(&mut bench);
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), revoked, "grew");
}

#[test]
fn a_list_behind_one_that_is_being_stored_takes_no_revocation_back() {
    let (mut bench, passes) = bench();
    let name = DocumentName::StatusList(bench.authority.kid());
    bench.authority.status.revoked = vec![0];
    let first = bench.authority.sign_status_list();
    bench.authority.status.revoked = vec![];
    let second = bench.authority.sign_status_list();
    bench.gate.handle_document(bench.now, name, first).unwrap();
    let answer = bench.gate.handle_document(bench.now, name, second);
    let serial = Serial(0);
    assert_eq!(answer, Err(DocumentProblem::RevocationDropped { serial }));
    bench.run();
    let decision = bench.decision(ENTRY, &passes[0].text());
    assert_eq!(decision, deny(DenyReason::PassRevoked));
}

#[test]
fn a_list_that_was_set_aside_takes_no_revocation_back() {
    let (mut bench, passes) = bench();
    let name = DocumentName::StatusList(bench.authority.kid());
    bench.authority.status.revoked = vec![0];
    take_status(&mut bench);
    bench.authority.statement = SeedKey::new(33);
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    let configuration = bench.authority.configuration();
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    bench.restart(1000);
    take_issued(&mut bench).unwrap();
    bench.authority.status.revoked = vec![];
    let bytes = bench.authority.sign_status_list();
    let serial = Serial(0);
    let refused = Err(DocumentProblem::RevocationDropped { serial });
    assert_eq!(bench.document(name, bytes), refused);
    let decision = bench.decision(ENTRY, &passes[0].text());
    assert_eq!(decision, deny(DenyReason::PassRevoked));
}

#[test]
fn an_epoch_that_roots_start_begins_with_what_central_knows() {
    let (mut bench, _) = bench();
    bench.authority.status.revoked = vec![0];
    take_status(&mut bench);
    bench.authority.epoch = CentralEpoch(2);
    let set = bench.authority.root_set(1);
    let bytes = bench.authority.sign_root_set(&set, &[]);
    bench.document(DocumentName::RootSet, bytes).unwrap();
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    bench.authority.status.revoked = vec![];
    take_status(&mut bench);
}

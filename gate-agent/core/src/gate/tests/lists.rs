//! Status and issued lists at work: revoked, frozen, shrunk.

use shared::{
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    issued_list::Growth,
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

//! Start after a crash, and orderly stop.

use shared::{
    configuration::LockType,
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    journal::{Event, PassageOutcome},
    policy::UnknownOutcomePolicy,
};

use crate::{
    action::DoorCommand,
    authority::{Authority, ENTRY, IssuedPass, LIBRARY_DOOR, TURNSTILE},
    testing::{Bench, Happened},
};

fn bench(policy: UnknownOutcomePolicy) -> (Bench, IssuedPass) {
    let mut authority = Authority::new();
    let claims = authority.claims(&[1]);
    let pass = authority.issue(&claims);
    let mut bench = Bench::synced(authority);
    let mut configuration = bench.authority.configuration();
    configuration.policies.unknown_outcome = policy;
    configuration.doors[1].lock = LockType::FailSafe;
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    (bench, pass)
}

#[test]
fn after_a_crash_an_open_grant_is_settled_as_the_policy_says() {
    for (policy, outcome, inside) in [
        (
            UnknownOutcomePolicy::CountAsTaken,
            PassageOutcome::UnknownCountedTaken,
            1,
        ),
        (
            UnknownOutcomePolicy::CountAsNotTaken,
            PassageOutcome::UnknownCountedNotTaken,
            0,
        ),
    ] {
        let (mut bench, pass) = bench(policy);
        let scan = bench.show(ENTRY, &pass.text()).unwrap().scan;
        assert_eq!(bench.store.memory.reservations.len(), 1);
        bench.restart(2000);
        assert!(bench.recorded().contains(&Event::Passage { scan, outcome }));
        assert_eq!(bench.store.memory.reservations, []);
        assert_eq!(bench.gate.state(bench.now).areas[0].inside, inside);
    }
}

#[test]
fn a_start_is_recorded_and_locks_the_doors_before_anything_else() {
    let (mut bench, _) = bench(UnknownOutcomePolicy::CountAsTaken);
    bench.log.clear();
    bench.restart(1000);
    assert_eq!(
        bench.log[..2],
        [
            Happened::Door(TURNSTILE, DoorCommand::Lock),
            Happened::Door(LIBRARY_DOOR, DoorCommand::Lock)
        ]
    );
    assert!(matches!(
        bench.log[2],
        Happened::Recorded(Event::Started { .. })
    ));
}

#[test]
fn a_stop_is_recorded_and_leaves_the_doors_as_they_shall_be() {
    let (mut bench, _) = bench(UnknownOutcomePolicy::CountAsTaken);
    bench.show(ENTRY, "https://example.org");
    bench.log.clear();
    bench.gate.handle_stopping(bench.now);
    bench.run();
    assert_eq!(
        bench.log[..2],
        [
            Happened::Door(TURNSTILE, DoorCommand::Lock),
            Happened::Door(LIBRARY_DOOR, DoorCommand::HoldReleased)
        ],
        "fail-secure locks, fail-safe never keeps anybody"
    );
    let recorded = bench.recorded();
    assert!(matches!(recorded[0], Event::Refused { .. }), "not lost");
    assert_eq!(recorded[1], Event::Stopped);
}

#[test]
fn a_gate_that_was_never_configured_denies_and_says_what_to_do() {
    let mut bench = Bench::enrolled(Authority::new());
    assert_eq!(bench.show(ENTRY, "SP1:AAAA"), None);
    let faults = bench.gate.state(bench.now).faults;
    assert!(
        faults
            .iter()
            .all(|fault| fault.contains("connect this gate"))
    );
    assert_eq!(faults.len(), 2);
}

#[test]
fn what_was_decided_before_a_restart_is_decided_again_the_same_way() {
    let (mut bench, pass) = bench(UnknownOutcomePolicy::CountAsTaken);
    assert_eq!(bench.decision(ENTRY, &pass.text()), Decision::Grant);
    bench.restart(1000);
    assert_eq!(
        bench.decision(ENTRY, &pass.text()),
        Decision::Deny(DenyReason::AntiPassbackViolated),
        "counted as taken"
    );
}

//! Clock, mark and freshness through the whole machine.

use shared::{
    decision::{Decision, DenyReason, FreshnessStep},
    gate_api::DocumentName,
    ids::{JournalEpoch, JournalPosition},
    journal::{ClockEvent, ClockTrust, Event, SyncEvent},
    time::UtcSeconds,
};

use crate::{
    authority::{Authority, DAY, ENTRY, T0},
    documents::DocumentProblem,
    testing::Bench,
};

const NONCE: [u8; 16] = [9; 16];

fn bench_with_pass() -> (Bench, String) {
    let mut authority = Authority::new();
    let claims = authority.claims(&[1]);
    let pass = authority.issue(&claims);
    (Bench::synced(authority), pass.text())
}

fn signed_time(bench: &mut Bench) -> Result<(), DocumentProblem> {
    let bytes = bench.authority.sign_time(NONCE);
    let answer = bench.gate.handle_signed_time(bench.now, &bytes, NONCE);
    bench.run();
    answer
}

#[test]
fn a_clock_moved_back_is_told_and_denies_until_a_signed_time_agrees() {
    let (mut bench, text) = bench_with_pass();
    let right = bench.now.utc;
    bench.now.utc = right.minus(DAY);
    let decision = bench.decision(ENTRY, &text);
    assert_eq!(decision, Decision::Deny(DenyReason::ClockUntrusted));
    assert!(
        bench
            .recorded()
            .iter()
            .any(|event| matches!(event, Event::Clock(ClockEvent::Untrusted { .. })))
    );
    bench.now.utc = right;
    signed_time(&mut bench).unwrap();
    assert_eq!(bench.gate.state(bench.now).clock, ClockTrust::Trusted);
    bench.wait_ms(10_000);
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
}

#[test]
fn a_gate_that_wakes_in_1970_recovers_by_a_signed_time_once_its_clock_is_set() {
    let (mut bench, text) = bench_with_pass();
    bench.now.utc = UtcSeconds(30);
    bench.gate = crate::gate::Gate::start(
        bench.now,
        crate::testing::loaded(bench.identity(), &bench.store),
    )
    .unwrap();
    bench.run();
    assert_eq!(bench.gate.state(bench.now).clock, ClockTrust::Untrusted);
    assert_eq!(bench.gate.trusted_utc(bench.now), T0);
    bench.authority.now = T0.plus(DAY);
    signed_time(&mut bench).unwrap();
    assert_eq!(bench.gate.mark(), T0.plus(DAY));
    assert_eq!(bench.store.memory.facts.mark, T0.plus(DAY));
    assert_eq!(bench.gate.state(bench.now).clock, ClockTrust::Untrusted);
    bench.now.utc = T0.plus(DAY);
    signed_time(&mut bench).unwrap();
    assert_eq!(bench.gate.state(bench.now).clock, ClockTrust::Trusted);
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
}

#[test]
fn a_pass_that_expired_before_the_mark_is_expired_whatever_the_clock_says() {
    let mut authority = Authority::new();
    let mut claims = authority.claims(&[1]);
    claims.expires_at = T0.plus(100);
    let pass = authority.issue(&claims);
    let mut bench = Bench::synced(authority);
    bench.wait_ms(200_000);
    bench.heads();
    bench.now.utc = T0;
    let decided = bench.show(ENTRY, &pass.text()).unwrap();
    assert_eq!(decided.decision, Decision::Deny(DenyReason::PassExpired));
    assert_eq!(decided.also, [DenyReason::ClockUntrusted]);
}

#[test]
fn a_signed_time_for_another_request_is_refused() {
    let (mut bench, _) = bench_with_pass();
    let bytes = bench.authority.sign_time(NONCE);
    assert_eq!(
        bench.gate.handle_signed_time(bench.now, &bytes, [8; 16]),
        Err(DocumentProblem::OtherNonce)
    );
}

#[test]
fn a_statement_cannot_push_the_mark_beyond_four_hundred_days_past_the_trust_list() {
    let (mut bench, _) = bench_with_pass();
    bench.authority.now = T0.plus(400 * DAY + 1);
    let refused = signed_time(&mut bench);
    assert!(matches!(refused, Err(DocumentProblem::TooFarAhead { .. })));
    assert_eq!(bench.gate.wanted()[0].name, DocumentName::TrustList);
    assert_eq!(bench.gate.mark(), T0);
    let position = JournalPosition {
        epoch: JournalEpoch(1),
        seq: 1,
    };
    let bytes = bench
        .authority
        .sign_acknowledgement(position, shared::ids::Digest([0; 32]));
    assert!(
        bench
            .gate
            .handle_acknowledgement(bench.now, &bytes)
            .is_err()
    );
    // A newer trust list takes the gate along.
    bench.authority.now = T0.plus(399 * DAY);
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    bench.authority.now = T0.plus(400 * DAY + 1);
    signed_time(&mut bench).unwrap();
    assert_eq!(bench.gate.mark(), T0.plus(400 * DAY + 1));
}

#[test]
fn roots_take_a_mark_back_that_was_driven_into_the_future_once() {
    let (mut bench, text) = bench_with_pass();
    bench.authority.now = T0.plus(300 * DAY);
    signed_time(&mut bench).unwrap();
    assert_eq!(
        bench.decision(ENTRY, &text),
        Decision::Deny(DenyReason::ClockUntrusted)
    );
    bench.authority.now = T0;
    let reset = bench.authority.sign_clock_reset(T0);
    bench
        .gate
        .handle_clock_reset(bench.now, reset.clone())
        .unwrap();
    bench.run();
    assert_eq!(bench.gate.mark(), T0);
    assert_eq!(bench.gate.state(bench.now).clock, ClockTrust::Trusted);
    bench.wait_ms(10_000);
    bench.heads();
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
    for _ in 0..2 {
        assert!(matches!(
            bench.gate.handle_clock_reset(bench.now, reset.clone()),
            Err(DocumentProblem::OlderThanHeld { .. })
        ));
        bench.restart(1000);
    }
}

#[test]
fn the_ladder_is_climbed_by_the_machine_itself_and_recorded_at_each_step() {
    let (mut bench, text) = bench_with_pass();
    let mut steps = vec![];
    for _ in 0..(31 * 24) {
        bench.wait_ms(3_600_000);
        bench.gate.handle_timeout(bench.now);
        bench.run();
    }
    for event in bench.recorded() {
        if let Event::Sync(SyncEvent::FreshnessChanged(step)) = event {
            steps.push(step);
        }
    }
    assert_eq!(
        steps,
        [
            FreshnessStep::Normal,
            FreshnessStep::Warn,
            FreshnessStep::Restrict,
            FreshnessStep::Expired
        ]
    );
    assert_eq!(
        bench.decision(ENTRY, &text),
        Decision::Deny(DenyReason::StatusUnknown)
    );
}

#[test]
fn heads_renew_freshness_only_when_everything_they_name_is_held() {
    let (mut bench, _) = bench_with_pass();
    bench.wait_ms(2 * 3_600_000);
    assert_eq!(bench.gate.freshness(bench.now), FreshnessStep::Normal);
    let list = bench.authority.sign_status_list();
    bench.heads();
    assert_eq!(
        bench.gate.freshness(bench.now),
        FreshnessStep::Normal,
        "somebody may be holding the status list back"
    );
    bench.restart(0);
    assert_eq!(bench.gate.freshness(bench.now), FreshnessStep::Normal);
    let name = DocumentName::StatusList(bench.authority.kid());
    bench.document(name, list).unwrap();
    assert_eq!(bench.gate.freshness(bench.now), FreshnessStep::Fresh);
    bench.restart(0);
    assert_eq!(bench.gate.freshness(bench.now), FreshnessStep::Fresh);
}

#[test]
fn a_frozen_wall_clock_keeps_nothing_fresh() {
    let (mut bench, _) = bench_with_pass();
    let frozen = bench.now.utc;
    for _ in 0..30 {
        bench.now.uptime = bench.now.uptime.plus_ms(3_600_000);
        bench.now.utc = frozen;
        bench.gate.handle_timeout(bench.now);
        bench.run();
    }
    assert_eq!(bench.gate.freshness(bench.now), FreshnessStep::Warn);
}

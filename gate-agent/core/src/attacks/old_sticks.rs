//! Whoever carries old documents to a gate, or carries them slowly. Nothing tells a stick's heads
//! from others: only their date counts, never when they came.

use shared::decision::FreshnessStep;

use super::*;

const THREE_DAYS_MS: u64 = 3 * DAY * 1_000;

/// Heads that name what the gate holds, made now.
fn made_now(bench: &mut Bench) -> Vec<u8> {
    let mut heads = bench.authority.heads();
    heads.header.made_at = bench.now.utc;
    heads.header.expires_at = bench.now.utc.plus(30 * DAY);
    bench.authority.sign_heads(&heads)
}

fn age_s(bench: &Bench) -> u64 {
    bench
        .gate
        .state(bench.now)
        .heads_age_s
        .expect("it has some")
}

#[test]
fn heads_that_were_carried_for_three_days_leave_the_gate_three_days_stale() {
    let mut bench = Bench::synced(authority_with_passes(2).0);
    let carried = made_now(&mut bench);
    bench.wait_ms(THREE_DAYS_MS);
    bench.gate.handle_heads(bench.now, carried.clone()).unwrap();
    bench.run();
    assert!(age_s(&bench) >= 3 * DAY, "{}", age_s(&bench));
    let freshness = bench.gate.state(bench.now).freshness;
    assert_eq!(freshness, FreshnessStep::Restrict);

    // Once more, and once more behind a restart: it is at hand, and renews nothing.
    bench.gate.handle_heads(bench.now, carried.clone()).unwrap();
    bench.run();
    assert!(age_s(&bench) >= 3 * DAY);
    bench.restart(1_000);
    bench.gate.handle_heads(bench.now, carried).unwrap();
    bench.run();
    assert!(age_s(&bench) >= 3 * DAY);
}

#[test]
fn uptime_counts_while_the_clock_is_not_believed() {
    let mut bench = Bench::synced(authority_with_passes(2).0);
    bench.wait_ms(3_600_000);
    let carried = made_now(&mut bench);
    // Somebody puts the clock back to the day on which the stick was written.
    bench.wait_ms(THREE_DAYS_MS);
    bench.now.utc = UtcSeconds(bench.now.utc.0 - 3 * DAY);
    bench.gate.handle_heads(bench.now, carried).unwrap();
    bench.run();
    // Quartz may be off by one part in a thousand.
    assert!(age_s(&bench) >= 3 * DAY - 300, "{}", age_s(&bench));
    let clock = bench.gate.state(bench.now).clock;
    assert_eq!(clock, shared::journal::ClockTrust::Untrusted);
}

#[test]
fn older_heads_put_nothing_back_and_renew_nothing() {
    let (authority, passes) = authority_with_passes(2);
    let mut bench = Bench::synced(authority);
    let older = made_now(&mut bench);
    bench.heads();
    bench.wait_ms(DAY * 1_000);
    let before = age_s(&bench);
    let refused = bench.gate.handle_heads(bench.now, older);
    assert!(
        matches!(refused, Err(DocumentProblem::OlderThanHeld { .. })),
        "{refused:?}"
    );
    bench.run();
    assert!(age_s(&bench) >= before);
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), REVOKED);
}

#[test]
fn an_old_acknowledgement_raises_no_clock_and_renews_nothing() {
    let mut bench = Bench::synced(authority_with_passes(2).0);
    let position = shared::ids::JournalPosition {
        epoch: shared::ids::JournalEpoch(1),
        seq: 1,
    };
    let old = bench
        .authority
        .sign_acknowledgement(position, shared::ids::Digest([0; 32]));
    bench.wait_ms(DAY * 1_000);
    let newer = made_now(&mut bench);
    bench.gate.handle_heads(bench.now, newer).unwrap();
    bench.run();
    bench.wait_ms(DAY * 1_000);
    let (mark, age) = (bench.gate.mark(), age_s(&bench));
    bench.gate.handle_acknowledgement(bench.now, &old).unwrap();
    bench.run();
    assert_eq!(bench.gate.mark(), mark);
    assert!(age_s(&bench) >= age);
}

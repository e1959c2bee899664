//! The main line: a pass is shown, decided, recorded, and the turnstile turns.

use shared::{
    decision::{Decision, DenyReason},
    journal::{Event, PassageOutcome},
    panel_api::PanelMessage,
};

use crate::{
    action::DoorCommand,
    authority::{Authority, ENTRY, EXIT, TURNSTILE, YARD},
    input::DoorInput,
    testing::{Bench, Happened},
};

fn bench_with_pass() -> (Bench, String) {
    let mut authority = Authority::new();
    let claims = authority.claims(&[1]);
    let pass = authority.issue(&claims);
    (Bench::synced(authority), pass.text())
}

#[test]
fn a_valid_pass_is_recorded_then_released_then_shown_and_the_turn_settles_it() {
    let (mut bench, text) = bench_with_pass();
    let decided = bench.show(ENTRY, &text).unwrap();
    assert_eq!(decided.decision, Decision::Grant);
    let at = |wanted: fn(&Happened) -> bool| bench.log.iter().position(wanted).unwrap();
    let recorded = at(|h| matches!(h, Happened::Recorded(Event::Scan(_))));
    let released = at(|h| matches!(h, Happened::Door(_, DoorCommand::Release { for_ms: 5000 })));
    let shown = at(|h| matches!(h, Happened::Shown(PanelMessage::Decided(_))));
    assert!(recorded < released && released < shown);
    bench.door(TURNSTILE, DoorInput::Rotated);
    let scan = decided.scan;
    let outcome = PassageOutcome::Taken;
    assert!(bench.recorded().contains(&Event::Passage { scan, outcome }));
    let state = bench.gate.state(bench.now);
    assert_eq!(state.areas[0].area, YARD);
    assert_eq!(state.areas[0].inside, 1);
}

#[test]
fn a_turnstile_that_does_not_turn_gives_presence_and_use_back() {
    let (mut bench, text) = bench_with_pass();
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
    bench.wait_ms(6000);
    assert!(bench.recorded().iter().any(|event| matches!(
        event,
        Event::Passage {
            outcome: PassageOutcome::NotTaken,
            ..
        }
    )));
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 0);
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant, "tries again");
}

#[test]
fn a_pass_that_went_in_must_come_out_before_it_goes_in_again() {
    let (mut bench, text) = bench_with_pass();
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(10_000);
    let again = bench.decision(ENTRY, &text);
    assert_eq!(again, Decision::Deny(DenyReason::AntiPassbackViolated));
    assert_eq!(bench.decision(EXIT, &text), Decision::Grant);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(10_000);
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
}

#[test]
fn foreign_and_forged_texts_are_refused_and_open_nothing() {
    let (mut bench, text) = bench_with_pass();
    let forged = text.replacen('A', "B", 1);
    for text in ["https://example.org", &forged] {
        assert_eq!(bench.show(ENTRY, text), None);
        assert!(matches!(
            bench.log.last(),
            Some(Happened::Shown(PanelMessage::Refused { .. }))
        ));
    }
    assert_eq!(bench.releases(), 0);
    bench.wait_ms(10_000);
    assert!(matches!(
        bench.recorded().last(),
        Some(Event::Refused { .. })
    ));
}

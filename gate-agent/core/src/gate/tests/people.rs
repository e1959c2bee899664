//! Holders with several passes, limited uses, full areas, second persons, inner doors.

use shared::{
    configuration::Configuration,
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    ids::{AreaId, HolderNumber},
    journal::{Event, PassageOutcome},
    order::{OrderAction, Subject},
    panel_api::PanelAsk,
    pass::Claims,
    policy::{AntiPassbackPolicy, SecondPersonPolicy, UnknownIssuancePolicy},
    roster::DoorNeed,
};

use crate::{
    action::DoorCommand,
    authority::{
        Authority, DAY, ENTRY, EXIT, GUARD, IssuedPass, LIBRARY, LIBRARY_DOOR, TURNSTILE,
        holder_key,
    },
    input::{DoorInput, GuardRequest},
    testing::{Bench, Happened},
};

fn bench(count: usize, change: impl Fn(&mut Claims)) -> (Bench, Vec<IssuedPass>) {
    let mut authority = Authority::new();
    let passes = (0..count)
        .map(|_| {
            let mut claims = authority.claims(&[1, 2]);
            change(&mut claims);
            authority.issue(&claims)
        })
        .collect();
    (Bench::synced(authority), passes)
}

fn configure(bench: &mut Bench, change: impl Fn(&mut Configuration)) {
    let mut configuration = bench.authority.configuration();
    change(&mut configuration);
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
}

fn enter(bench: &mut Bench, pass: &IssuedPass) -> Decision {
    let decision = bench.decision(ENTRY, &pass.text());
    if decision == Decision::Grant {
        bench.door(TURNSTILE, DoorInput::Rotated);
    }
    bench.wait_ms(10_000);
    decision
}

fn leave(bench: &mut Bench, pass: &IssuedPass) -> Decision {
    let decision = bench.decision(EXIT, &pass.text());
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(10_000);
    decision
}

#[test]
fn card_and_phone_are_one_person_where_the_roster_knows_the_holder() {
    let (mut bench, passes) = bench(2, |_| ());
    let ids = passes.iter().map(|pass| pass.id).collect();
    bench
        .store
        .roster
        .push((HolderNumber(7), "Ada".into(), ids));
    assert_eq!(enter(&mut bench, &passes[0]), Decision::Grant);
    let decided = bench.show(ENTRY, &passes[1].text()).unwrap();
    assert_eq!(
        decided.decision,
        Decision::Deny(DenyReason::AntiPassbackViolated)
    );
    assert_eq!(decided.holder, Some(HolderNumber(7)));
    assert_eq!(decided.name.as_deref(), Some("Ada"));
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 1);
}

#[test]
fn a_holder_who_needs_longer_has_the_extended_release_and_as_long_to_go_through() {
    let (mut bench, passes) = bench(1, |_| ());
    let ada = HolderNumber(7);
    bench
        .store
        .roster
        .push((ada, "Ada".into(), vec![passes[0].id]));
    bench.store.needs.push((ada, DoorNeed::ExtendedRelease));
    let doors = bench.authority.configuration().doors;
    let door = doors
        .iter()
        .find(|door| door.id == TURNSTILE)
        .unwrap()
        .clone();
    assert!(door.release_time_ms < door.extended_release_time_ms);
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), Decision::Grant);
    let for_ms = door.extended_release_time_ms;
    let released = Happened::Door(door.id, DoorCommand::Release { for_ms });
    assert!(bench.log.contains(&released), "{:?}", bench.log);
    // Behind the usual time, and taken nevertheless.
    bench.wait_ms(u64::from(for_ms) - 1_000);
    bench.door(door.id, DoorInput::Rotated);
    bench.wait_ms(10_000);
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 1);
}

#[test]
fn whoever_follows_somebody_who_needs_longer_may_go_through_as_long_as_the_door_is_released() {
    let (mut bench, passes) = bench(2, |_| ());
    let ada = HolderNumber(7);
    bench
        .store
        .roster
        .push((ada, "Ada".into(), vec![passes[0].id]));
    bench.store.needs.push((ada, DoorNeed::ExtendedRelease));
    for pass in &passes {
        assert_eq!(bench.decision(ENTRY, &pass.text()), Decision::Grant);
    }
    // Past the second one's own time.
    bench.wait_ms(9_000);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(500);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(10_000);
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 2);
}

#[test]
fn a_holder_who_becomes_known_while_inside_is_still_inside_once() {
    let (mut bench, passes) = bench(1, |_| ());
    assert_eq!(enter(&mut bench, &passes[0]), Decision::Grant);
    bench
        .store
        .roster
        .push((HolderNumber(7), "Ada".into(), vec![passes[0].id]));
    assert_eq!(
        enter(&mut bench, &passes[0]),
        Decision::Deny(DenyReason::AntiPassbackViolated)
    );
    assert_eq!(bench.decision(EXIT, &passes[0].text()), Decision::Grant);
    bench.wait_ms(10_000);
    assert_eq!(
        bench.gate.state(bench.now).areas[0].inside,
        1,
        "did not go out after all"
    );
    assert_eq!(leave(&mut bench, &passes[0]), Decision::Grant);
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 0);
}

#[test]
fn a_pass_for_two_uses_enters_twice_and_always_gets_out() {
    let (mut bench, passes) = bench(1, |claims| claims.uses_max = 2);
    let pass = &passes[0];
    for _ in 0..2 {
        assert_eq!(enter(&mut bench, pass), Decision::Grant);
        assert_eq!(leave(&mut bench, pass), Decision::Grant);
    }
    let exhausted = Decision::Deny(DenyReason::UsesExhausted);
    assert_eq!(enter(&mut bench, pass), exhausted);
    bench.restart(1000);
    assert_eq!(enter(&mut bench, pass), exhausted);
}

#[test]
fn a_use_that_was_not_taken_is_given_back() {
    let (mut bench, passes) = bench(1, |claims| claims.uses_max = 1);
    for _ in 0..3 {
        let decision = bench.decision(ENTRY, &passes[0].text());
        assert_eq!(decision, Decision::Grant);
        bench.wait_ms(10_000);
    }
    assert_eq!(enter(&mut bench, &passes[0]), Decision::Grant);
    let records = bench.store.records.iter();
    let uses: Vec<_> = records
        .filter_map(|record| match &record.event {
            Event::Scan(scan) => scan.uses,
            _ => None,
        })
        .collect();
    assert_eq!(uses, [1, 1, 1, 1]);
}

#[test]
fn a_proof_is_accepted_once_even_when_its_grant_was_not_taken() {
    let (mut bench, passes) = bench(1, |claims| {
        claims.holder_key = Some(holder_key().public());
    });
    let text = passes[0].live_text(bench.now.utc);
    assert_eq!(bench.decision(ENTRY, &text), Decision::Grant);
    bench.wait_ms(10_000);
    assert_eq!(
        bench.decision(ENTRY, &text),
        Decision::Deny(DenyReason::ProofReplayed)
    );
    bench.restart(1000);
    assert_eq!(
        bench.decision(ENTRY, &text),
        Decision::Deny(DenyReason::ProofReplayed)
    );
    let fresh = passes[0].live_text(bench.now.utc);
    assert_eq!(bench.decision(ENTRY, &fresh), Decision::Grant);
}

#[test]
fn a_screenshot_is_stale_a_minute_later() {
    let (mut bench, passes) = bench(1, |claims| {
        claims.holder_key = Some(holder_key().public());
    });
    let screenshot = passes[0].live_text(bench.now.utc);
    bench.wait_ms(60_000);
    let decided = bench.show(ENTRY, &screenshot).unwrap();
    assert_eq!(decided.decision, Decision::Deny(DenyReason::ProofStale));
    assert_eq!(decided.phone_clock_off_s, Some(-60));
}

#[test]
fn a_full_area_lets_in_when_somebody_has_left() {
    let (mut bench, passes) = bench(3, |_| ());
    configure(&mut bench, |configuration| {
        configuration.areas[1].capacity = Some(2);
    });
    assert_eq!(enter(&mut bench, &passes[0]), Decision::Grant);
    assert_eq!(enter(&mut bench, &passes[1]), Decision::Grant);
    let full = Decision::Deny(DenyReason::AreaFull);
    assert_eq!(enter(&mut bench, &passes[2]), full);
    assert_eq!(leave(&mut bench, &passes[0]), Decision::Grant);
    assert_eq!(enter(&mut bench, &passes[2]), Decision::Grant);
}

#[test]
fn reserved_places_count_before_anybody_has_gone_through() {
    let (mut bench, passes) = bench(2, |_| ());
    configure(&mut bench, |configuration| {
        configuration.areas[1].capacity = Some(1);
    });
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), Decision::Grant);
    assert_eq!(
        bench.decision(ENTRY, &passes[1].text()),
        Decision::Deny(DenyReason::AreaFull)
    );
}

#[test]
fn two_different_holders_within_the_time_open_a_door_that_asks_for_two() {
    let (mut bench, passes) = bench(2, |_| ());
    configure(&mut bench, |configuration| {
        configuration.access_points[0].second_person =
            SecondPersonPolicy::Required { within_s: 20 };
    });
    let alone = Decision::Deny(DenyReason::SecondPersonRequired);
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), alone);
    bench.wait_ms(6000);
    assert_eq!(
        bench.decision(ENTRY, &passes[0].text()),
        alone,
        "the same person twice is one person"
    );
    assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
    bench.wait_ms(10_000);
    assert_eq!(
        bench.decision(ENTRY, &passes[1].text()),
        alone,
        "each time anew"
    );
    bench.wait_ms(21_000);
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), alone, "too late");
}

#[test]
fn a_leaf_that_opens_settles_everybody_who_was_let_through() {
    let (mut bench, passes) = bench(3, |_| ());
    for pass in &passes {
        assert_eq!(enter(&mut bench, pass), Decision::Grant);
    }
    for pass in &passes[..2] {
        assert_eq!(bench.decision(LIBRARY, &pass.text()), Decision::Grant);
    }
    bench.door(LIBRARY_DOOR, DoorInput::Opened);
    assert_eq!(bench.decision(LIBRARY, &passes[2].text()), Decision::Grant);
    bench.wait_ms(10_000);
    let taken = bench.recorded().into_iter().filter(|event| {
        matches!(
            event,
            Event::Passage {
                outcome: PassageOutcome::Taken,
                ..
            }
        )
    });
    assert_eq!(taken.count(), 6);
    assert_eq!(bench.gate.state(bench.now).areas[1].inside, 3);
}

#[test]
fn whoever_is_not_known_to_be_in_the_yard_does_not_get_into_the_library() {
    let (mut bench, passes) = bench(1, |_| ());
    assert_eq!(enter(&mut bench, &passes[0]), Decision::Grant);
    assert_eq!(leave(&mut bench, &passes[0]), Decision::Grant);
    assert_eq!(
        bench.decision(LIBRARY, &passes[0].text()),
        Decision::Deny(DenyReason::AntiPassbackViolated)
    );
}

#[test]
fn somebody_who_went_on_before_the_turnstile_settled_is_not_moved_back() {
    let (mut bench, passes) = bench(1, |_| ());
    configure(&mut bench, |configuration| {
        for point in &mut configuration.access_points {
            point.anti_passback = AntiPassbackPolicy::Off;
        }
    });
    assert_eq!(bench.decision(ENTRY, &passes[0].text()), Decision::Grant);
    assert_eq!(bench.decision(LIBRARY, &passes[0].text()), Decision::Grant);
    bench.door(LIBRARY_DOOR, DoorInput::Opened);
    bench.wait_ms(10_000);
    assert_eq!(bench.gate.state(bench.now).areas[1].inside, 1);
}

#[test]
fn whereabouts_are_forgotten_when_they_no_longer_matter() {
    let (mut bench, passes) = bench(1, |_| ());
    assert_eq!(enter(&mut bench, &passes[0]), Decision::Grant);
    bench.wait_ms((DAY + 7200) * 1000);
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 0);
    assert_eq!(bench.store.memory.presences, []);
    assert_eq!(enter(&mut bench, &passes[0]), Decision::Grant);
}

#[test]
fn a_gate_without_passage_sensing_counts_a_grant_as_taken_at_once() {
    let (mut bench, passes) = bench(1, |_| ());
    configure(&mut bench, |configuration| {
        configuration.doors[0].passage = shared::configuration::PassageSensing::None;
        configuration.access_points[0].unknown_issuance = UnknownIssuancePolicy::Grant;
    });
    let decided = bench.show(ENTRY, &passes[0].text()).unwrap();
    let scan = decided.scan;
    let outcome = PassageOutcome::Taken;
    let passage = Event::Passage { scan, outcome };
    assert!(bench.recorded().contains(&passage));
    assert_eq!(bench.store.memory.reservations, []);
    assert_eq!(bench.store.memory.presences[0].area, AreaId(1));
}

#[test]
fn card_and_phone_of_a_holder_share_the_uses() {
    let (mut bench, passes) = bench(2, |claims| claims.uses_max = 2);
    let (card, phone) = (&passes[0], &passes[1]);
    let ids = passes.iter().map(|pass| pass.id).collect();
    let roster = vec![(HolderNumber(7), "Ada".into(), ids)];
    bench.store.roster.clone_from(&roster);
    assert_eq!(enter(&mut bench, card), Decision::Grant);
    assert_eq!(leave(&mut bench, card), Decision::Grant);
    assert_eq!(bench.decision(ENTRY, &phone.text()), Decision::Grant);
    bench.wait_ms(10_000);
    // It was not taken, and does not count.
    assert_eq!(enter(&mut bench, phone), Decision::Grant);
    assert_eq!(leave(&mut bench, phone), Decision::Grant);
    let exhausted = Decision::Deny(DenyReason::UsesExhausted);
    for _ in 0..2 {
        assert_eq!(enter(&mut bench, card), exhausted);
        assert_eq!(enter(&mut bench, phone), exhausted);
        bench.restart(1000);
    }
    // Without the roster each pass counts by itself, as often as it was used.
    bench.store.roster.clear();
    assert_eq!(enter(&mut bench, card), Decision::Grant);
    assert_eq!(leave(&mut bench, card), Decision::Grant);
    assert_eq!(enter(&mut bench, card), exhausted);
    bench.store.roster = roster;
    assert_eq!(enter(&mut bench, phone), exhausted);
}

#[test]
fn uses_from_before_the_roster_knew_the_holder_count() {
    let (mut bench, passes) = bench(2, |claims| claims.uses_max = 2);
    for _ in 0..2 {
        assert_eq!(enter(&mut bench, &passes[0]), Decision::Grant);
        assert_eq!(leave(&mut bench, &passes[0]), Decision::Grant);
    }
    let ids = passes.iter().map(|pass| pass.id).collect();
    bench.store.roster = vec![(HolderNumber(7), "Ada".into(), ids)];
    let exhausted = Decision::Deny(DenyReason::UsesExhausted);
    assert_eq!(enter(&mut bench, &passes[0]), exhausted);
}

#[test]
fn forgiving_a_pass_forgives_its_holder_and_the_other_way_round() {
    let (mut bench, passes) = bench(2, |_| ());
    let (card, phone) = (&passes[0], &passes[1]);
    let ids = passes.iter().map(|pass| pass.id).collect();
    assert_eq!(enter(&mut bench, card), Decision::Grant);
    // The roster comes to know the holder of a pass that is inside by itself.
    bench.store.roster = vec![(HolderNumber(7), "Ada".into(), ids)];
    let violated = Decision::Deny(DenyReason::AntiPassbackViolated);
    assert_eq!(enter(&mut bench, card), violated);
    forgive(&mut bench, Subject::Holder(HolderNumber(7)));
    assert_eq!(enter(&mut bench, card), Decision::Grant);
    assert_eq!(enter(&mut bench, phone), violated);
    forgive(&mut bench, Subject::Pass(card.id));
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 0);
    assert_eq!(enter(&mut bench, phone), Decision::Grant);
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 1);
    let subject = Subject::Pass(phone.id);
    let order = bench
        .authority
        .sign_order(OrderAction::Forgive { subject }, 600);
    bench.gate.handle_order(bench.now, order).unwrap();
    bench.run();
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 0);
}

fn forgive(bench: &mut Bench, subject: Subject) {
    let staff = GUARD;
    let ask = PanelAsk::Forgive { subject };
    let request = GuardRequest { staff, ask };
    bench.gate.handle_guard(bench.now, request).unwrap();
    bench.run();
}

#[test]
fn both_of_two_persons_are_counted() {
    let (mut bench, passes) = bench(2, |claims| claims.uses_max = 2);
    configure(&mut bench, |configuration| {
        configuration.access_points[0].second_person =
            SecondPersonPolicy::Required { within_s: 20 };
    });
    let alone = Decision::Deny(DenyReason::SecondPersonRequired);
    let both = |bench: &mut Bench| {
        assert_eq!(bench.decision(ENTRY, &passes[0].text()), alone);
        assert_eq!(bench.decision(ENTRY, &passes[1].text()), Decision::Grant);
    };
    both(&mut bench);
    assert_eq!(bench.store.memory.reservations.len(), 2);
    bench.wait_ms(20_000);
    assert_eq!(bench.store.memory.presences, [], "nobody went");
    both(&mut bench);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(1000);
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.wait_ms(20_000);
    assert_eq!(bench.gate.state(bench.now).areas[0].inside, 2);
    let uses: Vec<u32> = bench.store.memory.uses.iter().map(|it| it.uses).collect();
    assert_eq!(uses, [1, 1]);
    for pass in &passes {
        let decided = bench.show(ENTRY, &pass.text()).unwrap();
        let inside = DenyReason::AntiPassbackViolated;
        assert_eq!(decided.decision, Decision::Deny(inside));
    }
}

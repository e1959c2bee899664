//! Readers: keep looking, several codes, repeats, pictures that wait.

use shared::{
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    ids::{AccessPointId, ScanId},
    journal::Event,
    panel_api::PanelMessage,
};

use crate::{
    action::Action,
    authority::{Authority, ENTRY, EXIT, IssuedPass, SeedKey, TURNSTILE, holder_key},
    input::{DoorInput, Lookup, PresentationEnd, TextsRead},
    testing::{Bench, Happened, picture},
};

fn bench(count: usize) -> (Bench, Vec<IssuedPass>) {
    let mut authority = Authority::new();
    let passes = (0..count)
        .map(|_| {
            let claims = authority.claims(&[1]);
            authority.issue(&claims)
        })
        .collect();
    (Bench::synced(authority), passes)
}

/// A camera's frame.
fn frame(bench: &mut Bench, texts: &[&str]) {
    let read = TextsRead {
        end: PresentationEnd::MoreFramesFollow,
        ..picture(bench.now, ENTRY, texts)
    };
    bench.gate.handle_texts(bench.now, read);
    bench.run();
}

fn shown(bench: &Bench) -> Vec<&PanelMessage> {
    let shown = bench.log.iter().filter_map(|happened| match happened {
        Happened::Shown(PanelMessage::State(_)) => None,
        Happened::Shown(message) => Some(message),
        _ => None,
    });
    shown.collect()
}

fn scans(bench: &Bench) -> usize {
    let recorded = bench.recorded();
    let is_scan = |event: &&Event| matches!(event, Event::Scan(_));
    recorded.iter().filter(is_scan).count()
}

#[test]
fn a_camera_keeps_looking_for_a_second_before_it_refuses() {
    let (mut bench, _) = bench(0);
    for _ in 0..9 {
        frame(&mut bench, &["https://example.org"]);
        bench.wait_ms(100);
    }
    assert_eq!(shown(&bench), [] as [&PanelMessage; 0]);
    for _ in 0..5 {
        frame(&mut bench, &["https://example.org"]);
        bench.wait_ms(100);
    }
    let [PanelMessage::Refused { reason, .. }] = shown(&bench)[..] else {
        panic!("{:?}", shown(&bench));
    };
    assert_eq!(*reason, DenyReason::NotAPass);
}

#[test]
fn a_pass_beside_a_poster_is_taken_at_once() {
    let (mut bench, passes) = bench(1);
    frame(&mut bench, &["https://example.org", &passes[0].text()]);
    assert_eq!(scans(&bench), 1);
}

#[test]
fn a_bad_read_before_a_good_one_is_nothing() {
    let (mut bench, passes) = bench(1);
    let text = passes[0].text();
    frame(&mut bench, &[&text[..text.len() - 3]]);
    bench.wait_ms(100);
    frame(&mut bench, &[&text]);
    bench.wait_ms(20_000);
    let refused = bench.recorded();
    assert!(!refused.iter().any(|e| matches!(e, Event::Refused { .. })));
    assert_eq!(scans(&bench), 1);
}

#[test]
fn two_passes_in_one_picture_open_nothing_and_say_why() {
    let (mut bench, passes) = bench(2);
    let texts = [passes[0].text(), passes[1].text()];
    assert_eq!(bench.show_all(ENTRY, &[&texts[0], &texts[1]]), None);
    assert!(matches!(
        shown(&bench)[..],
        [PanelMessage::Unreadable { .. }]
    ));
    frame(&mut bench, &[&texts[0], &texts[1]]);
    assert_eq!(scans(&bench), 0);
    frame(&mut bench, &[&texts[0]]);
    assert_eq!(scans(&bench), 1, "until one is taken away");
    assert_eq!(bench.releases(), 1);
}

#[test]
fn of_one_pass_in_two_forms_the_better_proof_wins() {
    let mut authority = Authority::new();
    let mut claims = authority.claims(&[1]);
    claims.holder_key = Some(holder_key().public());
    let pass = authority.issue(&claims);
    let mut bench = Bench::synced(authority);
    let live = pass.live_text(bench.now.utc);
    let decided = bench.show_all(ENTRY, &[&pass.text(), &live]).unwrap();
    assert_eq!(decided.decision, Decision::Grant);
}

#[test]
fn a_pass_held_up_is_one_scan_one_record_and_one_opening() {
    let (mut bench, passes) = bench(1);
    for _ in 0..40 {
        frame(&mut bench, &[&passes[0].text()]);
        bench.wait_ms(100);
    }
    assert_eq!((scans(&bench), bench.releases()), (1, 1));
}

#[test]
fn a_pass_shown_again_within_the_time_is_told_again_and_not_decided_again() {
    let (mut bench, passes) = bench(1);
    let first = bench.show(ENTRY, &passes[0].text()).unwrap();
    bench.wait_ms(3000);
    let second = bench.show(ENTRY, &passes[0].text()).unwrap();
    assert_eq!(second.scan, first.scan);
    assert_eq!((scans(&bench), bench.releases()), (1, 1));
    assert_eq!(
        bench.decision(EXIT, &passes[0].text()),
        Decision::Grant,
        "another access point is another scan"
    );
}

#[test]
fn pictures_that_come_while_a_scan_is_under_way_wait_their_turn() {
    let (mut bench, passes) = bench(3);
    for pass in &passes {
        let read = picture(bench.now, ENTRY, &[&pass.text()]);
        bench.gate.handle_texts(bench.now, read);
    }
    bench.run();
    assert_eq!(scans(&bench), 3);
    let decided = bench
        .log
        .iter()
        .filter(|h| matches!(h, Happened::Shown(PanelMessage::Decided(_))));
    assert_eq!(decided.count(), 3);
}

#[test]
fn a_flood_of_pictures_is_bounded_and_told() {
    let (mut bench, passes) = bench(1);
    for _ in 0..100 {
        let read = picture(bench.now, ENTRY, &[&passes[0].text()]);
        bench.gate.handle_texts(bench.now, read);
    }
    bench.run();
    let unreadable = shown(&bench)
        .into_iter()
        .filter(|message| matches!(message, PanelMessage::Unreadable { .. }));
    assert_eq!(unreadable.count(), 35, "one under way, 64 wait");
    assert_eq!(scans(&bench), 1);
}

#[test]
fn every_refusal_has_its_own_reason() {
    let (mut bench, passes) = bench(1);
    let good = passes[0].text();
    let mut other = bench.authority.clone();
    other.issuer = SeedKey::new(55);
    let unknown = other.forge(&other.claims(&[1])).text();
    let flipped = if good.ends_with('0') { "1" } else { "0" };
    let altered = format!("{}{flipped}", &good[..good.len() - 1]);
    for (text, reason) in [
        ("WIFI:S:guest;;", DenyReason::NotAPass),
        ("", DenyReason::NotAPass),
        ("SP1:", DenyReason::PassMalformed),
        ("SP1:AAAA", DenyReason::PassMalformed),
        ("SP2:AAAA", DenyReason::PassVersionUnsupported),
        (&unknown, DenyReason::IssuerUnknown),
        (&altered, DenyReason::SignatureInvalid),
    ] {
        bench.log.clear();
        assert_eq!(bench.show(ENTRY, text), None, "{text}");
        let told = shown(&bench);
        let [PanelMessage::Refused { reason: found, .. }] = told[..] else {
            panic!("{text}: {told:?}");
        };
        // An altered last character may also spell no Base45 at all.
        assert!(
            *found == reason || text == altered && *found == DenyReason::PassMalformed,
            "{text}: {found:?}"
        );
    }
    assert_eq!(bench.releases(), 0);
}

#[test]
fn an_empty_picture_and_a_broken_one_are_told() {
    let (mut bench, _) = bench(0);
    bench.show_all(ENTRY, &[]);
    bench.gate.handle_unreadable(
        bench.now,
        ENTRY,
        "not a picture".into(),
        Some("a.png".into()),
    );
    bench.run();
    assert!(matches!(
        shown(&bench)[..],
        [
            PanelMessage::Unreadable { .. },
            PanelMessage::Unreadable { .. }
        ]
    ));
}

#[test]
fn a_picture_at_an_access_point_that_is_not_configured_is_refused() {
    let (mut bench, passes) = bench(1);
    assert_eq!(bench.show(AccessPointId(9), &passes[0].text()), None);
    assert!(matches!(
        shown(&bench)[..],
        [PanelMessage::Refused {
            reason: DenyReason::GateFault,
            ..
        }]
    ));
}

#[test]
fn a_lookup_that_fails_denies_with_a_fault() {
    let (mut bench, passes) = bench(1);
    let read = picture(bench.now, ENTRY, &[&passes[0].text()]);
    bench.gate.handle_texts(bench.now, read);
    let Some(Action::LookUp { scan, .. }) = bench.gate.poll_action() else {
        panic!("the store is asked");
    };
    bench
        .gate
        .handle_lookup_failed(bench.now, scan, "disk I/O error".into());
    bench.run();
    let [PanelMessage::Decided(decided)] = shown(&bench)[..] else {
        panic!("{:?}", shown(&bench));
    };
    assert_eq!(decided.decision, Decision::Deny(DenyReason::GateFault));
    assert!(
        bench
            .recorded()
            .iter()
            .any(|e| matches!(e, Event::Fault { .. }))
    );
}

#[test]
fn an_issuer_key_revoked_during_the_lookup_is_noticed() {
    let (mut bench, passes) = bench(1);
    let read = picture(bench.now, ENTRY, &[&passes[0].text()]);
    bench.gate.handle_texts(bench.now, read);
    let Some(Action::LookUp { scan, pass, digest }) = bench.gate.poll_action() else {
        panic!("the store is asked");
    };
    let mut list = bench.authority.trust_list();
    list.issuer_keys[0].state = shared::trust_list::IssuerKeyState::Revoked;
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    let issued = bench.authority.entry(pass, digest, bench.store.issued);
    let lookup = Lookup {
        issued,
        holder: None,
    };
    bench.gate.handle_lookup(bench.now, scan, lookup);
    bench.run();
    let [PanelMessage::Decided(decided)] = shown(&bench)[..] else {
        panic!("{:?}", shown(&bench));
    };
    assert_eq!(
        decided.decision,
        Decision::Deny(DenyReason::IssuerKeyRevoked)
    );
}

#[test]
fn answers_for_scans_and_commits_that_nobody_asked_for_change_nothing() {
    let (mut bench, _) = bench(0);
    let lookup = Lookup {
        issued: shared::issued_list::IssuedEntry::Issued,
        holder: None,
    };
    bench.gate.handle_lookup(bench.now, ScanId(99), lookup);
    bench
        .gate
        .handle_committed(bench.now, crate::action::CommitToken(9999));
    bench
        .gate
        .handle_commit_failed(bench.now, crate::action::CommitToken(9999), "x".into());
    bench.door(TURNSTILE, DoorInput::Rotated);
    bench.run();
    assert_eq!(bench.releases(), 0);
    assert_eq!(scans(&bench), 0);
}

#[test]
fn scan_numbers_go_on_across_restarts() {
    let (mut bench, passes) = bench(2);
    let first = bench.show(ENTRY, &passes[0].text()).unwrap();
    bench.restart(1000);
    let second = bench.show(ENTRY, &passes[1].text()).unwrap();
    assert_eq!(second.scan.0, first.scan.0 + 1);
}

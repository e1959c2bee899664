//! What TUF lists as attacks, each against the kinds that it concerns.

use shared::{
    document::DocumentRejected,
    gate_api::DocumentName,
    ids::{CentralEpoch, GateId},
    journal::{Event, SyncEvent},
    keys::sha256,
    panel_api::PanelMessage,
};

use crate::{
    action::{Action, StoredKind},
    authority::{Authority, DAY, SeedKey, T0},
    documents::{DocumentProblem, Wanted},
    gate::Gate,
    testing::{Bench, Happened},
};

fn bench() -> Bench {
    Bench::synced(Authority::new())
}

fn names(wanted: &[Wanted]) -> Vec<DocumentName> {
    wanted.iter().map(|wanted| wanted.name).collect()
}

#[test]
fn a_new_gate_asks_for_what_vouches_first_and_then_for_what_heads_name() {
    let mut bench = Bench::enrolled(Authority::new());
    assert_eq!(
        names(&bench.gate.wanted()),
        [DocumentName::RootSet, DocumentName::TrustList]
    );
    let everything = bench.authority.everything();
    for (name, bytes) in everything.iter().take(2) {
        bench.document(*name, bytes.clone()).unwrap();
    }
    assert_eq!(bench.gate.wanted(), []);
    bench.heads();
    assert_eq!(bench.log.last(), Some(&Happened::Pulled));
    let kid = bench.authority.kid();
    assert_eq!(
        names(&bench.gate.wanted()),
        [
            DocumentName::Configuration,
            DocumentName::StatusList(kid),
            DocumentName::IssuedList(kid)
        ]
    );
    for (name, bytes) in everything.into_iter().skip(2) {
        bench.document(name, bytes).unwrap();
    }
    assert_eq!(bench.gate.wanted(), []);
}

#[test]
fn a_root_set_that_the_claim_does_not_pin_is_refused() {
    let mut bench = Bench::enrolled(Authority::new());
    let mut other = Authority::new();
    other.roots = vec![SeedKey::new(77)];
    let set = other.root_set(1);
    let bytes = other.sign_root_set(&set, &[]);
    assert_eq!(
        bench.document(DocumentName::RootSet, bytes),
        Err(DocumentProblem::NotPinned)
    );
}

#[test]
fn nothing_is_in_force_before_it_is_stored() {
    let mut bench = bench();
    let before = bench.gate.held(DocumentName::Configuration);
    let configuration = bench.authority.configuration();
    let bytes = bench.authority.sign_configuration(&configuration);
    let name = DocumentName::Configuration;
    bench.gate.handle_document(bench.now, name, bytes).unwrap();
    assert_eq!(bench.gate.held(name), before);
    bench.run();
    assert_eq!(bench.gate.held(name), Some(configuration.header.number));
}

#[test]
fn a_lower_number_of_any_kind_is_refused_and_the_same_bytes_change_nothing() {
    let mut authority = Authority::new();
    let older: Vec<_> = authority.clone().everything();
    // The same content again: the numbers go on.
    let mut bench = Bench::enrolled(authority.clone());
    for (name, bytes) in older.clone() {
        bench.document(name, bytes).unwrap();
    }
    authority = bench.authority.clone();
    authority.everything();
    bench.authority = authority;
    for (name, bytes) in bench.authority.everything().into_iter().skip(1) {
        bench.document(name, bytes.clone()).unwrap();
        let records = bench.store.records.len();
        bench.document(name, bytes).unwrap();
        assert_eq!(bench.store.records.len(), records, "at hand");
    }
    for (name, bytes) in older.into_iter().skip(1) {
        let refused = bench.document(name, bytes);
        assert!(
            matches!(refused, Err(DocumentProblem::OlderThanHeld { .. })),
            "{name:?}: {refused:?}"
        );
    }
}

#[test]
fn older_heads_are_refused_and_so_is_the_same_number_with_other_bytes() {
    let mut bench = bench();
    let older = bench.authority.heads();
    let newer = bench.authority.heads();
    let bytes = |bench: &Bench, heads| bench.authority.sign_heads(heads);
    let newer_bytes = bytes(&bench, &newer);
    bench.gate.handle_heads(bench.now, newer_bytes).unwrap();
    bench.run();
    let older_bytes = bytes(&bench, &older);
    assert!(matches!(
        bench.gate.handle_heads(bench.now, older_bytes),
        Err(DocumentProblem::OlderThanHeld { .. })
    ));
    let mut changed = newer.clone();
    changed.header.made_at = changed.header.made_at.plus(1);
    let changed_bytes = bytes(&bench, &changed);
    assert_eq!(
        bench.gate.handle_heads(bench.now, changed_bytes),
        Err(DocumentProblem::OtherBytes(newer.header.number))
    );
}

#[test]
fn a_lower_number_is_refused_after_a_restart_too() {
    let mut authority = Authority::new();
    let kid = authority.kid();
    let older = authority.sign_status_list();
    let mut bench = Bench::synced(authority);
    bench.restart(1000);
    let refused = bench.document(DocumentName::StatusList(kid), older);
    assert!(matches!(
        refused,
        Err(DocumentProblem::OlderThanHeld { .. } | DocumentProblem::OlderThanHeads { .. })
    ));
}

#[test]
fn a_number_that_jumps_ahead_is_fine_within_the_epoch_and_roots_can_start_over() {
    let mut bench = bench();
    let mut ahead = bench.authority.configuration();
    ahead.header.number.n = u64::MAX;
    let bytes = bench.authority.sign_configuration(&ahead);
    bench.document(DocumentName::Configuration, bytes).unwrap();

    // Roots start a new epoch: its first number beats any of the old one.
    bench.authority.epoch = CentralEpoch(2);
    let early = bench.authority.configuration();
    let early = bench.authority.sign_configuration(&early);
    assert_eq!(
        bench.document(DocumentName::Configuration, early.clone()),
        Err(DocumentProblem::OtherEpoch {
            expected: CentralEpoch(1),
            found: CentralEpoch(2)
        })
    );
    assert_eq!(
        names(&bench.gate.wanted())[0],
        DocumentName::RootSet,
        "a later epoch is the root set's to tell"
    );
    let set = bench.authority.root_set(2);
    let bytes = bench.authority.sign_root_set(&set, &[]);
    bench.document(DocumentName::RootSet, bytes).unwrap();
    bench.document(DocumentName::Configuration, early).unwrap();
}

#[test]
fn root_sets_rotate_one_step_at_a_time_signed_by_the_old_and_the_new() {
    let mut bench = bench();
    let old = bench.authority.roots.clone();
    let second_roots = vec![SeedKey::new(21), SeedKey::new(22)];
    bench.authority.roots.clone_from(&second_roots);
    let second = bench.authority.root_set(2);
    let alone = bench.authority.sign_root_set(&second, &[]);
    assert!(matches!(
        bench.document(DocumentName::RootSet, alone),
        Err(DocumentProblem::Rejected(
            DocumentRejected::ThresholdNotReached { .. }
        ))
    ));
    bench.authority.roots = vec![SeedKey::new(31)];
    let third = bench.authority.root_set(3);
    let skipping = bench.authority.sign_root_set(&third, &old);
    assert!(matches!(
        bench.document(DocumentName::RootSet, skipping),
        Err(DocumentProblem::NotNext { .. })
    ));
    bench.authority.roots.clone_from(&second_roots);
    let bytes = bench.authority.sign_root_set(&second, &old);
    bench.document(DocumentName::RootSet, bytes).unwrap();
    bench.authority.roots = vec![SeedKey::new(31)];
    let bytes = bench.authority.sign_root_set(&third, &second_roots);
    bench.document(DocumentName::RootSet, bytes).unwrap();
    // The claim pins the first root set; what followed from it is believed after a restart.
    let identity = bench.identity();
    bench.authority.roots = old;
    assert_eq!(identity.gate, bench.authority.gate);
    bench.restart(1000);
    assert_eq!(
        bench.gate.held(DocumentName::RootSet),
        Some(third.header.number)
    );
}

#[test]
fn an_expired_document_is_refused_on_arrival() {
    let mut bench = bench();
    bench.authority.now = T0.minus(500 * DAY);
    let old = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&old);
    assert!(matches!(
        bench.document(DocumentName::TrustList, bytes),
        Err(DocumentProblem::Expired { .. })
    ));
    let heads = bench.authority.heads();
    let bytes = bench.authority.sign_heads(&heads);
    assert!(matches!(
        bench.gate.handle_heads(bench.now, bytes),
        Err(DocumentProblem::Expired { .. })
    ));
}

#[test]
fn a_document_other_than_heads_name_is_refused() {
    let mut bench = bench();
    let kid = bench.authority.kid();
    let name = DocumentName::StatusList(kid);
    let mut liar = bench.authority.clone();
    let honest = bench.authority.sign_status_list();
    bench.heads();
    liar.status.revoked = vec![1];
    let forged = liar.sign_status_list();
    assert!(matches!(
        bench.document(name, forged),
        Err(DocumentProblem::OtherThanHeads(_))
    ));
    bench.document(name, honest).unwrap();
    assert_eq!(bench.gate.wanted(), []);
}

#[test]
fn a_document_older_than_heads_name_is_refused_although_newer_than_held() {
    let mut bench = bench();
    let between = bench.authority.sign_status_list();
    bench.authority.sign_status_list();
    bench.heads();
    let name = DocumentName::StatusList(bench.authority.kid());
    assert!(matches!(
        bench.document(name, between),
        Err(DocumentProblem::OlderThanHeads { .. })
    ));
}

#[test]
fn a_document_for_another_gate_or_issuer_or_by_another_key_is_refused() {
    let mut bench = bench();
    let mut configuration = bench.authority.configuration();
    configuration.gate = GateId([66; 16]);
    let bytes = bench.authority.sign_configuration(&configuration);
    assert_eq!(
        bench.document(DocumentName::Configuration, bytes),
        Err(DocumentProblem::OtherGate(GateId([66; 16])))
    );
    let list = bench.authority.sign_status_list();
    let other = SeedKey::new(88).public().kid();
    assert!(matches!(
        bench.document(DocumentName::StatusList(other), list),
        Err(DocumentProblem::OtherIssuer { .. })
    ));
    let status_list = bench.authority.sign_status_list();
    assert!(bench.document(DocumentName::Roster, status_list).is_err());
    bench.authority.statement = SeedKey::new(33);
    let stolen = bench.authority.sign_status_list();
    let name = DocumentName::StatusList(bench.authority.kid());
    assert!(matches!(
        bench.document(name, stolen),
        Err(DocumentProblem::Rejected(DocumentRejected::KeyUnknown(_)))
    ));
}

#[test]
fn a_statement_by_an_unknown_key_makes_the_gate_look_for_the_trust_list() {
    let mut bench = bench();
    bench.authority.statement = SeedKey::new(33);
    let heads = bench.authority.heads();
    let bytes = bench.authority.sign_heads(&heads);
    assert!(bench.gate.handle_heads(bench.now, bytes).is_err());
    bench.run();
    assert_eq!(names(&bench.gate.wanted()), [DocumentName::TrustList]);
    assert!(bench.log.contains(&Happened::Pulled));
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    assert_eq!(bench.gate.wanted(), []);
    bench.heads();
}

#[test]
fn a_trust_list_by_an_unknown_registrar_makes_the_gate_look_for_the_root_set() {
    let mut bench = bench();
    bench.authority.registrar = SeedKey::new(44);
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    assert!(
        bench
            .document(DocumentName::TrustList, bytes.clone())
            .is_err()
    );
    assert_eq!(names(&bench.gate.wanted())[0], DocumentName::RootSet);
    let set = bench.authority.root_set(2);
    let root_set = bench.authority.sign_root_set(&set, &[]);
    bench.document(DocumentName::RootSet, root_set).unwrap();
    assert_eq!(names(&bench.gate.wanted()), [DocumentName::TrustList]);
    bench.document(DocumentName::TrustList, bytes).unwrap();
}

#[test]
fn a_configuration_waits_for_the_trust_list_it_was_made_for() {
    let mut bench = bench();
    let list = bench.authority.trust_list();
    let list = bench.authority.sign_trust_list(&list);
    let configuration = bench.authority.configuration();
    let configuration = bench.authority.sign_configuration(&configuration);
    let name = DocumentName::Configuration;
    assert!(matches!(
        bench.document(name, configuration.clone()),
        Err(DocumentProblem::TrustListTooOld { .. })
    ));
    bench.document(DocumentName::TrustList, list).unwrap();
    bench.document(name, configuration).unwrap();
}

#[test]
fn a_refusal_is_recorded_once_and_not_at_each_pull() {
    let mut bench = bench();
    bench.authority.now = T0.minus(500 * DAY);
    let old = bench.authority.sign_status_list();
    let name = DocumentName::StatusList(bench.authority.kid());
    for _ in 0..5 {
        assert!(bench.document(name, old.clone()).is_err());
    }
    let refused = bench
        .recorded()
        .into_iter()
        .filter(|event| matches!(event, Event::Sync(SyncEvent::DocumentRefused { .. })));
    assert_eq!(refused.count(), 1);
}

#[test]
fn a_document_that_could_not_be_stored_is_asked_for_again() {
    let mut bench = bench();
    let name = DocumentName::StatusList(bench.authority.kid());
    let held = bench.gate.held(name);
    let bytes = bench.authority.sign_status_list();
    bench.heads();
    bench.store.mode = crate::testing::StoreMode::Fails;
    bench.document(name, bytes.clone()).unwrap();
    assert_eq!(bench.gate.held(name), held);
    assert_eq!(names(&bench.gate.wanted()), [name]);
    bench.store.mode = crate::testing::StoreMode::Works;
    bench.document(name, bytes).unwrap();
    assert_eq!(bench.gate.wanted(), []);
}

#[test]
fn garbage_is_refused_under_every_name_and_nothing_changes() {
    let mut bench = bench();
    let kid = bench.authority.kid();
    for name in [
        DocumentName::RootSet,
        DocumentName::TrustList,
        DocumentName::Configuration,
        DocumentName::Roster,
        DocumentName::StatusList(kid),
        DocumentName::IssuedList(kid),
    ] {
        let held = bench.gate.held(name);
        for bytes in [vec![], vec![0xff; 40], vec![0x84; 1 << 16]] {
            assert!(bench.document(name, bytes).is_err());
        }
        assert_eq!(bench.gate.held(name), held);
    }
    assert!(bench.gate.handle_heads(bench.now, vec![1, 2]).is_err());
    assert!(bench.gate.handle_order(bench.now, vec![1, 2]).is_err());
    assert!(bench.gate.handle_clock_reset(bench.now, vec![]).is_err());
}

#[test]
fn what_withdraws_a_statement_key_withdraws_what_it_signed() {
    let mut authority = Authority::new();
    let claims = authority.claims(&[1]);
    let pass = authority.issue(&claims);
    let mut bench = Bench::synced(authority);
    bench.authority.statement = SeedKey::new(33);
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    let decided = bench.show(crate::authority::ENTRY, &pass.text()).unwrap();
    assert_eq!(
        decided.decision,
        shared::decision::Decision::Deny(shared::decision::DenyReason::IssuanceUnknown)
    );
    assert!(
        decided
            .also
            .contains(&shared::decision::DenyReason::ConfigurationExpired)
    );
    assert!(
        decided
            .also
            .contains(&shared::decision::DenyReason::StatusUnknown)
    );
}

#[test]
fn a_damaged_document_in_the_store_is_left_out_told_and_pulled_again() {
    let mut bench = bench();
    let kind = StoredKind::Named(DocumentName::StatusList(bench.authority.kid()));
    let at = bench
        .store
        .documents
        .iter()
        .position(|document| document.kind == kind)
        .unwrap();
    let good = bench.store.documents[at].bytes.clone();
    bench.store.documents[at].bytes[60] ^= 1;
    bench.restart(1000);
    let name = DocumentName::StatusList(bench.authority.kid());
    assert_eq!(names(&bench.gate.wanted()), [name]);
    assert!(bench.recorded().iter().any(|event| matches!(
        event,
        Event::Sync(SyncEvent::DocumentRefused { reason, .. }) if reason.starts_with("stored")
    )));
    bench.document(name, good).unwrap();
    assert_eq!(bench.gate.wanted(), []);
}

#[test]
fn a_damaged_root_set_stops_the_start_with_what_to_do() {
    let mut bench = bench();
    let kind = StoredKind::Named(DocumentName::RootSet);
    let mut stored = bench.store.documents.iter_mut();
    let set = stored.find(|document| document.kind == kind);
    set.unwrap().bytes[60] ^= 1;
    let refused = Gate::start(
        bench.now,
        crate::testing::loaded(bench.identity(), &bench.store),
    );
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("enrol this gate again"), "{message}");
}

#[test]
fn a_new_configuration_changes_the_doors_and_keeps_what_stays() {
    let mut bench = bench();
    let mut smaller = bench.authority.configuration();
    smaller.access_points.truncate(2);
    smaller.doors.truncate(1);
    smaller.access_levels.retain(|level| level.id.0 != 2);
    let bytes = bench.authority.sign_configuration(&smaller);
    assert_eq!(bench.gate.state(bench.now).doors.len(), 2);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    assert_eq!(bench.gate.state(bench.now).doors.len(), 1);
    let shown = bench.log.iter().rev().find_map(|happened| match happened {
        Happened::Shown(PanelMessage::State(state)) => Some(state.doors.len()),
        _ => None,
    });
    assert_eq!(shown, Some(1));
}

#[test]
fn stored_bytes_are_the_very_bytes_that_came() {
    let mut bench = bench();
    let bytes = bench.authority.sign_status_list();
    let name = DocumentName::StatusList(bench.authority.kid());
    bench
        .gate
        .handle_document(bench.now, name, bytes.clone())
        .unwrap();
    let stored = core::iter::from_fn(|| bench.gate.poll_action()).find_map(|action| match action {
        Action::Commit(commit) => commit.documents.first().cloned(),
        _ => None,
    });
    assert_eq!(sha256(&stored.unwrap().bytes), sha256(&bytes));
}

#[test]
fn a_roster_is_kept_by_the_store_and_renews_no_freshness_when_it_lags() {
    let mut bench = bench();
    let roster = bench
        .authority
        .sign_roster(&[(7, "Ada", vec![]), (8, "Grace", vec![])]);
    bench.wait_ms(7_200_000);
    bench.heads();
    assert_eq!(names(&bench.gate.wanted()), [DocumentName::Roster]);
    assert_eq!(
        bench.gate.freshness(bench.now),
        shared::decision::FreshnessStep::Fresh,
        "it bears on no decision"
    );
    bench.document(DocumentName::Roster, roster).unwrap();
    assert_eq!(bench.gate.wanted(), []);
    let held = bench.gate.held(DocumentName::Roster);
    bench.restart(1000);
    assert_eq!(bench.gate.held(DocumentName::Roster), held);
}

#[test]
fn refusals_that_take_turns_do_not_fill_the_journal() {
    let mut bench = bench();
    let forged = {
        let mut other = bench.authority.clone();
        other.statement = SeedKey::new(99);
        other.now = bench.now.utc;
        other
    };
    let before = bench.store.records.len();
    for n in 0..100u8 {
        let name = DocumentName::StatusList(bench.authority.kid());
        let mut other = forged.clone();
        other.statement = SeedKey::new(100 + n % 100);
        let bytes = other.sign_status_list();
        assert!(bench.document(name, bytes).is_err());
        assert!(bench.document(name, vec![n; 5]).is_err());
        let time = other.sign_time([1; 16]);
        let answer = bench.gate.handle_signed_time(bench.now, &time, [1; 16]);
        assert!(answer.is_err());
        let position = shared::ids::JournalPosition {
            epoch: shared::ids::JournalEpoch(1),
            seq: 1,
        };
        let acknowledgement = other.sign_acknowledgement(position, shared::ids::Digest([0; 32]));
        let answer = bench
            .gate
            .handle_acknowledgement(bench.now, &acknowledgement);
        assert!(answer.is_err());
        let answer = bench.gate.handle_clock_reset(bench.now, vec![n; 5]);
        assert!(answer.is_err());
        bench.run();
    }
    let told = bench.store.records.len() - before;
    assert!((5..=6).contains(&told), "{told} records");
    // Who looks the next day sees that it goes on.
    bench.wait_ms(11 * 60_000);
    let before = bench.store.records.len();
    let name = DocumentName::StatusList(bench.authority.kid());
    assert!(bench.document(name, vec![1; 5]).is_err());
    assert!(bench.store.records.len() > before);
}

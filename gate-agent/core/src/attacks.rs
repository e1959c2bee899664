//! Attacks on the machine as a whole: whoever holds a stolen key, keeps documents back, or is
//! quick enough to act between a decision and its commit.

mod old_sticks;
mod races;
mod stolen_keys;

use shared::{
    configuration::Configuration,
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    ids::{AccessPointId, ScanId},
    issued_list::{Growth, IssuedEntry},
    journal::{DoorEvent, Event, PassageOutcome},
    order::{OrderAction, Subject},
    panel_api::PanelAsk,
    policy::{UnknownIssuancePolicy, UnknownOutcomePolicy, UnknownStatusPolicy},
    time::UtcSeconds,
};

use crate::{
    action::{Action, Commit, DoorCommand},
    authority::{
        Authority, DAY, ENTRY, EXIT, GUARD, IssuedPass, LIBRARY_DOOR, SUPERVISOR, SeedKey, T0,
        TURNSTILE, YARD,
    },
    documents::DocumentProblem,
    input::{DoorInput, GuardRequest, Lookup, PresentationEnd, TextsRead},
    memory::{Lockdown, PassUse, Presence, Reservation},
    testing::{Bench, StoreMode},
};

const REVOKED: Decision = Decision::Deny(DenyReason::PassRevoked);

/// Issues passes of level 1; the first is revoked, all others are not.
fn authority_with_passes(count: u32) -> (Authority, Vec<IssuedPass>) {
    let mut authority = Authority::new();
    let passes = (0..count)
        .map(|_| {
            let claims = authority.claims(&[1]);
            authority.issue(&claims)
        })
        .collect();
    authority.status.revoked = vec![0];
    (authority, passes)
}

/// The most trusting policies that there are.
fn trusting(authority: &mut Authority) -> Configuration {
    let mut configuration = authority.configuration();
    for point in &mut configuration.access_points {
        point.unknown_status = UnknownStatusPolicy::GrantFor { max_age_s: DAY };
        point.unknown_issuance = UnknownIssuancePolicy::Grant;
    }
    configuration
}

fn configure(bench: &mut Bench, change: impl Fn(&mut Configuration)) {
    let mut configuration = bench.authority.configuration();
    change(&mut configuration);
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    bench.heads();
}

/// Central has a new statement key; everything but the lists is signed anew.
fn rotate_statement_key(bench: &mut Bench) {
    bench.authority.statement = SeedKey::new(33);
    let list = bench.authority.trust_list();
    let bytes = bench.authority.sign_trust_list(&list);
    bench.document(DocumentName::TrustList, bytes).unwrap();
    let configuration = trusting(&mut bench.authority);
    let bytes = bench.authority.sign_configuration(&configuration);
    bench.document(DocumentName::Configuration, bytes).unwrap();
    bench.heads();
}

/// Does everything but answer commits; returns those.
fn hold_commits(bench: &mut Bench) -> Vec<Commit> {
    let mut held = vec![];
    while let Some(action) = bench.gate.poll_action() {
        match action {
            Action::LookUp { scan, .. } => {
                let issued = IssuedEntry::Issued;
                let lookup = Lookup {
                    issued,
                    holder: None,
                };
                bench.gate.handle_lookup(bench.now, scan, lookup);
            }
            Action::Commit(commit) => held.push(commit),
            Action::Door { door, command } => {
                bench
                    .log
                    .push(crate::testing::Happened::Door(door, command));
            }
            Action::Show(_) | Action::Acknowledged(_) | Action::Pull => {}
        }
    }
    held
}

fn answer(bench: &mut Bench, commits: Vec<Commit>) {
    for commit in commits {
        bench.store.write(&commit, &bench.authority);
        bench.gate.handle_committed(bench.now, commit.token);
    }
    bench.run();
}

fn show_without_answer(bench: &mut Bench, at: AccessPointId, text: &str) -> Vec<Commit> {
    let read = picture(bench, at, text);
    bench.gate.handle_texts(bench.now, read);
    hold_commits(bench)
}

fn picture(bench: &Bench, at: AccessPointId, text: &str) -> TextsRead {
    TextsRead {
        access_point: at,
        texts: vec![text.to_owned()],
        taken_at: bench.now.uptime,
        end: PresentationEnd::SourceHasNoMoreFrames,
        source: None,
    }
}

fn order(bench: &mut Bench, action: OrderAction) {
    let bytes = bench.authority.sign_order(action, 600);
    bench.gate.handle_order(bench.now, bytes).unwrap();
}

fn guard(bench: &mut Bench, staff: shared::ids::StaffNumber, ask: PanelAsk) {
    let request = GuardRequest { staff, ask };
    bench.gate.handle_guard(bench.now, request).unwrap();
}

fn let_in() -> PanelAsk {
    PanelAsk::LetIn {
        access_point: ENTRY,
        scan: None,
        reason: "forgot the card".into(),
        name: None,
    }
}

/// Both clocks move on, and no timer is served.
fn pass_4_s(bench: &mut Bench) {
    bench.now.utc = bench.now.utc.plus(4);
    bench.now.uptime = bench.now.uptime.plus_ms(4000);
    bench.authority.now = bench.now.utc;
}

//! The loop with the real store, the real core, simulated doors and an authority in memory. The
//! test is reader, panel and network.

pub(crate) mod rig;

use std::time::Duration;

use gate_core::input::DoorInput;
use shared::{
    configuration::LockType,
    decision::{Decision, DenyReason},
    gate_api::DocumentName,
    ids::ScanId,
    journal::{DoorAlarm, DoorEvent, Event, GuardAction, PassageOutcome},
    order::OrderAction,
    panel_api::{Link, LockState, PanelAnswer, PanelAsk, PanelMessage, PanelState, ReaderHint},
};

use super::*;
use crate::{
    decoder::Hint,
    reader::ReaderState,
    store::journal::JournalLimits,
    sync::{SignedInput, SyncAsk},
};
use rig::{Driver, ENTRY, EXIT, GUARD, PIN, Rig, SUPERVISOR, TURNSTILE};

#[tokio::test]
async fn a_valid_pass_is_recorded_and_only_then_is_the_door_released() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.pull_everything().await;
    rig.show(ENTRY, &pass.text()).await;
    let decided = rig.decided().await;
    assert_eq!(decided.decision, Decision::Grant);
    assert_eq!(decided.pass, pass.id);
    assert_eq!(rig.passage().await, (decided.scan, PassageOutcome::Taken));
    let rig = rig.stop().await;
    let events = rig.events();
    let scan = events
        .iter()
        .position(|event| matches!(event, Event::Scan(_)));
    let passage = events
        .iter()
        .position(|event| matches!(event, Event::Passage { .. }));
    assert!(scan.unwrap() < passage.unwrap());
    assert!(matches!(events.first(), Some(Event::Started { .. })));
    assert_eq!(events.last(), Some(&Event::Stopped));
    assert_eq!(rig.releases(), 1);
}

#[tokio::test]
async fn a_revoked_pass_and_a_foreign_text_are_denied_and_open_nothing() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.authority.status.revoked = vec![pass.id.serial.0];
    rig.pull_everything().await;
    rig.show(ENTRY, &pass.text()).await;
    let decided = rig.decided().await;
    assert_eq!(decided.decision, Decision::Deny(DenyReason::PassRevoked));
    rig.show(ENTRY, "https://example.org").await;
    let refused = rig
        .heard(|message| match message {
            PanelMessage::Refused { reason, .. } => Some(*reason),
            _ => None,
        })
        .await;
    assert_eq!(refused, DenyReason::NotAPass);
    let rig = rig.stop().await;
    assert_eq!(rig.releases(), 0);
}

#[tokio::test]
async fn a_digest_that_was_never_issued_is_found_by_one_read() {
    let mut rig = Rig::start().await;
    let honest = rig.authority.issue(&rig.authority.claims(&[1]));
    let mut claims = rig.authority.claims(&[1, 2]);
    claims.serial = honest.id.serial;
    let forged = rig.authority.forge(&claims);
    rig.pull_everything().await;
    rig.show(ENTRY, &forged.text()).await;
    let decided = rig.decided().await;
    assert_eq!(decided.decision, Decision::Deny(DenyReason::PassNotIssued));
    rig.stop().await;
}

#[tokio::test]
async fn a_journal_that_is_full_denies_and_the_gate_goes_on() {
    let limits = JournalLimits {
        records: 20,
        ordinary_records: 18,
        prune_step: 5,
    };
    let mut rig = Rig::start_with(limits).await;
    let passes: Vec<_> = (0..20)
        .map(|_| rig.authority.issue(&rig.authority.claims(&[1])))
        .collect();
    rig.pull_everything().await;
    let mut denied = 0;
    for pass in passes {
        rig.show(ENTRY, &pass.text()).await;
        match rig.decided().await.decision {
            Decision::Grant => assert_eq!(denied, 0, "no grant behind a full journal"),
            Decision::Deny(reason) => {
                assert_eq!(reason, DenyReason::GateFault);
                denied += 1;
            }
        }
    }
    assert!(denied > 0);
    let state = rig.state().await;
    let is_told = |word: &str| state.faults.iter().any(|fault| fault.contains(word));
    assert!(is_told("not acknowledged"), "{:?}", state.faults);
    let rig = rig.stop().await;
    let events = rig.events();
    let granted = events
        .iter()
        .filter(|event| matches!(event, Event::Scan(scan) if scan.decision == Decision::Grant));
    assert_eq!(rig.releases(), granted.count());
}

#[tokio::test]
async fn a_guard_signs_in_by_pin_and_lets_somebody_in() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let let_in = || PanelAsk::LetIn {
        access_point: ENTRY,
        scan: None,
        reason: "forgot the pass".into(),
        name: Some("Ada".into()),
    };
    let sign_in = |pin: &str| PanelAsk::SignIn {
        staff: GUARD,
        pin: pin.into(),
    };
    assert!(
        matches!(rig.ask(let_in()).await, PanelAnswer::Refused { why } if why.contains("sign in"))
    );
    assert!(matches!(
        rig.ask(sign_in("0000")).await,
        PanelAnswer::Refused { .. }
    ));
    assert_eq!(rig.ask(sign_in(PIN)).await, PanelAnswer::Done);
    assert_eq!(rig.state().await.staff, Some(GUARD));
    assert_eq!(rig.ask(let_in()).await, PanelAnswer::Done);
    assert!(matches!(
        rig.ask(PanelAsk::EndLockdown).await,
        PanelAnswer::Refused { why } if why.contains("supervisor")
    ));
    assert_eq!(rig.ask(PanelAsk::SignOut).await, PanelAnswer::Done);
    let rig = rig.stop().await;
    assert_eq!(rig.releases(), 1);
    let guard: Vec<_> = rig
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Guard { action, .. } => Some(action),
            _ => None,
        })
        .collect();
    let let_in = GuardAction::LetIn {
        access_point: ENTRY,
        scan: None,
    };
    assert_eq!(
        guard,
        [
            GuardAction::PinRefused,
            GuardAction::SignedIn,
            let_in,
            GuardAction::SignedOut
        ]
    );
}

#[tokio::test]
async fn an_order_locks_the_gate_down_and_a_restart_keeps_it_so() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.pull_everything().await;
    let order = rig.authority.sign_order(OrderAction::LockDown, 600);
    rig.to_loop
        .hand_over(SignedInput::Order, order)
        .await
        .unwrap();
    rig.show(ENTRY, &pass.text()).await;
    let locked_down = Decision::Deny(DenyReason::DoorLockedDown);
    assert_eq!(rig.decided().await.decision, locked_down);
    let mut rig = rig.stop().await.start_again().await;
    rig.show(ENTRY, &pass.text()).await;
    assert_eq!(rig.decided().await.decision, locked_down);
    rig.sign_in(SUPERVISOR).await;
    assert_eq!(rig.ask(PanelAsk::EndLockdown).await, PanelAnswer::Done);
    rig.show(EXIT, &pass.text()).await;
    assert_eq!(rig.decided().await.decision, Decision::Grant);
    rig.stop().await;
}

#[tokio::test]
async fn signed_bytes_are_answered_once_they_are_stored_and_bad_ones_are_refused() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let refused = rig
        .to_loop
        .hand_over(SignedInput::Heads, b"garbage".to_vec())
        .await;
    assert!(matches!(refused, Err(crate::sync::NotTaken::Refused(_))));
    let status_list = rig.authority.sign_status_list();
    let kind = SignedInput::Document(DocumentName::StatusList(rig.authority.kid()));
    rig.to_loop
        .hand_over(kind, status_list.clone())
        .await
        .unwrap();
    let rig = rig.stop().await;
    assert!(
        rig.stored()
            .iter()
            .any(|document| document.bytes == status_list)
    );
}

#[tokio::test]
async fn a_lock_of_which_file_and_central_say_different_things_is_a_fault_until_they_agree() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let is_told = |state: &PanelState| {
        let words = [
            "lock of door 1",
            "fail_secure",
            "central says that it is fail-safe",
        ];
        let mut faults = state.faults.iter();
        faults.any(|fault| words.iter().all(|word| fault.contains(word)))
    };
    let is_faulty = |state: &PanelState| {
        let door = state.doors.iter().find(|it| it.door == TURNSTILE);
        door.unwrap().alarms.contains(&DoorAlarm::Fault)
    };
    let state = rig.state().await;
    assert!(!is_told(&state) && !is_faulty(&state));
    for (lock, differs) in [(LockType::FailSafe, true), (LockType::FailSecure, false)] {
        let mut configuration = rig.authority.configuration();
        let doors = configuration.doors.iter_mut();
        let mut turnstile = doors.filter(|it| it.id == TURNSTILE);
        turnstile.next().unwrap().lock = lock;
        let signed = rig.authority.sign_configuration(&configuration);
        let kind = SignedInput::Document(DocumentName::Configuration);
        rig.to_loop.hand_over(kind, signed).await.unwrap();
        let state = rig.state().await;
        assert_eq!(is_told(&state), differs, "{:?}", state.faults);
        assert_eq!(is_faulty(&state), differs);
    }
}

#[tokio::test]
async fn what_of_a_configuration_needs_a_restart_is_said_until_the_configuration_fits() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let of_wiring = async |rig: &mut Rig| {
        let faults = rig.state().await.faults;
        let mut faults = faults.into_iter();
        faults.find(|fault| fault.contains("wiring"))
    };
    assert_eq!(of_wiring(&mut rig).await, None);
    let mut more = rig.authority.configuration();
    let mut second = more.access_points[0].clone();
    second.id = AccessPointId(40);
    more.access_points.retain(|point| point.id != EXIT);
    more.access_points.push(second);
    for level in &mut more.access_levels {
        level.grants.retain(|grant| grant.access_point != EXIT);
    }
    let fitting = rig.authority.configuration();
    for (configuration, is_told) in [(more, true), (fitting, false)] {
        let mut configuration = configuration;
        configuration.header = rig.authority.configuration().header;
        let signed = rig.authority.sign_configuration(&configuration);
        let kind = SignedInput::Document(DocumentName::Configuration);
        rig.to_loop.hand_over(kind, signed).await.unwrap();
        let fault = of_wiring(&mut rig).await;
        assert_eq!(fault.is_some(), is_told, "{fault:?}");
        if let Some(fault) = fault {
            for words in [
                "access point 40",
                "[[readers]]",
                "restarted",
                "reader at access point 2",
            ] {
                assert!(fault.contains(words), "{fault}");
            }
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_door_that_is_not_wired_is_a_fault_and_a_silent_sync_is_no_trouble() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let state = rig.state().await;
    assert!(
        state
            .faults
            .iter()
            .any(|fault| fault.contains("door 2") && fault.contains("[[doors]]")),
        "{:?}",
        state.faults
    );
    assert_eq!(state.link, Link::Down);
    rig.tell(SyncInput::Link(Link::Up)).await;
    rig.ask_core(SyncAsk::Heads).await;
    assert_eq!(rig.state().await.link, Link::Up);
    let health = rig.ask_core(SyncAsk::Health).await;
    assert!(health.configuration.is_some(), "{health:?}");
    assert!(!health.problems.is_empty(), "{health:?}");
    rig.stop().await;
}

/// Lamps of people who are refused must not use up the places of commands that move the lock.
#[tokio::test]
async fn people_refused_while_a_driver_is_slow_do_not_silence_the_door() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.pull_everything().await;
    rig.driver(Driver::Hangs);
    for n in 0..40 {
        rig.show(EXIT, &format!("a poster, {n}")).await;
        rig.show(ENTRY, &format!("another poster, {n}")).await;
    }
    rig.show(ENTRY, &pass.text()).await;
    assert_eq!(rig.decided().await.decision, Decision::Grant);
    assert!(!is_silent(&rig.state().await));
    rig.driver(Driver::Drives);
    assert_eq!(rig.passage().await.1, PassageOutcome::Taken);
    rig.stop().await;
}

#[tokio::test]
async fn a_driver_that_hangs_is_a_fault_until_it_drives_again() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.pull_everything().await;
    rig.driver(Driver::Hangs);
    while !is_silent(&rig.state().await) {
        rig.sensor(TURNSTILE, DoorInput::RequestToExit).await;
    }
    rig.show(ENTRY, &pass.text()).await;
    let decided = rig.decided().await;
    assert_eq!(decided.decision, Decision::Deny(DenyReason::GateFault));
    rig.driver(Driver::Drives);
    while is_silent(&rig.state().await) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.show(ENTRY, &pass.text()).await;
    assert_eq!(rig.decided().await.decision, Decision::Grant);
    rig.stop().await;
}

fn is_silent(state: &PanelState) -> bool {
    let mut faults = state.faults.iter();
    faults.any(|fault| fault.contains("takes no commands"))
}

#[tokio::test]
async fn a_door_forced_open_is_an_urgent_record_and_an_alarm() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    rig.sensor(TURNSTILE, DoorInput::TamperRaised).await;
    rig.heard(|message| match message {
        PanelMessage::State(state) => state
            .doors
            .iter()
            .any(|door| !door.alarms.is_empty())
            .then_some(()),
        _ => None,
    })
    .await;
    assert!(
        rig.state()
            .await
            .doors
            .iter()
            .all(|door| door.lock == LockState::Locked)
    );
    let rig = rig.stop().await;
    let events = rig.events();
    let alarm = |event: &Event| {
        matches!(
            event,
            Event::Door {
                event: DoorEvent::AlarmRaised(_),
                ..
            }
        )
    };
    assert!(events.iter().any(alarm));
}

#[tokio::test]
async fn a_slow_panel_is_let_go_and_the_others_hear_on() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.pull_everything().await;
    let (slow, mut never_read) = tokio::sync::mpsc::channel(1);
    rig.connect(crate::panel::PanelId(77), slow).await;
    for _ in 0..3 {
        rig.ask(PanelAsk::State).await;
        rig.show(ENTRY, &pass.text()).await;
        rig.decided().await;
        rig.tell(SyncInput::Link(Link::Up)).await;
        rig.tell(SyncInput::Link(Link::Down)).await;
    }
    rig.state().await;
    let mut received = 0;
    while never_read.recv().await.is_some() {
        received += 1;
    }
    assert!(received <= 1, "{received} messages");
    rig.stop().await;
}

#[tokio::test]
async fn a_decoder_that_fails_is_a_fault_of_its_access_point_alone() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let at_entry = format!("decoder at access point {ENTRY}");
    let is_failing = |state: PanelState| state.faults.iter().any(|it| it.contains(&at_entry));
    for n in 0..3 {
        rig.show_frame(ENTRY, Some(&format!("it died, {n}"))).await;
        rig.show_frame(EXIT, None).await;
        assert!(is_failing(rig.state().await));
    }
    rig.show_frame(ENTRY, None).await;
    assert!(!is_failing(rig.state().await));
    let events = rig.stop().await.events();
    let told = events
        .iter()
        .filter(|event| matches!(event, Event::Fault { part, .. } if part.starts_with("decoder")));
    assert_eq!(told.count(), 2, "once that it fails, once that it works");
}

#[tokio::test]
async fn an_acknowledgement_that_is_not_taken_is_a_fault_until_one_is() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let end = rig.store.tail().borrow().last;
    let acknowledge = async |rig: &Rig, hash| {
        let bytes = rig.authority.sign_acknowledgement(end.position, hash);
        let kind = SignedInput::Acknowledgement;
        rig.to_loop.hand_over(kind, bytes).await.unwrap();
    };
    let faults = async |rig: &mut Rig| {
        let faults = rig.state().await.faults;
        faults.iter().any(|it| it.contains("forked"))
    };
    acknowledge(&rig, shared::ids::Digest([9; 32])).await;
    while !faults(&mut rig).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    acknowledge(&rig, end.hash).await;
    let clock = crate::clock::Clock::system();
    let since = clock.uptime();
    while faults(&mut rig).await {
        assert!(clock.uptime().since_ms(since) < 20_000, "the fault stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn sync_has_its_turn_while_readers_and_panels_never_pause() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let told = rig.crowd(ENTRY, Link::Up).await;
    assert_eq!(told.last(), Some(&Link::Up), "it is heard before the last");
    rig.stop().await;
}

#[tokio::test]
async fn a_reader_that_fails_is_shown_and_the_gate_goes_on() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.pull_everything().await;
    let tell = async |rig: &Rig, problem: Option<&str>| {
        let state = ReaderState {
            access_point: EXIT,
            problem: problem.map(str::to_owned),
        };
        rig.readers.send(state).await.unwrap();
        rig.ask_core(SyncAsk::Heads).await;
    };
    let at_exit = format!("reader at access point {EXIT}: the folder is gone");
    tell(&rig, Some("the folder is gone")).await;
    let faults = rig.state().await.faults;
    assert!(faults.contains(&at_exit), "{faults:?}");
    rig.show(ENTRY, &pass.text()).await;
    assert_eq!(rig.decided().await.decision, Decision::Grant);
    tell(&rig, None).await;
    assert!(!rig.state().await.faults.contains(&at_exit));
    rig.stop().await;
}

#[tokio::test]
async fn panels_are_told_what_would_help_the_holder_and_when_it_would_no_more() {
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let hint_of = |state: &PanelState, access_point| {
        let mut points = state.access_points.iter();
        points
            .find(|point| point.access_point == access_point)
            .unwrap()
            .hint
    };
    let hints = [
        (Hint::SeveralCodes, ReaderHint::SeveralCodes),
        (Hint::TooNear, ReaderHint::TooNear),
        (Hint::TooFar, ReaderHint::TooFar),
        (Hint::TooDim, ReaderHint::TooDim),
        (Hint::Blurred, ReaderHint::Blurred),
    ];
    for (seen, shown) in hints {
        rig.hint(ENTRY, &[seen]).await;
        // Not asked for: whoever listens hears it by itself.
        let told = rig.heard(|message| match message {
            PanelMessage::State(state) => hint_of(state, ENTRY),
            _ => None,
        });
        assert_eq!(told.await, shown);
        assert_eq!(hint_of(&rig.state().await, EXIT), None);
    }
    rig.hint(ENTRY, &[]).await;
    let is_told = rig.heard(|message| match message {
        PanelMessage::State(state) => hint_of(state, ENTRY).is_none().then_some(()),
        _ => None,
    });
    is_told.await;
    // A reader that fails sees nothing.
    rig.hint(EXIT, &[Hint::TooDim]).await;
    assert_eq!(hint_of(&rig.state().await, EXIT), Some(ReaderHint::TooDim));
    let failed = ReaderState {
        access_point: EXIT,
        problem: Some("unplugged".to_owned()),
    };
    rig.readers.send(failed).await.unwrap();
    rig.ask_core(SyncAsk::Heads).await;
    assert_eq!(hint_of(&rig.state().await, EXIT), None);
    rig.stop().await;
}

#[tokio::test]
async fn a_pass_that_was_shown_before_the_program_was_stopped_opens_nothing_after_it() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    let later = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.pull_everything().await;
    let now = crate::clock::Clock::system().uptime();
    let before = Uptime(now.0 - 5_000);
    rig.show_taken_at(before, ENTRY, &pass.text()).await;
    rig.show(ENTRY, &later.text()).await;
    let decided = rig.decided().await;
    assert_eq!(decided.scan, ScanId(1), "the first that is a scan at all");
    assert_eq!(decided.pass, later.id);
    rig.stop().await;
}

#[tokio::test]
async fn the_agent_ends_within_two_seconds() {
    let mut rig = Rig::start().await;
    let pass = rig.authority.issue(&rig.authority.claims(&[1]));
    rig.pull_everything().await;
    rig.show(ENTRY, &pass.text()).await;
    assert_eq!(rig.decided().await.scan, ScanId(1));
    let clock = crate::clock::Clock::system();
    let asked = clock.uptime();
    rig.stop().await;
    assert!(
        clock.uptime().since_ms(asked) < 2_000 + 3_000,
        "a loaded machine is given some more"
    );
    tokio::time::sleep(Duration::ZERO).await;
}

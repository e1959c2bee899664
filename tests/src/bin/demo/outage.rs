//! The link is cut, the clock moved, a gate killed, a lockdown called: the gates go on by
//! themselves. Then the link comes back.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use shared::{
    decision::DenyReason,
    ids::StaffNumber,
    journal::ClockTrust,
    order::DoorMode,
    panel_api::{Link, PanelAsk, PanelState},
};

use crate::{
    cases::part,
    scene::{PIN, Scene},
    transcript::{Expect, Holds, Transcript},
};

const ENTRY: &str = "main gate, in";
const LIBRARY: &str = "library";
const YEAR_S: i64 = 365 * 86_400;

pub(crate) async fn show(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    without_a_network(scene, transcript).await?;
    clock_back(scene, transcript).await?;
    kill_in_mid_scan(scene, transcript).await?;
    lockdown(scene, transcript).await?;
    link_back(scene, transcript).await
}

async fn without_a_network(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("The network is down");
    scene.link.cut();
    for site in [&mut scene.main, &mut scene.library] {
        let is_down = |state: &PanelState| state.link == Link::Down;
        site.panel
            .wait_for_state("the gate to miss central", is_down)
            .await?;
    }
    transcript.say("the link is cut; both gates say so on their panels");

    let known = scene.cards[part::REVOKED].clone();
    let picture = scene.card(&known).await?;
    let seen = scene.at_entry("offline-revoked", &picture).await?;
    let who = "the pass reported lost this morning";
    transcript.seen(who, ENTRY, &seen, Expect::Denied(DenyReason::PassRevoked));

    let unheard = scene.cards[part::REVOKED_UNHEARD].clone();
    scene.school.change(&unheard, "revoke").await?;
    let picture = scene.card(&unheard).await?;
    let seen = scene.at_entry("offline-unheard", &picture).await?;
    let who = format!(
        "{}, revoked a moment ago",
        scene.names[part::REVOKED_UNHEARD]
    );
    transcript.seen(&who, ENTRY, &seen, Expect::Granted);
    transcript.mind(
        "no gate can know what it was not told: the panel shows how old its lists are, and policy \
         says how old they may be",
    );
    Ok(())
}

async fn clock_back(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("The main gate's clock goes back a year");
    scene.main.gate.set_clock(-YEAR_S)?;
    let untrusted = |state: &PanelState| state.clock == ClockTrust::Untrusted;
    scene
        .main
        .panel
        .wait_for_state("the gate to doubt its clock", untrusted)
        .await?;
    transcript.say("the gate does not believe it, and says so");
    let picture = image::open(picture_of(scene, "expired")?)?.into_luma8();
    let seen = scene.at_entry("clock-back-expired", &picture).await?;
    let who = "the pass of last term, which that clock would let in";
    transcript.seen(who, ENTRY, &seen, Expect::Denied(DenyReason::PassExpired));
    let after = scene.cards[part::AFTER].clone();
    let picture = scene.card(&after).await?;
    let seen = scene.at_entry("clock-back-valid", &picture).await?;
    let who = format!(
        "{}, good at every instant that it can be",
        scene.names[part::AFTER]
    );
    transcript.seen(&who, ENTRY, &seen, Expect::Granted);
    scene.main.gate.set_clock(0)?;
    transcript
        .say("the clock is put right again; the gate believes it when central has signed the time");
    Ok(())
}

/// A picture that was shown before.
fn picture_of(scene: &Scene, name: &str) -> anyhow::Result<std::path::PathBuf> {
    let end = format!("-{name}.png");
    for entry in std::fs::read_dir(&scene.pictures)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(&end) {
            return Ok(path);
        }
    }
    anyhow::bail!("no picture {name} was shown")
}

async fn kill_in_mid_scan(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("The main gate loses power in mid-scan");
    let card = scene.cards[part::KILLED].clone();
    let picture = system_tests::pictures::png(&scene.card(&card).await?)?;
    let file = scene.next_file("killed");
    scene
        .main
        .gate
        .show_picture(scene.main.entry, &file, &picture)?;
    // The folder is looked at every 20 ms and a picture takes some 10.
    tokio::time::sleep(Duration::from_millis(45)).await;
    scene.main.gate.kill()?;
    transcript.say(
        "killed 45 ms after a picture was held up (SIGKILL), and started again without a network",
    );
    scene.main.panel = scene.main.gate.start().await?;
    let state = scene.main.panel.state().await?;
    transcript.check(
        "the gate is up by itself, with its lists",
        Holds::same(&(state.doors.len(), state.link), &(1, Link::Down)),
    );
    let revoked = scene.cards[part::REVOKED].clone();
    let picture = scene.card(&revoked).await?;
    let seen = scene.at_entry("after-kill-revoked", &picture).await?;
    let who = "the pass reported lost this morning";
    transcript.seen(who, ENTRY, &seen, Expect::Denied(DenyReason::PassRevoked));
    Ok(())
}

async fn lockdown(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("Lockdown");
    let sign_in = PanelAsk::SignIn {
        staff: StaffNumber(scene.guard),
        pin: PIN.into(),
    };
    scene.main.panel.must(sign_in).await?;
    scene.main.panel.must(PanelAsk::LockDown).await?;
    transcript.say(
        "a supervisor calls a lockdown at the main gate's panel; central orders it for the library",
    );
    scene
        .school
        .order(&scene.library.row, &json!({"action": "lock_down"}))
        .await?;
    let valid = scene.cards[part::VALID].clone();
    let picture = scene.card(&valid).await?;
    let who = format!("{}, a valid pass", scene.names[part::VALID]);
    let seen = scene.at_entry("lockdown", &picture).await?;
    transcript.seen(
        &who,
        ENTRY,
        &seen,
        Expect::Denied(DenyReason::DoorLockedDown),
    );
    let seen = scene.at_library("lockdown-unheard", &picture).await?;
    transcript.seen(&who, LIBRARY, &seen, Expect::Granted);
    transcript.mind("the order has not reached the library's gate: the link is still down");
    Ok(())
}

async fn link_back(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("The network is back");
    scene.link.restore();
    scene.all_fresh().await?;
    let is_trusted = |state: &PanelState| state.clock == ClockTrust::Trusted;
    scene
        .main
        .panel
        .wait_for_state("the gate to believe its clock", is_trusted)
        .await?;
    let is_locked = |state: &PanelState| all_doors(state, DoorMode::LockedDown);
    scene
        .library
        .panel
        .wait_for_state("the order to arrive", is_locked)
        .await?;
    transcript.say("the library's gate has taken the order");
    let valid = scene.cards[part::VALID].clone();
    let picture = scene.card(&valid).await?;
    let who = format!("{}, a valid pass", scene.names[part::VALID]);
    let seen = scene.at_library("lockdown-heard", &picture).await?;
    transcript.seen(
        &who,
        LIBRARY,
        &seen,
        Expect::Denied(DenyReason::DoorLockedDown),
    );

    let unheard = scene.cards[part::REVOKED_UNHEARD].clone();
    let picture = scene.card(&unheard).await?;
    let seen = scene.at_entry("online-revoked", &picture).await?;
    let who = format!(
        "{}, of whom both gates have heard by now",
        scene.names[part::REVOKED_UNHEARD]
    );
    transcript.seen(&who, ENTRY, &seen, Expect::Denied(DenyReason::PassRevoked));

    for site in [&scene.main, &scene.library] {
        scene
            .school
            .order(&site.row, &json!({"action": "end_lockdown"}))
            .await?;
    }
    for site in [&mut scene.main, &mut scene.library] {
        let is_over = |state: &PanelState| !all_doors(state, DoorMode::LockedDown);
        site.panel
            .wait_for_state("the end of the lockdown", is_over)
            .await?;
    }
    transcript.say("central ends the lockdown");
    let picture = scene.card(&valid).await?;
    let who = format!("{}, a valid pass", scene.names[part::VALID]);
    let seen = scene.at_entry("after-lockdown", &picture).await?;
    ensure!(seen.source().is_some(), "the gate reads pictures");
    transcript.seen(&who, ENTRY, &seen, Expect::Granted);
    Ok(())
}

fn all_doors(state: &PanelState, mode: DoorMode) -> bool {
    state.doors.iter().all(|door| door.mode == mode)
}

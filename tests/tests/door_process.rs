//! The agent is stopped or killed in the middle of a release: the lock is locked at the end of it
//! all the same, and the next agent has its door.
#![allow(missing_docs, reason = "tests")]

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use shared::ids::DoorId;
use system_tests::{
    clock::{PATIENCE, Stopwatch},
    false_central::ENTRY,
    gate::{Relay, RelayChange},
    outpost::{Outpost, TURNSTILE},
};

/// What a machine under load may be late by, in µs.
const LATE_US: u64 = 1_500_000;
/// What the way from the decision to the relay may take, in µs: it is part of the release.
const EARLY_US: u64 = 300_000;

async fn changes(outpost: &Outpost, count: usize) -> anyhow::Result<Vec<RelayChange>> {
    let stopwatch = Stopwatch::start();
    loop {
        let changes = outpost.gate.relay_changes(TURNSTILE)?;
        if changes.len() >= count {
            return Ok(changes);
        }
        ensure!(stopwatch.elapsed() < PATIENCE, "only {changes:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A pass is shown, and the door released for it; nobody goes through.
async fn released() -> anyhow::Result<Outpost> {
    let outpost = Outpost::open(2).await?;
    let stays = serde_json::json!({ "behaviour": { "turns": false } });
    outpost.gate.tell_door(TURNSTILE, &stays).await?;
    outpost.gate.show_text(ENTRY, &outpost.passes[0]).await?;
    changes(&outpost, 1).await?;
    Ok(outpost)
}

async fn locks_at_the_end_of_the_release(outpost: &Outpost) -> anyhow::Result<()> {
    let changes = changes(outpost, 2).await?;
    let [released, locked] = changes[..] else {
        anyhow::bail!("{changes:?}");
    };
    ensure!((released.relay, locked.relay) == (Relay::Released, Relay::Locked));
    let for_us = u64::from(released.for_ms.context("a timed release")?) * 1_000;
    let after_us = locked.uptime_us - released.uptime_us;
    ensure!(
        (for_us.saturating_sub(EARLY_US)..for_us + LATE_US).contains(&after_us),
        "released for {for_us} µs and locked after {after_us} µs"
    );
    Ok(())
}

async fn opens_again(outpost: &mut Outpost) -> anyhow::Result<()> {
    let before = outpost.gate.relay_changes(TURNSTILE)?.len();
    let text = outpost.passes[1].clone();
    let stopwatch = Stopwatch::start();
    // A door whose process was out of touch is faulty for a moment.
    while outpost.gate.relay_changes(TURNSTILE)?.len() == before {
        ensure!(stopwatch.elapsed() < PATIENCE, "the door stays shut");
        outpost.gate.show_text(ENTRY, &text).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

fn process_of(door_hold: &std::path::Path) -> anyhow::Result<Pid> {
    let text = std::fs::read_to_string(door_hold)?;
    Pid::from_raw(text.trim().parse()?).context("a process")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_agents_release_ends_and_its_door_works_when_it_goes_on() -> anyhow::Result<()> {
    let mut outpost = released().await?;
    let agent = i32::try_from(outpost.gate.running()?.id())?;
    let agent = Pid::from_raw(agent).context("a process")?;
    kill_process(agent, Signal::STOP)?;
    let locked = locks_at_the_end_of_the_release(&outpost).await;
    // Longer than the lease, so that the door process gives the agent up.
    tokio::time::sleep(Duration::from_secs(4)).await;
    kill_process(agent, Signal::CONT)?;
    locked?;
    opens_again(&mut outpost).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agents_release_ends_and_the_next_agent_has_the_door() -> anyhow::Result<()> {
    let mut outpost = released().await?;
    outpost.gate.kill()?;
    locks_at_the_end_of_the_release(&outpost).await?;
    outpost.panel = outpost.gate.start().await?;
    opens_again(&mut outpost).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_while_the_last_release_still_runs_has_the_door_at_once()
-> anyhow::Result<()> {
    let mut outpost = released().await?;
    outpost.gate.kill()?;
    outpost.panel = outpost.gate.start().await?;
    let changes = changes(&outpost, 2).await?;
    ensure!(changes[1].relay == Relay::Locked);
    opens_again(&mut outpost).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_door_process_is_a_fault_that_denies_and_then_the_door_works_again()
-> anyhow::Result<()> {
    let mut outpost = released().await?;
    let hold = outpost.gate.state_directory().join("doors.hold");
    kill_process(process_of(&hold)?, Signal::KILL)?;
    opens_again(&mut outpost).await?;
    outpost.journal_arrived().await?;
    let faults = outpost.records()?;
    let faults: Vec<_> = faults
        .iter()
        .filter_map(|record| match &record.event {
            shared::journal::Event::Fault { part, problem } => Some((part, problem.is_some())),
            _ => None,
        })
        .collect();
    let part = format!("lines of door {}", DoorId(TURNSTILE.0));
    ensure!(
        faults.contains(&(&part, true)) && faults.contains(&(&part, false)),
        "{faults:?}"
    );
    Ok(())
}

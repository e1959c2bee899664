//! Kills a gate at random points of its work and compares three witnesses that know nothing of
//! each other: the trace of the door's relay, what the panel heard, and the journal as it arrived
//! at central.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, ensure};
use rusqlite::Connection;
use shared::{
    decision::Decision,
    ids::ScanId,
    journal::{Event, PublicPart},
};

use crate::{
    clock::{self, Stopwatch},
    false_central::{ENTRY, EXIT},
    gate::Relay,
    outpost::{Outpost, TURNSTILE},
    panel::Seen,
    random::Random,
};

/// Different holders who come and go.
const PASSES: usize = 20;

/// How the gate is treated.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many scans.
    pub scans: u32,
    /// How many of them are cut short by a kill.
    pub kills: u32,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Kills.
    pub kills: u32,
    /// Records that arrived at central.
    pub records: u64,
    /// Grants among them.
    pub grants: u64,
    /// Times that the relay was released.
    pub releases: u64,
    /// Grants that the panel heard of.
    pub heard: u64,
}

/// When the gate is killed after a pass was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// After so many microseconds.
    After(u64),
    /// While somebody else holds the database, so that nothing can be committed.
    BeforeTheCommit,
    /// As soon as the relay has moved.
    AtTheRelease,
}

/// Carries out a plan and compares the witnesses.
///
/// # Errors
/// When a record was lost or doubled, or the door opened without one; the seed repeats it.
pub async fn run(plan: Plan, random: &mut Random) -> anyhow::Result<Outcome> {
    let mut outpost = Outpost::open(PASSES).await?;
    let moments = moments(plan, random);
    let mut heard = Vec::new();
    let mut kills = 0;
    for scan in 0..plan.scans {
        let text = random.choose(&outpost.passes).clone();
        let at = *random.choose(&[ENTRY, EXIT]);
        match moments.get(&scan) {
            None => heard.extend(granted(
                outpost.gate.scan(&mut outpost.panel, at, &text).await?,
            )),
            Some(moment) => {
                outpost.gate.show_text(at, &text).await?;
                kill_at(&mut outpost, *moment).await?;
                kills += 1;
                outpost.panel = outpost.gate.start().await?;
            }
        }
    }
    outpost.gate.stop().await?;
    outpost.panel = outpost.gate.start().await?;
    outpost.journal_arrived().await?;
    compare(&outpost, &heard, kills)
}

fn granted(seen: Seen) -> Option<ScanId> {
    match seen {
        Seen::Decided(decided) if decided.decision == Decision::Grant => Some(decided.scan),
        Seen::Decided(_) | Seen::Refused { .. } | Seen::Unreadable { .. } => None,
    }
}

/// Which scans are cut short, and when.
fn moments(plan: Plan, random: &mut Random) -> BTreeMap<u32, Moment> {
    let mut moments = BTreeMap::new();
    let wanted = plan.kills.min(plan.scans) as usize;
    while moments.len() < wanted {
        let scan = u32::try_from(random.below(u64::from(plan.scans))).expect("below a u32");
        let moment = match random.below(8) {
            0 => Moment::BeforeTheCommit,
            1 => Moment::AtTheRelease,
            // A scan takes some 5 ms here, most of it for the disk.
            2..5 => Moment::After(random.below(8_000)),
            _ => Moment::After(random.below(60_000)),
        };
        moments.insert(scan, moment);
    }
    moments
}

async fn kill_at(outpost: &mut Outpost, moment: Moment) -> anyhow::Result<()> {
    match moment {
        Moment::After(micros) => tokio::time::sleep(Duration::from_micros(micros)).await,
        Moment::BeforeTheCommit => {
            let held = hold_database(outpost)?;
            tokio::time::sleep(Duration::from_millis(60)).await;
            outpost.gate.kill()?;
            drop(held);
            return Ok(());
        }
        Moment::AtTheRelease => {
            let before = outpost.releases()?;
            let stopwatch = Stopwatch::start();
            // It may be denied, and then there is no release to wait for.
            while outpost.releases()? == before && stopwatch.elapsed() < Duration::from_millis(80) {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
    }
    outpost.gate.kill()
}

/// Takes the place of the one writer, so that the gate's commits wait.
fn hold_database(outpost: &Outpost) -> anyhow::Result<Connection> {
    let path = outpost.gate.state_directory().join("gate.db");
    let connection = Connection::open(&path).context("cannot open the gate's database")?;
    connection.busy_timeout(clock::PATIENCE)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    Ok(connection)
}

fn compare(outpost: &Outpost, heard: &[ScanId], kills: u32) -> anyhow::Result<Outcome> {
    let records = outpost.records()?;
    each_number_once(&records)?;
    let grants = each_scan_once(&records)?;
    for scan in heard {
        ensure!(
            grants.contains_key(scan),
            "scan {scan} was granted on the panel and is not in the journal"
        );
    }
    let releases = no_release_without_a_record(outpost, &grants)?;
    Ok(Outcome {
        kills,
        records: records.len() as u64,
        grants: grants.len() as u64,
        releases,
        heard: heard.len() as u64,
    })
}

fn each_number_once(records: &[PublicPart]) -> anyhow::Result<()> {
    for (expected, record) in (1..).zip(records) {
        let found = record.position.seq;
        ensure!(found == expected, "record {found} where {expected} belongs");
    }
    Ok(())
}

/// Granted scans, and the time of each in ms since boot.
fn each_scan_once(records: &[PublicPart]) -> anyhow::Result<BTreeMap<ScanId, u64>> {
    let mut grants = BTreeMap::new();
    let mut scans = BTreeMap::new();
    for record in records {
        let Event::Scan(outcome) = &record.event else {
            continue;
        };
        let before = scans.insert(outcome.scan, record.position);
        ensure!(
            before.is_none(),
            "scan {} is recorded twice: {before:?} and {}",
            outcome.scan,
            record.position
        );
        if outcome.decision == Decision::Grant {
            grants.insert(outcome.scan, record.uptime.0);
        }
    }
    Ok(grants)
}

/// Up to each release there must be as many grants as releases.
fn no_release_without_a_record(
    outpost: &Outpost,
    grants: &BTreeMap<ScanId, u64>,
) -> anyhow::Result<u64> {
    let mut granted_at: Vec<u64> = grants.values().copied().collect();
    granted_at.sort_unstable();
    let changes = outpost.gate.relay_changes(TURNSTILE)?;
    let released = changes
        .iter()
        .filter(|change| change.relay == Relay::Released);
    let mut count = 0;
    for release in released {
        count += 1;
        let recorded = granted_at.partition_point(|at| *at <= release.uptime_us / 1_000);
        ensure!(
            recorded >= count,
            "the door opened {count} times by {} µs, and {recorded} grants were recorded by then",
            release.uptime_us
        );
    }
    Ok(count as u64)
}

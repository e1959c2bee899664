//! Kills a gate as often as one likes; run it by `cargo xtask sim crash`.

use clap::Parser;
use system_tests::{
    clock::Stopwatch,
    crash::{self, Plan},
    random::Random,
};

/// Scans between two kills, on average.
const SCANS_PER_KILL: u32 = 5;
/// Kills of one gate before a new one takes its place.
const KILLS_PER_GATE: u32 = 200;

/// Kills a gate at random points of its work and compares door, panel and journal.
#[derive(Parser)]
struct Arguments {
    /// How many times the gate is killed.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Repeats a run.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { kills, seed } = Arguments::parse();
    let mut random = match seed {
        Some(seed) => Random::from_seed(seed),
        None => Random::from_seed(getrandom::u64()?),
    };
    println!(
        "seed {} (repeat with --seed {})",
        random.seed(),
        random.seed()
    );
    let stopwatch = Stopwatch::start();
    let mut left = kills;
    while left > 0 {
        let now = left.min(KILLS_PER_GATE);
        let plan = Plan {
            scans: now * SCANS_PER_KILL,
            kills: now,
        };
        let outcome = crash::run(plan, &mut random).await?;
        println!(
            "{} kills: {} records, {} grants, {} openings; none lost, none doubled, none unrecorded",
            outcome.kills, outcome.records, outcome.grants, outcome.releases
        );
        left -= now;
    }
    println!("{kills} kills in {} s", stopwatch.elapsed().as_secs());
    Ok(())
}

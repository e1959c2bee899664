//! Runs a PostgreSQL for tests until its standard input closes; says its address on the first
//! line of its output.

use std::io::{Read, Write};

use central::cluster::Cluster;
use clap::Parser;
use system_tests::{database, scratch::Scratch};

#[derive(Parser)]
struct Arguments {
    /// Wait for the disk at each commit, as central's own PostgreSQL does: for measurements.
    #[arg(long)]
    durable: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if arguments.durable {
            // Not below /tmp, which may lie in memory.
            let scratch = Scratch::below("/var/tmp")?;
            let cluster = Cluster::start(scratch.path()).await?;
            let mut maintenance = cluster.connection();
            say(&database::url_of(maintenance.dbname("postgres"))?).await?;
            cluster.shut_down().await
        } else {
            let cluster = Cluster::start_temporary().await?;
            say(&cluster.url()).await
        }
    })
}

/// Says the address and waits.
async fn say(url: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{url}")?;
    stdout.flush()?;
    // Nothing is ever written to it: this ends when whoever started it closes it or dies.
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

//! Runs a PostgreSQL for tests until its standard input closes; says its address on the first
//! line of its output.

use std::io::{Read, Write};

use central::cluster::Cluster;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cluster = Cluster::start_temporary().await?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", cluster.url())?;
        stdout.flush()?;
        // Nothing is ever written to it: this ends when whoever started it closes it or dies.
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        drop(cluster);
        Ok(())
    })
}

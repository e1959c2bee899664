//! Writes the folder of a gate that is enrolled and up to date, for a machine that has no central.

use std::path::PathBuf;

use clap::Parser;
use system_tests::prepared_gate;

#[derive(Parser)]
struct Arguments {
    /// Where to.
    directory: PathBuf,
}

fn main() -> anyhow::Result<()> {
    prepared_gate::write(&Arguments::parse().directory)
}

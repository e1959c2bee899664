//! `cargo xtask bench`: builds the programs as they are shipped, but for link-time optimisation,
//! and measures what `docs/performance.md` states.

use std::process::Command;

use clap::Args;

use crate::{
    build::{self, Profile},
    packages::Package,
    postgres::{self, Durability, Postgres},
    prerequisites,
};

#[derive(Args)]
pub(crate) struct Bench {
    /// Only benchmarks whose name contains one of these.
    names: Vec<String>,
    /// A tenth of the rounds: for a first look.
    #[arg(long)]
    quick: bool,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        prerequisites::ensure(&[Package::Postgresql])?;
        build::programs(Profile::Bench)?;
        let mut bench = Command::new(build::program(Profile::Bench, "bench"));
        bench.current_dir(build::root()).args(&self.names);
        if self.quick {
            bench.arg("--quick");
        }
        let postgres = Postgres::start(Profile::Bench, Durability::Kept)?;
        bench.env(postgres::VARIABLE, postgres.url());
        build::run(&mut bench)
    }
}

//! `cargo xtask bench`: builds everything for release and measures what `docs/performance.md`
//! states.

use std::process::Command;

use clap::Args;

use crate::{
    build::{self, Profile},
    packages::Package,
    postgres::{self, Postgres},
    prerequisites,
};

#[derive(Args)]
pub(crate) struct Bench {
    /// Only measurements whose name contains one of these.
    filters: Vec<String>,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        prerequisites::ensure(&[Package::Postgresql])?;
        build::programs(Profile::Release)?;
        let mut bench = Command::new(build::program(Profile::Release, "bench"));
        bench.current_dir(build::root()).args(&self.filters);
        let postgres = Postgres::start(Profile::Release)?;
        bench.env(postgres::VARIABLE, postgres.url());
        build::run(&mut bench)
    }
}

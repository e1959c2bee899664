//! `cargo xtask sim`: simulations that the tests run briefly, for as long as one likes.

use std::process::Command;

use clap::Subcommand;

use crate::{
    build::{self, Profile},
    packages::Package,
    postgres::{self, Durability, Postgres},
    prerequisites,
};

#[derive(Subcommand)]
pub(crate) enum Sim {
    /// Kill a gate at random points of its work and prove that no record is lost or doubled and
    /// no opening lacks one.
    Crash {
        /// How many times the gate is killed.
        #[arg(long, default_value_t = 100)]
        kills: u32,
        /// Repeats a run; without it, one is chosen and printed.
        #[arg(long)]
        seed: Option<u64>,
    },
}

impl Sim {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Sim::Crash { kills, seed } = self;
        prerequisites::ensure(&[Package::Postgresql])?;
        build::programs(Profile::Dev)?;
        let mut crash = Command::new(build::program(Profile::Dev, "sim-crash"));
        crash.current_dir(build::root());
        crash.args(["--kills", &kills.to_string()]);
        if let Some(seed) = seed {
            crash.args(["--seed", &seed.to_string()]);
        }
        let postgres = Postgres::start(Profile::Dev, Durability::ThrownAway)?;
        crash.env(postgres::VARIABLE, postgres.url());
        build::run(&mut crash)
    }
}

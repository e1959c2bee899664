//! `cargo xtask bench`: builds the programs as they are shipped, but for link-time optimisation,
//! and measures what `docs/performance.md` states.

use std::{path::PathBuf, process::Command};

use clap::Args;

use crate::{
    build::{self, Profile},
    packages::Package,
    postgres::{self, Durability, Postgres},
    prerequisites,
};

/// The benchmark that compares with other readers: by name only, since those have to be built.
const DECODE: &str = "decode";

#[derive(Args)]
pub(crate) struct Bench {
    /// Only benchmarks whose name contains one of these. `decode`, which builds the readers that it
    /// compares with, is run when it is named and not otherwise.
    names: Vec<String>,
    /// A tenth of the rounds: for a first look.
    #[arg(long)]
    quick: bool,
    /// With `decode`: read folders of photographs, and not the generated set; what a picture holds
    /// stands beside it in a file that ends in `.txt`.
    #[arg(long, value_name = "DIR")]
    photos: Vec<PathBuf>,
    /// With `decode`: name each picture that is not read.
    #[arg(long)]
    list: bool,
}

impl Bench {
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let named = self.names.len();
        self.names.retain(|name| name != DECODE);
        if self.names.len() < named {
            self.decode()?;
            if self.names.is_empty() {
                return Ok(());
            }
        }
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

    fn decode(&self) -> anyhow::Result<()> {
        // One of the other readers is built from C++.
        prerequisites::ensure(&[Package::Cmake, Package::CppCompiler])?;
        let mut bench = Command::new(build::yardsticks()?);
        if self.quick {
            bench.arg("--quick");
        }
        if self.list {
            bench.arg("--list");
        }
        for folder in &self.photos {
            bench.arg("--photos").arg(folder);
        }
        build::run(&mut bench)
    }
}

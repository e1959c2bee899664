//! `cargo xtask demo`: builds the programs and lets `demo` of `tests/` show them.

use std::process::Command;

use clap::Args;

use crate::{
    build::{self, Profile},
    packages::Package,
    prerequisites,
};

#[derive(Args)]
pub(crate) struct Demo {
    /// Leave everything running, and print addresses, a token and commands to try.
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        prerequisites::ensure(&[Package::Postgresql])?;
        build::programs(Profile::Dev)?;
        let mut demo = Command::new(build::program(Profile::Dev, "demo"));
        demo.current_dir(build::root());
        if self.keep {
            demo.arg("--keep");
        }
        build::run(&mut demo)
    }
}

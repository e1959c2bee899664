//! `cargo xtask test`: sets up what tests need, runs all of them, and proves of the system tests
//! that they can fail. Ends with the test runner's own closing line.

mod runner;

use std::ffi::OsString;

use anyhow::Context;
use clap::Args;

use crate::{
    build::{self, Profile},
    packages::Package,
    postgres::{self, Durability, Postgres},
    prerequisites,
};

/// Where tests find programs that a defect can be planted in.
const DEFECTS_VARIABLE: &str = "PORTCULLIS_TEST_DEFECTS";

#[derive(Args)]
pub(crate) struct Test {
    /// Run only tests whose name contains one of these; without any, all tests, and the proof
    /// that planted defects are noticed.
    filters: Vec<String>,
    /// Only tests of this package.
    #[arg(short, long)]
    package: Option<String>,
    /// With filters too, build the programs that a defect can be planted in, and run the tests
    /// that need them.
    #[arg(long)]
    defects: bool,
}

/// Which tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Also those that are ignored by default, because they need what only this command makes.
    All,
    /// Those that need nothing but the programs and PostgreSQL.
    WithoutDefects,
}

impl Test {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        prerequisites::ensure(&[Package::Postgresql, Package::Python3, Package::Systemd])?;
        build::everything()?;
        let chosen = !self.filters.is_empty() || self.package.is_some();
        let extent = if chosen && !self.defects {
            Extent::WithoutDefects
        } else {
            Extent::All
        };
        let mut environment = Vec::new();
        if extent == Extent::All {
            let directory = build::programs_with_defects()
                .context("the programs that a defect can be planted in do not build")?;
            environment.push((DEFECTS_VARIABLE, directory.into_os_string()));
        }
        let postgres = match std::env::var_os(postgres::VARIABLE) {
            Some(_) => None,
            None => Some(Postgres::start(Profile::Dev, Durability::ThrownAway)?),
        };
        if let Some(postgres) = &postgres {
            environment.push((postgres::VARIABLE, OsString::from(postgres.url())));
        }
        runner::run(&self, extent, &environment)
    }
}

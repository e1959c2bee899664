//! `cargo xtask cross`: gate-agent for the 64-bit Raspberry Pi, and tests of what it stands on,
//! run by an emulator of that processor.

pub(crate) mod arm64;
mod toolchain;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;

pub(crate) use toolchain::Choice;
use toolchain::Toolchain;

use crate::{
    bounded,
    build::{self, Profile},
    clock::Stopwatch,
    packages::Package,
    prerequisites,
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask cross                      build and test
  cargo xtask cross --skip-tests         build alone
  cargo xtask cross --release            as it is shipped: with link-time optimisation
  cargo xtask cross --toolchain debian   with Debian's compiler, whatever rustup has

The program is target/cross/aarch64-unknown-linux-gnu/release/gate-agent; it runs on 64-bit
Raspberry Pi OS (Debian 12) and newer. What is downloaded from Debian lies in target/debian and is
used until that folder is deleted; nothing of it is installed.";

/// One crate of ours alone may take minutes on a small machine, the first build of everything more.
const BUILD_WITHIN: Duration = Duration::from_secs(3 * 3600);

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cross {
    /// Do not run the tests.
    #[arg(long)]
    skip_tests: bool,
    /// Build as it is shipped, with link-time optimisation: takes much longer.
    #[arg(long)]
    release: bool,
    /// Where the compiler comes from.
    #[arg(long, value_enum, default_value = "auto")]
    toolchain: Choice,
}

impl Cross {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        prerequisites::ensure(&[Package::GccArm64, Package::QemuUser])?;
        let profile = if self.release {
            Profile::Release
        } else {
            Profile::Bench
        };
        let toolchain = Toolchain::find(self.toolchain)?;
        eprintln!("Building with {}", toolchain.version());
        let stopwatch = Stopwatch::start();
        let program = build_agent(&toolchain, profile)?;
        let took_build = stopwatch.elapsed();
        let mut lines = describe(&program, took_build)?;
        if !self.skip_tests {
            let stopwatch = Stopwatch::start();
            run_tests(&toolchain, profile)?;
            lines.push_str(&format!(
                "\n  tests of shared, gate-core and the store hold on arm64 ({})",
                minutes(stopwatch.elapsed())
            ));
        }
        println!("{lines}");
        Ok(())
    }
}

/// Builds gate-agent for arm64 and gives the program; for other commands that need one.
///
/// # Errors
/// When no compiler can be had, or it does not compile.
pub(crate) fn gate_agent(choice: Choice, profile: Profile) -> anyhow::Result<PathBuf> {
    prerequisites::ensure(&[Package::GccArm64, Package::QemuUser])?;
    build_agent(&Toolchain::find(choice)?, profile)
}

fn build_agent(toolchain: &Toolchain, profile: Profile) -> anyhow::Result<PathBuf> {
    let mut cargo = build::cargo();
    cargo.args(["build", "--locked", "--package", "gate-agent", "--bins"]);
    cargo.args(["--profile", profile.name()]);
    arm64::prepare(&mut cargo)?;
    toolchain.use_in(&mut cargo);
    bounded::run(&mut cargo, BUILD_WITHIN)?;
    let place = arm64::target_directory().join(arm64::TARGET);
    Ok(place.join(profile.directory()).join("gate-agent"))
}

fn describe(program: &Path, took: Duration) -> anyhow::Result<String> {
    let (major, minor) = arm64::glibc_needed(program)?;
    let bytes = fs::metadata(program)
        .with_context(|| format!("{} is missing", program.display()))?
        .len();
    Ok(format!(
        "{}\n  {:.1} MB, needs glibc {major}.{minor} ({})",
        program.display(),
        bytes as f64 / 1e6,
        minutes(took)
    ))
}

/// The pure crates, and the store with SQLite under it. Everything is built in the agent's own
/// profile; without tests of documentation, which an emulator runs one process at a time.
fn run_tests(toolchain: &Toolchain, profile: Profile) -> anyhow::Result<()> {
    let runs: [(&[&str], &[&str]); 2] = [
        (&["shared", "gate-core"], &["--lib", "--tests"]),
        (&["gate-agent"], &["--lib", "store::"]),
    ];
    for (packages, what) in runs {
        let mut cargo = build::cargo();
        cargo.args(["test", "--locked", "--profile", profile.name()]);
        for package in packages {
            cargo.args(["--package", package]);
        }
        arm64::prepare(&mut cargo)?;
        cargo.args(what);
        toolchain.use_in(&mut cargo);
        bounded::run(&mut cargo, BUILD_WITHIN)
            .with_context(|| format!("tests of {} on arm64", packages.join(" and ")))?;
    }
    Ok(())
}

fn minutes(took: Duration) -> String {
    let seconds = took.as_secs();
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

//! Calls cargo: where the workspace is, where it builds to, and what is built.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use anyhow::{Context, bail};

/// What a build is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Everyday work and tests.
    Dev,
    /// Measurements, and boxes to try.
    Bench,
    /// What is shipped.
    Release,
}

impl Profile {
    /// The directory below the target directory.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Profile::Dev => "debug",
            // Cargo's own profile `bench` shares the directory of `release`.
            Profile::Bench | Profile::Release => "release",
        }
    }

    /// As cargo's `--profile` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Profile::Dev => "dev",
            Profile::Bench => "bench",
            Profile::Release => "release",
        }
    }
}

/// The workspace's root: that of the `cargo` which runs this, since a program built in one clone
/// is taken for fresh in another that shares its target directory.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&package).parent();
        root.expect("xtask lies in the workspace").to_owned()
    });
    &ROOT
}

/// Where cargo builds to.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// A program that the workspace builds.
pub(crate) fn program(profile: Profile, name: &str) -> PathBuf {
    target().join(profile.directory()).join(name)
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    // Those of xtask itself would be taken for the package at hand.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    command.env_remove("CARGO_MANIFEST_DIR");
    command.env_remove("CARGO_MANIFEST_PATH");
    command
}

/// All programs, and with tests all test programs in the same call, so that the features of
/// dependencies are the same everywhere and nothing is built twice.
pub(crate) fn everything() -> anyhow::Result<()> {
    run(cargo().args(["build", "--workspace", "--all-targets"]))
}

/// The programs alone.
pub(crate) fn programs(profile: Profile) -> anyhow::Result<()> {
    let mut command = cargo();
    command.args(["build", "--workspace", "--bins"]);
    match profile {
        Profile::Dev => {}
        Profile::Bench | Profile::Release => {
            command.args(["--exclude", "xtask", "--profile", profile.name()]);
        }
    }
    run(&mut command)
}

/// Where the programs lie that a defect can be planted in.
pub(crate) fn defects_directory() -> PathBuf {
    target().join("defects")
}

/// Builds central and gate-agent with `--cfg portcullis_defects` into a directory of their own:
/// the configuration flag is no feature, so nothing of it can get into any other build.
pub(crate) fn programs_with_defects() -> anyhow::Result<PathBuf> {
    let directory = defects_directory();
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg portcullis_defects");
    run(cargo()
        .args(["build", "--package", "central", "--package", "gate-agent"])
        .args(["--bins", "--target-dir"])
        .arg(&directory)
        .env("RUSTFLAGS", flags.trim())
        // Nobody steps through these with a debugger.
        .env("CARGO_PROFILE_DEV_DEBUG", "false"))?;
    Ok(directory.join(Profile::Dev.directory()))
}

/// Builds the comparison with other readers of codes, a workspace of its own, and says where it is.
pub(crate) fn yardsticks() -> anyhow::Result<PathBuf> {
    let directory = target().join("yardsticks");
    run(cargo()
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg("tests/yardsticks/Cargo.toml")
        .arg("--target-dir")
        .arg(&directory))?;
    Ok(directory.join("release/yardsticks"))
}

/// Runs a command; its failure is ours.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let words = words(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run `{words}`"))?;
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    Ok(())
}

/// A command as one would type it.
pub(crate) fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

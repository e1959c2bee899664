//! Finds a Rust compiler for arm64: the one at hand, or Debian's, unpacked beside the system.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::ValueEnum;

use super::arm64::TARGET;
use crate::{
    bounded, build,
    debian::{Architecture, Archive, Deb, Present},
};

/// For a download of some 30 MB; without a network rustup gives up sooner.
const RUSTUP_WITHIN: Duration = Duration::from_secs(300);
const QUERY_WITHIN: Duration = Duration::from_secs(60);

/// Debian's compiler, and the standard library for programs.
const COMPILER: &str = "rustc-web";
const LIBRARY: &str = "libstd-rust-web-dev";
/// Where they are unpacked.
const FOLDER: &str = "rust";
/// The compiler with its libraries, in that folder.
const WRAPPER: &str = "rustc-beside";

/// Where the compiler shall come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// rustup's where it can be had, otherwise Debian's.
    Auto,
    /// The toolchain at hand, to which rustup adds the target.
    Rustup,
    /// Debian's rustc-web, downloaded and unpacked below the target directory.
    Debian,
}

/// A compiler for arm64.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// None: the one at hand.
    rustc: Option<PathBuf>,
    version: String,
}

impl Toolchain {
    /// Finds or fetches one.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(crate) fn find(choice: Choice) -> anyhow::Result<Self> {
        match choice {
            Choice::Rustup => by_rustup(),
            Choice::Debian => from_debian(),
            Choice::Auto => by_rustup().or_else(|error| {
                eprintln!("Not with the toolchain at hand ({error:#}); with Debian's rustc-web");
                from_debian()
            }),
        }
    }

    /// As it says of itself.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Has cargo compile with it.
    pub(crate) fn use_in(&self, cargo: &mut Command) {
        if let Some(rustc) = &self.rustc {
            cargo.env("RUSTC", rustc);
            // They know rustc at hand and not this one.
            cargo.env_remove("RUSTC_WRAPPER");
            cargo.env_remove("RUSTC_WORKSPACE_WRAPPER");
        }
    }
}

fn by_rustup() -> anyhow::Result<Toolchain> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = Path::new(&rustc);
    if !has_target(rustc)? {
        eprintln!("Adding {TARGET} to the toolchain at hand with rustup");
        let mut add = Command::new("rustup");
        add.args(["target", "add", TARGET])
            .current_dir(build::root());
        bounded::run(&mut add, RUSTUP_WITHIN)?;
        ensure!(has_target(rustc)?, "rustc does not find what rustup added");
    }
    Ok(Toolchain {
        rustc: None,
        version: version(rustc)?,
    })
}

fn has_target(rustc: &Path) -> anyhow::Result<bool> {
    let mut ask = Command::new(rustc);
    ask.args(["--print", "target-libdir", "--target", TARGET]);
    let text = bounded::output(ask.current_dir(build::root()), QUERY_WITHIN)?;
    Ok(Path::new(text.trim()).is_dir())
}

fn version(rustc: &Path) -> anyhow::Result<String> {
    let mut ask = Command::new(rustc);
    let text = bounded::output(
        ask.arg("--version").current_dir(build::root()),
        QUERY_WITHIN,
    )?;
    Ok(text.trim().to_owned())
}

fn from_debian() -> anyhow::Result<Toolchain> {
    let archive = Archive::open()?;
    let folder = archive.unpack(FOLDER, &[COMPILER, LIBRARY], debians_packages)?;
    let rustc = folder.join(WRAPPER);
    write_wrapper(&folder, &rustc)?;
    let version = version(&rustc)
        .context("Debian's rustc, unpacked beside the system, does not run on this machine")?;
    ensure!(
        has_target(&rustc)?,
        "{} lacks the standard library of arm64: delete that folder and try again",
        folder.display()
    );
    Ok(Toolchain {
        rustc: Some(rustc),
        version,
    })
}

/// The compiler for this machine with what it needs, and the standard library of the other; they
/// fit when they are of one version.
fn debians_packages(archive: &Archive) -> anyhow::Result<Vec<Deb>> {
    let here = Architecture::of_this_machine()?;
    let rustc = Deb::new(COMPILER, here);
    let library = Deb::new(LIBRARY, Architecture::Arm64);
    let (compiler_is, library_is) = (archive.newest(&rustc)?, archive.newest(&library)?);
    ensure!(
        source_version(&compiler_is) == source_version(&library_is),
        "Debian's archive is between two versions: rustc-web is {compiler_is} and the arm64 \
         libstd-rust-web-dev is {library_is}. Try again in some hours."
    );
    let mut packages = archive.closure(&[COMPILER], here, Present::OnThisMachine)?;
    if !packages.contains(&library) {
        packages.push(library);
    }
    Ok(packages)
}

/// Without the number of a rebuild for one architecture: `1.96.0+dfsg1-1+b1`.
fn source_version(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((source, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => source,
        Some(_) | None => version,
    }
}

/// The libraries are named for this one program alone: in the environment, they would reach
/// everything that cargo starts.
fn write_wrapper(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let here = match Architecture::of_this_machine()? {
        Architecture::Amd64 => "x86_64-linux-gnu",
        Architecture::Arm64 => "aarch64-linux-gnu",
    };
    let usr = fs::canonicalize(folder)
        .with_context(|| format!("{} is missing", folder.display()))?
        .join("usr");
    let text = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n",
        usr.join("lib").join(here).display(),
        usr.join("bin/rustc").display()
    );
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebuild_for_one_architecture_is_the_same_compiler() {
        assert_eq!(
            source_version("1.96.0+dfsg1-1~deb12u2"),
            "1.96.0+dfsg1-1~deb12u2"
        );
        assert_eq!(
            source_version("1.96.0+dfsg1-1~deb13u1+b1"),
            "1.96.0+dfsg1-1~deb13u1"
        );
    }
}

//! What a fresh machine may lack, found before anything is built.

use std::process::Command;

use anyhow::{Context, bail};

use crate::{
    cross::arm64,
    packages::{self, Package},
};

// The rules by which central finds PostgreSQL are central's; this is the very same file.
#[allow(
    dead_code,
    unreachable_pub,
    reason = "central's file, of which only the search is used"
)]
#[path = "../../central/src/cluster/binaries.rs"]
mod binaries;

/// The oldest Python that the verifier in `tests/` runs on.
const OLDEST_PYTHON: (u32, u32) = (3, 9);

/// Installs what is missing, or says what to install.
pub(crate) fn ensure(needed: &[Package]) -> anyhow::Result<()> {
    let missing: Vec<_> = needed
        .iter()
        .copied()
        .filter(|package| look_for(*package).is_err())
        .collect();
    packages::install(&missing)?;
    for package in missing {
        look_for(package)?;
    }
    Ok(())
}

fn look_for(package: Package) -> anyhow::Result<()> {
    match package {
        Package::Postgresql => binaries::Binaries::find(binaries::Wanted::Newest).map(|_| ()),
        Package::Python3 => look_for_python(),
        Package::Systemd => look_for_systemd(),
        Package::Cmake => look_for_program("cmake"),
        Package::CppCompiler => look_for_program("c++"),
        Package::GccArm64 => arm64::sysroot().map(|_| ()),
        Package::QemuUser => arm64::qemu_user().map(|_| ()),
        Package::QemuSystemArm64 => arm64::runs(arm64::QEMU_SYSTEM),
    }
}

fn look_for_systemd() -> anyhow::Result<()> {
    look_for_program("systemd-analyze")
}

fn look_for_program(name: &str) -> anyhow::Result<()> {
    Command::new(name)
        .arg("--version")
        .output()
        .map(drop)
        .with_context(|| format!("{name} is not installed"))
}

fn look_for_python() -> anyhow::Result<()> {
    let output = Command::new("python3")
        .arg("--version")
        .output()
        .context("python3 is not installed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = parse_version(&text)
        .with_context(|| format!("cannot read the version in {:?}", text.trim()))?;
    if version < OLDEST_PYTHON {
        let (major, minor) = OLDEST_PYTHON;
        bail!("{} is older than Python {major}.{minor}", text.trim());
    }
    Ok(())
}

/// `Python 3.11.2` → (3, 11).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("Python ")?.trim().split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_python_is_read() {
        assert_eq!(parse_version("Python 3.11.2\n"), Some((3, 11)));
        assert_eq!(parse_version("Python 3.14.0rc1"), Some((3, 14)));
        assert_eq!(parse_version("pypy"), None);
    }
}

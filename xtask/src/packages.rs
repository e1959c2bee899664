//! Installs the distribution's packages where that is possible and allowed, and otherwise says
//! what to type.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context, bail};

use crate::build;

/// Set to anything, nothing is installed.
const NO_INSTALL_VARIABLE: &str = "PORTCULLIS_NO_INSTALL";

/// Debian's wrapper makes and starts a cluster for the whole machine unless this file says no.
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/portcullis.conf";

/// Something the distribution ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    /// The server's programs, without a running server.
    Postgresql,
    /// The interpreter.
    Python3,
    /// The service manager's tools, for the checks of the unit files.
    Systemd,
    /// C compiler and linker for arm64, with the C library.
    GccArm64,
    /// Runs programs of arm64 Linux.
    QemuUser,
    /// Emulates a whole arm64 machine.
    QemuSystemArm64,
    /// Builds programs that others wrote in C++.
    Cmake,
    /// The compiler for C++.
    CppCompiler,
}

impl Package {
    fn debian(self) -> &'static [&'static str] {
        match self {
            Package::Postgresql => &["postgresql"],
            Package::Python3 => &["python3"],
            Package::Systemd => &["systemd"],
            Package::GccArm64 => &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
            Package::QemuUser => &["qemu-user"],
            Package::QemuSystemArm64 => &["qemu-system-arm"],
            Package::Cmake => &["cmake"],
            Package::CppCompiler => &["g++"],
        }
    }

    /// None where the distribution has nothing that does.
    fn fedora(self) -> Option<&'static str> {
        match self {
            Package::Postgresql => Some("postgresql-server"),
            Package::Python3 => Some("python3"),
            Package::Systemd => Some("systemd"),
            // Without a C library: it compiles kernels, not programs.
            Package::GccArm64 => None,
            Package::QemuUser => Some("qemu-user"),
            Package::QemuSystemArm64 => Some("qemu-system-aarch64"),
            Package::Cmake => Some("cmake"),
            Package::CppCompiler => Some("gcc-c++"),
        }
    }

    fn alpine(self) -> Option<&'static str> {
        match self {
            Package::Postgresql => Some("postgresql"),
            Package::Python3 => Some("python3"),
            Package::Systemd | Package::GccArm64 => None,
            Package::QemuUser => Some("qemu-aarch64"),
            Package::QemuSystemArm64 => Some("qemu-system-aarch64"),
            Package::Cmake => Some("cmake"),
            Package::CppCompiler => Some("g++"),
        }
    }
}

/// Installs what is missing.
///
/// # Errors
/// When this user or this machine cannot: the message is what to type.
pub(crate) fn install(missing: &[Package]) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let words: Vec<_> = missing
        .iter()
        .flat_map(|package| package.debian())
        .collect();
    let words: Vec<_> = words.into_iter().copied().collect();
    let names = words.join(" ");
    if let Some(obstacle) = obstacle() {
        bail!("{}", by_hand(missing, &names, &obstacle));
    }
    eprintln!("Installing {names} with apt-get (set {NO_INSTALL_VARIABLE} to be asked instead)");
    let no_cluster = missing.contains(&Package::Postgresql) && forbid_cluster()?;
    let installed = apt(&["update", "--quiet"]).and_then(|()| {
        let mut install = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
        install.extend(&words);
        apt(&install)
    });
    if no_cluster {
        let _ = fs::remove_file(CREATE_CLUSTER);
    }
    installed.with_context(|| format!("cannot install {names}"))
}

fn by_hand(missing: &[Package], names: &str, obstacle: &str) -> String {
    let mut text = format!(
        "missing: {names}. Not installed by itself, because {obstacle}. Install it and try again:\n  \
         Debian, Ubuntu:  sudo apt-get update && sudo apt-get install {names}"
    );
    let others = [
        (
            "Fedora:          sudo dnf install",
            Package::fedora as fn(Package) -> _,
        ),
        ("Alpine:          sudo apk add", Package::alpine),
    ];
    for (command, name) in others {
        let names: Option<Vec<_>> = missing.iter().copied().map(name).collect();
        if let Some(names) = names {
            let _ = write!(text, "\n  {command} {}", names.join(" "));
        }
    }
    if missing.contains(&Package::Postgresql) {
        text.push_str(
            "\nA PostgreSQL elsewhere: name the directory of its programs (initdb, postgres) in \
             PORTCULLIS_POSTGRES_BIN.",
        );
    }
    text
}

fn obstacle() -> Option<String> {
    if std::env::var_os(NO_INSTALL_VARIABLE).is_some() {
        return Some(format!("{NO_INSTALL_VARIABLE} is set"));
    }
    if !is_root() {
        return Some("that needs root".into());
    }
    if Command::new("apt-get").arg("--version").output().is_err() {
        return Some("this machine has no apt-get".into());
    }
    None
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// True when the file is ours to remove again.
fn forbid_cluster() -> anyhow::Result<bool> {
    let path = Path::new(CREATE_CLUSTER);
    if path.exists() {
        return Ok(false);
    }
    let directory = path.parent().expect("a file has a directory");
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, "create_main_cluster = false\n"))
        .with_context(|| format!("cannot write {CREATE_CLUSTER}"))?;
    Ok(true)
}

fn apt(words: &[&str]) -> anyhow::Result<()> {
    build::run(
        Command::new("apt-get")
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_names_only_distributions_that_have_it_all() {
        let text = by_hand(&[Package::Python3], "python3", "that needs root");
        assert!(text.contains("sudo apt-get install python3"));
        assert!(text.contains("sudo dnf install python3"));
        assert!(!text.contains("PORTCULLIS_POSTGRES_BIN"));
        let missing = [Package::Postgresql, Package::GccArm64];
        let text = by_hand(
            &missing,
            "postgresql gcc-aarch64-linux-gnu",
            "that needs root",
        );
        assert!(text.contains("gcc-aarch64-linux-gnu"));
        assert!(!text.contains("dnf") && !text.contains("apk"), "{text}");
        assert!(text.contains("PORTCULLIS_POSTGRES_BIN"));
    }
}

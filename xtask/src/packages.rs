//! Installs the distribution's packages where that is possible and allowed, and otherwise says
//! what to type.

use std::{fs, path::Path, process::Command};

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
}

impl Package {
    fn name(self) -> &'static str {
        match self {
            Package::Postgresql => "postgresql",
            Package::Python3 => "python3",
            Package::Systemd => "systemd",
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
    let names: Vec<_> = missing.iter().map(|package| package.name()).collect();
    let names = names.join(" ");
    if let Some(obstacle) = obstacle() {
        bail!(
            "missing: {names}. Not installed by itself, because {obstacle}. Install it and try again:\n  \
             Debian, Ubuntu:  sudo apt-get update && sudo apt-get install {names}\n  \
             Fedora:          sudo dnf install postgresql-server python3 systemd\n  \
             Alpine:          sudo apk add postgresql python3\n\
             A PostgreSQL elsewhere: name the directory of its programs (initdb, postgres) in \
             PORTCULLIS_POSTGRES_BIN."
        );
    }
    eprintln!("Installing {names} with apt-get (set {NO_INSTALL_VARIABLE} to be asked instead)");
    let no_cluster = missing.contains(&Package::Postgresql) && forbid_cluster()?;
    let installed = apt(&["update", "--quiet"]).and_then(|()| {
        let mut words = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
        words.extend(missing.iter().map(|package| package.name()));
        apt(&words)
    });
    if no_cluster {
        let _ = fs::remove_file(CREATE_CLUSTER);
    }
    installed.with_context(|| format!("cannot install {names}"))
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

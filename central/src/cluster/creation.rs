//! Makes a cluster's files with `initdb`, and knows which version made those that are there.

use std::{fs, path::Path, process::Output};

use anyhow::{Context, bail};

use super::{
    account::Account,
    binaries::{Binaries, Wanted},
    place::Place,
    settings::Durability,
};

/// The role that owns everything in a private cluster; central's queries run as another.
pub(super) const OWNER: &str = "portcullis_owner";

/// The installation that serves `place`, after making its files when there are none.
///
/// # Errors
/// When the version that made the files is not installed, or `initdb` fails.
pub(super) async fn ensure(place: &Place, durability: Durability) -> anyhow::Result<Binaries> {
    if let Some(major) = major_of(&place.cluster)? {
        return Binaries::find(Wanted::Major(major));
    }
    let binaries = Binaries::find(Wanted::Newest)?;
    tracing::info!(
        postgres.major = binaries.major,
        cluster.directory = %place.cluster.display(),
        "making a new database with {binaries} in {}",
        place.cluster.display()
    );
    place.forget_unfinished();
    let mut failures = Vec::new();
    for locale in locales(binaries.major) {
        let unfinished = place.make_unfinished()?;
        let output = initdb(&binaries, place.account, &unfinished, durability, locale).await?;
        if output.status.success() {
            fs::rename(&unfinished, &place.cluster)
                .with_context(|| format!("cannot rename to {}", place.cluster.display()))?;
            return Ok(binaries);
        }
        failures.push(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    bail!(
        "initdb could not make a database in {}:\n{}",
        place.cluster.display(),
        failures.join("\n")
    )
}

/// The version that wrote `cluster`; `None` when there is nothing.
fn major_of(cluster: &Path) -> anyhow::Result<Option<u32>> {
    if !cluster.exists() {
        return Ok(None);
    }
    let path = cluster.join("PG_VERSION");
    let text = fs::read_to_string(&path).with_context(|| {
        format!(
            "{} exists but is no PostgreSQL data directory (cannot read {}): move it away, or choose another \
             place with --data-dir",
            cluster.display(),
            path.display()
        )
    })?;
    let major = text
        .trim()
        .parse()
        .with_context(|| format!("{} says {text:?}", path.display()))?;
    Ok(Some(major))
}

/// Sorting by bytes never changes under an index, whatever the C library does; case still follows
/// Unicode. The last is for C libraries without C.UTF-8.
fn locales(major: u32) -> Vec<&'static [&'static str]> {
    let builtin: &[&str] = &[
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
    ];
    let libc: &[&str] = &["--lc-collate=C", "--lc-ctype=C.UTF-8", "--lc-messages=C"];
    let plain: &[&str] = &["--locale=C"];
    if major >= 17 {
        vec![builtin, libc, plain]
    } else {
        vec![libc, plain]
    }
}

async fn initdb(
    binaries: &Binaries,
    account: Account,
    unfinished: &Path,
    durability: Durability,
    locale: &[&str],
) -> anyhow::Result<Output> {
    let program = binaries.program("initdb");
    let mut command = account.command(&program);
    command
        .arg("-D")
        .arg(unfinished)
        .arg(format!("--username={OWNER}"))
        .args([
            "--encoding=UTF8",
            "--auth=trust",
            "--data-checksums",
            "--no-instructions",
        ])
        .args(locale)
        .env("LC_ALL", "C");
    if durability == Durability::ThrownAway {
        command.arg("--no-sync");
    }
    tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_no_database_is_refused_with_its_path() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(major_of(&directory.path().join("missing")).unwrap(), None);
        let error = major_of(directory.path()).unwrap_err().to_string();
        assert!(error.contains("no PostgreSQL data directory"), "{error}");
        fs::write(directory.path().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(major_of(directory.path()).unwrap(), Some(15));
    }
}

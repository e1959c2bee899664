//! Finds the programs of the distribution's PostgreSQL. Installs nothing.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// Names a directory that holds `initdb` and `postgres`, tried before every other place.
pub const BINARIES_VARIABLE: &str = "PORTCULLIS_POSTGRES_BIN";

/// The oldest major version whose behaviour central relies on.
pub const OLDEST_MAJOR: u32 = 15;

const NOT_INSTALLED: &str = "no PostgreSQL 15 or newer found. Install it, e.g. `apt install postgresql` \
(Debian, Ubuntu), `dnf install postgresql-server` (Fedora) or `apk add postgresql` (Alpine); or name the \
directory of its programs in PORTCULLIS_POSTGRES_BIN; or point DATABASE_URL at a PostgreSQL server";

/// One installed PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) directory: PathBuf,
    pub(super) major: u32,
}

/// Which installation will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A new data directory: the newest.
    Newest,
    /// A data directory that this major version wrote.
    Major(u32),
}

impl Binaries {
    /// The best installation on this machine.
    ///
    /// # Errors
    /// When nothing suitable is installed; the message says what to install.
    pub(super) fn find(wanted: Wanted) -> anyhow::Result<Self> {
        if let Some(directory) = std::env::var_os(BINARIES_VARIABLE) {
            let directory = PathBuf::from(directory);
            let found = Self::at(&directory).with_context(|| {
                format!(
                    "{BINARIES_VARIABLE}={} names no usable PostgreSQL",
                    directory.display()
                )
            })?;
            return choose(vec![found], wanted);
        }
        let found = places()
            .iter()
            .filter_map(|place| Self::at(place).ok())
            .collect();
        choose(found, wanted)
    }

    /// Path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn at(directory: &Path) -> anyhow::Result<Self> {
        for name in ["initdb", "postgres"] {
            let program = directory.join(name);
            if !program.is_file() {
                bail!("{} does not exist", program.display());
            }
        }
        let postgres = directory.join("postgres");
        let output = Command::new(&postgres)
            .arg("--version")
            .output()
            .with_context(|| format!("cannot run {}", postgres.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let major = parse_major(&text)
            .with_context(|| format!("cannot read the version in {:?}", text.trim()))?;
        Ok(Self {
            directory: directory.to_owned(),
            major,
        })
    }
}

impl fmt::Display for Binaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL {} in {}",
            self.major,
            self.directory.display()
        )
    }
}

fn choose(mut found: Vec<Binaries>, wanted: Wanted) -> anyhow::Result<Binaries> {
    // Stable: of two of the same version the earlier place wins.
    found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
    let chosen = match wanted {
        Wanted::Newest => found.iter().find(|binaries| binaries.major >= OLDEST_MAJOR),
        Wanted::Major(major) => found.iter().find(|binaries| binaries.major == major),
    };
    if let Some(chosen) = chosen {
        return Ok(chosen.clone());
    }
    let installed = if found.is_empty() {
        "none".to_owned()
    } else {
        found
            .iter()
            .map(Binaries::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match wanted {
        Wanted::Newest if found.is_empty() => bail!(NOT_INSTALLED),
        Wanted::Newest => bail!("{NOT_INSTALLED} (installed: {installed})"),
        Wanted::Major(major) => bail!(
            "the data directory was made by PostgreSQL {major}, which is not installed (installed: {installed}). \
             A data directory stays with its major version: install that one (e.g. `apt install postgresql-{major}`), \
             or restore a backup into a new data directory"
        ),
    }
}

/// `postgres (PostgreSQL) 15.12 (Debian …)` → 15; `17beta1` → 17.
fn parse_major(version: &str) -> Option<u32> {
    let number = version
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Where distributions put the programs, best first.
fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    for root in ["/usr/lib/postgresql", "/usr/libexec/postgresql"] {
        let Ok(entries) = std::fs::read_dir(root) else {
            continue;
        };
        places.extend(entries.flatten().map(|entry| entry.path().join("bin")));
    }
    // `read_dir` has no order of its own.
    places.sort();
    places.extend(pg_config_directory());
    if let Some(path) = std::env::var_os("PATH") {
        places.extend(std::env::split_paths(&path));
    }
    places.extend(["/usr/local/pgsql/bin", "/usr/pgsql/bin"].map(PathBuf::from));
    places
}

fn pg_config_directory() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let directory = text.trim();
    (output.status.success() && !directory.is_empty()).then(|| PathBuf::from(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(major: u32) -> Binaries {
        Binaries {
            directory: format!("/usr/lib/postgresql/{major}/bin").into(),
            major,
        }
    }

    #[test]
    fn the_version_is_read_from_what_postgres_prints() {
        assert_eq!(
            parse_major("postgres (PostgreSQL) 15.12 (Debian 15.12-0+deb12u2)"),
            Some(15)
        );
        assert_eq!(parse_major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(parse_major("mysqld"), None);
    }

    #[test]
    fn a_new_directory_takes_the_newest_and_an_old_one_its_own_version() {
        let found = vec![installed(15), installed(17), installed(16)];
        assert_eq!(
            choose(found.clone(), Wanted::Newest).unwrap(),
            installed(17)
        );
        assert_eq!(choose(found, Wanted::Major(15)).unwrap(), installed(15));
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_install() {
        let none = choose(Vec::new(), Wanted::Newest).unwrap_err().to_string();
        assert!(none.contains("apt install postgresql"), "{none}");
        let old = choose(vec![installed(13)], Wanted::Newest)
            .unwrap_err()
            .to_string();
        assert!(old.contains("PostgreSQL 13"), "{old}");
        let other = choose(vec![installed(17)], Wanted::Major(15))
            .unwrap_err()
            .to_string();
        assert!(other.contains("apt install postgresql-15"), "{other}");
    }
}

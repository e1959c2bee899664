//! Packages of Debian 12, downloaded and checked by apt and unpacked below the target directory.
//! Nothing is installed: the system's own lists, architectures and packages stay as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use crate::{bounded, build, clock};

/// What 64-bit Raspberry Pi OS is made from.
pub(crate) const RELEASE: &str = "bookworm";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const MIRROR: &str = "http://deb.debian.org";

/// In an unpacked folder: what it was unpacked for.
const STAMP: &str = ".unpacked-for";

/// Lists older than this are fetched again before a download.
const LISTS_LAST: Duration = Duration::from_secs(24 * 3600);
/// For some 20 MB of lists.
const UPDATE_WITHIN: Duration = Duration::from_secs(300);
/// For some 150 MB of packages.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(900);
/// What apt computes from lists that are there.
const QUERY_WITHIN: Duration = Duration::from_secs(60);

/// A processor, as Debian calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }

    /// That of this machine.
    ///
    /// # Errors
    /// When Debian's packages for it are not known here.
    pub(crate) fn of_this_machine() -> anyhow::Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Architecture::Amd64),
            "aarch64" => Ok(Architecture::Arm64),
            other => bail!("this works on x86_64 and aarch64 machines, not on {other}"),
        }
    }
}

/// A package for an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deb {
    pub(crate) name: String,
    pub(crate) architecture: Architecture,
}

impl Deb {
    pub(crate) fn new(name: &str, architecture: Architecture) -> Self {
        let name = name.to_owned();
        Self { name, architecture }
    }

    fn words(&self) -> String {
        format!("{}:{}", self.name, self.architecture.name())
    }
}

/// Which packages of a package's needs are taken as there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Present {
    /// Those that this machine has installed: for programs that run on it.
    OnThisMachine,
    /// None: for another machine.
    Nowhere,
}

/// Debian's archive, with lists of our own.
pub(crate) struct Archive {
    directory: PathBuf,
}

impl Archive {
    /// Nothing is fetched yet.
    ///
    /// # Errors
    /// When this machine has no apt, or cannot check what Debian signed.
    pub(crate) fn open() -> anyhow::Result<Self> {
        for program in ["apt-get", "dpkg-deb"] {
            ensure!(
                Command::new(program).arg("--version").output().is_ok(),
                "this needs packages of Debian 12, which apt-get and dpkg-deb fetch and unpack; \
                 {program} is not there. Run it on Debian or Ubuntu, or in a container of one."
            );
        }
        ensure!(
            Path::new(KEYRING).is_file(),
            "{KEYRING} is missing, by which packages of Debian are checked. Install it and try \
             again:\n  sudo apt-get install debian-archive-keyring"
        );
        let directory = build::target().join("debian");
        let this = Self { directory };
        for folder in ["apt/state/lists/partial", "apt/cache/archives/partial"] {
            let folder = this.directory.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        fs::write(this.sources(), sources())
            .with_context(|| format!("cannot write {}", this.sources().display()))?;
        Ok(this)
    }

    /// Unpacks packages into one folder below the target directory, and gives the folder. One that
    /// was unpacked for the same `wish` stays as it is, whatever the archive has by now: to get
    /// newer packages, delete it. `packages` are asked for only when they are to be downloaded.
    ///
    /// # Errors
    /// When they cannot be downloaded, or are not what Debian signed.
    pub(crate) fn unpack(
        &self,
        folder: &str,
        wish: &[&str],
        packages: impl FnOnce(&Self) -> anyhow::Result<Vec<Deb>>,
    ) -> anyhow::Result<PathBuf> {
        let place = self.directory.join(folder);
        let wish = wish.join("\n");
        let held = fs::read_to_string(place.join(STAMP));
        if held.is_ok_and(|held| held == wish) {
            return Ok(place);
        }
        let packages = &packages(self)?;
        let debs = self.download(folder, packages)?;
        let unfinished = self.directory.join(format!("{folder}.new"));
        remove(&unfinished)?;
        fs::create_dir_all(&unfinished)
            .with_context(|| format!("cannot create {}", unfinished.display()))?;
        for deb in &debs {
            let mut unpack = Command::new("dpkg-deb");
            bounded::run(unpack.arg("-x").arg(deb).arg(&unfinished), DOWNLOAD_WITHIN)?;
        }
        fs::write(unfinished.join(STAMP), wish)
            .with_context(|| format!("cannot write into {}", unfinished.display()))?;
        remove(&place)?;
        fs::rename(&unfinished, &place)
            .with_context(|| format!("cannot move {}", unfinished.display()))?;
        // They lie there unpacked.
        if let Some(debs) = debs.first().and_then(|deb| deb.parent()) {
            remove(debs)?;
        }
        Ok(place)
    }

    fn download(&self, folder: &str, packages: &[Deb]) -> anyhow::Result<Vec<PathBuf>> {
        self.refresh()?;
        let names: Vec<_> = packages.iter().map(Deb::words).collect();
        eprintln!("Downloading from Debian 12: {}", names.join(" "));
        let place = self.directory.join("debs").join(folder);
        remove(&place)?;
        fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
        // What is the same for all is found under the architecture that apt takes for its own.
        let architecture = packages.first().context("no package")?.architecture;
        let mut download = self.apt("apt-get", architecture, Present::Nowhere);
        // Root would be warned that it does not download as another user.
        download.args(["-o", "APT::Sandbox::User=", "--quiet", "download"]);
        bounded::run(download.args(&names).current_dir(&place), DOWNLOAD_WITHIN)
            .context("cannot download from Debian's archive")?;
        let mut debs = Vec::new();
        for entry in fs::read_dir(&place)? {
            debs.push(entry?.path());
        }
        debs.sort_unstable();
        ensure!(
            debs.len() == packages.len(),
            "apt downloaded {} packages in the place of {}",
            debs.len(),
            packages.len()
        );
        Ok(debs)
    }

    /// Packages of one architecture and everything they need that is not present.
    ///
    /// # Errors
    /// When Debian has no such package, or apt finds no way to satisfy them.
    pub(crate) fn closure(
        &self,
        names: &[&str],
        architecture: Architecture,
        present: Present,
    ) -> anyhow::Result<Vec<Deb>> {
        self.refresh()?;
        let mut simulate = self.apt("apt-get", architecture, present);
        simulate.args(["--simulate", "--no-install-recommends", "--reinstall"]);
        simulate.arg("install").args(names);
        let text = bounded::output(&mut simulate, QUERY_WITHIN)?;
        let mut closure: Vec<Deb> = installs(&text)
            .map(|name| Deb::new(name, architecture))
            .collect();
        for name in names {
            let package = Deb::new(name, architecture);
            if !closure.contains(&package) {
                closure.push(package);
            }
        }
        Ok(closure)
    }

    /// The version that a download would get.
    ///
    /// # Errors
    /// When Debian has no such package.
    pub(crate) fn newest(&self, package: &Deb) -> anyhow::Result<String> {
        self.refresh()?;
        let mut policy = self.apt("apt-cache", package.architecture, Present::Nowhere);
        let text = bounded::output(policy.args(["policy", &package.words()]), QUERY_WITHIN)?;
        let candidate = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "));
        match candidate {
            Some(version) if version != "(none)" => Ok(version.to_owned()),
            Some(_) | None => bail!("Debian 12 has no package {}", package.words()),
        }
    }

    /// The first package that a package depends on, whose name begins so: the way from
    /// `linux-image-arm64` to the kernel of the day.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn dependency(&self, package: &Deb, prefix: &str) -> anyhow::Result<Deb> {
        self.refresh()?;
        let mut depends = self.apt("apt-cache", package.architecture, Present::Nowhere);
        let text = bounded::output(depends.args(["depends", &package.words()]), QUERY_WITHIN)?;
        let mut names = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        let Some(name) = names.find(|name| name.starts_with(prefix)) else {
            bail!("{} depends on no {prefix}…", package.words());
        };
        let name = name.split(':').next().unwrap_or(name);
        Ok(Deb::new(name, package.architecture))
    }

    fn refresh(&self) -> anyhow::Result<()> {
        let stamp = self.directory.join("apt/refreshed");
        let written = fs::metadata(&stamp).and_then(|metadata| metadata.modified());
        let fetched = written.is_ok();
        let is_fresh = written
            .ok()
            .and_then(clock::age)
            .is_some_and(|age| age < LISTS_LAST);
        if is_fresh {
            return Ok(());
        }
        eprintln!("Fetching the lists of Debian 12's archive");
        let mut update = self.apt("apt-get", Architecture::Arm64, Present::Nowhere);
        update.args([
            "-o",
            "APT::Sandbox::User=",
            "-qq",
            "--error-on=any",
            "update",
        ]);
        match bounded::run(&mut update, UPDATE_WITHIN) {
            Ok(()) => fs::write(&stamp, "").context("cannot note that lists were fetched"),
            Err(error) if fetched => {
                eprintln!("Going on with older lists: {error:#}");
                Ok(())
            }
            Err(error) => Err(error.context(
                "cannot fetch the lists of Debian's archive: is http://deb.debian.org within reach?",
            )),
        }
    }

    fn sources(&self) -> PathBuf {
        self.directory.join("apt/sources.list")
    }

    fn apt(&self, program: &str, architecture: Architecture, present: Present) -> Command {
        let apt = self.directory.join("apt");
        let mut command = Command::new(program);
        let mut set = |name: &str, value: &Path| {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        };
        set("Dir::State", &apt.join("state"));
        set("Dir::Cache", &apt.join("cache"));
        set("Dir::Etc::sourcelist", &self.sources());
        for nothing in ["sourceparts", "preferences", "preferencesparts"] {
            set(&format!("Dir::Etc::{nothing}"), Path::new("/dev/null"));
        }
        let status = match present {
            Present::OnThisMachine => "/var/lib/dpkg/status",
            Present::Nowhere => "/dev/null",
        };
        set("Dir::State::status", Path::new(status));
        command.arg("-o");
        command.arg(format!("APT::Architecture={}", architecture.name()));
        for setting in [
            "APT::Architectures::=amd64",
            "APT::Architectures::=arm64",
            "Acquire::Languages=none",
            "Acquire::Retries=3",
            "Acquire::http::Timeout=30",
        ] {
            command.args(["-o", setting]);
        }
        command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

fn sources() -> String {
    let signed = format!("[signed-by={KEYRING}]");
    format!(
        "deb {signed} {MIRROR}/debian {RELEASE} main\n\
         deb {signed} {MIRROR}/debian {RELEASE}-updates main\n\
         deb {signed} {MIRROR}/debian-security {RELEASE}-security main\n"
    )
}

/// The names in `Inst libllvm22 (1:22.1.8 Debian:12 [amd64])`.
fn installs(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.filter_map(|line| line.split_whitespace().next())
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", directory.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_install_is_read() {
        let text = "Reading package lists...\n\
                    Inst libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12 [amd64])\n\
                    Inst rustc-web [1.85.0] (1.96.0 Debian-Security:12 [amd64])\n\
                    Conf libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12 [amd64])\n";
        let names: Vec<_> = installs(text).collect();
        assert_eq!(names, ["libllvm22", "rustc-web"]);
    }

    #[test]
    fn every_source_is_checked_with_debians_keys() {
        let text = sources();
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|line| line.contains("signed-by=/usr/")));
    }
}

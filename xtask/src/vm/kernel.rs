//! Debian's arm64 kernel and the modules that a guest loads.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use crate::debian::{Architecture, Archive, Deb};

const FOLDER: &str = "kernel";
/// The package that always names the release's kernel of the day.
const NEWEST: &str = "linux-image-arm64";
const PREFIX: &str = "linux-image-";

/// The unpacked kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// What an emulator starts.
    pub(super) image: PathBuf,
    /// As it calls itself: `6.1.0-56-arm64`.
    pub(super) release: String,
    /// Module files by their names, in which `-` and `_` are the same.
    modules: BTreeMap<String, PathBuf>,
}

impl Kernel {
    /// Finds or downloads it.
    ///
    /// # Errors
    /// When Debian's archive is out of reach.
    pub(super) fn fetch(archive: &Archive) -> anyhow::Result<Self> {
        let folder = archive.unpack(FOLDER, &[NEWEST], |archive| {
            let newest = Deb::new(NEWEST, Architecture::Arm64);
            Ok(vec![archive.dependency(&newest, PREFIX)?])
        })?;
        let boot = folder.join("boot");
        let image = only_file(&boot, "vmlinuz-")?;
        let name = image.file_name().context("a file has a name")?;
        let release = name.to_string_lossy().replacen("vmlinuz-", "", 1);
        let mut modules = BTreeMap::new();
        let place = folder.join("lib/modules").join(&release);
        collect(&place, &mut modules)
            .with_context(|| format!("cannot list the modules in {}", place.display()))?;
        Ok(Self {
            image,
            release,
            modules,
        })
    }

    /// Files of the modules, each after those it needs. What is built into the kernel has no
    /// file: naming it is a mistake.
    ///
    /// # Errors
    /// When the kernel has no module of a name.
    pub(super) fn modules(&self, names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
        let mut ordered = Vec::new();
        for name in names {
            self.add(name, &mut ordered)?;
        }
        Ok(ordered)
    }

    fn add(&self, name: &str, ordered: &mut Vec<PathBuf>) -> anyhow::Result<()> {
        let file = self.modules.get(&plain(name));
        let file = file
            .with_context(|| format!("kernel {} of Debian has no module {name}", self.release))?;
        if ordered.contains(file) {
            return Ok(());
        }
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        for needed in needs(&bytes) {
            self.add(&needed, ordered)?;
        }
        ordered.push(file.clone());
        Ok(())
    }
}

fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn only_file(folder: &Path, prefix: &str) -> anyhow::Result<PathBuf> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(prefix) {
            found.push(path);
        }
    }
    ensure!(
        found.len() == 1,
        "{} holds {} files {prefix}… in the place of one: delete that folder and try again",
        folder.display(),
        found.len()
    );
    Ok(found.remove(0))
}

fn collect(folder: &Path, modules: &mut BTreeMap<String, PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            collect(&path, modules)?;
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            modules.insert(plain(&name), path.clone());
        }
    }
    Ok(())
}

/// From the module's own description (`.modinfo`: texts that end with a zero), which says
/// `depends=videodev,mc`.
fn needs(module: &[u8]) -> Vec<String> {
    let texts = module.split(|byte| *byte == 0);
    let Some(needs) = texts
        .filter_map(|text| text.strip_prefix(b"depends="))
        .next()
    else {
        return Vec::new();
    };
    let needs = String::from_utf8_lossy(needs);
    let names = needs.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_needs_is_read_from_its_file() {
        let module = b"\x7fELF\0\0license=GPL\0depends=videodev,v4l2-dv-timings\0name=vivid\0";
        assert_eq!(needs(module), ["videodev", "v4l2-dv-timings"]);
        assert!(needs(b"\0depends=\0name=softdog\0").is_empty());
        assert!(needs(b"nothing").is_empty());
    }
}

//! A file system in memory from which a kernel starts: a cpio archive in the "newc" format
//! (`Documentation/driver-api/early-userspace/buffer-format.rst` of the kernel).

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::Context;

const DIRECTORY: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const FILE: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// A character device: major and minor number.
type Device = (u32, u32);
/// The console that the first program speaks through.
const CONSOLE: Device = (5, 1);
const NO_DEVICE: Device = (0, 0);

/// The archive as it grows.
pub(super) struct Initramfs {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    entries: u32,
}

impl Initramfs {
    /// One with nothing but a console.
    pub(super) fn new() -> Self {
        let mut this = Self {
            bytes: Vec::new(),
            directories: BTreeSet::new(),
            entries: 0,
        };
        this.parents("dev/console");
        this.entry("dev/console", CHARACTER_DEVICE, CONSOLE, &[]);
        this
    }

    /// An empty folder and those around it.
    pub(super) fn directory(&mut self, path: &str) {
        if self.directories.insert(path.to_owned()) {
            self.parents(path);
            self.entry(path, DIRECTORY, NO_DEVICE, &[]);
        }
    }

    /// A file. `path` is without a slash at its beginning.
    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        self.parents(path);
        self.entry(path, FILE | mode, NO_DEVICE, bytes);
    }

    /// A copy of a file of this machine, with its permissions.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn copy(&mut self, path: &str, from: &Path) -> anyhow::Result<()> {
        let cannot = || format!("cannot read {}", from.display());
        let mode = fs::metadata(from)
            .with_context(cannot)?
            .permissions()
            .mode();
        let bytes = fs::read(from).with_context(cannot)?;
        self.file(path, mode & 0o777, &bytes);
        Ok(())
    }

    /// A copy of a folder of this machine, without folders of some names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn tree(
        &mut self,
        path: &str,
        from: &Path,
        left_out: &[&str],
    ) -> anyhow::Result<()> {
        self.directory(path);
        for entry in sorted(from)? {
            let inner = format!("{path}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                let name = entry.file_name();
                if !left_out.iter().any(|left_out| name == **left_out) {
                    self.tree(&inner, &entry.path(), left_out)?;
                }
            } else {
                self.file_or_link(&inner, &entry)?;
            }
        }
        Ok(())
    }

    /// Copies of the files and links in a folder of this machine, without the folders in it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn files(&mut self, path: &str, from: &Path) -> anyhow::Result<()> {
        self.directory(path);
        for entry in sorted(from)? {
            let inner = format!("{path}/{}", entry.file_name().to_string_lossy());
            self.file_or_link(&inner, &entry)?;
        }
        Ok(())
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        self.entry(path, LINK, NO_DEVICE, target.as_bytes());
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, NO_DEVICE, &[]);
        self.bytes
    }

    /// Sockets and the like are left out: nobody listens on them in the guest.
    fn file_or_link(&mut self, path: &str, entry: &fs::DirEntry) -> anyhow::Result<()> {
        let kind = entry.file_type()?;
        if kind.is_file() {
            self.copy(path, &entry.path())?;
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            self.link(path, &target.to_string_lossy());
        }
        Ok(())
    }

    fn parents(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): Device, content: &[u8]) {
        self.entries += 1;
        let length = u32::try_from(content.len()).expect("an initramfs is far below 4 GB");
        let name = u32::try_from(path.len() + 1).expect("a path is short");
        self.bytes.extend_from_slice(b"070701");
        // Inode, mode, user, group, links, time, length, device, device of its own, name, sum.
        for number in [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            length,
            0,
            0,
            major,
            minor,
            name,
            0,
        ] {
            self.bytes
                .extend_from_slice(format!("{number:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<fs::DirEntry>> {
    let cannot = || format!("cannot list {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot)?;
    let mut entries = entries
        .collect::<Result<Vec<_>, _>>()
        .with_context(cannot)?;
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_lies_in_them_and_once() {
        let mut archive = Initramfs::new();
        archive.file("etc/portcullis/gate.toml", 0o644, b"state");
        archive.file("etc/hosts", 0o644, b"");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let at = |name: &str| text.find(&format!("{name}\0")).unwrap();
        assert!(at("etc") < at("etc/portcullis"));
        assert!(at("etc/portcullis") < at("etc/portcullis/gate.toml"));
        assert_eq!(text.matches("etc\0").count(), 1);
        assert!(text.ends_with("TRAILER!!!\0\0\0\0"), "{text:?}");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn an_entry_says_mode_and_length_in_eight_hexadecimal_digits() {
        let mut archive = Initramfs::new();
        let before = archive.bytes.len();
        archive.file("init", 0o755, b"#!");
        let header = &archive.bytes[before..before + 110];
        assert_eq!(&header[..6], b"070701");
        assert_eq!(&header[14..22], b"000081ed");
        assert_eq!(&header[54..62], b"00000002");
        assert_eq!(&header[94..102], b"00000005");
    }
}

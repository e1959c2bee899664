//! Opens files of a stick, as root often and on file systems that somebody else made: whatever bears
//! a file's name may be a link into this machine, a device or a pipe.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::{fs::OFlags, io::Errno};

/// Opens an ordinary file for reading; follows no link, waits for nobody and wakes no device.
///
/// # Errors
/// When there is none, or it is something else.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let not_ordinary = || io::Error::other("it is no ordinary file: remove it from the stick");
    // Before it is opened: a device may act on that alone.
    if !path.symlink_metadata()?.is_file() {
        return Err(not_ordinary());
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(not_ordinary());
        }
        opened => opened?,
    };
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(not_ordinary())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn ordinary_files_are_opened_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(open(&path("file")).is_ok());
        for other in ["link", "folder", "pipe"] {
            let error = open(&path(other)).unwrap_err().to_string();
            assert!(error.contains("no ordinary file"), "{other}: {error}");
        }
        let missing = open(&path("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}

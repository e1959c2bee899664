//! Notices the files that appear or change in a folder. Looks again and again: it works on every
//! file system, network drives included, and leaves the folder as it is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use super::super::ExistingPictures;

/// Time between two looks: a picture waits half of this on average, and a look at a folder of a
/// hundred files takes a tenth of a millisecond.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Most files a folder may hold: a look at so many takes as long as the pause between two looks.
/// With more the reader ends, for it could not tell old pictures from new ones.
const FILES_MAX: usize = 10_000;

/// Ending of files that are still being written.
const UNFINISHED: &[u8] = b".part";

/// What tells one content of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Seen like this at the last look; it may still be growing.
    Noticed,
    /// Handed out.
    Read,
}

/// What is known of a folder.
#[derive(Debug)]
pub(super) struct Watch {
    folder: PathBuf,
    /// Files there at the last look, and no others: it is as bounded as the folder.
    files: BTreeMap<OsString, (Mark, Stage)>,
}

impl Watch {
    /// Looks at the folder for the first time.
    ///
    /// # Errors
    /// When it cannot be listed or holds too many files.
    pub(super) fn new(folder: &Path, existing: ExistingPictures) -> anyhow::Result<Self> {
        let mut watch = Self {
            folder: folder.to_owned(),
            files: BTreeMap::new(),
        };
        let stage = match existing {
            ExistingPictures::Skip => Stage::Read,
            ExistingPictures::Read => Stage::Noticed,
        };
        let files = watch.list()?;
        watch.files = files
            .into_iter()
            .map(|(name, mark)| (name, (mark, stage)))
            .collect();
        Ok(watch)
    }

    /// Files that are new or have other content, and did not change since the last look, in the
    /// order of their names. A file rewritten in place is a new picture.
    ///
    /// # Errors
    /// When the folder cannot be listed or holds too many files.
    pub(super) fn new_files(&mut self) -> anyhow::Result<Vec<PathBuf>> {
        let mut now = BTreeMap::new();
        let mut ready = Vec::new();
        for (name, mark) in self.list()? {
            let stage = match self.files.get(&name) {
                Some((known, Stage::Read)) if *known == mark => Stage::Read,
                Some((known, Stage::Noticed)) if *known == mark => {
                    ready.push(self.folder.join(&name));
                    Stage::Read
                }
                Some(_) | None => Stage::Noticed,
            };
            now.insert(name, (mark, stage));
        }
        self.files = now;
        Ok(ready)
    }

    fn list(&self) -> anyhow::Result<BTreeMap<OsString, Mark>> {
        let cannot_list = || format!("cannot list the folder of pictures {:?}", self.folder);
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&self.folder).with_context(cannot_list)? {
            let entry = entry.with_context(cannot_list)?;
            let name = entry.file_name();
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if is_hidden || name.as_encoded_bytes().ends_with(UNFINISHED) {
                continue;
            }
            // A file that is gone before its turn is no picture; a folder is never one.
            let Ok(metadata) = fs::metadata(entry.path()) else {
                continue;
            };
            if metadata.is_dir() {
                continue;
            }
            if files.len() == FILES_MAX {
                bail!(
                    "the folder of pictures {:?} holds more than {FILES_MAX} files: remove those that were read",
                    self.folder
                );
            }
            let mark = Mark {
                inode: metadata.ino(),
                bytes: metadata.len(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
            };
            files.insert(name, mark);
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests;

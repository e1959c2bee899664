//! The journal's file on a stick: written beside its place, made durable, and moved there only when
//! it holds more than what is there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use shared::{
    carry::{Direction, FileHeader, Item, Place, Splitter},
    gate_api::{JournalBatch, read},
    ids::{GateId, JournalPosition},
};

use super::{
    desk::{Next, Reading},
    stick,
};
use crate::clock::GateClock;

/// A file that is being written; dropped unfinished, it is gone and nothing has changed.
pub(super) struct JournalFile {
    path: PathBuf,
    gate: GateId,
    writing: Option<Writing>,
}

struct Writing {
    file: File,
    beside: PathBuf,
    items: u64,
    /// Its first records stand behind some that the gate has removed.
    lacks_what_precedes: bool,
    span: Span,
}

/// The records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: JournalPosition,
    to: JournalPosition,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// There was nothing to write.
    Nothing,
    /// It is there.
    Written {
        from: JournalPosition,
        notes: Vec<String>,
    },
    /// It was there.
    AlreadyThere,
    /// What is there holds more.
    OtherHoldsMore { held: JournalPosition },
}

impl JournalFile {
    pub(super) fn new(path: &Path, gate: GateId) -> Self {
        Self {
            path: path.to_owned(),
            gate,
            writing: None,
        }
    }

    /// Adds a batch whose last record is `to`.
    ///
    /// # Errors
    /// When the stick does not take it; the message says what to do.
    pub(super) fn write(&mut self, to: JournalPosition, batch: &[u8]) -> anyhow::Result<()> {
        if self.writing.is_none() {
            self.writing = Some(self.begin(batch)?);
        }
        let writing = self.writing.as_mut().expect("it was begun");
        let item = Item::Batch(batch.to_vec().into());
        writing
            .put(&item)
            .with_context(|| not_written(&self.path))?;
        writing.span.to = to;
        Ok(())
    }

    fn begin(&self, first: &[u8]) -> anyhow::Result<Writing> {
        let batch: JournalBatch = read(first).context("the agent gave what is no batch")?;
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let context = || not_written(&self.path);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(context);
            }
            Ok(()) | Err(_) => {}
        }
        // It holds names: for its owner alone, where the stick's file system knows owners.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .with_context(context)?;
        let mut writing = Writing {
            file,
            beside,
            items: 0,
            lacks_what_precedes: batch.anchor.is_some(),
            span: Span {
                from: batch.first,
                to: batch.first,
            },
        };
        let made_at = GateClock::new(crate::clock::ClockConfig::default())
            .now()
            .utc;
        let header = FileHeader::new(Direction::ToCentral, self.gate, made_at);
        writing.put(&Item::Header(header)).with_context(context)?;
        Ok(writing)
    }

    /// Moves what is there away, to a name that nothing has.
    fn put_aside(&self, why: &str) -> anyhow::Result<PathBuf> {
        let mut aside = self.path.with_extension(format!("{why}.journal"));
        for number in 2.. {
            if aside.symlink_metadata().is_err() {
                break;
            }
            aside = self.path.with_extension(format!("{why}-{number}.journal"));
        }
        fs::rename(&self.path, &aside).with_context(|| not_written(&self.path))?;
        Ok(aside)
    }

    /// Puts the file in its place, if it holds more than what is there.
    ///
    /// # Errors
    /// When the stick does not take it, or something else lies there.
    pub(super) fn finish(mut self) -> anyhow::Result<Kept> {
        let Some(mut writing) = self.writing.take() else {
            return Ok(Kept::Nothing);
        };
        let context = || not_written(&self.path);
        let (items, lacks_what_precedes) = (writing.items, writing.lacks_what_precedes);
        writing
            .put(&Item::End(items))
            .and_then(|()| writing.file.sync_all())
            .with_context(context)?;
        let Span { from, to } = writing.span;
        let mut notes = Vec::new();
        match held(&self.path, self.gate)? {
            Some(Held { span, .. }) if span.to.epoch < to.epoch => {
                let epoch = span.to.epoch;
                let aside = self.put_aside(&format!("{epoch}"))?;
                notes.push(format!(
                    "LOOK the gate was enrolled anew since the stick was last here: what it held is kept as {}",
                    aside.display()
                ));
            }
            Some(Held { span, .. }) if span.to > to => {
                return Ok(Kept::OtherHoldsMore { held: span.to });
            }
            // A gate whose journal was full has dropped what is there.
            Some(Held { span, .. }) if span.from < from && lacks_what_precedes => {
                let aside = self.put_aside(&format!("from-{}", span.from.seq))?;
                notes.push(format!(
                    "LOOK the gate no longer has the first records that the stick held: they are kept as {}",
                    aside.display()
                ));
            }
            Some(Held {
                span,
                is_whole: true,
            }) if span.to == to && span.from <= from => return Ok(Kept::AlreadyThere),
            Some(_) | None => {}
        }
        fs::rename(&writing.beside, &self.path).with_context(context)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .with_context(context)?;
        let mode = writing.file.metadata().map(|it| it.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            notes.push(
                "this stick knows no owners: whoever holds it can read who went where; keep it so"
                    .into(),
            );
        }
        Ok(Kept::Written { from, notes })
    }
}

impl Writing {
    fn put(&mut self, item: &Item) -> io::Result<()> {
        self.file.write_all(&item.to_bytes())?;
        self.items += 1;
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Once it is in its place there is nothing here.
        let _ = fs::remove_file(&self.beside);
    }
}

fn not_written(path: &Path) -> String {
    format!(
        "{} was not written, and nothing that was there has changed; the gate keeps its records. Make room on the \
         stick, make it writable, or take another, and carry again",
        path.display()
    )
}

/// What an earlier file holds.
struct Held {
    span: Span,
    is_whole: bool,
}

/// What lies at `path`; `None` when nothing does, or nothing that could be lost.
fn held(path: &Path, gate: GateId) -> anyhow::Result<Option<Held>> {
    let cannot_read = || format!("cannot read what lies at {}", path.display());
    let file = match stick::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(cannot_read)?,
    };
    let mut reading = Reading {
        file: &file,
        splitter: Splitter::default(),
    };
    let (mut first, mut last): (Option<Place>, Option<Place>) = (None, None);
    let (mut is_ours, mut is_whole, mut is_all_readable) = (false, false, true);
    while let Next::Item(place, bytes) = reading.next().with_context(cannot_read)? {
        match Item::read(&bytes) {
            Ok(Some(Item::Header(header))) => {
                is_ours = header.check(Direction::ToCentral, gate).is_ok();
            }
            Ok(Some(Item::Batch(_))) => {
                first.get_or_insert(place);
                last = Some(place);
            }
            Ok(Some(Item::End(_))) => is_whole = is_all_readable,
            Ok(_) => {}
            Err(_) => is_all_readable = false,
        }
        if !is_ours {
            break;
        }
    }
    if !is_ours {
        bail!(
            "{} is no journal of this gate: move it away, and carry again",
            path.display()
        );
    }
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(None);
    };
    let (first, last) = (batch_at(&file, first), batch_at(&file, last));
    let (Some(first), Some(last)) = (first, last) else {
        bail!(
            "{} is damaged: take it to central as it is or move it away, and carry again",
            path.display()
        );
    };
    let to = JournalPosition {
        seq: last.first.seq + (last.records.len() as u64).saturating_sub(1),
        ..last.first
    };
    Ok(Some(Held {
        span: Span {
            from: first.first,
            to,
        },
        is_whole,
    }))
}

fn batch_at(file: &File, place: Place) -> Option<JournalBatch> {
    let mut bytes = vec![0; place.length];
    file.read_exact_at(&mut bytes, place.offset).ok()?;
    match Item::read(&bytes) {
        Ok(Some(Item::Batch(batch))) => read(&batch).ok(),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;

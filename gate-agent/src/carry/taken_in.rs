//! When a stick was last taken in: a note in the state folder, for `doctor`. Nothing rests on it.

use std::{fs, path::Path};

use anyhow::Context as _;
use shared::time::UtcSeconds;

/// The note's file.
pub const TAKEN_IN_FILE: &str = "carried";

/// Notes that one was taken in now.
pub(super) fn note(state: &Path, now: UtcSeconds) -> anyhow::Result<()> {
    let path = state.join(TAKEN_IN_FILE);
    let beside = path.with_extension("new");
    fs::write(&beside, now.0.to_string())
        .and_then(|()| fs::rename(&beside, &path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// When one was last taken in, by the gate's clock.
#[must_use]
pub fn last_taken_in(state: &Path) -> Option<UtcSeconds> {
    let text = fs::read_to_string(state.join(TAKEN_IN_FILE)).ok()?;
    text.parse().ok().map(UtcSeconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_taken_in(folder.path()), None);
        for at in [5, 9] {
            note(folder.path(), UtcSeconds(at)).unwrap();
        }
        assert_eq!(last_taken_in(folder.path()), Some(UtcSeconds(9)));
    }
}

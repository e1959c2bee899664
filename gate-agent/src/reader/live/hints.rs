//! What would help the holder, made steady: one frame sees a code as too far and the next as
//! blurred, and a guard can read no word that flickers.

use std::collections::BTreeMap;

use shared::time::Uptime;

use crate::decoder::Hint;

/// Frames that must say the same before it is said.
const FRAMES_MIN: u32 = 3;
/// For so long, in ms, they must have said it: who walks by needs no advice.
const SAID_FOR_MS: u64 = 300;
/// What was not said for so long, in ms, holds no longer.
const FORGOTTEN_AFTER_MS: u64 = 1_000;

/// What frames hinted at lately.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints(BTreeMap<Hint, Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    first: Uptime,
    last: Uptime,
    frames: u32,
}

impl Hints {
    /// What holds after a frame that was taken then: the most useful word of those that are steady.
    pub(super) fn after(&mut self, taken_at: Uptime, hints: &[Hint]) -> Option<Hint> {
        self.0
            .retain(|_, seen| taken_at.since_ms(seen.last) <= FORGOTTEN_AFTER_MS);
        for &hint in hints {
            let seen = self.0.entry(hint).or_insert(Seen {
                first: taken_at,
                last: taken_at,
                frames: 0,
            });
            seen.last = taken_at;
            seen.frames += 1;
        }
        Hint::ALL.into_iter().find(|hint| {
            self.0.get(hint).is_some_and(|seen| {
                seen.frames >= FRAMES_MIN && seen.last.since_ms(seen.first) >= SAID_FOR_MS
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_said_when_it_is_steady_and_holds_until_it_is_gone() {
        let mut hints = Hints::default();
        let mut after = |ms, seen: &[Hint]| hints.after(Uptime(ms), seen);
        assert_eq!(after(0, &[Hint::TooFar]), None);
        assert_eq!(after(100, &[Hint::TooFar, Hint::Blurred]), None);
        assert_eq!(after(200, &[Hint::TooFar]), None, "not long enough");
        assert_eq!(after(300, &[Hint::TooFar]), Some(Hint::TooFar));
        assert_eq!(after(900, &[]), Some(Hint::TooFar));
        assert_eq!(after(1_301, &[]), None);
        assert_eq!(after(1_400, &[Hint::TooFar]), None, "it begins anew");
    }

    #[test]
    fn the_most_useful_word_is_said_and_one_frame_alone_says_nothing() {
        let mut hints = Hints::default();
        let both = [Hint::Blurred, Hint::TooNear];
        for ms in [0, 200, 400] {
            hints.after(Uptime(ms), &both);
        }
        assert_eq!(hints.after(Uptime(600), &both), Some(Hint::TooNear));
        let mut hints = Hints::default();
        hints.after(Uptime(0), &[Hint::TooDim]);
        assert_eq!(hints.after(Uptime(500), &[]), None);
    }
}

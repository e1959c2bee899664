//! *Keep looking*: a text that is not ours or does not verify may be a bad read, a poster, or a
//! forgery. It becomes a refusal when the same text has been read for a second, or the source has
//! no more frames, and nothing that verifies came.

use alloc::vec::Vec;

use shared::{decision::DenyReason, ids::Digest, time::Uptime};

use crate::input::PresentationEnd;

/// How long the same text must be read before it is refused, in ms.
pub(crate) const LOOK_FOR_MS: u64 = 1000;
/// A text that was not read for so long has gone away, in ms: a few frames lost to motion do not
/// begin a new presentation.
pub(crate) const GONE_AFTER_MS: u64 = 1000;
/// Most texts followed at one access point; a wall of posters is no reason to grow.
const TEXTS_LIMIT: usize = 8;

/// Texts that do not verify, as they are being read at one access point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looking(Vec<Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    text: Digest,
    reason: DenyReason,
    first: Uptime,
    last: Uptime,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    NotYet,
    Refused,
}

impl Looking {
    /// One frame's texts that did not verify, with their reasons. Returns why the presentation is
    /// refused, once for each text that stays; of several the one that came furthest.
    pub(crate) fn read(
        &mut self,
        taken_at: Uptime,
        texts: &[(Digest, DenyReason)],
        end: PresentationEnd,
    ) -> Option<DenyReason> {
        self.0
            .retain(|seen| taken_at.since_ms(seen.last) <= GONE_AFTER_MS);
        for (text, reason) in texts {
            self.note(taken_at, *text, *reason);
        }
        match end {
            PresentationEnd::SourceHasNoMoreFrames => {
                let seen = core::mem::take(&mut self.0);
                let untold = seen.iter().filter(|seen| seen.told == Told::NotYet);
                untold.map(|seen| seen.reason).max()
            }
            PresentationEnd::MoreFramesFollow => {
                let due = self.0.iter_mut().filter(|seen| {
                    seen.told == Told::NotYet
                        && seen.last == taken_at
                        && seen.last.since_ms(seen.first) >= LOOK_FOR_MS
                });
                due.map(|seen| {
                    seen.told = Told::Refused;
                    seen.reason
                })
                .max()
            }
        }
    }

    /// Something that verifies came: what was read beside it was a bad read.
    pub(crate) fn verified(&mut self) {
        self.0.clear();
    }

    fn note(&mut self, taken_at: Uptime, text: Digest, reason: DenyReason) {
        if let Some(seen) = self.0.iter_mut().find(|seen| seen.text == text) {
            seen.last = taken_at;
            return;
        }
        if self.0.len() == TEXTS_LIMIT {
            return;
        }
        self.0.push(Seen {
            text,
            reason,
            first: taken_at,
            last: taken_at,
            told: Told::NotYet,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: (Digest, DenyReason) = (Digest([1; 32]), DenyReason::NotAPass);
    const B: (Digest, DenyReason) = (Digest([2; 32]), DenyReason::SignatureInvalid);

    fn frame(looking: &mut Looking, at: u64, texts: &[(Digest, DenyReason)]) -> Option<DenyReason> {
        looking.read(Uptime(at), texts, PresentationEnd::MoreFramesFollow)
    }

    #[test]
    fn the_same_text_for_a_second_is_refused_once() {
        let mut looking = Looking::default();
        let told: Vec<_> = (0..40)
            .filter_map(|i| frame(&mut looking, i * 100, &[A]))
            .collect();
        assert_eq!(told, [DenyReason::NotAPass]);
    }

    #[test]
    fn a_text_that_is_gone_before_a_second_is_over_is_nothing() {
        let mut looking = Looking::default();
        assert_eq!(frame(&mut looking, 0, &[A]), None);
        assert_eq!(frame(&mut looking, 900, &[A]), None);
        assert_eq!(frame(&mut looking, 2000, &[A]), None, "a new presentation");
    }

    #[test]
    fn changing_texts_are_bad_reads_until_one_stays() {
        let mut looking = Looking::default();
        for i in 0..30u8 {
            let text = (Digest([i; 32]), DenyReason::PassMalformed);
            assert_eq!(frame(&mut looking, u64::from(i) * 100, &[text]), None);
        }
    }

    #[test]
    fn the_last_frame_decides_at_once_for_the_text_that_came_furthest() {
        let mut looking = Looking::default();
        let end = PresentationEnd::SourceHasNoMoreFrames;
        assert_eq!(
            looking.read(Uptime(5), &[A, B], end),
            Some(DenyReason::SignatureInvalid)
        );
        assert_eq!(
            looking.read(Uptime(6), &[A], end),
            Some(DenyReason::NotAPass),
            "another picture is another presentation"
        );
        assert_eq!(looking.read(Uptime(7), &[], end), None);
    }

    #[test]
    fn what_verifies_wipes_out_bad_reads() {
        let mut looking = Looking::default();
        frame(&mut looking, 0, &[A]);
        looking.verified();
        assert_eq!(frame(&mut looking, 1000, &[A]), None);
    }
}

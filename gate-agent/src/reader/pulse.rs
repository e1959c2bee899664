//! How a reader shows that it lives: a beat with each step forward, and counts of frames. Whoever
//! feeds the watchdog looks at it; nobody waits for it.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    time::Duration,
};

use shared::time::Uptime;

use crate::clock::Clock;

/// A reader that waits beats so often: well within any watchdog's patience.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// The longest time between two beats of a sound reader, in ms: a decoder that does not start has
/// ten seconds, and one that takes no frame five.
pub const BEATS_WITHIN_MS: u64 = 20_000;

/// The pulse of one reader, shared with whoever watches it.
#[derive(Debug, Default)]
pub struct Pulse {
    last_beat_ms: AtomicU64,
    taken: AtomicU64,
    decoded: AtomicU64,
    dropped: AtomicU64,
    damaged: AtomicU64,
    undelivered: AtomicU64,
    /// Whether somebody looks at [`Pulse::sharpness`].
    is_focused: AtomicBool,
    sharpness: AtomicU8,
}

/// In the place of a sharpness that nobody can tell.
const NO_SHARPNESS: u8 = u8::MAX;

/// What became of a live reader's frames since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Frames that came from the source whole, dropped ones among them.
    pub taken: u64,
    /// Frames that the decoder looked at.
    pub decoded: u64,
    /// Frames that were replaced by a newer one before the decoder had time for them.
    pub dropped: u64,
    /// Frames that were not whole, or could not be unpacked.
    pub damaged: u64,
    /// Frames that were read, but nobody took the texts in time.
    pub undelivered: u64,
}

impl Pulse {
    /// When the reader last made a step forward: it read a frame, looked for one, or waited with
    /// nothing to do. Zero before its first. A reader that fails and is tried again beats too: it
    /// says itself that it fails.
    #[must_use]
    pub fn last_beat(&self) -> Uptime {
        Uptime(self.last_beat_ms.load(Ordering::Relaxed))
    }

    /// Whether the reader has stood still for longer than any step may take.
    #[must_use]
    pub fn is_stuck(&self, now: Uptime) -> bool {
        let last = self.last_beat();
        last != Uptime(0) && now.since_ms(last) > BEATS_WITHIN_MS
    }

    /// What became of its frames.
    #[must_use]
    pub fn counts(&self) -> FrameCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        FrameCounts {
            taken: read(&self.taken),
            decoded: read(&self.decoded),
            dropped: read(&self.dropped),
            damaged: read(&self.damaged),
            undelivered: read(&self.undelivered),
        }
    }

    /// Has the reader measure each frame's sharpness from now on, for somebody who turns the lens.
    pub fn focus(&self) {
        self.sharpness.store(NO_SHARPNESS, Ordering::Relaxed);
        self.is_focused.store(true, Ordering::Relaxed);
    }

    /// How sharp the last frame was, from 0 to 100, once [`Pulse::focus`] was called; `None` when
    /// there was none yet, or nothing in it by which to tell.
    #[must_use]
    pub fn sharpness(&self) -> Option<u8> {
        let is_focused = self.is_focused();
        let percent = self.sharpness.load(Ordering::Relaxed);
        (is_focused && percent != NO_SHARPNESS).then_some(percent)
    }

    pub(super) fn is_focused(&self) -> bool {
        self.is_focused.load(Ordering::Relaxed)
    }

    pub(super) fn measured(&self, sharpness: Option<u8>) {
        let percent = sharpness.unwrap_or(NO_SHARPNESS);
        self.sharpness.store(percent, Ordering::Relaxed);
    }

    pub(super) fn beat(&self, clock: Clock) {
        self.last_beat_ms.store(clock.uptime().0, Ordering::Relaxed);
    }

    /// There will be no more beats, and that is in order: a list of pictures is read.
    pub(super) fn rest(&self) {
        self.last_beat_ms.store(0, Ordering::Relaxed);
    }

    /// A beat at a moment of the caller's choosing, for tests of who looks at pulses.
    #[cfg(test)]
    pub(crate) fn beat_at(&self, now: Uptime) {
        self.last_beat_ms.store(now.0, Ordering::Relaxed);
    }

    /// Beats while `wait` waits for somebody else.
    pub(super) async fn while_waiting<T>(&self, clock: Clock, wait: impl Future<Output = T>) -> T {
        tokio::pin!(wait);
        loop {
            self.beat(clock);
            tokio::select! {
                done = &mut wait => return done,
                () = tokio::time::sleep(BEAT_EVERY) => {}
            }
        }
    }

    pub(super) fn count_taken(&self, frames: u64) {
        self.taken.fetch_add(frames, Ordering::Relaxed);
    }

    pub(super) fn count_decoded(&self) {
        self.decoded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_dropped(&self, frames: u64) {
        self.dropped.fetch_add(frames, Ordering::Relaxed);
    }

    pub(super) fn count_damaged(&self, frames: u64) {
        self.damaged.fetch_add(frames, Ordering::Relaxed);
    }

    pub(super) fn count_undelivered(&self) {
        self.undelivered.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_stuck_when_its_last_beat_is_long_ago_and_not_before_its_first() {
        let pulse = Pulse::default();
        assert!(!pulse.is_stuck(Uptime(1_000_000)));
        pulse.last_beat_ms.store(1_000, Ordering::Relaxed);
        assert!(!pulse.is_stuck(Uptime(1_000 + BEATS_WITHIN_MS)));
        assert!(pulse.is_stuck(Uptime(1_001 + BEATS_WITHIN_MS)));
        pulse.rest();
        assert!(!pulse.is_stuck(Uptime(1_001 + BEATS_WITHIN_MS)));
    }

    #[tokio::test]
    async fn a_reader_that_waits_beats() {
        let (pulse, clock) = (Pulse::default(), Clock::system());
        let before = clock.uptime();
        pulse.while_waiting(clock, async {}).await;
        assert!(pulse.last_beat() >= before);
    }
}

//! The frames of one camera. Each gets the cheapest work that it may need: a look whether anything
//! moved; where it did, the plain look; where that hints at a code and cannot read it, one costlier
//! step more, another one in each frame.

use crate::cascade::Wanted;
use crate::frame::Frame;
use crate::motion::Trace;
use crate::reading::{Reading, Step};
use crate::search::{Depth, Limits, Look, Search};

/// What one look at a gate's frame may cost. Three finder patterns are a code's; a few dozen are
/// clutter that a code may stand in; a frame full of them is hostile.
pub(crate) const LIMITS: Limits = Limits {
    codes_max: 16,
    checks_max: 1_500,
    finders_max: 64,
    fits_max: 24,
    modules_max: 32_000,
};

/// The costlier steps in the order in which they read most of what the plain look misses.
const STEPS: &[Step] = &[
    Step::Half,
    Step::Dim,
    Step::Smooth,
    Step::Sharp,
    Step::Double,
    Step::HalfDim,
    Step::Wide,
    Step::HalfSharp,
    Step::Quarter,
];

/// Frames without motion for which work goes on: a round of all steps, for a code that none of the
/// cheap looks hints at.
const FRAMES_AFTER_MOTION: u32 = STEPS.len() as u32 + 2;

/// The same where something looks like a code: two rounds and more, at 15 frames a second two
/// seconds. A hand that holds a pass does not keep stiller for longer; a poster does.
const HINTED_FRAMES_AFTER_MOTION: u32 = 30;

/// A still frame is looked at this often all the same: light changes more slowly than motion shows.
const LOOK_EVERY: u32 = 15;

/// The same where something looks like a code.
const LOOK_EVERY_WHERE_HINTED: u32 = 5;

/// What is known of one camera's frames so far.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// The frame that was last looked at.
    trace: Option<Trace>,
    /// Frames since something moved or was read.
    quiet_frames: u32,
    /// Whether the frame that was last looked at has something like a code.
    is_hinted: bool,
    /// The step that comes next.
    next_step: usize,
    /// The step that read the code of the frame before.
    lucky: Option<Step>,
}

impl Stream {
    /// Before the first frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next frame.
    #[must_use]
    pub fn read(&mut self, frame: &Frame, wanted: &Wanted<'_>) -> Reading {
        let trace = Trace::of(frame);
        let has_moved = self
            .trace
            .as_ref()
            .is_none_or(|before| trace.differs_from(before));
        if has_moved {
            self.quiet_frames = 0;
        } else {
            self.quiet_frames = self.quiet_frames.saturating_add(1);
            let (worked_on, every) = if self.is_hinted {
                (HINTED_FRAMES_AFTER_MOTION, LOOK_EVERY_WHERE_HINTED)
            } else {
                (FRAMES_AFTER_MOTION, LOOK_EVERY)
            };
            if self.quiet_frames > worked_on && !self.quiet_frames.is_multiple_of(every) {
                return Reading::default();
            }
        }
        self.trace = Some(trace);
        let limits = Limits {
            codes_max: wanted.codes_max,
            ..LIMITS
        };
        let mut search = Search::new(limits, wanted.is_over);
        let plain = Look {
            step: Step::Plain,
            row_step: 2,
            depth: Depth::Usual,
        };
        search.look(frame, plain);
        let is_hinted = search.is_hinted();
        // Somebody who moves will hold still soon; an empty gate that moves costs no second look.
        if search.reading.codes.is_empty() && (is_hinted || !has_moved) {
            let step = self.lucky.take().unwrap_or_else(|| self.step_by_turns());
            let look = Look {
                step,
                row_step: 1,
                depth: Depth::Bent,
            };
            search.look(frame, look);
            if !search.reading.codes.is_empty() {
                self.lucky = Some(step);
            }
        }
        self.is_hinted = is_hinted;
        if !search.reading.codes.is_empty() {
            self.quiet_frames = 0;
        }
        search.finish()
    }

    fn step_by_turns(&mut self) -> Step {
        let step = STEPS[self.next_step];
        self.next_step = (self.next_step + 1) % STEPS.len();
        step
    }
}

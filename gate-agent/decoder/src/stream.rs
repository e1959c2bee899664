//! The frames of one camera. Each gets the cheapest work that it may need: a look whether anything
//! moved; where it did, the plain look; where that hints at a code and cannot read it, one costlier
//! step more, another one in each frame.

use crate::cascade::Wanted;
use crate::frame::Frame;
use crate::motion::Trace;
use crate::reading::{Reading, Step, Work};
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

/// Those for a frame in which something moves and nothing looks like a code: noise and low contrast
/// hide all of it from the plain look.
const CHEAP_STEPS: &[Step] = &[
    Step::Half,
    Step::Dim,
    Step::Smooth,
    Step::HalfDim,
    Step::Sharp,
];

/// A frame that has cost more than this by now is not looked at once more: an honest one costs a
/// small part of it.
const LIGHT: Work = Work {
    looks: u32::MAX,
    checks: 3_000,
    fits: 48,
    modules: 12_000,
};

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
    /// The same of the cheap ones.
    next_cheap_step: usize,
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
            if self.quiet_frames > FRAMES_AFTER_MOTION {
                // Somebody comes: the steps that read most have their turn first.
                (self.next_step, self.next_cheap_step) = (0, 0);
            }
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
        // What the plain look cannot see at all, another may; where it sees something, two may.
        let has_grid = search.has_grid();
        let more = if is_hinted { 2 } else { 1 };
        for turn in 0..more {
            let is_over = !search.reading.codes.is_empty() || search.is_complete();
            if is_over || (turn > 0 && !self.may_go_on(&search)) {
                break;
            }
            let step = match self.lucky.take() {
                Some(step) => step,
                None if has_grid || !has_moved => self.step_by_turns(),
                None => self.cheap_step_by_turns(),
            };
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

    /// Whether a frame that two looks have not read may be looked at once more.
    fn may_go_on(&self, search: &Search<'_>) -> bool {
        search.reading.work.is_within(&LIGHT) && STEPS[self.next_step] != Step::Double
    }

    fn cheap_step_by_turns(&mut self) -> Step {
        let step = CHEAP_STEPS[self.next_cheap_step];
        self.next_cheap_step = (self.next_cheap_step + 1) % CHEAP_STEPS.len();
        step
    }

    fn step_by_turns(&mut self) -> Step {
        let step = STEPS[self.next_step];
        self.next_step = (self.next_step + 1) % STEPS.len();
        step
    }
}

//! One look at a frame in one view: finder patterns, three of a kind, grid, values, text. Every
//! part of it is counted and capped.

use std::borrow::Cow;

use crate::finder::{Finder, ScanLimits, scan};
use crate::fit::Fit;
use crate::frame::Frame;
use crate::reading::{Code, Hint, Reading, Step, Work};
use crate::sample::Sampled;
use crate::symbol::{Erasing, text_of};
use crate::tone::{Tiles, Tone};
use crate::triple::triples;

/// What all looks at one frame together may cost, and what they are for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Codes after which the search ends.
    pub(crate) codes_max: usize,
    /// Rows checked in one look.
    pub(crate) checks_max: u32,
    /// Finder patterns kept in one look.
    pub(crate) finders_max: usize,
    /// Grids fitted in one look.
    pub(crate) fits_max: u32,
    /// Modules sampled in one look: reading the largest code once takes 31,329.
    pub(crate) modules_max: u32,
}

/// How far a look goes with a grid that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The plain way, then with neighbours and unsure codewords taken out.
    Usual,
    /// The grid bent too.
    Bent,
}

/// One way to look at a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) step: Step,
    pub(crate) row_step: usize,
    pub(crate) depth: Depth,
}

/// A search through one frame.
pub(crate) struct Search<'a> {
    limits: Limits,
    is_over: &'a dyn Fn() -> bool,
    pub(crate) reading: Reading,
    seen: Seen,
    /// Modules and bent grids after which the look at hand reads no further grid.
    modules_end: u32,
    bent_left: u32,
}

/// What was seen and not read.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Grids with timing patterns: worth another step.
    grids: u32,
    /// Those of them that are a code for sure: worth a word to whoever holds it.
    codes: u32,
    /// Finder patterns seen on several rows.
    finders: u32,
    too_near: bool,
    too_far: bool,
    too_dim: bool,
    blurred: bool,
}

/// Frames are not doubled beyond this many pixels: a larger picture has no modules of one pixel
/// that are worth four times the work.
const DOUBLED_PIXELS_MAX: u64 = 16 * 1024 * 1024;

/// Grids bent in one look: each costs more than everything else that is done with it.
const BENT_MAX: u32 = 2;

/// Below this likeness of the timing patterns a grid is not worth being bent.
const BENT_TIMING_MIN: f32 = 0.7;

/// A grid with fewer of its known modules right is no code that somebody holds up.
const KNOWN_SHARE_MIN: f32 = 0.82;

/// Threes of finder patterns that are ranked; those that share one with a code that was read are
/// passed over, so that more are ranked than fitted.
const TRIPLES_MAX: usize = 1_000;

impl<'a> Search<'a> {
    pub(crate) fn new(limits: Limits, is_over: &'a dyn Fn() -> bool) -> Self {
        Self {
            limits,
            is_over,
            reading: Reading::default(),
            seen: Seen::default(),
            modules_end: 0,
            bent_left: 0,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.reading.codes.len() >= self.limits.codes_max || (self.is_over)()
    }

    /// Whether a grid was laid over something that was not read.
    pub(crate) fn has_grid(&self) -> bool {
        self.seen.grids > 0
    }

    /// Whether something looks like a code that was not read.
    pub(crate) fn is_hinted(&self) -> bool {
        self.seen.grids > 0 || self.seen.finders >= 2 || self.seen.too_near
    }

    pub(crate) fn look(&mut self, frame: &Frame, look: Look) {
        let Some(view) = view_of(frame, look.step) else {
            return;
        };
        self.reading.work.looks += 1;
        let levels = Tiles::of(&view).levels(tone_of(look.step));
        if self.is_complete() {
            return;
        }
        let scan = scan(
            &view,
            &levels,
            ScanLimits {
                row_step: look.row_step,
                checks_max: self.limits.checks_max,
                finders_max: self.limits.finders_max,
            },
        );
        self.reading.work.checks += scan.checks;
        self.read_finders(&view, &scan.finders, look);
    }

    /// Ends the search.
    pub(crate) fn finish(mut self) -> Reading {
        let hints = &mut self.reading.hints;
        let read = self.reading.codes.len();
        if read >= 2 {
            hints.push(Hint::SeveralCodes);
        }
        if read == 0 {
            for (is_so, hint) in [
                (self.seen.too_near && self.seen.codes == 0, Hint::TooNear),
                (self.seen.too_far, Hint::TooFar),
                (self.seen.too_dim, Hint::TooDim),
                (self.seen.blurred, Hint::Blurred),
            ] {
                if is_so {
                    hints.push(hint);
                }
            }
        }
        self.reading
    }

    fn read_finders(&mut self, view: &Frame, finders: &[Finder], look: Look) {
        let before = self.reading.work;
        self.modules_end = before.modules + self.limits.modules_max;
        self.bent_left = BENT_MAX;
        let mut used = vec![false; finders.len()];
        let mut fitted = vec![false; finders.len()];
        for triple in triples(finders, TRIPLES_MAX) {
            if triple.members.iter().any(|&member| used[member]) {
                continue;
            }
            let work = self.reading.work;
            if work.modules >= self.modules_end
                || work.fits - before.fits >= self.limits.fits_max
                || self.is_complete()
            {
                break;
            }
            self.reading.work.fits += 1;
            let Some(fit) = Fit::of(view, &triple) else {
                continue;
            };
            let is_new = !triple.members.iter().any(|&member| fitted[member]);
            match self.read_grid(view, &fit, look.depth) {
                Some(text) => {
                    for member in triple.members {
                        used[member] = true;
                    }
                    self.add(text, look.step);
                }
                None if is_new => {
                    self.seen.grids += 1;
                    if fit.known_share(view) >= KNOWN_SHARE_MIN {
                        self.note_code(view, &fit);
                        for member in triple.members {
                            fitted[member] = true;
                        }
                    }
                }
                None => {}
            }
        }
        for (place, finder) in finders.iter().enumerate() {
            if !used[place] && !fitted[place] {
                self.note_finder(view, finder, look);
            }
        }
    }

    fn add(&mut self, text: String, step: Step) {
        if !self.reading.codes.iter().any(|code| code.text == text) {
            self.reading.codes.push(Code { text, step });
        }
    }

    fn read_grid(&mut self, view: &Frame, fit: &Fit, depth: Depth) -> Option<String> {
        let aligned = fit.aligned(view);
        if let Some(aligned) = &aligned
            && let Some(text) = self.read_fit(view, aligned)
        {
            return Some(text);
        }
        if let Some(text) = self.read_fit(view, fit) {
            return Some(text);
        }
        let is_worth_it = fit.timing >= BENT_TIMING_MIN && self.bent_left > 0;
        match depth {
            Depth::Bent if is_worth_it && !self.is_complete() => {
                self.bent_left -= 1;
                self.read_fit(view, &aligned.as_ref().unwrap_or(fit).settled(view))
            }
            Depth::Usual | Depth::Bent => None,
        }
    }

    fn read_fit(&mut self, view: &Frame, fit: &Fit) -> Option<String> {
        /// Modules around, whose mean tells ink from paper: farther than any pattern is even.
        const AROUND: usize = 5;
        const UNSURE: &[Erasing] = &[Erasing::Nothing, Erasing::Quarters(1), Erasing::Quarters(2)];
        let modules = (fit.layout.dimension * fit.layout.dimension) as u32;
        if self.reading.work.modules + modules > self.modules_end {
            return None;
        }
        self.reading.work.modules += modules;
        let sampled = Sampled::of(view, fit);
        let even = sampled.against_mean(AROUND);
        let values = even.modules();
        text_of(&values, &fit.layout, &[Erasing::Nothing])
            .or_else(|| text_of(&even.equalised(fit)?, &fit.layout, UNSURE))
            .or_else(|| {
                let level = f32::midpoint(fit.ink, fit.paper);
                text_of(&sampled.against(level).modules(), &fit.layout, UNSURE)
            })
            .or_else(|| text_of(&values, &fit.layout, &UNSURE[1..]))
    }

    /// Smaller modules are not read reliably.
    const MODULE_MIN: f32 = 1.7;
    /// Less between ink and paper is not read reliably.
    const CONTRAST_MIN: f32 = 24.0;

    fn note_code(&mut self, view: &Frame, fit: &Fit) {
        self.seen.codes += 1;
        if fit.module() < Self::MODULE_MIN {
            self.seen.too_far = true;
        } else if fit.paper - fit.ink < Self::CONTRAST_MIN {
            self.seen.too_dim = true;
        } else if fit.unsure_share(view) > 0.3 {
            self.seen.blurred = true;
        }
    }

    /// A finder pattern that belongs to no grid.
    fn note_finder(&mut self, view: &Frame, finder: &Finder, look: Look) {
        /// Modules on a side of the smallest code that holds a pass.
        const PASS_MODULES: f32 = 41.0;
        let rows = 2.0 * finder.module / look.row_step as f32;
        if (finder.sightings as f32) < rows.max(2.0) {
            return;
        }
        self.seen.finders += 1;
        // Its code lies to one side of it, across and down, as far as the picture reaches there.
        let (x, y) = (finder.centre.x, finder.centre.y);
        let across = x.max(view.width() as f32 - x);
        let down = y.max(view.height() as f32 - y);
        self.seen.too_near |= finder.module * PASS_MODULES > across.min(down);
    }
}

fn tone_of(step: Step) -> Tone {
    match step {
        Step::Plain
        | Step::Smooth
        | Step::Sharp
        | Step::Half
        | Step::HalfSharp
        | Step::Quarter
        | Step::Double
        | Step::DoubleSharp
        | Step::Large
        | Step::LargeSharp => Tone::NearMean,
        Step::Dim | Step::HalfDim | Step::LargeDim => Tone::MiddleOfRange,
        Step::Wide => Tone::WideMean,
        Step::OneLevel => Tone::OneLevel,
    }
}

fn view_of(frame: &Frame, step: Step) -> Option<Cow<'_, Frame>> {
    let changed = match step {
        Step::Plain | Step::Dim | Step::Wide | Step::OneLevel | Step::Large | Step::LargeDim => {
            return Some(Cow::Borrowed(frame));
        }
        Step::Smooth => frame.blurred(),
        Step::Sharp | Step::LargeSharp => frame.sharpened(),
        Step::Half | Step::HalfDim => frame.halved()?,
        Step::HalfSharp => frame.halved()?.sharpened(),
        Step::Quarter => frame.halved()?.halved()?,
        Step::Double => frame.doubled(DOUBLED_PIXELS_MAX)?,
        Step::DoubleSharp => frame.doubled(DOUBLED_PIXELS_MAX)?.sharpened(),
    };
    Some(Cow::Owned(changed))
}

impl Work {
    /// Whether no part exceeds that of `other`.
    #[must_use]
    pub const fn is_within(&self, other: &Self) -> bool {
        self.looks <= other.looks
            && self.checks <= other.checks
            && self.fits <= other.fits
            && self.modules <= other.modules
    }
}

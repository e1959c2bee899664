//! Single pictures: there is no next frame, so every step that helps is taken, cheapest first.

use crate::frame::Frame;
use crate::reading::{Reading, Step};
use crate::search::{Depth, Limits, Look, Search};

/// When the search ends: after so many codes, or when the caller's clock says so.
pub struct Wanted<'a> {
    /// Codes after which the search ends.
    pub codes_max: usize,
    /// Asked between the parts of the work, each of which takes milliseconds at most.
    pub is_over: &'a dyn Fn() -> bool,
}

/// Whether a look is taken though codes were found already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    NothingFound,
}

/// Longest side of the pictures that most looks of a thorough search are taken at. A code that is
/// worth holding up fills a good part of its picture; for a small one in a large photograph there
/// are the large steps.
const SMALL_SIDE_MAX: u32 = 1_600;

/// The steps for a picture that stands for a gate's camera: those of its stream.
const GATE_STEPS: &[(Step, When)] = &[
    (Step::Plain, When::Always),
    (Step::Dim, When::NothingFound),
    (Step::Half, When::NothingFound),
    (Step::Smooth, When::NothingFound),
    (Step::Sharp, When::NothingFound),
    (Step::Wide, When::NothingFound),
    (Step::HalfDim, When::NothingFound),
    (Step::Double, When::NothingFound),
    (Step::HalfSharp, When::NothingFound),
    (Step::Quarter, When::NothingFound),
];

const THOROUGH_STEPS: &[(Step, When)] = &[
    (Step::Plain, When::Always),
    (Step::Large, When::Always),
    (Step::Dim, When::Always),
    (Step::Half, When::Always),
    (Step::Smooth, When::NothingFound),
    (Step::Sharp, When::NothingFound),
    (Step::Wide, When::NothingFound),
    (Step::OneLevel, When::NothingFound),
    (Step::HalfDim, When::NothingFound),
    (Step::HalfSharp, When::NothingFound),
    (Step::Double, When::NothingFound),
    (Step::Quarter, When::NothingFound),
    (Step::DoubleSharp, When::NothingFound),
    (Step::LargeDim, When::NothingFound),
    (Step::LargeSharp, When::NothingFound),
];

/// Room for a sheet of cards: finder patterns of three dozen codes and as much clutter.
const THOROUGH_LIMITS: Limits = Limits {
    codes_max: 0,
    checks_max: 12_000,
    finders_max: 400,
    fits_max: 160,
    modules_max: 700_000,
};

/// Reads a picture that stands for a gate's camera: every step of [`crate::Stream`], one after the
/// other.
#[must_use]
pub fn read_as_gate(frame: &Frame, wanted: &Wanted<'_>) -> Reading {
    let limits = Limits {
        codes_max: wanted.codes_max,
        ..crate::stream::LIMITS
    };
    let mut search = Search::new(limits, wanted.is_over);
    take(frame, frame, GATE_STEPS, &mut search);
    search.finish()
}

/// Reads a picture with everything that helps.
#[must_use]
pub fn read_thoroughly(frame: &Frame, wanted: &Wanted<'_>) -> Reading {
    let limits = Limits {
        codes_max: wanted.codes_max,
        ..THOROUGH_LIMITS
    };
    let mut search = Search::new(limits, wanted.is_over);
    let shrunk = frame.shrunk_to(SMALL_SIDE_MAX);
    take(
        shrunk.as_ref().unwrap_or(frame),
        frame,
        THOROUGH_STEPS,
        &mut search,
    );
    search.finish()
}

fn take(small: &Frame, large: &Frame, steps: &[(Step, When)], search: &mut Search<'_>) {
    let is_shrunk = small.width() != large.width() || small.height() != large.height();
    for &(step, when) in steps {
        if search.is_complete() {
            return;
        }
        let is_large = matches!(step, Step::Large | Step::LargeDim | Step::LargeSharp);
        if (is_large && !is_shrunk)
            || (when == When::NothingFound && !search.reading.codes.is_empty())
        {
            continue;
        }
        let look = Look {
            step,
            row_step: 1,
            depth: Depth::Bent,
        };
        search.look(if is_large { large } else { small }, look);
    }
}

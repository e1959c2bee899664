//! Finds every QR code in a frame. Looks at it in several ways, cheapest first, until the codes are
//! found or the time is over.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rxing::common::cpp_essentials::ConcentricPattern;
use rxing::common::{BitMatrix, DetectorRXingResult};
use rxing::qrcode::cpp_port::{decoder, detector};

use crate::clock::Clock;

use super::binarise::Binariser;
use super::filters;
use super::frame::Frame;
use super::{Effort, cut_text};

/// The moment at which the search ends with what it has.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    clock: Clock,
    ends_us: u64,
}

impl Deadline {
    /// So many milliseconds from now.
    #[must_use]
    pub fn in_ms(clock: Clock, milliseconds: u64) -> Self {
        Self {
            clock,
            ends_us: clock
                .uptime_us()
                .saturating_add(milliseconds.saturating_mul(1_000)),
        }
    }

    fn is_over(&self) -> bool {
        self.clock.uptime_us() >= self.ends_us
    }
}

/// One way to change the frame before it is made ink and paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    AsIs,
    Stretched,
    Blurred,
    BlurredStretched,
    Sharpened,
    Halved,
    HalvedStretched,
    Quartered,
    Doubled,
    DoubledSharpened,
}

/// Whether a look is taken though codes were found already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    NothingFound,
}

/// Which size of the picture is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// As it came, where that is larger than [`Size::Small`]; no look otherwise.
    Large,
    /// Shrunk to [`SMALL_SIDE_MAX`], or as it came when it is no larger.
    Small,
}

/// Longest side of the pictures that most looks of a thorough search are taken at. A code that is
/// worth holding up fills a good part of its picture; for a small one in a large photograph there
/// are looks at [`Size::Large`].
const SMALL_SIDE_MAX: u32 = 1_600;

struct Look {
    size: Size,
    view: View,
    binarisers: &'static [Binariser],
    when: When,
}

const BLOCKS: &[Binariser] = &[Binariser::Blocks];
const BLOCKS_AND_MEAN: &[Binariser] = &[Binariser::Blocks, Binariser::LocalMean];

const fn look(size: Size, view: View, binarisers: &'static [Binariser], when: When) -> Look {
    Look {
        size,
        view,
        binarisers,
        when,
    }
}

/// Two looks at an honest frame, four at an empty one.
const GATE_LOOKS: &[Look] = &[
    look(Size::Small, View::AsIs, BLOCKS, When::Always),
    look(Size::Small, View::Stretched, BLOCKS, When::NothingFound),
];

const THOROUGH_LOOKS: &[Look] = &[
    look(Size::Small, View::AsIs, BLOCKS_AND_MEAN, When::Always),
    look(Size::Large, View::AsIs, BLOCKS, When::Always),
    look(Size::Small, View::Stretched, BLOCKS, When::Always),
    look(Size::Small, View::Halved, BLOCKS, When::Always),
    look(
        Size::Small,
        View::AsIs,
        &[Binariser::OneLevel],
        When::NothingFound,
    ),
    look(
        Size::Small,
        View::Blurred,
        BLOCKS_AND_MEAN,
        When::NothingFound,
    ),
    look(
        Size::Small,
        View::BlurredStretched,
        BLOCKS_AND_MEAN,
        When::NothingFound,
    ),
    look(
        Size::Small,
        View::Sharpened,
        BLOCKS_AND_MEAN,
        When::NothingFound,
    ),
    look(
        Size::Small,
        View::Doubled,
        BLOCKS_AND_MEAN,
        When::NothingFound,
    ),
    look(
        Size::Small,
        View::HalvedStretched,
        BLOCKS_AND_MEAN,
        When::NothingFound,
    ),
    look(
        Size::Small,
        View::Quartered,
        BLOCKS_AND_MEAN,
        When::NothingFound,
    ),
    look(
        Size::Small,
        View::DoubledSharpened,
        BLOCKS_AND_MEAN,
        When::NothingFound,
    ),
    look(Size::Large, View::Stretched, BLOCKS, When::NothingFound),
    look(Size::Large, View::Sharpened, BLOCKS, When::NothingFound),
    look(Size::Large, View::Blurred, BLOCKS, When::NothingFound),
];

/// Frames are not doubled beyond this many pixels: a larger picture has no modules of one pixel
/// that are worth four times the work.
const DOUBLED_PIXELS_MAX: u64 = 16 * 1024 * 1024;

/// Every code's text in the order of being found, each text once. What is no Unicode text in a code
/// is replaced or guessed at: it is a foreign code.
///
/// A hostile frame may take far longer than the deadline, for one step of the search cannot be
/// interrupted: call this where it can be killed.
#[must_use]
pub fn find_codes(frame: &Frame, effort: Effort, deadline: Deadline) -> Vec<String> {
    let (looks, small_side_max) = match effort {
        Effort::Gate => (GATE_LOOKS, u32::MAX),
        Effort::Thorough => (THOROUGH_LOOKS, SMALL_SIDE_MAX),
    };
    let shrunk = frame.shrunk_to(small_side_max);
    let mut found = Found {
        effort,
        deadline,
        texts: Vec::new(),
    };
    for look in looks {
        if look.when == When::NothingFound && !found.texts.is_empty() {
            continue;
        }
        let sized = match (look.size, &shrunk) {
            (Size::Large, None) => continue,
            (Size::Large, Some(_)) | (Size::Small, None) => frame,
            (Size::Small, Some(shrunk)) => shrunk,
        };
        take_look(sized, look, &mut found);
        if found.is_complete() {
            break;
        }
    }
    found.texts
}

/// Dark codes on light paper, then light ones on dark.
fn take_look(frame: &Frame, look: &Look, found: &mut Found) {
    let Some(view) = view_of(frame, look.view) else {
        return;
    };
    read_view(&view, look.binarisers, found);
    if !found.is_complete() {
        read_view(&filters::inverted(&view), look.binarisers, found);
    }
}

fn read_view(view: &Frame, binarisers: &[Binariser], found: &mut Found) {
    for binariser in binarisers {
        if found.is_complete() {
            return;
        }
        // A panic in the library spoils this look alone.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if let Some(matrix) = binariser.matrix(view) {
                read_matrix(&matrix, found);
            }
        }));
    }
}

fn view_of(frame: &Frame, view: View) -> Option<Cow<'_, Frame>> {
    let changed = match view {
        View::AsIs => return Some(Cow::Borrowed(frame)),
        View::Stretched => filters::stretched(frame),
        View::Blurred => filters::blurred(frame),
        View::BlurredStretched => filters::stretched(&filters::blurred(frame)),
        View::Sharpened => filters::sharpened(frame),
        View::Halved => filters::halved(frame)?,
        View::HalvedStretched => filters::stretched(&filters::halved(frame)?),
        View::Quartered => filters::halved(&filters::halved(frame)?)?,
        View::Doubled => filters::doubled(frame, DOUBLED_PIXELS_MAX)?,
        View::DoubledSharpened => filters::sharpened(&filters::doubled(frame, DOUBLED_PIXELS_MAX)?),
    };
    Some(Cow::Owned(changed))
}

/// What the search has found, and what ends it.
struct Found {
    effort: Effort,
    deadline: Deadline,
    texts: Vec<String>,
}

impl Found {
    fn is_complete(&self) -> bool {
        self.texts.len() >= self.effort.codes_max() || self.deadline.is_over()
    }

    fn add(&mut self, text: String) {
        let text = cut_text(text, self.effort);
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }
}

fn read_matrix(matrix: &BitMatrix, found: &mut Found) {
    // Every third row, whatever the size: the library's faster step loses small codes in large frames.
    const TRY_HARDER: bool = true;
    let mut patterns = detector::FindFinderPatterns(matrix, TRY_HARDER, 0);
    if found.is_complete() {
        return;
    }
    let mut used: Vec<ConcentricPattern> = Vec::new();
    for corners in detector::GenerateFinderPatternSets(&mut patterns) {
        if found.is_complete() {
            return;
        }
        let corner_points = [corners.bl, corners.tl, corners.tr];
        if corner_points.iter().any(|point| used.contains(point)) {
            continue;
        }
        let text = catch_unwind(AssertUnwindSafe(|| {
            let symbol = detector::SampleQR(matrix, &corners).ok()?;
            let content = decoder::Decode(symbol.getBits()).ok()?;
            content.isValid().then(|| content.text())
        }));
        if let Ok(Some(text)) = text {
            used.extend(corner_points);
            found.add(text);
        }
    }
}

#[cfg(test)]
mod tests;

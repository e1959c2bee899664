//! Finds every QR code in a frame. Looks at it in several ways, cheapest first, until the codes are
//! found or the time is over.

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

/// Colour of the code's modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ink {
    Dark,
    Light,
}

/// Whether a look is taken though codes were found already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    NothingFound,
}

struct Look {
    view: View,
    binarisers: &'static [Binariser],
    inks: &'static [Ink],
    when: When,
}

const BOTH: &[Ink] = &[Ink::Dark, Ink::Light];

const GATE_LOOKS: &[Look] = &[
    Look {
        view: View::AsIs,
        binarisers: &[Binariser::Blocks],
        inks: BOTH,
        when: When::Always,
    },
    Look {
        view: View::Stretched,
        binarisers: &[Binariser::Blocks],
        inks: BOTH,
        when: When::NothingFound,
    },
];

const THOROUGH_LOOKS: &[Look] = &[
    Look {
        view: View::AsIs,
        binarisers: &[Binariser::Blocks, Binariser::LocalMean],
        inks: BOTH,
        when: When::Always,
    },
    Look {
        view: View::Stretched,
        binarisers: &[Binariser::Blocks],
        inks: BOTH,
        when: When::Always,
    },
    Look {
        view: View::Halved,
        binarisers: &[Binariser::Blocks],
        inks: BOTH,
        when: When::Always,
    },
    look_if_nothing(View::AsIs, &[Binariser::OneLevel]),
    look_if_nothing(View::Blurred, &[Binariser::Blocks, Binariser::LocalMean]),
    look_if_nothing(
        View::BlurredStretched,
        &[Binariser::Blocks, Binariser::LocalMean],
    ),
    look_if_nothing(View::Sharpened, &[Binariser::Blocks, Binariser::LocalMean]),
    look_if_nothing(View::Doubled, &[Binariser::Blocks, Binariser::LocalMean]),
    look_if_nothing(
        View::HalvedStretched,
        &[Binariser::Blocks, Binariser::LocalMean],
    ),
    look_if_nothing(View::Quartered, &[Binariser::Blocks, Binariser::LocalMean]),
    look_if_nothing(
        View::DoubledSharpened,
        &[Binariser::Blocks, Binariser::LocalMean],
    ),
];

const fn look_if_nothing(view: View, binarisers: &'static [Binariser]) -> Look {
    Look {
        view,
        binarisers,
        inks: BOTH,
        when: When::NothingFound,
    }
}

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
    let looks = match effort {
        Effort::Gate => GATE_LOOKS,
        Effort::Thorough => THOROUGH_LOOKS,
    };
    let mut found = Found {
        effort,
        deadline,
        texts: Vec::new(),
    };
    for look in looks {
        if look.when == When::NothingFound && !found.texts.is_empty() {
            continue;
        }
        take_look(frame, look, &mut found);
        if found.is_complete() {
            break;
        }
    }
    found.texts
}

fn take_look(frame: &Frame, look: &Look, found: &mut Found) {
    let changed;
    let dark = match look.view {
        View::AsIs => frame,
        _ => {
            let Some(view) = view_of(frame, look.view) else {
                return;
            };
            changed = view;
            &changed
        }
    };
    for ink in look.inks {
        let inverted;
        let view = match ink {
            Ink::Dark => dark,
            Ink::Light => {
                inverted = filters::inverted(dark);
                &inverted
            }
        };
        for binariser in look.binarisers {
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
}

fn view_of(frame: &Frame, view: View) -> Option<Frame> {
    match view {
        View::AsIs => Some(frame.clone()),
        View::Stretched => Some(filters::stretched(frame)),
        View::Blurred => Some(filters::blurred(frame)),
        View::BlurredStretched => Some(filters::stretched(&filters::blurred(frame))),
        View::Sharpened => Some(filters::sharpened(frame)),
        View::Halved => filters::halved(frame),
        View::HalvedStretched => filters::halved(frame).map(|half| filters::stretched(&half)),
        View::Quartered => filters::halved(&filters::halved(frame)?),
        View::Doubled => filters::doubled(frame, DOUBLED_PIXELS_MAX),
        View::DoubledSharpened => {
            filters::doubled(frame, DOUBLED_PIXELS_MAX).map(|double| filters::sharpened(&double))
        }
    }
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

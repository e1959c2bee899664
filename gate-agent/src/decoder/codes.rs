//! What the decoder process does with a frame: reads it with the package `code-finder` within the
//! effort's time, and cuts the texts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use code_finder::{Frame, Hint, Reading, Step, Stream, Wanted, read_as_gate, read_thoroughly};

use crate::clock::Clock;

use super::{Effort, cut_text};

/// The moment at which the search ends with what it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    clock: Clock,
    ends_us: u64,
}

impl Deadline {
    /// So many milliseconds from now.
    pub(super) fn in_ms(clock: Clock, milliseconds: u64) -> Self {
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

/// What was read from a frame, as it is reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Codes {
    /// Text of each code in the order of being found, each once, cut where the effort cuts.
    pub(super) texts: Vec<String>,
    /// The step that read the first of them.
    pub(super) step: Option<Step>,
    /// What would help the holder.
    pub(super) hints: Vec<Hint>,
}

/// Reads a picture that has no next frame.
pub(super) fn read_picture(frame: &Frame, effort: Effort, deadline: Deadline) -> Codes {
    match effort {
        Effort::Gate => read(effort, deadline, |wanted| read_as_gate(frame, wanted)),
        Effort::Thorough => read(effort, deadline, |wanted| read_thoroughly(frame, wanted)),
    }
}

/// Reads the next frame of a camera.
pub(super) fn read_next(stream: &mut Stream, frame: &Frame, deadline: Deadline) -> Codes {
    read(Effort::Gate, deadline, |wanted| stream.read(frame, wanted))
}

fn read(effort: Effort, deadline: Deadline, with: impl FnOnce(&Wanted<'_>) -> Reading) -> Codes {
    let is_over = || deadline.is_over();
    let wanted = Wanted {
        codes_max: effort.codes_max(),
        is_over: &is_over,
    };
    // A panic costs this frame alone.
    let Ok(reading) = catch_unwind(AssertUnwindSafe(|| with(&wanted))) else {
        return Codes::default();
    };
    let mut codes = Codes {
        step: reading.codes.first().map(|code| code.step),
        hints: reading.hints,
        texts: Vec::with_capacity(reading.codes.len()),
    };
    for code in reading.codes {
        let text = cut_text(code.text, effort);
        if !codes.texts.contains(&text) {
            codes.texts.push(text);
        }
    }
    codes
}

#[cfg(test)]
mod tests;

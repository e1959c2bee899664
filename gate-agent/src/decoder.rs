//! Reads QR codes from pictures, in a child process that can be killed: no picture, however hostile,
//! costs more than its limit. Knows nothing of passes; a text is a text. The package `code-finder`
//! does the reading; here is what it must not have: files, processes, a clock.

mod child;
mod codes;
#[cfg(test)]
#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a drawing board shared with the tests in `tests/`"
)]
mod drawing;
mod frame;
mod motion_jpeg;
mod picture_file;
mod process;
mod protocol;
mod sandbox;

pub use child::{attempt, serve};
pub use code_finder::{FRAME_PIXELS_MAX, FRAME_SIDE_MAX, Frame, Hint};
pub use frame::{FILE_BYTES_MAX, PictureError, unpack_picture};
pub use motion_jpeg::unpack_motion_jpeg;
pub use picture_file::{PictureFileError, read_picture_file};
pub use process::{DecodeError, Decoded, Decoder, DecoderSettings, Request, Step};
pub use protocol::Garbled;
pub use sandbox::Attempt;

use shared::pass::TEXT_LIMIT;

/// Checks the bytes of an answer of the decoder process, its length taken off, as the gate does:
/// who breaks the decoder with a picture can send any. For the fuzz target.
///
/// # Errors
/// [`Garbled`] when they are no answer to a question of this effort.
pub fn check_answer(bytes: &[u8], effort: Effort) -> Result<(), Garbled> {
    protocol::Answer::from_bytes(bytes, effort).map(drop)
}

/// How much is done to find codes, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effort {
    /// A frame at a gate: somebody stands there, and the next frame comes soon. A camera's frame is
    /// read as the next of its stream; a picture file in its place gets every step of the stream.
    Gate,
    /// A picture that somebody wants read: everything that helps is tried.
    Thorough,
}

/// Most digits that a QR code can hold (version 40, level L), and so the longest text there is.
const QR_TEXT_CHARS_MAX: usize = 7_089;

/// Stands at the end of a text that was cut, so that a cut text is longer than any that fits.
pub const CUT_MARK: char = '…';

impl Effort {
    /// Most codes that are reported from one picture. A gate looks at one holder at a time; sheets
    /// of cards in a picture file have a few dozen.
    #[must_use]
    pub const fn codes_max(self) -> usize {
        match self {
            Self::Gate => 16,
            Self::Thorough => 128,
        }
    }

    /// Most characters of one text: what a gate looks at, or all that a code can hold. A longer one is cut and ends in [`CUT_MARK`].
    #[must_use]
    pub const fn text_chars_max(self) -> usize {
        match self {
            Self::Gate => TEXT_LIMIT,
            Self::Thorough => QR_TEXT_CHARS_MAX,
        }
    }

    /// Milliseconds after which a decoder that has not answered is killed.
    #[must_use]
    pub const fn limit_ms(self) -> u64 {
        match self {
            Self::Gate => 250,
            Self::Thorough => 10_000,
        }
    }

    /// Milliseconds after which the decoder itself stops and reports what it has read so far. Below
    /// [`Effort::limit_ms`] by what one step that cannot be interrupted takes on an honest frame.
    #[must_use]
    pub const fn budget_ms(self) -> u64 {
        match self {
            Self::Gate => 180,
            Self::Thorough => 8_000,
        }
    }

    /// Longest side in pixels of a picture before codes are looked for, if it is shrunk at all. A
    /// gate's picture files stand for its camera, whose frames are no larger than this.
    #[must_use]
    pub const fn picture_side_max(self) -> Option<u32> {
        match self {
            Self::Gate => Some(1_280),
            Self::Thorough => None,
        }
    }
}

/// The text as an effort reports it: cut and marked when it is longer than the effort looks at.
#[must_use]
pub fn cut_text(text: String, effort: Effort) -> String {
    match text.char_indices().nth(effort.text_chars_max()) {
        None => text,
        Some((end, _)) => {
            let mut cut = text;
            cut.truncate(end);
            cut.push(CUT_MARK);
            cut
        }
    }
}

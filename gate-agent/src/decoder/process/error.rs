//! Why a picture was not read.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::super::protocol::Garbled;

/// Why nothing was read. The decoder is as good as new after each of them.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The picture took longer than its limit; the decoder was killed.
    #[error("{step} took longer than {limit_ms} ms")]
    TimedOut {
        /// What took so long.
        step: Step,
        /// The limit.
        limit_ms: u64,
    },
    /// The bytes are no picture that can be unpacked.
    #[error("{reason}")]
    NotAPicture {
        /// Why, in words.
        reason: String,
    },
    /// The decoder ended while it had the picture.
    #[error("the decoder process died on this picture ({})", status_words(.status))]
    Died {
        /// How it ended, if that could be found out.
        status: Option<ExitStatus>,
    },
    /// The decoder's answer makes no sense; it was killed.
    #[error("the decoder process answered nonsense: {0}")]
    Garbled(#[from] Garbled),
    /// The decoder does not start.
    #[error("cannot start the decoder process {program:?}: {reason}")]
    CannotStart {
        /// The executable.
        program: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What a decoder is doing with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Taking it in.
    HandOver,
    /// Making a frame of a file.
    Unpack,
    /// Looking for codes.
    Read,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::HandOver => "handing the picture to the decoder",
            Self::Unpack => "unpacking the picture",
            Self::Read => "reading the codes",
        })
    }
}

fn status_words(status: &Option<ExitStatus>) -> String {
    match status {
        Some(status) => status.to_string(),
        None => "its end is not known".to_owned(),
    }
}

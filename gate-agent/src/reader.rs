//! A reader stands at one access point and takes passes in. Each kind gives the same thing: frames
//! that have been read, with the texts of their codes.

mod camera;
mod command;
mod config;
mod device;
mod keeping;
mod live;
mod luma;
mod pictures;
mod pulse;
mod scanner;
mod texts;

pub use config::{
    CameraConfig, CameraFormat, CameraName, CommandConfig, ExistingPictures, Exposure, Focus,
    KeyboardConfig, PicturesConfig, RATE_DEFAULT, ReaderConfig, SerialConfig, TextsConfig,
};
pub use keeping::ReaderState;
pub use pulse::{BEATS_WITHIN_MS, FrameCounts, Pulse};

use std::sync::Arc;

use gate_core::input::{PresentationEnd, TextsRead};
use shared::ids::AccessPointId;
use shared::time::Uptime;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::decoder::{DecodeError, DecoderSettings, Hint, PictureFileError};

/// Frames read but not yet decided on, for all readers together. One for each access point of the
/// largest gate (four doors, two directions); with more the decision would be about the past.
/// A reader of pictures or texts waits when it is full. A live reader must drop its frame instead
/// ([`mpsc::Sender::try_send`]) and take a newer one.
pub const FRAMES_WAITING_MAX: usize = 8;

/// Frames and texts that are older than this, in ms, are of the past: the program was stopped, or
/// slept with the machine, and whoever showed them may be gone.
pub(crate) const AGE_MAX_MS: u64 = 1_000;

/// A frame after the decoder has looked at it. [`TextsRead`] is what the core wants of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRead {
    /// The access point at which the reader stands.
    pub access_point: AccessPointId,
    /// When the frame was taken.
    pub taken_at: Uptime,
    /// The text of each code in the frame, each once, cut and marked beyond what a gate looks at.
    pub texts: Vec<String>,
    /// What would help the holder, as far as the picture tells.
    pub hints: Vec<Hint>,
    /// Milliseconds the decoder took for it.
    pub decode_ms: u64,
    /// Name of the picture file it came from.
    pub source: Option<String>,
    /// Whether the presentation that this frame belongs to goes on.
    pub end: PresentationEnd,
    /// Why there are no texts, when that is not for want of codes.
    pub problem: Option<ReadProblem>,
}

impl From<FrameRead> for TextsRead {
    fn from(frame: FrameRead) -> Self {
        Self {
            access_point: frame.access_point,
            texts: frame.texts,
            taken_at: frame.taken_at,
            end: frame.end,
            source: frame.source,
        }
    }
}

/// Why a frame could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadProblem {
    /// The file cannot be had.
    #[error(transparent)]
    File(#[from] PictureFileError),
    /// The file is no picture, or a damaged one.
    #[error("{reason}")]
    NotAPicture {
        /// Why, in words.
        reason: String,
    },
    /// The decoder had to be killed.
    #[error("reading the picture took longer than {limit_ms} ms")]
    TimedOut {
        /// The limit.
        limit_ms: u64,
    },
    /// The decoder failed: a fault of the gate, not of the picture.
    #[error("the decoder failed: {reason}")]
    DecoderFailed {
        /// Why, in words.
        reason: String,
    },
}

impl From<DecodeError> for ReadProblem {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::NotAPicture { reason } => Self::NotAPicture { reason },
            DecodeError::TimedOut { limit_ms, .. } => Self::TimedOut { limit_ms },
            DecodeError::Died { .. }
            | DecodeError::Garbled(_)
            | DecodeError::CannotStart { .. } => Self::DecoderFailed {
                reason: error.to_string(),
            },
        }
    }
}

/// Why a reader ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReaderEnd {
    /// Its list of files is read. The other readers never come to an end.
    NoMoreFrames,
    /// Nobody takes its frames any more.
    ReceiverGone,
}

/// A reader and its place.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Where its frames come from.
    pub config: ReaderConfig,
    /// The access point at which it stands.
    pub access_point: AccessPointId,
    /// The clock that dates its frames.
    pub clock: Clock,
    /// How its decoder is started.
    pub decoder: DecoderSettings,
    /// Where it shows that it lives.
    pub pulse: Arc<Pulse>,
}

impl Reader {
    /// Takes frames until nobody wants them. An error means that this access point reads nothing
    /// any more; [`Self::keep_reading`] begins anew then.
    ///
    /// # Errors
    /// When the decoder cannot be started, the source cannot be had, or it ends.
    pub async fn run(self, frames: mpsc::Sender<FrameRead>) -> anyhow::Result<ReaderEnd> {
        self.run_and_tell(frames, oneshot::channel().0).await
    }

    /// [`Self::run`], saying when it reads: what is shown from then on is not missed.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_and_tell(
        self,
        frames: mpsc::Sender<FrameRead>,
        ready: oneshot::Sender<()>,
    ) -> anyhow::Result<ReaderEnd> {
        match &self.config {
            ReaderConfig::Camera(config) => camera::run(&self, config, &frames, ready).await,
            ReaderConfig::Serial(config) => {
                scanner::run_serial(&self, config, &frames, ready).await
            }
            ReaderConfig::Keyboard(config) => {
                scanner::run_keyboard(&self, config, &frames, ready).await
            }
            ReaderConfig::Command(config) => command::run(&self, config, &frames, ready).await,
            ReaderConfig::Pictures(config) => pictures::run(&self, config, &frames, ready).await,
            ReaderConfig::Texts(config) => texts::run(&self, config, &frames, ready).await,
        }
    }
}

//! A reader stands at one access point and takes passes in. Each kind gives the same thing: frames
//! that have been read, with the texts of their codes.

mod keeping;
mod pictures;
mod texts;

pub use keeping::ReaderState;

use std::path::PathBuf;

use gate_core::input::{PresentationEnd, TextsRead};
use serde::Deserialize;
use shared::ids::AccessPointId;
use shared::time::Uptime;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::decoder::{DecodeError, DecoderSettings, PictureFileError};

/// Frames read but not yet decided on, for all readers together. One for each access point of the
/// largest gate (four doors, two directions); with more the decision would be about the past.
/// A reader of pictures or texts waits when it is full. A live reader must drop its frame instead
/// ([`mpsc::Sender::try_send`]) and take a newer one.
pub const FRAMES_WAITING_MAX: usize = 8;

/// Where a reader takes its frames from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ReaderConfig {
    /// Picture files in the place of a camera.
    Pictures(PicturesConfig),
    /// Texts in the place of pictures, from a socket: for tests.
    Texts(TextsConfig),
}

/// Pictures from a folder as they appear, or from a list, once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PicturesFields")]
pub enum PicturesConfig {
    /// Every picture that appears in a folder, in the order of the names.
    Folder {
        /// The folder. It is never changed.
        folder: PathBuf,
        /// What to do with the pictures that are there at the start.
        existing: ExistingPictures,
    },
    /// These files in this order, once.
    Files {
        /// The files.
        files: Vec<PathBuf>,
    },
}

/// What a folder's reader does with the pictures that are there at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExistingPictures {
    /// They were read before: a restart reads nobody in twice.
    #[default]
    Skip,
    /// They are read like those that come later.
    Read,
}

/// Texts from a Unix socket, one a line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextsConfig {
    /// Path of the socket; only the gate's own user may connect.
    pub socket: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PicturesFields {
    folder: Option<PathBuf>,
    existing: Option<ExistingPictures>,
    files: Option<Vec<PathBuf>>,
}

impl TryFrom<PicturesFields> for PicturesConfig {
    type Error = &'static str;

    fn try_from(fields: PicturesFields) -> Result<Self, Self::Error> {
        match (fields.folder, fields.files, fields.existing) {
            (Some(folder), None, existing) => Ok(Self::Folder {
                folder,
                existing: existing.unwrap_or_default(),
            }),
            (None, Some(files), None) if !files.is_empty() => Ok(Self::Files { files }),
            (None, Some(_), None) => Err("`files` must name at least one picture"),
            (None, Some(_), Some(_)) => Err("`existing` belongs to `folder`, not to `files`"),
            (Some(_), Some(_), _) => Err("pictures come from `folder` or from `files`, not both"),
            (None, None, _) => Err("pictures need `folder = \"…\"` or `files = [\"…\"]`"),
        }
    }
}

/// A frame after the decoder has looked at it. [`TextsRead`] is what the core wants of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRead {
    /// The access point at which the reader stands.
    pub access_point: AccessPointId,
    /// When the frame was taken.
    pub taken_at: Uptime,
    /// The text of each code in the frame, each once, cut and marked beyond what a gate looks at.
    pub texts: Vec<String>,
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
}

impl Reader {
    /// Takes frames until nobody wants them. An error means that this access point reads nothing
    /// any more; [`Self::keep_reading`] begins anew then.
    ///
    /// # Errors
    /// When the decoder cannot be started, the folder cannot be listed, or the socket cannot be used.
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
            ReaderConfig::Pictures(config) => pictures::run(&self, config, &frames, ready).await,
            ReaderConfig::Texts(config) => texts::run(&self, config, &frames, ready).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<ReaderConfig, String> {
        #[derive(Deserialize)]
        struct Outer {
            reader: ReaderConfig,
        }
        toml::from_str::<Outer>(text)
            .map(|outer| outer.reader)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_reader_is_one_of_three() {
        assert_eq!(
            config("reader.pictures.folder = '/in'").unwrap(),
            ReaderConfig::Pictures(PicturesConfig::Folder {
                folder: PathBuf::from("/in"),
                existing: ExistingPictures::Skip,
            })
        );
        assert_eq!(
            config("[reader.pictures]\nfolder = '/in'\nexisting = 'read'").unwrap(),
            ReaderConfig::Pictures(PicturesConfig::Folder {
                folder: PathBuf::from("/in"),
                existing: ExistingPictures::Read,
            })
        );
        assert_eq!(
            config("reader.pictures.files = ['a.png', 'b.png']").unwrap(),
            ReaderConfig::Pictures(PicturesConfig::Files {
                files: vec![PathBuf::from("a.png"), PathBuf::from("b.png")],
            })
        );
        assert_eq!(
            config("reader.texts.socket = '/run/texts'").unwrap(),
            ReaderConfig::Texts(TextsConfig {
                socket: PathBuf::from("/run/texts"),
            })
        );
    }

    #[test]
    fn wrong_readers_are_refused_with_the_reason() {
        for (text, reason) in [
            (
                "reader.pictures.folder = '/in'\nreader.pictures.files = ['a']",
                "not both",
            ),
            ("[reader.pictures]", "pictures need"),
            ("reader.pictures.files = []", "at least one"),
            (
                "reader.pictures.files = ['a']\nreader.pictures.existing = 'read'",
                "belongs to",
            ),
            ("reader.pictures.folders = '/in'", "unknown field"),
            (
                "reader.texts.socket = '/run/texts'\nreader.texts.mode = 3",
                "unknown field",
            ),
            ("reader.texts = {}", "missing field"),
            ("reader.camera.path = '/dev/video0'", "unknown variant"),
        ] {
            let error = config(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}

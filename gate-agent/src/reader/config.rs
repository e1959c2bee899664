//! What a configuration says of a reader: where its frames or texts come from.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where a reader takes its frames from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ReaderConfig {
    /// A camera that the kernel drives (Video4Linux).
    Camera(CameraConfig),
    /// A program that writes raw frames to its standard output.
    Command(CommandConfig),
    /// A 2-D scanner on a serial line, or one that says it is one.
    Serial(SerialConfig),
    /// A 2-D scanner that says it is a keyboard.
    Keyboard(KeyboardConfig),
    /// Picture files in the place of a camera.
    Pictures(PicturesConfig),
    /// Texts in the place of pictures, from a socket: for tests.
    Texts(TextsConfig),
}

/// A camera that the kernel drives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, try_from = "CameraFields")]
pub struct CameraConfig {
    /// Which; without it the only one that is there.
    pub device: Option<CameraName>,
    /// Pixels of a picture, the nearest that the camera has; without it the largest from 640×480 to
    /// 1280×720.
    pub size: Option<(u32, u32)>,
    /// Pictures a second: the slowest rate of the camera that reaches it. `None` is
    /// [`RATE_DEFAULT`].
    pub rate: Option<u32>,
    /// This format and no other.
    pub format: Option<CameraFormat>,
    /// Exposure; without it as the camera has it.
    pub exposure: Option<Exposure>,
    /// Focus; without it as the camera has it.
    pub focus: Option<Focus>,
    /// Frequency of the mains in Hz, 50 or 60, against flicker of lamps; without it as the camera
    /// has it.
    pub mains_hz: Option<u32>,
}

/// Pictures a second where nothing is said: a code held still is read on the second or third.
pub const RATE_DEFAULT: u32 = 15;
/// Longest side of a live picture that can be asked for; the decoder needs no more.
const SIDE_MAX: u32 = 4_096;
/// Shortest side: a code of a pass has 45 modules, and each needs two pixels.
const SIDE_MIN: u32 = 100;
/// Most pictures a second that can be asked for.
const RATE_MAX: u32 = 120;

/// Names a camera.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum CameraName {
    /// `/dev/v4l/by-id/…`, which stays the same, or `/dev/video…`.
    Path(PathBuf),
    /// 0 is `/dev/video0`.
    Number(u32),
}

impl CameraName {
    /// The device's file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Number(number) => PathBuf::from(format!("/dev/video{number}")),
        }
    }
}

/// Formats that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraFormat {
    /// Grey alone.
    Grey,
    /// Grey, then colours.
    Nv12,
    /// Grey and colours by turns.
    Yuyv,
    /// Pictures compressed as JPEG; they are unpacked in the decoder's process.
    Mjpeg,
}

/// How long the camera's sensor is exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// As the camera finds right.
    Automatic,
    /// Always so many microseconds.
    TimeUs(u32),
}

/// Where the camera's lens is focused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Focus {
    /// As the camera finds right.
    Automatic,
    /// Always here, in the camera's own units.
    Position(i32),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CameraFields {
    device: Option<CameraName>,
    width: Option<u32>,
    height: Option<u32>,
    frames_per_second: Option<u32>,
    format: Option<CameraFormat>,
    exposure: Option<Exposure>,
    focus: Option<Focus>,
    mains_hz: Option<u32>,
}

impl TryFrom<CameraFields> for CameraConfig {
    type Error = String;

    fn try_from(fields: CameraFields) -> Result<Self, Self::Error> {
        let size = match (fields.width, fields.height) {
            (Some(width), Some(height)) => Some(checked_size(width, height)?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("`width` and `height` belong together".to_owned());
            }
        };
        if let Some(rate) = fields.frames_per_second
            && !(1..=RATE_MAX).contains(&rate)
        {
            return Err(format!(
                "`frames_per_second` must be between 1 and {RATE_MAX}"
            ));
        }
        if let Some(hz) = fields.mains_hz
            && hz != 50
            && hz != 60
        {
            return Err("`mains_hz` is 50 or 60".to_owned());
        }
        if fields.exposure == Some(Exposure::TimeUs(0)) {
            return Err("`exposure.time_us` must be at least 1".to_owned());
        }
        Ok(Self {
            device: fields.device,
            size,
            rate: fields.frames_per_second,
            format: fields.format,
            exposure: fields.exposure,
            focus: fields.focus,
            mains_hz: fields.mains_hz,
        })
    }
}

fn checked_size(width: u32, height: u32) -> Result<(u32, u32), String> {
    let sides = SIDE_MIN..=SIDE_MAX;
    if sides.contains(&width) && sides.contains(&height) {
        Ok((width, height))
    } else {
        Err(format!(
            "`width` and `height` must be between {SIDE_MIN} and {SIDE_MAX}"
        ))
    }
}

/// A program that writes raw frames (YUV 4:2:0, planes one behind the other) to its standard
/// output, as `rpicam-vid --codec yuv420 -o -` does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CommandFields")]
pub struct CommandConfig {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Pixels of a row.
    pub width: u32,
    /// Rows of a picture.
    pub height: u32,
    /// Bytes from one row of grey to the next; the colours' rows have half of it.
    pub stride: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandFields {
    program: PathBuf,
    #[serde(default)]
    arguments: Vec<String>,
    width: u32,
    height: u32,
    stride: Option<u32>,
}

impl TryFrom<CommandFields> for CommandConfig {
    type Error = String;

    fn try_from(fields: CommandFields) -> Result<Self, Self::Error> {
        let (width, height) = checked_size(fields.width, fields.height)?;
        let stride = fields.stride.unwrap_or(width);
        if !(width..=2 * SIDE_MAX).contains(&stride) {
            return Err(format!(
                "`stride` must be at least `width` and at most {}",
                2 * SIDE_MAX
            ));
        }
        if fields.program.as_os_str().is_empty() {
            return Err("`program` is empty".to_owned());
        }
        Ok(Self {
            program: fields.program,
            arguments: fields.arguments,
            width,
            height,
            stride,
        })
    }
}

/// A scanner on a serial line. Each code is a line of text, ended by CR, LF or a pause.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialConfig {
    /// `/dev/serial/by-id/…`, which stays the same, or `/dev/ttyACM0`.
    pub device: PathBuf,
    /// Bits a second, eight data bits, no parity; a USB scanner does not care.
    #[serde(default = "baud_default")]
    pub baud: u32,
}

/// What most scanners come with.
fn baud_default() -> u32 {
    9_600
}

/// A scanner that says it is a keyboard (layout US). The device is taken away from everybody else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyboardConfig {
    /// `/dev/input/by-id/…-event-kbd`, which stays the same.
    pub device: PathBuf,
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

impl ReaderConfig {
    /// The same with relative paths that begin at `folder`.
    #[must_use]
    pub fn beside(self, folder: &Path) -> Self {
        match self {
            Self::Camera(mut camera) => {
                if let Some(CameraName::Path(path)) = &mut camera.device {
                    *path = folder.join(&path);
                }
                Self::Camera(camera)
            }
            Self::Command(mut command) => {
                // A bare name is looked for in `PATH`.
                if command.program.components().count() > 1 {
                    command.program = folder.join(command.program);
                }
                Self::Command(command)
            }
            Self::Serial(mut serial) => {
                serial.device = folder.join(serial.device);
                Self::Serial(serial)
            }
            Self::Keyboard(mut keyboard) => {
                keyboard.device = folder.join(keyboard.device);
                Self::Keyboard(keyboard)
            }
            Self::Pictures(PicturesConfig::Folder {
                folder: pictures,
                existing,
            }) => Self::Pictures(PicturesConfig::Folder {
                folder: folder.join(pictures),
                existing,
            }),
            Self::Pictures(PicturesConfig::Files { files }) => {
                let files = files.iter().map(|file| folder.join(file)).collect();
                Self::Pictures(PicturesConfig::Files { files })
            }
            Self::Texts(mut texts) => {
                texts.socket = folder.join(texts.socket);
                Self::Texts(texts)
            }
        }
    }

    /// The device's file, where there is one that only one reader can have.
    #[must_use]
    pub fn device(&self) -> Option<PathBuf> {
        match self {
            Self::Camera(camera) => camera.device.as_ref().map(CameraName::path),
            Self::Serial(serial) => Some(serial.device.clone()),
            Self::Keyboard(keyboard) => Some(keyboard.device.clone()),
            Self::Command(_) | Self::Pictures(_) | Self::Texts(_) => None,
        }
    }

    /// In a few words, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Camera(camera) => match &camera.device {
                Some(device) => format!("camera {}", device.path().display()),
                None => "the only camera there is".to_owned(),
            },
            Self::Command(command) => format!(
                "frames of {}x{} from {}",
                command.width,
                command.height,
                command.program.display()
            ),
            Self::Serial(serial) => format!(
                "scanner on {} at {} baud",
                serial.device.display(),
                serial.baud
            ),
            Self::Keyboard(keyboard) => format!("scanner {}", keyboard.device.display()),
            Self::Pictures(PicturesConfig::Folder { folder, .. }) => {
                format!("pictures in {}", folder.display())
            }
            Self::Pictures(PicturesConfig::Files { files }) => format!("{} pictures", files.len()),
            Self::Texts(texts) => format!("texts from {}", texts.socket.display()),
        }
    }
}

#[cfg(test)]
mod tests;

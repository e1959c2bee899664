//! What the gate and its decoder process say to each other over a pair of pipes: a length of four
//! bytes, then a message of that length, its first byte the kind. Numbers are little-endian.
//!
//! The decoder works on hostile pictures, so its answers are checked as hostile bytes too.

use code_finder::{FRAME_PIXELS_MAX, Hint, Step};

use super::codes::Codes;
use super::frame::FILE_BYTES_MAX;
use super::{CUT_MARK, Effort};

/// Raised whenever a message changes. Both sides are one executable, so it only catches a mix-up.
pub(super) const VERSION: u32 = 3;

/// Longest request: a raw frame of the most pixels and its head, or a picture file and its head.
pub(super) const REQUEST_BYTES_MAX: usize = FRAME_PIXELS_MAX as usize + REQUEST_HEAD_BYTES_MAX;
const _: () = assert!(FILE_BYTES_MAX < FRAME_PIXELS_MAX as usize);

const REQUEST_HEAD_BYTES_MAX: usize = 16;

/// Longest reason for a refusal; a longer one is cut.
const REASON_BYTES_MAX: usize = 512;

/// Longest answer: every code of a thorough search with a text of the most characters, four bytes
/// each. Real ones stay far below.
const ANSWER_BYTES_MAX: usize =
    18 + Effort::Thorough.codes_max() * (4 + 4 * (Effort::Thorough.text_chars_max() + 1));

/// What the gate asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask<'a> {
    /// Unpack this picture file, keep the frame for [`Ask::ReadUnpacked`], answer with its size.
    Unpack {
        /// Says whether the frame is shrunk.
        effort: Effort,
        /// The file.
        file: &'a [u8],
    },
    /// Read the codes of the frame unpacked last, and forget it.
    ReadUnpacked {
        /// How hard to look.
        effort: Effort,
    },
    /// Unpack this picture of a camera, and read the codes of the frame as of one that came raw.
    ReadJpeg {
        /// How hard to look.
        effort: Effort,
        /// The picture, compressed.
        jpeg: &'a [u8],
    },
    /// Read the codes of this frame.
    ReadFrame {
        /// How hard to look.
        effort: Effort,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The pixels.
        luma: &'a [u8],
    },
    /// Say how sharp the camera's last frame was.
    Sharpness,
}

/// What the decoder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Once, after the start.
    Ready {
        /// The decoder's [`VERSION`].
        version: u32,
    },
    /// A picture was unpacked.
    Unpacked {
        /// Time it took.
        took_us: u64,
    },
    /// These codes were read.
    Texts {
        /// Time it took.
        took_us: u64,
        /// Their texts, how they were read, and what would help where none was.
        codes: Codes,
    },
    /// The camera's last frame is so sharp.
    Sharpness {
        /// From 0 to 100; `None` when there was no frame, or nothing in it by which to tell.
        percent: Option<u8>,
    },
    /// There is no frame in what was sent.
    NotAPicture {
        /// Why, in words.
        reason: String,
    },
}

/// Bytes that are no message of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Garbled {
    /// A length beyond what any message has.
    #[error("a message of {bytes} bytes is longer than any")]
    TooLong {
        /// The length that came.
        bytes: usize,
    },
    /// The message ends before its parts do, or goes on after them.
    #[error("the message's length does not fit its parts")]
    Length,
    /// No message begins with this byte.
    #[error("no message is of kind {kind}")]
    Kind {
        /// The byte.
        kind: u8,
    },
    /// No effort has this number.
    #[error("no effort has the number {number}")]
    Effort {
        /// The byte.
        number: u8,
    },
    /// No step has this number.
    #[error("no step has the number {number}")]
    Step {
        /// The byte.
        number: u8,
    },
    /// No sharpness has this number.
    #[error("a sharpness of {number} is none")]
    Sharpness {
        /// The byte.
        number: u8,
    },
    /// Bits that stand for no hint.
    #[error("some of the bits {bits:#010b} stand for no hint")]
    Hints {
        /// The byte.
        bits: u8,
    },
    /// More codes than the effort reports.
    #[error("{codes} codes are more than are ever reported")]
    TooManyCodes {
        /// How many were announced.
        codes: usize,
    },
    /// A text longer than the effort reports.
    #[error("a code's text is longer than is ever reported")]
    TextTooLong,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    TextNotUtf8,
    /// A message that does not answer what was asked.
    #[error("the answer is not to what was asked")]
    Unexpected,
    /// The other side speaks another version.
    #[error("the decoder speaks version {version} of the protocol, this program {VERSION}")]
    Version {
        /// What the other side said.
        version: u32,
    },
}

const UNPACK: u8 = 1;
const READ_UNPACKED: u8 = 2;
const READ_FRAME: u8 = 3;
const READ_JPEG: u8 = 4;
const SHARPNESS: u8 = 5;

const READY: u8 = 16;
const UNPACKED: u8 = 17;
const TEXTS: u8 = 18;
const NOT_A_PICTURE: u8 = 19;
const HAS_SHARPNESS: u8 = 20;

/// In the place of a sharpness that nobody can tell.
const NO_SHARPNESS: u8 = u8::MAX;

impl Ask<'_> {
    /// The length and everything but the picture, which [`Ask::picture`] gives.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(4 + REQUEST_HEAD_BYTES_MAX);
        head.extend([0; 4]);
        match self {
            Self::Unpack { effort, .. } => head.extend([UNPACK, effort_number(*effort)]),
            Self::ReadUnpacked { effort } => head.extend([READ_UNPACKED, effort_number(*effort)]),
            Self::ReadJpeg { effort, .. } => head.extend([READ_JPEG, effort_number(*effort)]),
            Self::Sharpness => head.push(SHARPNESS),
            Self::ReadFrame {
                effort,
                width,
                height,
                ..
            } => {
                head.extend([READ_FRAME, effort_number(*effort)]);
                head.extend(width.to_le_bytes());
                head.extend(height.to_le_bytes());
            }
        }
        let length = head.len() - 4 + self.picture().len();
        let length = u32::try_from(length).expect("pictures are below four gigabytes");
        head[..4].copy_from_slice(&length.to_le_bytes());
        head
    }

    /// The bytes that follow [`Ask::head`].
    pub(super) fn picture(&self) -> &[u8] {
        match self {
            Self::Unpack { file, .. } => file,
            Self::ReadUnpacked { .. } | Self::Sharpness => &[],
            Self::ReadFrame { luma, .. } => luma,
            Self::ReadJpeg { jpeg, .. } => jpeg,
        }
    }
}

impl<'a> Ask<'a> {
    /// Reads a message, its length taken off.
    pub(super) fn from_bytes(bytes: &'a [u8]) -> Result<Self, Garbled> {
        let mut parts = Parts(bytes);
        let [kind] = parts.take_array()?;
        if kind == SHARPNESS {
            parts.end()?;
            return Ok(Self::Sharpness);
        }
        let [effort] = parts.take_array()?;
        let effort = effort_of(effort)?;
        match kind {
            UNPACK => Ok(Self::Unpack {
                effort,
                file: parts.0,
            }),
            READ_UNPACKED => {
                parts.end()?;
                Ok(Self::ReadUnpacked { effort })
            }
            READ_JPEG => Ok(Self::ReadJpeg {
                effort,
                jpeg: parts.0,
            }),
            READ_FRAME => Ok(Self::ReadFrame {
                effort,
                width: parts.take_u32()?,
                height: parts.take_u32()?,
                luma: parts.0,
            }),
            kind => Err(Garbled::Kind { kind }),
        }
    }
}

impl Answer {
    /// The whole message, its length in front.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        match self {
            Self::Ready { version } => {
                bytes.push(READY);
                bytes.extend(version.to_le_bytes());
            }
            Self::Unpacked { took_us } => {
                bytes.push(UNPACKED);
                bytes.extend(took_us.to_le_bytes());
            }
            Self::Texts { took_us, codes } => {
                let Codes { texts, step, hints } = codes;
                bytes.push(TEXTS);
                bytes.extend(took_us.to_le_bytes());
                bytes.extend([step_number(*step), hint_bits(hints)]);
                bytes.push(u8::try_from(texts.len()).expect("at most 128 codes are reported"));
                for text in texts {
                    bytes.extend((text.len() as u32).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
            Self::Sharpness { percent } => {
                bytes.extend([HAS_SHARPNESS, percent.unwrap_or(NO_SHARPNESS)]);
            }
            Self::NotAPicture { reason } => {
                bytes.push(NOT_A_PICTURE);
                bytes.extend(&reason.as_bytes()[..reason.floor_char_boundary(REASON_BYTES_MAX)]);
            }
        }
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// Reads a message to a question of this effort, its length taken off.
    pub(super) fn from_bytes(bytes: &[u8], effort: Effort) -> Result<Self, Garbled> {
        let mut parts = Parts(bytes);
        let [kind] = parts.take_array()?;
        let answer = match kind {
            READY => Self::Ready {
                version: parts.take_u32()?,
            },
            UNPACKED => Self::Unpacked {
                took_us: parts.take_u64()?,
            },
            TEXTS => Self::Texts {
                took_us: parts.take_u64()?,
                codes: parts.take_codes(effort)?,
            },
            HAS_SHARPNESS => {
                let [number] = parts.take_array()?;
                let percent = match number {
                    0..=100 => Some(number),
                    NO_SHARPNESS => None,
                    number => return Err(Garbled::Sharpness { number }),
                };
                Self::Sharpness { percent }
            }
            NOT_A_PICTURE => {
                let reason = parts.take(parts.0.len().min(REASON_BYTES_MAX))?;
                Self::NotAPicture {
                    reason: text_of(reason)?,
                }
            }
            kind => return Err(Garbled::Kind { kind }),
        };
        parts.end()?;
        Ok(answer)
    }
}

/// Checks a length that came before an answer.
pub(super) fn answer_length(length: [u8; 4]) -> Result<usize, Garbled> {
    length_within(length, ANSWER_BYTES_MAX)
}

/// Checks a length that came before a request.
pub(super) fn request_length(length: [u8; 4]) -> Result<usize, Garbled> {
    length_within(length, REQUEST_BYTES_MAX)
}

fn length_within(length: [u8; 4], bytes_max: usize) -> Result<usize, Garbled> {
    let bytes = u32::from_le_bytes(length) as usize;
    if bytes > bytes_max {
        return Err(Garbled::TooLong { bytes });
    }
    Ok(bytes)
}

fn effort_number(effort: Effort) -> u8 {
    match effort {
        Effort::Gate => 0,
        Effort::Thorough => 1,
    }
}

fn effort_of(number: u8) -> Result<Effort, Garbled> {
    match number {
        0 => Ok(Effort::Gate),
        1 => Ok(Effort::Thorough),
        number => Err(Garbled::Effort { number }),
    }
}

/// Its place among all steps, from 1 on; 0 when nothing was read.
fn step_number(step: Option<Step>) -> u8 {
    let place = |step| Step::ALL.iter().position(|&other| other == step);
    let place = step.map(|step| place(step).expect("all steps are in the list"));
    place.map_or(0, |place| place as u8 + 1)
}

fn step_of(number: u8) -> Result<Option<Step>, Garbled> {
    match number.checked_sub(1) {
        None => Ok(None),
        Some(place) => match Step::ALL.get(usize::from(place)) {
            Some(&step) => Ok(Some(step)),
            None => Err(Garbled::Step { number }),
        },
    }
}

/// A bit for each hint, the lowest for the first.
fn hint_bits(hints: &[Hint]) -> u8 {
    let all = Hint::ALL.iter().enumerate();
    all.filter(|(_, hint)| hints.contains(hint))
        .fold(0, |bits, (place, _)| bits | 1 << place)
}

fn hints_of(bits: u8) -> Result<Vec<Hint>, Garbled> {
    if u32::from(bits) >> Hint::ALL.len() != 0 {
        return Err(Garbled::Hints { bits });
    }
    let all = Hint::ALL.iter().enumerate();
    Ok(all
        .filter(|(place, _)| bits >> place & 1 == 1)
        .map(|(_, &hint)| hint)
        .collect())
}

fn text_of(bytes: &[u8]) -> Result<String, Garbled> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Garbled::TextNotUtf8)
}

/// The part of a message that has not been read yet.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Garbled> {
        let (part, rest) = self.0.split_at_checked(length).ok_or(Garbled::Length)?;
        self.0 = rest;
        Ok(part)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        let (part, rest) = self.0.split_first_chunk::<N>().ok_or(Garbled::Length)?;
        self.0 = rest;
        Ok(*part)
    }

    fn take_u32(&mut self) -> Result<u32, Garbled> {
        self.take_array().map(u32::from_le_bytes)
    }

    fn take_u64(&mut self) -> Result<u64, Garbled> {
        self.take_array().map(u64::from_le_bytes)
    }

    fn take_codes(&mut self, effort: Effort) -> Result<Codes, Garbled> {
        let [step, hints] = self.take_array()?;
        Ok(Codes {
            step: step_of(step)?,
            hints: hints_of(hints)?,
            texts: self.take_texts(effort)?,
        })
    }

    fn take_texts(&mut self, effort: Effort) -> Result<Vec<String>, Garbled> {
        let [codes] = self.take_array()?;
        let codes = usize::from(codes);
        if codes > effort.codes_max() {
            return Err(Garbled::TooManyCodes { codes });
        }
        let mut texts = Vec::with_capacity(codes);
        for _ in 0..codes {
            let length = self.take_u32()? as usize;
            let text = text_of(self.take(length)?)?;
            let chars = text.chars().count();
            let is_cut = chars == effort.text_chars_max() + 1 && text.ends_with(CUT_MARK);
            if chars > effort.text_chars_max() && !is_cut {
                return Err(Garbled::TextTooLong);
            }
            texts.push(text);
        }
        Ok(texts)
    }

    fn end(&self) -> Result<(), Garbled> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Garbled::Length)
        }
    }
}

#[cfg(test)]
mod tests;

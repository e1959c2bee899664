//! Cameras by Video4Linux: what one offers, setting it, and its newest picture. Which of the offers
//! is taken is the caller's business.

mod stream;
pub(crate) mod wire;

pub use stream::{Looked, Stream, TakenAt};

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::{fs::OFlags, io::Errno};

use crate::{input::text_of, kernel::update};
use wire::{
    CAPTURE, Capability, Control, ControlQuery, DISCRETE, Format, FormatOffer, Fraction,
    IntervalOffer, SizeOffer, StreamParameters,
};

/// Most formats, sizes of one, and rates of one that are listened to: what cameras have, several
/// times over. A device that goes on for ever is not believed.
const OFFERS_MAX: u32 = 128;

/// A format of pixels, by its four letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FourCc(pub u32);

impl FourCc {
    /// Of its letters.
    #[must_use]
    pub const fn of(letters: &[u8; 4]) -> Self {
        Self(u32::from_le_bytes(*letters))
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.to_le_bytes() {
            write!(f, "{}", (byte & 0x7f).escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FourCc({self})")
    }
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it calls itself.
    pub card: String,
    /// The kernel's driver.
    pub driver: String,
    /// How it gives pictures.
    pub capture: Capture,
}

/// How a device gives pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// In one piece of memory, as this crate takes them.
    Streams,
    /// In several pieces, as raw sensors and image processors of boards do.
    SeveralPlanes,
    /// Not at all: metadata, an output, a radio.
    None,
}

/// Sizes of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// One.
    One {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// Any between two, in steps.
    Between {
        /// Narrowest, widest, step, in pixels.
        width: [u32; 3],
        /// Lowest, highest, step, in pixels.
        height: [u32; 3],
    },
}

/// Time between two pictures: a fraction of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Above the line.
    pub numerator: u32,
    /// Below the line.
    pub denominator: u32,
}

/// Intervals of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intervals {
    /// One.
    One(Interval),
    /// Any between two.
    Between {
        /// The fastest.
        shortest: Interval,
        /// The slowest.
        longest: Interval,
    },
}

/// What a device was set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The format, which need not be the wanted one.
    pub format: FourCc,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes from one row to the next; zero for compressed pictures.
    pub stride: u32,
}

/// What a control can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRange {
    /// Least.
    pub minimum: i32,
    /// Most.
    pub maximum: i32,
    /// From one value to the next.
    pub step: i32,
    /// What the device begins with.
    pub default: i32,
    /// Whether it may be set now.
    pub state: ControlState,
}

/// Whether a control may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlState {
    /// It may.
    Free,
    /// Another control rules over it, such as the automatic of the same.
    Ruled,
    /// It never may.
    ReadOnly,
}

/// A video device.
#[derive(Debug)]
pub struct Camera {
    file: File,
}

impl Camera {
    /// Opens a device. Nothing is set and nobody else is disturbed yet.
    ///
    /// # Errors
    /// The system's: no such device, no permission.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        Ok(Self { file })
    }

    /// What it is.
    ///
    /// # Errors
    /// `ENOTTY` when it is no video device at all.
    pub fn identity(&self) -> io::Result<Identity> {
        let mut answer = Capability::default();
        update::<{ wire::QUERYCAP }, _>(&self.file, &mut answer)?;
        Ok(identity_of(&answer))
    }

    /// The formats that it has.
    ///
    /// # Errors
    /// The system's.
    pub fn formats(&self) -> io::Result<Vec<FourCc>> {
        collect(|index| {
            let mut offer = FormatOffer {
                index,
                kind: CAPTURE,
                ..FormatOffer::default()
            };
            update::<{ wire::ENUM_FMT }, _>(&self.file, &mut offer)?;
            Ok(FourCc(offer.pixel_format))
        })
    }

    /// The sizes of a format; none when the device does not say.
    ///
    /// # Errors
    /// The system's.
    pub fn sizes(&self, format: FourCc) -> io::Result<Vec<Sizes>> {
        collect(|index| {
            let mut offer = SizeOffer {
                index,
                pixel_format: format.0,
                ..SizeOffer::default()
            };
            update::<{ wire::ENUM_FRAMESIZES }, _>(&self.file, &mut offer)?;
            Ok(sizes_of(&offer))
        })
    }

    /// The intervals of a size; none when the device does not say.
    ///
    /// # Errors
    /// The system's.
    pub fn intervals(&self, format: FourCc, width: u32, height: u32) -> io::Result<Vec<Intervals>> {
        collect(|index| {
            let mut offer = IntervalOffer {
                index,
                pixel_format: format.0,
                width,
                height,
                ..IntervalOffer::default()
            };
            update::<{ wire::ENUM_FRAMEINTERVALS }, _>(&self.file, &mut offer)?;
            Ok(intervals_of(&offer))
        })
    }

    /// Sets format and size; the device takes what is nearest, and says what that is.
    ///
    /// # Errors
    /// `EBUSY` when another program takes its pictures.
    pub fn set_layout(&self, format: FourCc, width: u32, height: u32) -> io::Result<Layout> {
        let mut setting = Format::wanted(format.0, width, height);
        update::<{ wire::S_FMT }, _>(&self.file, &mut setting)?;
        Ok(Layout {
            format: FourCc(setting.pixel_format),
            width: setting.width,
            height: setting.height,
            stride: setting.bytes_per_line,
        })
    }

    /// Sets the interval; the device takes what is nearest. `None` when it cannot be set.
    ///
    /// # Errors
    /// The system's.
    pub fn set_interval(&self, interval: Interval) -> io::Result<Option<Interval>> {
        let mut setting = StreamParameters::with_interval(Fraction {
            numerator: interval.numerator,
            denominator: interval.denominator,
        });
        match update::<{ wire::S_PARM }, _>(&self.file, &mut setting) {
            Ok(()) if setting.capability & wire::CAP_TIMEPERFRAME != 0 => Ok(Some(Interval {
                numerator: setting.interval.numerator,
                denominator: setting.interval.denominator,
            })),
            Ok(()) => Ok(None),
            Err(error) if is_not_offered(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a control can be set to; `None` when the device does not have it.
    ///
    /// # Errors
    /// The system's.
    pub fn control(&self, id: u32) -> io::Result<Option<ControlRange>> {
        let mut query = ControlQuery {
            id,
            ..ControlQuery::default()
        };
        match update::<{ wire::QUERYCTRL }, _>(&self.file, &mut query) {
            Ok(()) => Ok(range_of(&query)),
            Err(error) if is_not_offered(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The value of a control.
    ///
    /// # Errors
    /// The system's.
    pub fn value(&self, id: u32) -> io::Result<i32> {
        let mut control = Control { id, value: 0 };
        update::<{ wire::G_CTRL }, _>(&self.file, &mut control)?;
        Ok(control.value)
    }

    /// Sets a control.
    ///
    /// # Errors
    /// The system's: `ERANGE` or `EINVAL` beyond its range, `EBUSY` while another rules over it.
    pub fn set_control(&self, id: u32, value: i32) -> io::Result<()> {
        let mut control = Control { id, value };
        update::<{ wire::S_CTRL }, _>(&self.file, &mut control)
    }
}

/// Asks by number until the device says that there are no more. One that does not know the
/// question offers nothing.
fn collect<T>(mut ask: impl FnMut(u32) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    for index in 0..OFFERS_MAX {
        match ask(index) {
            Ok(one) => all.push(one),
            Err(error) if is_not_offered(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// `EINVAL` ends a list and denies a control; `ENOTTY` says that the driver has no such call, and
/// `ENODATA` that the input in use has none.
fn is_not_offered(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::NOTTY, Errno::NODATA]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn identity_of(answer: &Capability) -> Identity {
    // Old drivers speak for the whole hardware, newer ones for this node too.
    let caps = if answer.capabilities & wire::CAP_DEVICE_CAPS != 0 {
        answer.device_caps
    } else {
        answer.capabilities
    };
    let capture = if caps & wire::CAP_STREAMING == 0 {
        Capture::None
    } else if caps & wire::CAP_VIDEO_CAPTURE != 0 {
        Capture::Streams
    } else if caps & wire::CAP_VIDEO_CAPTURE_MPLANE != 0 {
        Capture::SeveralPlanes
    } else {
        Capture::None
    };
    Identity {
        card: text_of(&answer.card),
        driver: text_of(&answer.driver),
        capture,
    }
}

fn sizes_of(offer: &SizeOffer) -> Sizes {
    let [a, b, c, d, e, f] = offer.numbers;
    if offer.kind == DISCRETE {
        Sizes::One {
            width: a,
            height: b,
        }
    } else {
        Sizes::Between {
            width: [a, b, c],
            height: [d, e, f],
        }
    }
}

fn intervals_of(offer: &IntervalOffer) -> Intervals {
    let [shortest, longest, _] = offer.intervals.map(|fraction| Interval {
        numerator: fraction.numerator,
        denominator: fraction.denominator,
    });
    if offer.kind == DISCRETE {
        Intervals::One(shortest)
    } else {
        Intervals::Between { shortest, longest }
    }
}

fn range_of(query: &ControlQuery) -> Option<ControlRange> {
    if query.flags & wire::CTRL_FLAG_DISABLED != 0 {
        return None;
    }
    let state = if query.flags & wire::CTRL_FLAG_READ_ONLY != 0 {
        ControlState::ReadOnly
    } else if query.flags & wire::CTRL_FLAG_INACTIVE != 0 {
        ControlState::Ruled
    } else {
        ControlState::Free
    };
    Some(ControlRange {
        minimum: query.minimum,
        maximum: query.maximum,
        step: query.step,
        default: query.default,
        state,
    })
}

#[cfg(test)]
mod tests;

//! Which of a camera's offers is taken. In this order: the rate is reached; the size is right;
//! uncompressed before compressed; the larger size, where none was asked for; the format that is
//! cheapest to take; the slowest rate that is enough.

use gate_devices::video::{FourCc, Interval, Intervals, Sizes};

use super::super::{CameraConfig, CameraFormat, RATE_DEFAULT};

pub(super) const GREY: FourCc = FourCc::of(b"GREY");
pub(super) const NV12: FourCc = FourCc::of(b"NV12");
pub(super) const YUYV: FourCc = FourCc::of(b"YUYV");
pub(super) const MJPEG: FourCc = FourCc::of(b"MJPG");
/// What some drivers call the same.
pub(super) const JPEG: FourCc = FourCc::of(b"JPEG");

/// The smallest and the largest size that are taken where none is asked for: below, a code at arm's
/// length has too few pixels; above, each picture costs more than it brings.
const SMALLEST: (u32, u32) = (640, 480);
const LARGEST: (u32, u32) = (1280, 720);

/// One format with one size or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) format: FourCc,
    /// `None` when the camera does not say.
    pub(super) sizes: Option<Sizes>,
    /// None when the camera does not say.
    pub(super) intervals: Vec<Intervals>,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) size: Option<(u32, u32)>,
    pub(super) rate: u32,
    pub(super) format: Option<CameraFormat>,
}

impl Wanted {
    pub(super) fn of(config: &CameraConfig) -> Self {
        Self {
            size: config.size,
            rate: config.rate.unwrap_or(RATE_DEFAULT),
            format: config.format,
        }
    }
}

/// What is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) format: FourCc,
    pub(super) width: u32,
    pub(super) height: u32,
    /// `None` when the camera says nothing of intervals.
    pub(super) interval: Option<Interval>,
}

/// Why nothing can be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoChoice {
    #[error(
        "the camera has no format that the gate reads (GREY, NV12, YUYV, MJPG); it has: {}",
        listed(.0)
    )]
    NoKnownFormat(Vec<FourCc>),
    #[error(
        "the camera does not have the configured format; it has: {}",
        listed(.0)
    )]
    NotTheFormat(Vec<FourCc>),
}

fn listed(formats: &[FourCc]) -> String {
    if formats.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = formats.iter().map(FourCc::to_string).collect();
    names.join(", ")
}

/// Takes the best offer.
pub(super) fn choose(offers: &[Offer], wanted: &Wanted) -> Result<Choice, NoChoice> {
    let best = offers
        .iter()
        .filter_map(|offer| {
            let cost = cost_of(offer.format)?;
            if !is_format(offer.format, wanted.format) {
                return None;
            }
            let choice = best_of(offer, wanted);
            Some((rank(&choice, cost, wanted), choice))
        })
        .min_by_key(|(rank, _)| *rank);
    match best {
        Some((_, choice)) => Ok(choice),
        None => {
            let mut formats: Vec<FourCc> = offers.iter().map(|offer| offer.format).collect();
            formats.sort_unstable();
            formats.dedup();
            Err(match wanted.format {
                Some(_) => NoChoice::NotTheFormat(formats),
                None => NoChoice::NoKnownFormat(formats),
            })
        }
    }
}

/// What it costs to make a grey plane of it, the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cost {
    CopyRows,
    /// The same, but the colours come over the bus for nothing.
    CopyRowsOfMore,
    PickBytes,
    /// Some milliseconds in the decoder's process, and a picture that has lost detail.
    Unpack,
}

fn cost_of(format: FourCc) -> Option<Cost> {
    match format {
        GREY => Some(Cost::CopyRows),
        NV12 => Some(Cost::CopyRowsOfMore),
        YUYV => Some(Cost::PickBytes),
        MJPEG | JPEG => Some(Cost::Unpack),
        FourCc(_) => None,
    }
}

fn is_format(format: FourCc, wanted: Option<CameraFormat>) -> bool {
    match wanted {
        None => true,
        Some(CameraFormat::Grey) => format == GREY,
        Some(CameraFormat::Nv12) => format == NV12,
        Some(CameraFormat::Yuyv) => format == YUYV,
        Some(CameraFormat::Mjpeg) => format == MJPEG || format == JPEG,
    }
}

fn best_of(offer: &Offer, wanted: &Wanted) -> Choice {
    let target = wanted.size.unwrap_or(LARGEST);
    let (width, height) = match offer.sizes {
        None => target,
        Some(Sizes::One { width, height }) => (width, height),
        Some(Sizes::Between { width, height }) => {
            (nearest(width, target.0), nearest(height, target.1))
        }
    };
    Choice {
        format: offer.format,
        width,
        height,
        interval: interval_for(&offer.intervals, wanted.rate),
    }
}

/// The value of a range (least, most, step) that is nearest.
fn nearest([least, most, step]: [u32; 3], target: u32) -> u32 {
    let most = most.max(least);
    let target = target.clamp(least, most);
    let steps = (target - least) / step.max(1);
    least + steps * step.max(1)
}

/// The longest interval that still reaches the rate, else the shortest.
fn interval_for(intervals: &[Intervals], rate: u32) -> Option<Interval> {
    let possible = || {
        intervals
            .iter()
            .map(|intervals| nearest_interval(intervals, rate))
            .filter(|it| it.numerator > 0 && it.denominator > 0)
    };
    possible()
        .filter(|interval| reaches(interval, rate))
        .max_by_key(interval_us)
        .or_else(|| possible().min_by_key(interval_us))
}

/// Of a range, what reaches the rate and no more, as far as there is such.
fn nearest_interval(intervals: &Intervals, rate: u32) -> Interval {
    match intervals {
        Intervals::One(interval) => *interval,
        Intervals::Between { longest, .. } if reaches(longest, rate) => *longest,
        Intervals::Between { shortest, .. } if !reaches(shortest, rate) => *shortest,
        Intervals::Between { .. } => Interval {
            numerator: 1,
            denominator: rate,
        },
    }
}

/// Whether an interval is short enough for a rate. 30000/1001 reaches 30, and 7.5 reaches 8.
fn reaches(interval: &Interval, rate: u32) -> bool {
    2 * u64::from(interval.denominator) + u64::from(interval.numerator)
        >= 2 * u64::from(rate) * u64::from(interval.numerator)
}

fn interval_us(interval: &Interval) -> u64 {
    1_000_000 * u64::from(interval.numerator) / u64::from(interval.denominator.max(1))
}

/// Whether a choice reaches what is wanted; the less the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Microseconds between two pictures, where they are too many.
    slow_us: u64,
    /// How far from what is wanted, in sixteenths of an octave of the area.
    misfit: u32,
    unpacked: bool,
    smallness: u64,
    cost: Cost,
    needless_rate: u64,
}

fn rank(choice: &Choice, cost: Cost, wanted: &Wanted) -> Rank {
    let (slow_us, needless_rate) = match &choice.interval {
        // A camera that does not say may well reach it.
        None => (0, 0),
        Some(interval) if reaches(interval, wanted.rate) => {
            (0, 1_000_000 / interval_us(interval).max(1))
        }
        Some(interval) => (interval_us(interval), 0),
    };
    let size = (choice.width, choice.height);
    Rank {
        slow_us,
        misfit: misfit(size, wanted.size),
        unpacked: cost == Cost::Unpack,
        smallness: u64::MAX - area(size),
        cost,
        needless_rate,
    }
}

fn area((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

fn misfit(size: (u32, u32), wanted: Option<(u32, u32)>) -> u32 {
    match wanted {
        Some(wanted) if size == wanted => 0,
        // Never as good as the very size, which may have another shape.
        Some(wanted) => 1 + octaves(area(size), area(wanted)),
        None => {
            let is_within =
                size.0 >= SMALLEST.0 && size.1 >= SMALLEST.1 && area(size) <= area(LARGEST);
            if is_within {
                0
            } else if area(size) > area(LARGEST) {
                1 + octaves(area(size), area(LARGEST))
            } else {
                1 + octaves(area(size), area(SMALLEST))
            }
        }
    }
}

fn octaves(one: u64, other: u64) -> u32 {
    let ratio = one.max(1) as f64 / other.max(1) as f64;
    (ratio.log2().abs() * 16.0).round() as u32
}

#[cfg(test)]
mod tests;

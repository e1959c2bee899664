//! The seam to the kernel's GPIO character device: chips, their lines, and requests of lines. The
//! fake chip of the tests stands beside the kernel's here and nowhere else.

use std::{io, path::PathBuf, time::Duration};

use anyhow::Context as _;
use gpiocdev::line::{Bias, Drive, EdgeDetection, EdgeKind, Value};
use shared::ids::DoorId;
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    super::sensor::Stands,
    wiring::{LineBias, LineDrive, Voltage},
};

/// A chip that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChipFacts {
    pub(super) path: PathBuf,
    pub(super) label: String,
    pub(super) lines: u32,
}

/// A line that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineFacts {
    pub(super) offset: u32,
    /// Empty when nobody named it.
    pub(super) name: String,
    /// Who uses it; empty when nobody does.
    pub(super) consumer: String,
}

/// An output to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutputUse {
    pub(super) offset: u32,
    pub(super) active: Voltage,
    pub(super) drive: LineDrive,
    pub(super) stands: Stands,
}

/// An input to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InputUse {
    pub(super) offset: u32,
    pub(super) active: Voltage,
    pub(super) bias: LineBias,
    pub(super) debounce_ms: u32,
}

/// A line that came to stand otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) offset: u32,
    pub(super) stands: Stands,
    /// Counts up by one with each edge of a request; a gap is an edge that was lost.
    pub(super) number: u32,
}

/// What `gpioinfo` shows beside our lines, with the door's number behind it: at most 31 bytes.
const CONSUMER: &str = "portcullis door ";

/// The door, when a line's user is a door process.
pub(super) fn door_of(consumer: &str) -> Option<&str> {
    consumer.strip_prefix(CONSUMER)
}

fn consumer(door: DoorId) -> String {
    format!("{CONSUMER}{door}")
}

/// Where chips are.
#[derive(Clone, Debug)]
pub(super) enum Chips {
    Kernel,
    #[cfg(test)]
    Fake(super::fake::FakeChip),
}

impl Chips {
    /// Chips that this user may open.
    pub(super) fn list(&self) -> anyhow::Result<Vec<ChipFacts>> {
        match self {
            Self::Kernel => {
                let paths = match gpiocdev::chip::chips() {
                    Ok(paths) => paths,
                    Err(gpiocdev::Error::NoGpioChips()) => Vec::new(),
                    Err(error) => return Err(error).context("cannot look for GPIO chips"),
                };
                let facts = paths.into_iter().filter_map(|path| {
                    let info = gpiocdev::Chip::from_path(&path).ok()?.info().ok()?;
                    Some(ChipFacts {
                        path,
                        label: info.label,
                        lines: info.num_lines,
                    })
                });
                Ok(facts.collect())
            }
            #[cfg(test)]
            Self::Fake(chip) => Ok(vec![chip.facts()]),
        }
    }

    /// All lines of a chip.
    pub(super) fn lines(&self, chip: &ChipFacts) -> anyhow::Result<Vec<LineFacts>> {
        match self {
            Self::Kernel => {
                let opened = gpiocdev::Chip::from_path(&chip.path)?;
                (0..chip.lines)
                    .map(|offset| {
                        let info = opened.line_info(offset)?;
                        Ok(LineFacts {
                            offset,
                            name: info.name,
                            consumer: if info.used && info.consumer.is_empty() {
                                "the kernel".into()
                            } else {
                                info.consumer
                            },
                        })
                    })
                    .collect()
            }
            #[cfg(test)]
            Self::Fake(chip) => Ok(chip.line_facts()),
        }
    }

    /// Takes outputs, each at its level from the first moment on.
    pub(super) fn outputs(
        &self,
        chip: &ChipFacts,
        door: DoorId,
        uses: &[OutputUse],
    ) -> anyhow::Result<OutputLines> {
        match self {
            Self::Kernel => {
                let mut builder = gpiocdev::Request::builder();
                builder.on_chip(&chip.path).with_consumer(consumer(door));
                for line in uses {
                    builder.with_line(line.offset);
                    builder.as_output(value_of(line.stands));
                    builder.with_drive(drive_of(line.drive));
                    match line.active {
                        Voltage::High => builder.as_active_high(),
                        Voltage::Low => builder.as_active_low(),
                    };
                }
                Ok(OutputLines::Kernel(builder.request()?))
            }
            #[cfg(test)]
            Self::Fake(chip) => chip
                .take_outputs(&consumer(door), uses)
                .map(OutputLines::Fake),
        }
    }

    /// Takes inputs and listens to them.
    pub(super) fn inputs(
        &self,
        chip: &ChipFacts,
        door: DoorId,
        uses: &[InputUse],
    ) -> anyhow::Result<InputLines> {
        match self {
            Self::Kernel => {
                let mut builder = gpiocdev::Request::builder();
                builder.on_chip(&chip.path).with_consumer(consumer(door));
                for line in uses {
                    builder.with_line(line.offset).as_input();
                    builder.with_bias(bias_of(line.bias));
                    builder.with_edge_detection(EdgeDetection::BothEdges);
                    let debounce = Duration::from_millis(line.debounce_ms.into());
                    builder.with_debounce_period(debounce);
                    match line.active {
                        Voltage::High => builder.as_active_high(),
                        Voltage::Low => builder.as_active_low(),
                    };
                }
                let request = builder.request()?;
                #[expect(
                    deprecated,
                    reason = "its successor asks for `unsafe`, for owners whose descriptor changes: this one's never does"
                )]
                let request = AsyncFd::with_interest(request, Interest::READABLE)
                    .context("cannot listen to GPIO lines")?;
                Ok(InputLines::Kernel(request))
            }
            #[cfg(test)]
            Self::Fake(chip) => chip
                .take_inputs(&consumer(door), uses)
                .map(InputLines::Fake),
        }
    }
}

/// Outputs that were taken.
#[derive(Debug)]
pub(super) enum OutputLines {
    Kernel(gpiocdev::Request),
    #[cfg(test)]
    Fake(super::fake::Taken),
}

impl OutputLines {
    pub(super) fn set(&self, offset: u32, stands: Stands) -> anyhow::Result<()> {
        match self {
            Self::Kernel(request) => {
                let set = request.set_value(offset, value_of(stands));
                set.with_context(|| format!("cannot set GPIO line {offset}"))
            }
            #[cfg(test)]
            Self::Fake(taken) => taken.set(offset, stands),
        }
    }
}

/// Inputs that were taken.
#[derive(Debug)]
pub(super) enum InputLines {
    Kernel(AsyncFd<gpiocdev::Request>),
    #[cfg(test)]
    Fake(super::fake::Taken),
}

impl InputLines {
    pub(super) fn get(&self, offset: u32) -> anyhow::Result<Stands> {
        match self {
            Self::Kernel(request) => {
                let value = request.get_ref().value(offset);
                let value = value.with_context(|| format!("cannot read GPIO line {offset}"))?;
                Ok(match value {
                    Value::Active => Stands::Active,
                    Value::Inactive => Stands::Idle,
                })
            }
            #[cfg(test)]
            Self::Fake(taken) => taken.get(offset),
        }
    }

    /// The next edge. May be dropped and called again without losing anything.
    pub(super) async fn edge(&mut self) -> anyhow::Result<Edge> {
        match self {
            Self::Kernel(request) => loop {
                let mut ready = request.readable().await?;
                if !request.get_ref().has_edge_event()? {
                    ready.clear_ready();
                    continue;
                }
                let event = request.get_ref().read_edge_event();
                let event = event.context("cannot read a GPIO event")?;
                return Ok(Edge {
                    offset: event.offset,
                    stands: match event.kind {
                        EdgeKind::Rising => Stands::Active,
                        EdgeKind::Falling => Stands::Idle,
                    },
                    number: event.seqno,
                });
            },
            #[cfg(test)]
            Self::Fake(taken) => taken.edge().await,
        }
    }
}

/// Is a request refused because somebody else has a line?
pub(super) fn is_busy(error: &anyhow::Error) -> bool {
    let is_busy = |errno: i32| errno == rustix::io::Errno::BUSY.raw_os_error();
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.and_then(io::Error::raw_os_error).is_some_and(is_busy)
            || cause.to_string().contains("Device or resource busy")
    })
}

fn value_of(stands: Stands) -> Value {
    match stands {
        Stands::Active => Value::Active,
        Stands::Idle => Value::Inactive,
    }
}

fn drive_of(drive: LineDrive) -> Drive {
    match drive {
        LineDrive::PushPull => Drive::PushPull,
        LineDrive::OpenDrain => Drive::OpenDrain,
        LineDrive::OpenSource => Drive::OpenSource,
    }
}

fn bias_of(bias: LineBias) -> Option<Bias> {
    match bias {
        LineBias::PullUp => Some(Bias::PullUp),
        LineBias::PullDown => Some(Bias::PullDown),
        LineBias::Disabled => Some(Bias::Disabled),
        LineBias::AsIs => None,
    }
}

//! What the agent and its door process say to each other over a socket pair: a length of two
//! bytes, then a message of that length, its first byte the kind. Numbers are little-endian.
//!
//! Each message has one spelling, and either side ends the conversation at the first one that is
//! none: the door process by what is configured for a crash, the agent by starting another.

use gate_core::{
    action::{DoorCommand, DoorSignal},
    input::DoorInput,
};
use shared::{configuration::DOOR_TIME_LIMIT_MS, ids::DoorId, time::Uptime};

use super::wiring::BoxWiring;

/// Raised whenever a message changes. Both sides are one executable, so it only catches a mix-up.
pub(super) const VERSION: u32 = 2;

/// Longest message, its length not counted: the wiring of eight doors takes a tenth of it.
pub(super) const MESSAGE_BYTES_MAX: usize = 32_768;
/// Longest description of a fault; a longer one is cut.
const PROBLEM_BYTES_MAX: usize = 512;

/// What the agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Once, first.
    Begin {
        /// The agent's [`VERSION`].
        version: u32,
        /// Doors and lines.
        wiring: BoxWiring,
    },
    /// A command to one door.
    Command {
        /// The door.
        door: DoorId,
        /// When the agent decided so, on the clock that both sides read.
        decided_at: Uptime,
        /// What.
        command: DoorCommand,
    },
    /// The agent's loop still turns.
    Heartbeat {
        /// Comes back in [`Report::Alive`].
        number: u32,
    },
    /// The agent ends in order: put the lines to rest, and end too once nothing is left to hold.
    Rest,
}

/// What the door process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Once, first.
    Ready {
        /// The door process's [`VERSION`].
        version: u32,
    },
    /// A sensor changed.
    Input {
        /// The door.
        door: DoorId,
        /// How; never a fault.
        input: DoorInput,
    },
    /// A door's lines do not work, or work again.
    Fault {
        /// The door.
        door: DoorId,
        /// What is wrong and what to do; none: it works.
        problem: Option<String>,
    },
    /// The answer to a heartbeat.
    Alive {
        /// Its number.
        number: u32,
    },
    /// The agent was silent for so long that what is configured for a crash came into force: it
    /// must say anew what shall hold.
    WasAlone,
    /// The agent ends in order, and need not wait: this process goes on, for it holds a lock that
    /// would do otherwise without it, or hears a fire input, until another one has the lines.
    Holding,
}

/// Bytes that are no message of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// A number stands for nothing.
    #[error("{what} has no number {number}")]
    Number {
        /// What was expected.
        what: &'static str,
        /// The byte.
        number: u8,
    },
    /// A release longer than any, or of no length.
    #[error("no release lasts {for_ms} ms")]
    ReleaseTime {
        /// The time that came.
        for_ms: u32,
    },
    /// A text that is not UTF-8 or is too long.
    #[error("a text is not UTF-8, or too long")]
    Text,
    /// The wiring makes no sense.
    #[error("the wiring cannot be understood: {detail}")]
    Wiring {
        /// What is wrong.
        detail: String,
    },
    /// The other side speaks another version.
    #[error("the other side speaks version {version} of the protocol, this one {VERSION}")]
    Version {
        /// What the other side said.
        version: u32,
    },
}

const BEGIN: u8 = 1;
const COMMAND: u8 = 2;
const HEARTBEAT: u8 = 3;
const REST: u8 = 4;

const READY: u8 = 16;
const INPUT: u8 = 17;
const FAULT: u8 = 18;
const ALIVE: u8 = 19;
const WAS_ALONE: u8 = 20;
const HOLDING: u8 = 21;

/// A message of one side.
pub(super) trait Message: Sized {
    /// The message without its length.
    fn write(&self, to: &mut Vec<u8>);
    /// Reads one, its length taken off.
    fn read(bytes: &[u8]) -> Result<Self, Garbled>;

    /// The message with its length in front.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 2];
        self.write(&mut bytes);
        let length = u16::try_from(bytes.len() - 2).expect("messages are shorter than 64 KiB");
        bytes[..2].copy_from_slice(&length.to_le_bytes());
        bytes
    }
}

/// Takes the first whole message off `received`; none when more bytes must come.
pub(super) fn take_message<M: Message>(received: &mut Vec<u8>) -> Result<Option<M>, Garbled> {
    let Some((length, rest)) = received.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let bytes = usize::from(u16::from_le_bytes(*length));
    if bytes > MESSAGE_BYTES_MAX {
        return Err(Garbled::TooLong { bytes });
    }
    let Some(message) = rest.get(..bytes) else {
        return Ok(None);
    };
    let message = M::read(message)?;
    received.drain(..2 + bytes);
    Ok(Some(message))
}

impl Message for Ask {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Begin { version, wiring } => {
                to.push(BEGIN);
                to.extend(version.to_le_bytes());
                serde_json::to_writer(to, wiring).expect("a wiring is plain values");
            }
            Self::Command {
                door,
                decided_at,
                command,
            } => {
                to.push(COMMAND);
                to.extend(door.0.to_le_bytes());
                to.extend(decided_at.0.to_le_bytes());
                match command {
                    DoorCommand::Lock => to.push(0),
                    DoorCommand::HoldReleased => to.push(1),
                    DoorCommand::Release { for_ms } => {
                        to.push(2);
                        to.extend(for_ms.to_le_bytes());
                    }
                    DoorCommand::Signal(signal) => to.extend([3, signal_number(*signal)]),
                }
            }
            Self::Heartbeat { number } => {
                to.push(HEARTBEAT);
                to.extend(number.to_le_bytes());
            }
            Self::Rest => to.push(REST),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, Garbled> {
        let mut parts = Parts(bytes);
        let ask = match parts.byte()? {
            BEGIN => {
                // First, so that another version's wiring need not be understood.
                let version = parts.u32()?;
                if version != VERSION {
                    return Err(Garbled::Version { version });
                }
                let wiring = serde_json::from_slice(parts.rest());
                let wiring = wiring.map_err(|error| Garbled::Wiring {
                    detail: error.to_string(),
                })?;
                Self::Begin { version, wiring }
            }
            COMMAND => Self::Command {
                door: DoorId(parts.u32()?),
                decided_at: Uptime(parts.u64()?),
                command: parts.command()?,
            },
            HEARTBEAT => Self::Heartbeat {
                number: parts.u32()?,
            },
            REST => Self::Rest,
            kind => return Err(Garbled::Kind { kind }),
        };
        parts.end()?;
        Ok(ask)
    }
}

impl Message for Report {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Ready { version } => {
                to.push(READY);
                to.extend(version.to_le_bytes());
            }
            Self::Input { door, input } => {
                to.push(INPUT);
                to.extend(door.0.to_le_bytes());
                to.push(input_number(*input));
            }
            Self::Fault { door, problem } => {
                to.push(FAULT);
                to.extend(door.0.to_le_bytes());
                match problem {
                    None => to.push(0),
                    Some(problem) => {
                        to.push(1);
                        let end = problem.floor_char_boundary(PROBLEM_BYTES_MAX);
                        to.extend(&problem.as_bytes()[..end]);
                    }
                }
            }
            Self::Alive { number } => {
                to.push(ALIVE);
                to.extend(number.to_le_bytes());
            }
            Self::WasAlone => to.push(WAS_ALONE),
            Self::Holding => to.push(HOLDING),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, Garbled> {
        let mut parts = Parts(bytes);
        let report = match parts.byte()? {
            READY => Self::Ready {
                version: parts.u32()?,
            },
            INPUT => Self::Input {
                door: DoorId(parts.u32()?),
                input: input_of(parts.byte()?)?,
            },
            FAULT => Self::Fault {
                door: DoorId(parts.u32()?),
                problem: match parts.byte()? {
                    0 => None,
                    1 => Some(parts.text()?),
                    number => {
                        return Err(Garbled::Number {
                            what: "a fault",
                            number,
                        });
                    }
                },
            },
            ALIVE => Self::Alive {
                number: parts.u32()?,
            },
            WAS_ALONE => Self::WasAlone,
            HOLDING => Self::Holding,
            kind => return Err(Garbled::Kind { kind }),
        };
        parts.end()?;
        Ok(report)
    }
}

fn signal_number(signal: DoorSignal) -> u8 {
    match signal {
        DoorSignal::Granted => 0,
        DoorSignal::Denied => 1,
        DoorSignal::PreAlarm => 2,
        DoorSignal::Alarm => 3,
        DoorSignal::Quiet => 4,
    }
}

fn signal_of(number: u8) -> Result<DoorSignal, Garbled> {
    Ok(match number {
        0 => DoorSignal::Granted,
        1 => DoorSignal::Denied,
        2 => DoorSignal::PreAlarm,
        3 => DoorSignal::Alarm,
        4 => DoorSignal::Quiet,
        number => {
            return Err(Garbled::Number {
                what: "a signal",
                number,
            });
        }
    })
}

fn input_number(input: DoorInput) -> u8 {
    match input {
        DoorInput::Opened => 0,
        DoorInput::Closed => 1,
        DoorInput::Rotated => 2,
        DoorInput::RequestToExit => 3,
        DoorInput::TamperRaised => 4,
        DoorInput::TamperEnded => 5,
        DoorInput::FireRaised => 6,
        DoorInput::FireEnded => 7,
        DoorInput::FaultRaised => 8,
        DoorInput::FaultEnded => 9,
    }
}

fn input_of(number: u8) -> Result<DoorInput, Garbled> {
    Ok(match number {
        0 => DoorInput::Opened,
        1 => DoorInput::Closed,
        2 => DoorInput::Rotated,
        3 => DoorInput::RequestToExit,
        4 => DoorInput::TamperRaised,
        5 => DoorInput::TamperEnded,
        6 => DoorInput::FireRaised,
        7 => DoorInput::FireEnded,
        8 => DoorInput::FaultRaised,
        9 => DoorInput::FaultEnded,
        number => {
            return Err(Garbled::Number {
                what: "an input",
                number,
            });
        }
    })
}

/// The part of a message that has not been read yet.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        let (part, rest) = self.0.split_first_chunk::<N>().ok_or(Garbled::Length)?;
        self.0 = rest;
        Ok(*part)
    }

    fn byte(&mut self) -> Result<u8, Garbled> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Garbled> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Garbled> {
        self.array().map(u64::from_le_bytes)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn text(&mut self) -> Result<String, Garbled> {
        let text = self.rest();
        if text.len() > PROBLEM_BYTES_MAX {
            return Err(Garbled::Text);
        }
        String::from_utf8(text.to_vec()).map_err(|_| Garbled::Text)
    }

    fn command(&mut self) -> Result<DoorCommand, Garbled> {
        Ok(match self.byte()? {
            0 => DoorCommand::Lock,
            1 => DoorCommand::HoldReleased,
            2 => {
                let for_ms = self.u32()?;
                if !(1..=DOOR_TIME_LIMIT_MS).contains(&for_ms) {
                    return Err(Garbled::ReleaseTime { for_ms });
                }
                DoorCommand::Release { for_ms }
            }
            3 => DoorCommand::Signal(signal_of(self.byte()?)?),
            number => {
                return Err(Garbled::Number {
                    what: "a command",
                    number,
                });
            }
        })
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

//! How the doors of this box are wired, and what holds while nobody commands them. Which passes a
//! door admits is not in it; that comes signed from central.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared::{configuration::DOOR_TIME_LIMIT_MS, ids::DoorId};

use super::{
    board::{self, LcusDoor, ModbusDoor},
    gpio::{self, GpioDoor},
    simulated::SimulatedDoor,
};

/// What a door's lines hang on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(
    clippy::large_enum_variant,
    reason = "a gate has a few of them, read once"
)]
pub enum DoorIoConfig {
    /// A door that behaves as its configuration says, and drives nothing.
    Simulated(SimulatedDoor),
    /// Lines of a GPIO chip.
    Gpio(GpioDoor),
    /// Relays and inputs of a Modbus RTU board.
    Modbus(ModbusDoor),
    /// A USB relay that is told and never answers.
    Lcus(LcusDoor),
}

impl DoorIoConfig {
    /// The same with relative paths beginning at `folder`.
    #[must_use]
    pub fn beside(self, folder: &Path) -> Self {
        match self {
            Self::Simulated(door) => Self::Simulated(SimulatedDoor {
                trace: door.trace.map(|trace| folder.join(trace)),
                control: door.control.map(|control| folder.join(control)),
                ..door
            }),
            Self::Gpio(_) | Self::Modbus(_) | Self::Lcus(_) => self,
        }
    }

    /// The socket by which a simulation moves the door, when there is one.
    #[must_use]
    pub fn control(&self) -> Option<&PathBuf> {
        match self {
            Self::Simulated(door) => door.control.as_ref(),
            Self::Gpio(_) | Self::Modbus(_) | Self::Lcus(_) => None,
        }
    }

    /// Looks whether what it hangs on is there; takes and moves nothing. Says what was found.
    ///
    /// # Errors
    /// When it is not there, with what is there instead.
    pub fn look(&self) -> anyhow::Result<String> {
        match self {
            Self::Simulated(_) => Ok("simulated: moves no door".into()),
            Self::Gpio(door) => gpio::look(door),
            Self::Modbus(door) => board::look(&door.port),
            Self::Lcus(door) => board::look(&door.port),
        }
    }

    /// Is a fire panel wired to it?
    pub(super) fn hears_fire(&self) -> bool {
        match self {
            Self::Simulated(_) | Self::Lcus(_) => false,
            Self::Gpio(door) => door.fire.is_some(),
            Self::Modbus(door) => door.fire.is_some(),
        }
    }

    /// What makes no sense in it, in words.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Simulated(_) => None,
            Self::Gpio(door) => door.problem(),
            Self::Modbus(door) => door.problem(),
            Self::Lcus(door) => door.problem(),
        }
    }

    /// What two doors both use, or disagree about, in words.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Gpio(one), Self::Gpio(another)) => one.shares_with(another),
            (Self::Modbus(_) | Self::Lcus(_), Self::Modbus(_) | Self::Lcus(_)) => {
                board::contradiction(self, other)
            }
            (Self::Simulated(_) | Self::Gpio(_) | Self::Modbus(_) | Self::Lcus(_), _) => None,
        }
    }
}

/// What a lock does without power. Says the same as the signed configuration; stands here too,
/// because the box must know it before central has said anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WiredLock {
    /// Stays locked.
    #[default]
    FailSecure,
    /// Opens.
    FailSafe,
}

/// What a lock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Locked.
    Locked,
    /// Released.
    Released,
}

impl WiredLock {
    /// What it does when its line is dropped and its relay falls.
    #[must_use]
    pub const fn unpowered(self) -> Level {
        match self {
            Self::FailSecure => Level::Locked,
            Self::FailSafe => Level::Released,
        }
    }
}

/// What holds once nobody commands a lock any more. A timed release ends in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastLevel {
    /// Locked, whatever was commanded.
    Locked,
    /// Released, whatever was commanded.
    Released,
    /// What was commanded to last, lasts: locked stays locked, held released (a mode, a fire
    /// alarm) stays released.
    AsCommanded,
}

/// What holds at a door while nobody commands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafeLevels {
    /// What the lock does without power.
    pub lock: WiredLock,
    /// From the start of the door process until the agent's first word.
    pub at_start: Level,
    /// After the agent has ended in order.
    pub at_stop: LastLevel,
    /// After the agent has died, hangs or is stopped.
    pub at_crash: LastLevel,
    /// No timed release lasts longer, in ms, whatever the agent asks.
    pub longest_release_ms: u32,
}

impl SafeLevels {
    /// What holds when the configuration says nothing but the lock's kind: an entry that fails
    /// secure is locked, behind an end in order unless it was told to stay released; one that fails
    /// safe is released.
    #[must_use]
    pub const fn of(lock: WiredLock) -> Self {
        Self {
            lock,
            at_start: lock.unpowered(),
            at_stop: LastLevel::AsCommanded,
            at_crash: match lock {
                WiredLock::FailSecure => LastLevel::Locked,
                WiredLock::FailSafe => LastLevel::Released,
            },
            longest_release_ms: DOOR_TIME_LIMIT_MS,
        }
    }
}

impl Default for SafeLevels {
    fn default() -> Self {
        Self::of(WiredLock::default())
    }
}

/// A door and how it is wired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoorPlace {
    /// The door.
    #[serde(with = "door_number")]
    pub door: DoorId,
    /// What holds while nobody commands it.
    pub levels: SafeLevels,
    /// Its lines.
    pub io: DoorIoConfig,
}

/// The wiring of all doors of a box, as the door process is told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoxWiring {
    /// File that says which process holds the lines.
    pub(super) hold: PathBuf,
    /// Doors, each once.
    pub(super) doors: Vec<DoorPlace>,
}

mod door_number {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use shared::ids::DoorId;

    pub(super) fn serialize<S: Serializer>(door: &DoorId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(door.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DoorId, D::Error> {
        u32::deserialize(from).map(DoorId)
    }
}

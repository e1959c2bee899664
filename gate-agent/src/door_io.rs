//! A door's lines: drives its lock and reports its sensors. Ends each release by itself; decides
//! nothing.

mod control;
mod simulated;
mod trace;

pub use simulated::{Behaviour, BehaviourChange, Sensors, SimulatedDoor};

use std::path::{Path, PathBuf};

use gate_core::{action::DoorCommand, input::DoorInput};
use serde::Deserialize;
use shared::ids::DoorId;
use tokio::sync::mpsc;

use crate::clock::Clock;

/// Commands that wait for one door: a release, its end, and lamps; more would be about the past.
pub const COMMANDS_WAITING_MAX: usize = 16;
/// Sensor changes that wait for a decision, of all doors together: a bouncing contact is short.
pub const INPUTS_WAITING_MAX: usize = 64;

/// How a door is wired.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DoorIoConfig {
    /// A door that behaves as its configuration says, and drives nothing.
    Simulated(SimulatedDoor),
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
        }
    }

    /// The socket by which a simulation moves the door, when there is one.
    #[must_use]
    pub fn control(&self) -> Option<&PathBuf> {
        match self {
            Self::Simulated(door) => door.control.as_ref(),
        }
    }
}

/// Something that a door's sensors say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorChange {
    /// The door.
    pub door: DoorId,
    /// What changed.
    pub input: DoorInput,
}

/// A door and its place among the tasks.
#[derive(Debug)]
pub struct DoorIo {
    /// The door.
    pub door: DoorId,
    /// How it is wired.
    pub config: DoorIoConfig,
    /// The clock that its times are measured by.
    pub clock: Clock,
}

impl DoorIo {
    /// Drives the door until nobody commands it any more: a timed release ends then, and a door
    /// that is held released stays so. To be spawned as a task of its own that is watched.
    ///
    /// # Errors
    /// When the lines, or what stands in for them, cannot be used.
    pub async fn run(
        self,
        commands: mpsc::Receiver<DoorCommand>,
        changes: mpsc::Sender<SensorChange>,
    ) -> anyhow::Result<()> {
        match &self.config {
            DoorIoConfig::Simulated(door) => {
                simulated::run(self.door, door, self.clock, commands, changes).await
            }
        }
    }
}

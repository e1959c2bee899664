//! A door's lines: a process of their own drives locks and reports sensors, and ends each release
//! by itself. Decides nothing.

mod board;
mod child;
mod control;
mod gpio;
mod hold;
mod latch;
mod lines;
mod link;
mod process;
mod protocol;
mod sensor;
mod simulated;
mod trace;
mod wired;
mod wiring;

pub use board::{
    INPUTS_MAX, LampRelay, LcusDoor, LockRelay, ModbusDoor, Parity, SensorInput, Switch,
};
pub use child::serve;
pub use gpio::{
    DEBOUNCE_MS_MAX, GpioDoor, LampLine, LineBias, LineChoice, LineDrive, LockLine, SensorLine,
    Voltage,
};
pub use process::{Commands, DoorProcessStart, Doors, TimedCommand};
pub use protocol::Garbled;
pub use sensor::{Lamp, Sensor};
pub use simulated::{Behaviour, BehaviourChange, Sensors, SimulatedDoor};
pub use wired::Wired;
pub use wiring::{DoorIoConfig, DoorPlace, LastLevel, Level, SafeLevels, WiredLock};

use gate_core::input::DoorInput;
use shared::ids::DoorId;
use tokio::sync::oneshot;

/// Commands that wait for one door: a release, its end, and lamps; more would be about the past.
pub const COMMANDS_WAITING_MAX: usize = 16;
/// Reports that wait for the loop, of all doors together: a bouncing contact is short.
pub const REPORTS_WAITING_MAX: usize = 64;

/// Something that a door's sensors say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorChange {
    /// The door.
    pub door: DoorId,
    /// What changed.
    pub input: DoorInput,
}

/// What the loop hears of doors.
#[derive(Debug)]
pub enum DoorReport {
    /// A sensor changed.
    Sensor(SensorChange),
    /// A door's lines, or the process that holds them, do not work, or work again.
    Fault {
        /// The door.
        door: DoorId,
        /// What is wrong and what to do; none: it works.
        problem: Option<String>,
    },
    /// To be answered by the loop in its turn: the proof of progress that the lease lives on.
    DoesTheLoopTurn(oneshot::Sender<()>),
}

/// Checks the bytes of a message between agent and door process, whichever side says it, as the
/// other one does. For the fuzz target.
///
/// # Errors
/// [`Garbled`] when they are a message of neither side.
pub fn check_message(bytes: &[u8]) -> Result<(), Garbled> {
    use protocol::Message as _;
    match protocol::Report::read(bytes) {
        Ok(report) => {
            assert_eq!(
                &report.to_bytes()[2..],
                bytes,
                "one spelling for each message"
            );
            Ok(())
        }
        Err(_) => protocol::Ask::read(bytes).map(|ask| match ask {
            // Its wiring is JSON, which has many spellings.
            protocol::Ask::Begin { .. } => {}
            protocol::Ask::Command { .. }
            | protocol::Ask::Heartbeat { .. }
            | protocol::Ask::Rest => {
                assert_eq!(&ask.to_bytes()[2..], bytes, "one spelling for each message");
            }
        }),
    }
}

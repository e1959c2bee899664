//! A door on a relay board as the configuration names it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::sensor::{Lamp, Sensor};

/// A door on a board that speaks Modbus RTU: coils are relays, discrete inputs are sensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModbusDoor {
    /// The serial port, best by a name that stays: `/dev/serial/by-id/…`.
    pub port: PathBuf,
    /// The board's address on the bus, 1 to 247.
    #[serde(default = "first")]
    pub unit: u8,
    /// Bits per second.
    #[serde(default = "usual_baud")]
    pub baud: u32,
    /// The parity bit.
    #[serde(default)]
    pub parity: Parity,
    /// Between two looks at the inputs, in ms; also the shortest press that is seen.
    #[serde(default = "usual_poll_ms")]
    pub poll_ms: u32,
    /// The lock's relay.
    pub lock: LockRelay,
    /// Green lamp.
    pub green: Option<LampRelay>,
    /// Red lamp.
    pub red: Option<LampRelay>,
    /// Buzzer.
    pub buzzer: Option<LampRelay>,
    /// Door contact; active: the door is open.
    pub contact: Option<SensorInput>,
    /// Request-to-exit; active: pressed.
    pub request_to_exit: Option<SensorInput>,
    /// Tamper contact; active: the case is open.
    pub tamper: Option<SensorInput>,
    /// Fire panel; active: fire.
    pub fire: Option<SensorInput>,
    /// Turnstile; active: one turn. Must last longer than `poll_ms`.
    pub rotation: Option<SensorInput>,
}

/// A door on a USB relay of the LCUS kind, which takes `A0 relay state sum` and answers nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LcusDoor {
    /// The serial port, best by a name that stays: `/dev/serial/by-path/…`.
    pub port: PathBuf,
    /// The lock's relay.
    pub lock: LockRelay,
    /// Green lamp.
    pub green: Option<LampRelay>,
    /// Red lamp.
    pub red: Option<LampRelay>,
    /// Buzzer.
    pub buzzer: Option<LampRelay>,
}

const fn first() -> u8 {
    1
}

const fn usual_baud() -> u32 {
    9_600
}

const fn usual_poll_ms() -> u32 {
    50
}

/// The parity bit of a serial line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parity {
    /// None, which most boards come with.
    #[default]
    None,
    /// Even, which the standard asks for.
    Even,
    /// Odd.
    Odd,
}

/// What a relay or an input does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Not energised; no voltage.
    Off,
    /// Energised; voltage.
    On,
}

impl Switch {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Off => Self::On,
            Self::On => Self::Off,
        }
    }
}

/// The lock's relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockRelay {
    /// Its number as the protocol counts: Modbus coils from 0, LCUS relays from 1.
    pub relay: u16,
    /// What it does while the lock is *locked*. Must be said: a wrong guess opens a door.
    pub locked: Switch,
}

/// A lamp's or buzzer's relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LampRelay {
    /// Its number.
    pub relay: u16,
    /// What it does while the lamp shines.
    #[serde(default = "on")]
    pub active: Switch,
}

const fn on() -> Switch {
    Switch::On
}

/// A sensor's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorInput {
    /// Its number, from 0.
    pub input: u16,
    /// What it is while active. Without it: off for contact, tamper and fire, whose loops are
    /// closed at rest, so that a cut wire is noticed; on for buttons and turns.
    pub active: Option<Switch>,
}

impl SensorInput {
    pub(super) fn active_of(&self, sensor: Sensor) -> Switch {
        self.active.unwrap_or(match sensor {
            Sensor::Contact | Sensor::Tamper | Sensor::Fire => Switch::Off,
            Sensor::RequestToExit | Sensor::Rotation => Switch::On,
        })
    }
}

/// Most inputs of one board that are looked at: one question asks for all of them.
pub const INPUTS_MAX: u16 = 64;

impl ModbusDoor {
    pub(super) fn sensor(&self, sensor: Sensor) -> Option<&SensorInput> {
        match sensor {
            Sensor::Contact => self.contact.as_ref(),
            Sensor::RequestToExit => self.request_to_exit.as_ref(),
            Sensor::Tamper => self.tamper.as_ref(),
            Sensor::Fire => self.fire.as_ref(),
            Sensor::Rotation => self.rotation.as_ref(),
        }
    }

    pub(super) fn lamp(&self, lamp: Lamp) -> Option<&LampRelay> {
        match lamp {
            Lamp::Green => self.green.as_ref(),
            Lamp::Red => self.red.as_ref(),
            Lamp::Buzzer => self.buzzer.as_ref(),
        }
    }

    /// Every relay, and what it is for.
    pub(super) fn relays(&self) -> Vec<(&'static str, u16)> {
        relays(self.lock, |lamp| self.lamp(lamp))
    }

    /// Every input, and what it is for.
    pub(super) fn inputs(&self) -> Vec<(&'static str, u16)> {
        let sensors = Sensor::ALL.into_iter();
        let inputs = sensors.filter_map(|it| Some((it.name(), self.sensor(it)?.input)));
        inputs.collect()
    }

    /// What makes no sense in it, in words.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        if !(1..=247).contains(&self.unit) {
            return Some(format!("unit {} is none: 1 to 247", self.unit));
        }
        if !(10..=1_000).contains(&self.poll_ms) {
            return Some(format!("poll_ms {} must be 10 to 1000", self.poll_ms));
        }
        if !BAUDS.contains(&self.baud) {
            return Some(format!("baud {} is none of {BAUDS:?}", self.baud));
        }
        let inputs = self.inputs();
        if let Some((name, input)) = inputs.iter().find(|(_, input)| *input >= INPUTS_MAX) {
            return Some(format!("input {input} ({name}) must be below {INPUTS_MAX}"));
        }
        used_twice("relay", &self.relays()).or_else(|| used_twice("input", &inputs))
    }
}

fn relays<'a>(
    lock: LockRelay,
    lamp: impl Fn(Lamp) -> Option<&'a LampRelay>,
) -> Vec<(&'static str, u16)> {
    let lamps = Lamp::ALL.into_iter();
    let lamps = lamps.filter_map(|it| Some((it.name(), lamp(it)?.relay)));
    [("lock", lock.relay)].into_iter().chain(lamps).collect()
}

fn used_twice(what: &str, uses: &[(&str, u16)]) -> Option<String> {
    uses.iter().enumerate().find_map(|(at, (name, number))| {
        let (first, _) = uses[..at].iter().find(|(_, it)| it == number)?;
        Some(format!("{what} {number} has two uses: {first} and {name}"))
    })
}

/// Speeds that boards know.
const BAUDS: [u32; 8] = [1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200];

impl LcusDoor {
    pub(super) fn lamp(&self, lamp: Lamp) -> Option<&LampRelay> {
        match lamp {
            Lamp::Green => self.green.as_ref(),
            Lamp::Red => self.red.as_ref(),
            Lamp::Buzzer => self.buzzer.as_ref(),
        }
    }

    /// Every relay, and what it is for.
    pub(super) fn relays(&self) -> Vec<(&'static str, u16)> {
        relays(self.lock, |lamp| self.lamp(lamp))
    }

    /// What makes no sense in it, in words.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let relays = self.relays();
        let wrong = relays.iter().find(|(_, relay)| !(1..=16).contains(relay));
        if let Some((name, relay)) = wrong {
            return Some(format!(
                "relay {relay} ({name}) is none: LCUS boards count from 1 to 16"
            ));
        }
        used_twice("relay", &relays)
    }
}

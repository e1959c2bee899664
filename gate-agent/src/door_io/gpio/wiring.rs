//! A door's GPIO lines as the configuration names them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::super::sensor::{Lamp, Sensor};

/// A door on the lines of one GPIO chip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpioDoor {
    /// The chip's label as `gpiodetect` prints it (`pinctrl-rp1`), which is the same on every boot;
    /// or a device (`/dev/gpiochip0`), which may not be.
    pub chip: String,
    /// The lock's relay.
    pub lock: LockLine,
    /// Green lamp.
    pub green: Option<LampLine>,
    /// Red lamp.
    pub red: Option<LampLine>,
    /// Buzzer.
    pub buzzer: Option<LampLine>,
    /// Door contact; active: the door is open.
    pub contact: Option<SensorLine>,
    /// Request-to-exit; active: pressed. Only tells: the way out is the button's own wire.
    pub request_to_exit: Option<SensorLine>,
    /// Tamper contact; active: the case is open.
    pub tamper: Option<SensorLine>,
    /// Fire panel; active: fire.
    pub fire: Option<SensorLine>,
    /// Turnstile; active: one turn.
    pub rotation: Option<SensorLine>,
}

/// A line of a chip.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a line is its offset (17) or its name (\"GPIO17\")"
)]
pub enum LineChoice {
    /// By its place on the chip.
    Offset(u32),
    /// By its name as `gpioinfo` prints it.
    Name(String),
}

impl fmt::Display for LineChoice {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(to, "{offset}"),
            Self::Name(name) => write!(to, "{name:?}"),
        }
    }
}

/// The voltage on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voltage {
    /// Near 0 V.
    Low,
    /// Near the supply.
    High,
}

/// How an output drives its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineDrive {
    /// Both levels.
    #[default]
    PushPull,
    /// Low only; high is somebody else's resistor.
    OpenDrain,
    /// High only.
    OpenSource,
}

/// The chip's own resistor on an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineBias {
    /// To the supply: a contact to ground is low when it is closed.
    #[default]
    PullUp,
    /// To ground.
    PullDown,
    /// None: the wiring has its own.
    Disabled,
    /// As the boot firmware left it.
    AsIs,
}

/// The lock's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockLine {
    /// Which.
    pub line: LineChoice,
    /// The voltage at which the lock is *locked*. Must be said: a wrong guess opens a door.
    pub locked: Voltage,
    /// How it is driven.
    #[serde(default)]
    pub drive: LineDrive,
}

/// A lamp's or buzzer's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LampLine {
    /// Which.
    pub line: LineChoice,
    /// The voltage at which it shines or sounds.
    #[serde(default = "high")]
    pub active: Voltage,
    /// How it is driven.
    #[serde(default)]
    pub drive: LineDrive,
}

const fn high() -> Voltage {
    Voltage::High
}

/// A sensor's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorLine {
    /// Which.
    pub line: LineChoice,
    /// The voltage at which it is active. Without it: high for contact, tamper and fire, whose
    /// loops are closed at rest, so that a cut wire is noticed; low for buttons and turns.
    pub active: Option<Voltage>,
    /// The chip's resistor.
    #[serde(default)]
    pub bias: LineBias,
    /// How long it must stand still to count, in ms; the kernel's. Without it: what the sensor
    /// usually needs.
    pub debounce_ms: Option<u32>,
}

impl SensorLine {
    pub(super) fn active_of(&self, sensor: Sensor) -> Voltage {
        self.active.unwrap_or(match sensor {
            Sensor::Contact | Sensor::Tamper | Sensor::Fire => Voltage::High,
            Sensor::RequestToExit | Sensor::Rotation => Voltage::Low,
        })
    }

    pub(super) fn debounce_ms_of(&self, sensor: Sensor) -> u32 {
        self.debounce_ms.unwrap_or(match sensor {
            Sensor::Contact | Sensor::RequestToExit => 20,
            Sensor::Tamper | Sensor::Fire => 50,
            Sensor::Rotation => 5,
        })
    }
}

/// Longest debouncing that is taken, in ms: beyond it a turn or a press is lost.
pub const DEBOUNCE_MS_MAX: u32 = 2_000;

impl GpioDoor {
    pub(super) fn sensor(&self, sensor: Sensor) -> Option<&SensorLine> {
        match sensor {
            Sensor::Contact => self.contact.as_ref(),
            Sensor::RequestToExit => self.request_to_exit.as_ref(),
            Sensor::Tamper => self.tamper.as_ref(),
            Sensor::Fire => self.fire.as_ref(),
            Sensor::Rotation => self.rotation.as_ref(),
        }
    }

    pub(super) fn lamp(&self, lamp: Lamp) -> Option<&LampLine> {
        match lamp {
            Lamp::Green => self.green.as_ref(),
            Lamp::Red => self.red.as_ref(),
            Lamp::Buzzer => self.buzzer.as_ref(),
        }
    }

    /// Every line that it uses, and for what.
    pub fn uses(&self) -> impl Iterator<Item = (&'static str, &LineChoice)> {
        let lamps = Lamp::ALL.into_iter();
        let lamps = lamps.filter_map(|lamp| Some((lamp.name(), &self.lamp(lamp)?.line)));
        let sensors = Sensor::ALL.into_iter();
        let sensors = sensors.filter_map(|it| Some((it.name(), &self.sensor(it)?.line)));
        [("lock", &self.lock.line)]
            .into_iter()
            .chain(lamps)
            .chain(sensors)
    }

    /// What makes no sense in it, in words. That a name and an offset are one line is found when
    /// the chip is there.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let mut seen = BTreeMap::new();
        for (name, line) in self.uses() {
            if let Some(first) = seen.insert(line, name) {
                let chip = &self.chip;
                return Some(format!(
                    "line {line} of chip {chip:?} has two uses: {first} and {name}"
                ));
            }
        }
        let debounce = Sensor::ALL.into_iter();
        let mut debounce = debounce.filter_map(|sensor| self.sensor(sensor)?.debounce_ms);
        let too_long = debounce.find(|ms| *ms > DEBOUNCE_MS_MAX);
        too_long.map(|ms| format!("debounce_ms {ms} must be at most {DEBOUNCE_MS_MAX}"))
    }

    /// A line that both use, in words.
    #[must_use]
    pub fn shares_with(&self, other: &Self) -> Option<String> {
        if self.chip != other.chip {
            return None;
        }
        self.uses().find_map(|(name, line)| {
            let (theirs, _) = other.uses().find(|(_, it)| *it == line)?;
            let chip = &self.chip;
            Some(format!(
                "line {line} of chip {chip:?} is two doors': {name} of one and {theirs} of the other"
            ))
        })
    }
}

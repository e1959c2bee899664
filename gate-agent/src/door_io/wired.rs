//! What hangs on a door's lines besides its lock: for whoever tries one after the other.

use super::{
    sensor::{Lamp, Sensor},
    simulated::Sensors,
    wiring::DoorIoConfig,
};

/// Sensors and lamps of one door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wired {
    /// Sensors, in the order that the sensors are told in.
    pub sensors: Vec<Sensor>,
    /// Lamps and buzzer, in the order that the lamps are told in.
    pub lamps: Vec<Lamp>,
}

impl DoorIoConfig {
    /// What it has besides the lock.
    #[must_use]
    pub fn wired(&self) -> Wired {
        Wired {
            sensors: having(Sensor::ALL, |sensor| self.has_sensor(sensor)),
            lamps: having(Lamp::ALL, |lamp| self.has_lamp(lamp)),
        }
    }

    fn has_sensor(&self, sensor: Sensor) -> bool {
        match self {
            Self::Simulated(door) => match sensor {
                Sensor::Contact => {
                    matches!(door.sensors, Sensors::Contact | Sensors::ContactAndRotation)
                }
                Sensor::Rotation => {
                    matches!(
                        door.sensors,
                        Sensors::Rotation | Sensors::ContactAndRotation
                    )
                }
                Sensor::RequestToExit | Sensor::Tamper | Sensor::Fire => false,
            },
            Self::Gpio(door) => match sensor {
                Sensor::Contact => door.contact.is_some(),
                Sensor::RequestToExit => door.request_to_exit.is_some(),
                Sensor::Tamper => door.tamper.is_some(),
                Sensor::Fire => door.fire.is_some(),
                Sensor::Rotation => door.rotation.is_some(),
            },
            Self::Modbus(door) => match sensor {
                Sensor::Contact => door.contact.is_some(),
                Sensor::RequestToExit => door.request_to_exit.is_some(),
                Sensor::Tamper => door.tamper.is_some(),
                Sensor::Fire => door.fire.is_some(),
                Sensor::Rotation => door.rotation.is_some(),
            },
            Self::Lcus(_) => false,
        }
    }

    fn has_lamp(&self, lamp: Lamp) -> bool {
        let of = |green, red, buzzer| match lamp {
            Lamp::Green => green,
            Lamp::Red => red,
            Lamp::Buzzer => buzzer,
        };
        match self {
            Self::Simulated(_) => false,
            Self::Gpio(door) => of(
                door.green.is_some(),
                door.red.is_some(),
                door.buzzer.is_some(),
            ),
            Self::Modbus(door) => of(
                door.green.is_some(),
                door.red.is_some(),
                door.buzzer.is_some(),
            ),
            Self::Lcus(door) => of(
                door.green.is_some(),
                door.red.is_some(),
                door.buzzer.is_some(),
            ),
        }
    }
}

fn having<T: Copy, const N: usize>(all: [T; N], has: impl Fn(T) -> bool) -> Vec<T> {
    all.into_iter().filter(|it| has(*it)).collect()
}

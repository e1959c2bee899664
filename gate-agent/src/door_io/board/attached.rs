//! How one door hangs on the relays and inputs of a board.

use shared::ids::DoorId;

use super::wiring::{LampRelay, LcusDoor, LockRelay, ModbusDoor, SensorInput, Switch};
use crate::door_io::{
    lines::Sensed,
    sensor::{Lamp, Sensor, Shown, Stands},
    wiring::Level,
};

/// A door on a board.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) door: DoorId,
    /// The board's address; none has 0, which stands for the one board that has no address.
    pub(super) unit: u8,
    pub(super) lock: LockRelay,
    pub(super) lamps: Vec<(Lamp, LampRelay)>,
    pub(super) shown: Shown,
    sensors: Vec<(Sensor, SensorInput, Option<Stands>)>,
}

impl Attached {
    pub(super) fn modbus(door: DoorId, wiring: &ModbusDoor) -> Self {
        let lamps = Lamp::ALL.into_iter();
        let sensors = Sensor::ALL.into_iter();
        Self {
            door,
            unit: wiring.unit,
            lock: wiring.lock,
            lamps: lamps
                .filter_map(|lamp| Some((lamp, *wiring.lamp(lamp)?)))
                .collect(),
            shown: Shown::NOTHING,
            sensors: sensors
                .filter_map(|sensor| Some((sensor, *wiring.sensor(sensor)?, None)))
                .collect(),
        }
    }

    pub(super) fn lcus(door: DoorId, wiring: &LcusDoor) -> Self {
        let lamps = Lamp::ALL.into_iter();
        Self {
            door,
            unit: 0,
            lock: wiring.lock,
            lamps: lamps
                .filter_map(|lamp| Some((lamp, *wiring.lamp(lamp)?)))
                .collect(),
            shown: Shown::NOTHING,
            sensors: Vec::new(),
        }
    }

    pub(super) fn inputs(&self) -> impl Iterator<Item = u16> {
        self.sensors.iter().map(|(_, input, _)| input.input)
    }

    pub(super) fn lock_wants(&self, level: Level) -> Switch {
        match level {
            Level::Locked => self.lock.locked,
            Level::Released => self.lock.locked.other(),
        }
    }

    pub(super) fn lamps_want(&self) -> Vec<(u16, Switch)> {
        let wants = self.lamps.iter().map(|(lamp, relay)| {
            let wanted = match self.shown.of(*lamp) {
                Stands::Active => relay.active,
                Stands::Idle => relay.active.other(),
            };
            (relay.relay, wanted)
        });
        wants.collect()
    }

    /// What changed since the last look.
    pub(super) fn reads(&mut self, inputs: &[Switch]) -> Vec<Sensed> {
        let door = self.door;
        let mut sensed = Vec::new();
        for (sensor, input, last) in &mut self.sensors {
            let Some(switch) = inputs.get(usize::from(input.input)) else {
                continue;
            };
            let stands = if *switch == input.active_of(*sensor) {
                Stands::Active
            } else {
                Stands::Idle
            };
            let input = match last.replace(stands) {
                None => sensor.says_at_first(stands),
                Some(before) if before != stands => sensor.says(stands),
                Some(_) => None,
            };
            sensed.extend(input.map(|input| Sensed { door, input }));
        }
        sensed
    }

    /// How the sensors stood at the last look; nothing of those that were not looked at yet.
    pub(super) fn standing(&self) -> impl Iterator<Item = Sensed> {
        let door = self.door;
        self.sensors.iter().filter_map(move |(sensor, _, last)| {
            let input = sensor.says_at_first((*last)?)?;
            Some(Sensed { door, input })
        })
    }

    /// Nobody knows what happened to the sensors meanwhile.
    pub(super) fn forget(&mut self) {
        for (_, _, last) in &mut self.sensors {
            *last = None;
        }
    }
}

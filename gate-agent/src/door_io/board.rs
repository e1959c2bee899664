//! Doors on relay boards at a serial port: Modbus RTU boards, which answer and have inputs, and USB
//! relays of the LCUS kind, which do neither. One port is one owner's, so its doors stand together.
//!
//! A board keeps its relays as they are when nobody talks to it: a release is bounded by this
//! process, by the board's own timer where it has one, and by the hardware of the handbook.

mod modbus;
mod port;
mod wiring;

pub use wiring::{
    INPUTS_MAX, LampRelay, LcusDoor, LockRelay, ModbusDoor, Parity, SensorInput, Switch,
};

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use shared::{ids::DoorId, time::Uptime};

use super::{
    lines::{Drive, Sensed},
    sensor::{Lamp, Sensor, Shown, Stands},
    wiring::{DoorIoConfig, DoorPlace, Level},
};
use crate::clock::Clock;
use modbus::{Answer, Misheard, Question, What, lcus};
use port::Port;
pub(super) use port::look;

/// How long a board may take to answer, in ms: at 1,200 bits a second the longest answer takes 130.
const ANSWERS_WITHIN_MS: u64 = 250;
/// Tries of one question before the lines count as broken: a bus has noise.
const TRIES_MAX: u32 = 3;
/// How often an LCUS board is told what it should know, in ms: it cannot be asked.
const TELL_AGAIN_MS: u64 = 1_000;
/// How long the last words to a board may take, in ms.
const SETTLES_WITHIN_MS: u64 = 400;

/// A relay on a port.
type Relay = (u8, u16);

/// What a relay shall do, and what the board said that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Output {
    wanted: Switch,
    confirmed: Option<Switch>,
}

/// How a door hangs on the port's relays.
#[derive(Debug)]
struct Attached {
    door: DoorId,
    unit: u8,
    lock: LockRelay,
    lamps: Vec<(Lamp, LampRelay)>,
    shown: Shown,
    sensors: Vec<(Sensor, SensorInput, Option<Stands>)>,
}

/// How the board is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Modbus { poll_ms: u64 },
    Lcus,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Asked {
    question: Question,
    tries: u32,
    until: Uptime,
    received: Vec<u8>,
}

/// The doors at one port.
#[derive(Debug)]
pub(super) struct BoardLines {
    clock: Clock,
    speech: Speech,
    port: Port,
    doors: Vec<Attached>,
    outputs: BTreeMap<Relay, Output>,
    /// How many inputs of each unit are looked at.
    inputs: Vec<(u8, u16)>,
    asked: Option<Asked>,
    /// When the inputs are looked at, or an LCUS board told, again, and at which unit.
    next_look: (Uptime, usize),
    waiting: VecDeque<Sensed>,
}

/// The serial port of a door, when it hangs on one.
pub(super) fn port_of(io: &DoorIoConfig) -> Option<&PathBuf> {
    match io {
        DoorIoConfig::Simulated(_) | DoorIoConfig::Gpio(_) => None,
        DoorIoConfig::Modbus(door) => Some(&door.port),
        DoorIoConfig::Lcus(door) => Some(&door.port),
    }
}

/// What makes no sense about two doors at one port, in words.
pub(crate) fn contradiction(first: &DoorIoConfig, second: &DoorIoConfig) -> Option<String> {
    let port = port_of(first)?;
    if port_of(second) != Some(port) {
        return None;
    }
    let port = port.display();
    match (first, second) {
        (DoorIoConfig::Modbus(a), DoorIoConfig::Modbus(b)) => {
            let same = (a.baud, a.parity, a.poll_ms) == (b.baud, b.parity, b.poll_ms);
            (!same).then(|| format!("baud, parity and poll_ms differ between doors at {port}"))
        }
        (DoorIoConfig::Lcus(_), DoorIoConfig::Lcus(_)) => None,
        _ => Some(format!(
            "two kinds of boards at {port}: one port is one kind's"
        )),
    }
}

impl BoardLines {
    pub(super) fn open(places: &[(DoorPlace, Level)], clock: Clock) -> anyhow::Result<Self> {
        let now = clock.uptime();
        let mut doors = Vec::new();
        let mut outputs = BTreeMap::new();
        let mut inputs: BTreeMap<u8, u16> = BTreeMap::new();
        let mut speech = Speech::Lcus;
        let (mut path, mut baud, mut parity): (&Path, _, _) = (Path::new(""), 9_600, Parity::None);
        for (place, level) in places {
            let attached = match &place.io {
                DoorIoConfig::Modbus(door) => {
                    (path, baud, parity) = (&door.port, door.baud, door.parity);
                    speech = Speech::Modbus {
                        poll_ms: door.poll_ms.into(),
                    };
                    attached_modbus(place.door, door)
                }
                DoorIoConfig::Lcus(door) => {
                    path = &door.port;
                    attached_lcus(place.door, door)
                }
                DoorIoConfig::Simulated(_) | DoorIoConfig::Gpio(_) => {
                    unreachable!("doors are grouped by their ports")
                }
            };
            for (_, input, _) in &attached.sensors {
                let count = inputs.entry(attached.unit).or_default();
                *count = (*count).max(input.input + 1);
            }
            for (relay, wanted) in attached.wants(*level) {
                let confirmed = None;
                outputs.insert(relay, Output { wanted, confirmed });
            }
            doors.push(attached);
        }
        let port = Port::open(path, baud, parity)?;
        let mut lines = Self {
            clock,
            speech,
            port,
            doors,
            outputs,
            inputs: inputs.into_iter().collect(),
            asked: None,
            next_look: (now, 0),
            waiting: VecDeque::new(),
        };
        lines.go_on()?;
        Ok(lines)
    }

    pub(super) fn drive(&mut self, door: DoorId, drive: Drive) -> anyhow::Result<()> {
        let now = self.clock.uptime();
        let Some(attached) = self.doors.iter_mut().find(|it| it.door == door) else {
            return Ok(());
        };
        match drive {
            Drive::Lock(moved) => {
                let (relay, wanted) = attached.lock_wants(moved.to);
                self.want(relay, wanted);
            }
            Drive::Signal(signal) => {
                attached.shown.show(now, signal);
                for (relay, wanted) in attached.lamps_want() {
                    self.want(relay, wanted);
                }
            }
        }
        self.go_on()
    }

    fn want(&mut self, relay: Relay, wanted: Switch) {
        if let Some(output) = self.outputs.get_mut(&relay) {
            output.wanted = wanted;
        }
    }

    pub(super) async fn sensed(&mut self) -> anyhow::Result<Sensed> {
        loop {
            if let Some(sensed) = self.waiting.pop_front() {
                return Ok(sensed);
            }
            self.go_on()?;
            let due = self.next_due();
            let left_ms = due.since_ms(self.clock.uptime());
            let mut received = Vec::new();
            let is_due = tokio::select! {
                received = self.port.receive(&mut received) => received.map(|()| false)?,
                () = tokio::time::sleep(Duration::from_millis(left_ms)) => true,
            };
            if is_due {
                self.beep();
            } else {
                self.take(&received)?;
            }
        }
    }

    pub(super) fn standing(&mut self) -> anyhow::Result<Vec<Sensed>> {
        // Inputs that have not been read yet are told when they are.
        let said = self.doors.iter().flat_map(|attached| {
            let door = attached.door;
            attached
                .sensors
                .iter()
                .filter_map(move |(sensor, _, last)| {
                    let input = sensor.says_at_first((*last)?)?;
                    Some(Sensed { door, input })
                })
        });
        Ok(said.collect())
    }

    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        let settled = async {
            while self
                .outputs
                .values()
                .any(|it| it.confirmed != Some(it.wanted))
            {
                self.go_on()?;
                if self.speech == Speech::Lcus {
                    continue;
                }
                let left_ms = self.next_due().since_ms(self.clock.uptime());
                let mut received = Vec::new();
                tokio::select! {
                    heard = self.port.receive(&mut received) => heard?,
                    () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
                }
                self.take(&received)?;
            }
            Ok(())
        };
        let limit = Duration::from_millis(SETTLES_WITHIN_MS);
        let settled = tokio::time::timeout(limit, settled).await;
        settled.context("the board does not answer")?
    }

    fn next_due(&self) -> Uptime {
        let beeps = self.doors.iter().filter_map(|it| it.shown.next_due());
        let asked = self.asked.as_ref().map(|asked| asked.until);
        let look = match (asked, self.speech, self.inputs.is_empty()) {
            (Some(until), _, _) => Some(until),
            (None, Speech::Modbus { .. }, true) => Some(self.next_look.0),
            (None, _, _) => Some(self.next_look.0),
        };
        let due = look.into_iter().chain(beeps).min();
        due.unwrap_or(self.next_look.0)
    }

    fn beep(&mut self) {
        let now = self.clock.uptime();
        let mut wants = Vec::new();
        for attached in &mut self.doors {
            if attached.shown.next_due().is_some() {
                attached.shown.due(now);
                wants.extend(attached.lamps_want());
            }
        }
        for (relay, wanted) in wants {
            self.want(relay, wanted);
        }
    }

    /// Says what is to be said next. The lock goes before lamps, and both before a look at inputs.
    fn go_on(&mut self) -> anyhow::Result<()> {
        let now = self.clock.uptime();
        match self.speech {
            Speech::Lcus => self.tell(now),
            Speech::Modbus { poll_ms } => self.ask(now, poll_ms),
        }
    }

    fn tell(&mut self, now: Uptime) -> anyhow::Result<()> {
        let is_time = self.next_look.0 <= now;
        if is_time {
            self.next_look.0 = now.plus_ms(TELL_AGAIN_MS);
        }
        for ((_, relay), output) in &mut self.outputs {
            if is_time || output.confirmed != Some(output.wanted) {
                let relay = u8::try_from(*relay).context("LCUS boards have few relays")?;
                self.port.send(&lcus(relay, output.wanted))?;
                output.confirmed = Some(output.wanted);
            }
        }
        Ok(())
    }

    fn ask(&mut self, now: Uptime, poll_ms: u64) -> anyhow::Result<()> {
        if let Some(asked) = &self.asked {
            if asked.until > now {
                return Ok(());
            }
            let (question, tries) = (asked.question, asked.tries);
            let silence = "the board does not answer: check its power, its address and A and B";
            return self.ask_again(question, tries, silence.into());
        }
        let Some(what) = self.next_question(now, poll_ms) else {
            return Ok(());
        };
        self.put(what, 1)
    }

    fn next_question(&mut self, now: Uptime, poll_ms: u64) -> Option<Question> {
        let is_lock = |relay: &Relay| {
            let locks = |it: &Attached| (it.unit, it.lock.relay) == *relay;
            self.doors.iter().any(locks)
        };
        let unlike = |(_, output): &(&Relay, &Output)| output.confirmed != Some(output.wanted);
        let mut open: Vec<(&Relay, &Output)> = self.outputs.iter().filter(unlike).collect();
        open.sort_by_key(|(relay, _)| u8::from(!is_lock(relay)));
        if let Some(((unit, coil), output)) = open.first() {
            return Some(Question {
                unit: *unit,
                what: What::WriteCoil {
                    coil: *coil,
                    to: output.wanted,
                },
            });
        }
        let (at, turn) = self.next_look;
        if at > now {
            return None;
        }
        let Some((unit, count)) = self.inputs.get(turn).copied() else {
            // With no input to read, the lock is written again: a board that was unplugged, or
            // lost its power, is noticed and is as it should be.
            self.next_look = (
                now.plus_ms(if self.inputs.is_empty() {
                    TELL_AGAIN_MS
                } else {
                    poll_ms
                }),
                0,
            );
            if self.inputs.is_empty() {
                let first = self.doors.first()?;
                let output = self.outputs.get_mut(&(first.unit, first.lock.relay))?;
                output.confirmed = None;
                return Some(Question {
                    unit: first.unit,
                    what: What::WriteCoil {
                        coil: first.lock.relay,
                        to: output.wanted,
                    },
                });
            }
            return None;
        };
        self.next_look.1 += 1;
        Some(Question {
            unit,
            what: What::ReadInputs { count },
        })
    }

    fn put(&mut self, question: Question, tries: u32) -> anyhow::Result<()> {
        self.port.forget_received()?;
        self.port.send(&question.to_bytes())?;
        self.asked = Some(Asked {
            question,
            tries,
            until: self.clock.uptime().plus_ms(ANSWERS_WITHIN_MS),
            received: Vec::new(),
        });
        Ok(())
    }

    fn ask_again(&mut self, question: Question, tries: u32, why: String) -> anyhow::Result<()> {
        self.asked = None;
        if tries >= TRIES_MAX {
            anyhow::bail!("unit {}: {why}", question.unit);
        }
        // What shall be may have changed meanwhile.
        match question.what {
            What::ReadInputs { .. } => self.put(question, tries + 1),
            What::WriteCoil { coil, .. } => {
                let to = self.outputs[&(question.unit, coil)].wanted;
                let what = What::WriteCoil { coil, to };
                self.put(Question { what, ..question }, tries + 1)
            }
        }
    }

    fn take(&mut self, received: &[u8]) -> anyhow::Result<()> {
        let Some(asked) = &mut self.asked else {
            return Ok(());
        };
        asked.received.extend_from_slice(received);
        let (question, tries) = (asked.question, asked.tries);
        match question.answered(&asked.received) {
            Ok(None) => Ok(()),
            Ok(Some(answer)) => {
                self.asked = None;
                self.answered(question, answer);
                self.go_on()
            }
            Err(exception @ Misheard::Exception { .. }) => {
                anyhow::bail!("unit {}: {exception}", question.unit)
            }
            Err(misheard) => self.ask_again(question, tries, misheard.to_string()),
        }
    }

    fn answered(&mut self, question: Question, answer: Answer) {
        match (question.what, answer) {
            (What::WriteCoil { coil, to }, Answer::Written) => {
                if let Some(output) = self.outputs.get_mut(&(question.unit, coil)) {
                    output.confirmed = Some(to);
                }
            }
            (What::ReadInputs { .. }, Answer::Inputs(inputs)) => {
                for attached in self.doors.iter_mut().filter(|it| it.unit == question.unit) {
                    self.waiting.extend(attached.reads(&inputs));
                }
            }
            // `answered` of the question gives the answer that belongs to it.
            (What::WriteCoil { .. }, Answer::Inputs(_))
            | (What::ReadInputs { .. }, Answer::Written) => {}
        }
    }
}

impl Attached {
    fn lock_wants(&self, level: Level) -> (Relay, Switch) {
        let wanted = match level {
            Level::Locked => self.lock.locked,
            Level::Released => self.lock.locked.other(),
        };
        ((self.unit, self.lock.relay), wanted)
    }

    fn lamps_want(&self) -> Vec<(Relay, Switch)> {
        let wants = self.lamps.iter().map(|(lamp, relay)| {
            let wanted = match self.shown.of(*lamp) {
                Stands::Active => relay.active,
                Stands::Idle => relay.active.other(),
            };
            ((self.unit, relay.relay), wanted)
        });
        wants.collect()
    }

    fn wants(&self, level: Level) -> Vec<(Relay, Switch)> {
        let mut wants = self.lamps_want();
        wants.push(self.lock_wants(level));
        wants
    }

    /// What changed since the last look.
    fn reads(&mut self, inputs: &[Switch]) -> Vec<Sensed> {
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
}

fn attached_modbus(door: DoorId, wiring: &ModbusDoor) -> Attached {
    let lamps = Lamp::ALL.into_iter();
    let sensors = Sensor::ALL.into_iter();
    Attached {
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

fn attached_lcus(door: DoorId, wiring: &LcusDoor) -> Attached {
    let lamps = Lamp::ALL.into_iter();
    Attached {
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

#[cfg(test)]
mod tests;

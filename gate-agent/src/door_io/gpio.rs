//! A door on GPIO lines of the kernel's character device. Chips are found by their label and lines
//! by name or offset, so the same file works on every Pi and on other boards.

mod chips;
#[cfg(test)]
mod fake;
mod wiring;

pub use wiring::{
    DEBOUNCE_MS_MAX, GpioDoor, LampLine, LineBias, LineChoice, LineDrive, LockLine, SensorLine,
    Voltage,
};

use std::{collections::VecDeque, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use shared::ids::DoorId;

use super::{
    lines::{Drive, Sensed},
    sensor::{Lamp, Sensor, Shown, Stands},
    wiring::Level,
};
use crate::clock::Clock;
use chips::{ChipFacts, Chips, Edge, InputLines, InputUse, LineFacts, OutputLines, OutputUse};

/// Lines that an error lists.
const LISTED_MAX: usize = 40;

/// A door's GPIO lines, taken.
#[derive(Debug)]
pub(super) struct GpioLines {
    door: DoorId,
    clock: Clock,
    outputs: OutputLines,
    lock: u32,
    lamps: Vec<(Lamp, u32)>,
    shown: Shown,
    inputs: Option<InputLines>,
    sensors: Vec<(Sensor, u32)>,
    last_edge: Option<u32>,
    /// Sensed, and not yet told.
    waiting: VecDeque<Sensed>,
}

/// Finds the chip and every line of a door, and takes none.
pub(super) fn look(wiring: &GpioDoor) -> anyhow::Result<String> {
    let chips = Chips::Kernel;
    let chip = find_chip(&chips, &wiring.chip)?;
    let known = chips
        .lines(&chip)
        .with_context(|| format!("cannot look at the lines of {}", name_of(&chip)))?;
    let mut offsets = Vec::new();
    for line in wiring.lines() {
        let offset = find_line(&chip, &known, line)?;
        if let Some(facts) = known.iter().find(|facts| facts.offset == offset)
            && !facts.consumer.is_empty()
        {
            bail!(
                "line {offset} of {} is in use by {:?}: end that program, or choose another line",
                name_of(&chip),
                facts.consumer
            );
        }
        offsets.push(offset.to_string());
    }
    Ok(format!("{}, lines {}", name_of(&chip), offsets.join(", ")))
}

impl GpioLines {
    pub(super) fn open(
        door: DoorId,
        wiring: &GpioDoor,
        level: Level,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        Self::open_on(&Chips::Kernel, door, wiring, level, clock)
    }

    fn open_on(
        chips: &Chips,
        door: DoorId,
        wiring: &GpioDoor,
        level: Level,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let chip = find_chip(chips, &wiring.chip)?;
        let known = chips
            .lines(&chip)
            .with_context(|| format!("cannot look at the lines of {}", name_of(&chip)))?;
        let offset = |line: &LineChoice| find_line(&chip, &known, line);

        let lock = offset(&wiring.lock.line)?;
        let mut uses = vec![OutputUse {
            offset: lock,
            active: other(wiring.lock.locked),
            drive: wiring.lock.drive,
            stands: released(level),
        }];
        let mut lamps = Vec::new();
        for lamp in Lamp::ALL {
            if let Some(line) = wiring.lamp(lamp) {
                let offset = offset(&line.line)?;
                lamps.push((lamp, offset));
                uses.push(OutputUse {
                    offset,
                    active: line.active,
                    drive: line.drive,
                    stands: Stands::Idle,
                });
            }
        }
        let mut sensors = Vec::new();
        let mut listened = Vec::new();
        for sensor in Sensor::ALL {
            if let Some(line) = wiring.sensor(sensor) {
                let offset = offset(&line.line)?;
                sensors.push((sensor, offset));
                listened.push(InputUse {
                    offset,
                    active: line.active_of(sensor),
                    bias: line.bias,
                    debounce_ms: line.debounce_ms_of(sensor),
                });
            }
        }
        let refused = |error| why_refused(chips, &chip, wiring, error);
        // The lock first: a sensor that cannot be had must not leave it undriven for longer.
        let outputs = chips.outputs(&chip, &uses).map_err(refused)?;
        let inputs = match listened.as_slice() {
            [] => None,
            listened => Some(chips.inputs(&chip, listened).map_err(refused)?),
        };
        Ok(Self {
            door,
            clock,
            outputs,
            lock,
            lamps,
            shown: Shown::NOTHING,
            inputs,
            sensors,
            last_edge: None,
            waiting: VecDeque::new(),
        })
    }

    pub(super) fn drive(&mut self, drive: Drive) -> anyhow::Result<()> {
        match drive {
            Drive::Lock(moved) => self.outputs.set(self.lock, released(moved.to)),
            Drive::Signal(signal) => {
                self.shown.show(self.clock.uptime(), signal);
                self.light()
            }
        }
    }

    fn light(&self) -> anyhow::Result<()> {
        self.lamps
            .iter()
            .try_for_each(|(lamp, offset)| self.outputs.set(*offset, self.shown.of(*lamp)))
    }

    pub(super) async fn sensed(&mut self) -> anyhow::Result<Sensed> {
        loop {
            if let Some(sensed) = self.waiting.pop_front() {
                return Ok(sensed);
            }
            let beep = self.shown.next_due();
            let left_ms = beep.map(|at| at.since_ms(self.clock.uptime()));
            let edge = async {
                match &mut self.inputs {
                    Some(inputs) => inputs.edge().await,
                    None => std::future::pending().await,
                }
            };
            let beep = async {
                match left_ms {
                    Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                edge = edge => self.take(edge?)?,
                () = beep => {
                    self.shown.due(self.clock.uptime());
                    self.light()?;
                }
            }
        }
    }

    fn take(&mut self, edge: Edge) -> anyhow::Result<()> {
        let before = self.last_edge.replace(edge.number);
        let sensor = self
            .sensors
            .iter()
            .find(|(_, offset)| *offset == edge.offset);
        let input = sensor.and_then(|(sensor, _)| sensor.says(edge.stands));
        let door = self.door;
        self.waiting
            .extend(input.map(|input| Sensed { door, input }));
        if before.is_some_and(|before| before.wrapping_add(1) != edge.number) {
            tracing::warn!(door.id = door.0, "edges of door {door} were lost");
            let standing = self.standing()?;
            self.waiting.extend(standing);
        }
        Ok(())
    }

    pub(super) fn standing(&mut self) -> anyhow::Result<Vec<Sensed>> {
        let Some(inputs) = &self.inputs else {
            return Ok(Vec::new());
        };
        let door = self.door;
        let mut standing = Vec::new();
        for (sensor, offset) in &self.sensors {
            let input = sensor.says_at_first(inputs.get(*offset)?);
            standing.extend(input.map(|input| Sensed { door, input }));
        }
        Ok(standing)
    }
}

const fn released(level: Level) -> Stands {
    match level {
        Level::Locked => Stands::Idle,
        Level::Released => Stands::Active,
    }
}

const fn other(voltage: Voltage) -> Voltage {
    match voltage {
        Voltage::Low => Voltage::High,
        Voltage::High => Voltage::Low,
    }
}

fn name_of(chip: &ChipFacts) -> String {
    format!(
        "{} [{}] ({} lines)",
        chip.path.display(),
        chip.label,
        chip.lines
    )
}

fn find_chip(chips: &Chips, wanted: &str) -> anyhow::Result<ChipFacts> {
    let there = chips.list()?;
    let mut found = there
        .iter()
        .filter(|chip| chip.label == wanted || chip.path.as_os_str() == wanted);
    match (found.next(), found.next()) {
        (Some(chip), None) => Ok(chip.clone()),
        (Some(first), Some(second)) => bail!(
            "two GPIO chips are labelled {wanted:?}: write chip = {:?} or chip = {:?}",
            first.path,
            second.path
        ),
        (None, _) if there.is_empty() => bail!(
            "there is no GPIO chip that this user may open: the kernel must have one \
             (gpiodetect), and the user must be in the group that owns /dev/gpiochip*"
        ),
        (None, _) => {
            let there: Vec<String> = there.iter().map(name_of).collect();
            bail!(
                "no GPIO chip is labelled {wanted:?}. There is {}: write what stands in brackets \
                 as chip = \"…\"",
                there.join(", ")
            )
        }
    }
}

fn find_line(chip: &ChipFacts, known: &[LineFacts], wanted: &LineChoice) -> anyhow::Result<u32> {
    let found = match wanted {
        LineChoice::Offset(offset) => known.iter().find(|line| line.offset == *offset),
        LineChoice::Name(name) => known.iter().find(|line| line.name == *name),
    };
    if let Some(line) = found {
        return Ok(line.offset);
    }
    let names: Vec<String> = known
        .iter()
        .filter(|line| !line.name.is_empty())
        .take(LISTED_MAX)
        .map(|line| format!("{} {:?}", line.offset, line.name))
        .collect();
    let last = chip.lines.saturating_sub(1);
    let names = if names.is_empty() {
        "none of which has a name: write its offset".to_owned()
    } else {
        format!("among them {}", names.join(", "))
    };
    bail!(
        "{} has no line {wanted}: its lines are 0 to {last}, {names}",
        name_of(chip)
    )
}

/// Says who has the lines when somebody else does.
fn why_refused(
    chips: &Chips,
    chip: &ChipFacts,
    wiring: &GpioDoor,
    error: anyhow::Error,
) -> anyhow::Error {
    if !chips::is_busy(&error) {
        return error.context(format!("cannot take lines of {}", name_of(chip)));
    }
    let known = chips.lines(chip).unwrap_or_default();
    let taken: Vec<String> = wiring
        .lines()
        .filter_map(|line| find_line(chip, &known, line).ok())
        .filter_map(|offset| known.iter().find(|line| line.offset == offset))
        .filter(|line| !line.consumer.is_empty())
        .map(|line| format!("line {} is used by {:?}", line.offset, line.consumer))
        .collect();
    anyhow!(
        "lines of {} are taken: {}; end that program, free them in the device tree, or choose others",
        name_of(chip),
        taken.join(", ")
    )
}

#[cfg(test)]
mod tests;

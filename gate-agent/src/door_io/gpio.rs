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

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use shared::{ids::DoorId, time::Uptime};

use super::{
    lines::{Drive, News, Sensed},
    sensor::{Lamp, Sensor, Shown, Stands},
    wiring::Level,
};
use crate::clock::Clock;
use chips::{ChipFacts, Chips, Edge, InputLines, InputUse, LineFacts, OutputLines, OutputUse};

/// Lines that an error lists.
const LISTED_MAX: usize = 40;

/// How long until sensors' lines that could not be had are tried again, in ms.
const RETRY_MS: u64 = 1_000;

/// A door's GPIO lines, taken.
#[derive(Debug)]
pub(super) struct GpioLines {
    door: DoorId,
    clock: Clock,
    source: Source,
    outputs: OutputLines,
    lock: u32,
    lamps: Vec<(Lamp, u32)>,
    shown: Shown,
    listening: Listening,
    last_edge: Option<u32>,
    /// Sensed, and not yet told.
    waiting: VecDeque<News>,
}

/// From where sensors' lines are taken.
#[derive(Debug)]
struct Source {
    chips: Chips,
    chip: ChipFacts,
    wiring: GpioDoor,
    sensors: Vec<(Sensor, InputUse)>,
}

/// Whether the sensors are heard. That they are not is no reason to let the lock go.
#[derive(Debug)]
enum Listening {
    ToNone,
    To(InputLines),
    Refused { problem: String, retry_at: Uptime },
}

/// Finds the chip and every line of a door, and takes none.
pub(super) fn look(wiring: &GpioDoor) -> anyhow::Result<String> {
    let chips = Chips::Kernel;
    let chip = find_chip(&chips, &wiring.chip)?;
    let known = chips
        .lines(&chip)
        .with_context(|| format!("cannot look at the lines of {}", name_of(&chip)))?;
    check_uses(&chip, &known, wiring)?;
    let mut offsets = Vec::new();
    for (_, line) in wiring.uses() {
        let offset = find_line(&chip, &known, line)?;
        // A door process that goes on without its agent has them by right.
        if let Some(facts) = known.iter().find(|facts| facts.offset == offset)
            && !facts.consumer.is_empty()
            && chips::door_of(&facts.consumer).is_none()
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
        Self::open_on(Chips::Kernel, door, wiring, level, clock)
    }

    /// Takes the sensors' lines and looks whether there is fire, and only then the lock's.
    fn open_on(
        chips: Chips,
        door: DoorId,
        wiring: &GpioDoor,
        level: Level,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let chip = find_chip(&chips, &wiring.chip)?;
        let known = chips
            .lines(&chip)
            .with_context(|| format!("cannot look at the lines of {}", name_of(&chip)))?;
        check_uses(&chip, &known, wiring)?;
        let offset = |line: &LineChoice| find_line(&chip, &known, line);
        let lock = offset(&wiring.lock.line)?;
        let mut lamps = Vec::new();
        let mut sensors = Vec::new();
        for lamp in Lamp::ALL {
            if let Some(line) = wiring.lamp(lamp) {
                lamps.push((lamp, offset(&line.line)?));
            }
        }
        for sensor in Sensor::ALL {
            if let Some(line) = wiring.sensor(sensor) {
                let taken = InputUse {
                    offset: offset(&line.line)?,
                    active: line.active_of(sensor),
                    bias: line.bias,
                    debounce_ms: line.debounce_ms_of(sensor),
                };
                sensors.push((sensor, taken));
            }
        }
        let source = Source {
            chips,
            chip,
            wiring: wiring.clone(),
            sensors,
        };
        let listening = source.listen(door, clock.uptime());
        let level = match source.stands_of(&listening, Sensor::Fire) {
            Some(Stands::Active) => Level::Released,
            Some(Stands::Idle) | None => level,
        };
        let uses = source.outputs((lock, level), &lamps);
        let outputs = source
            .chips
            .outputs(&source.chip, door, &uses)
            .map_err(|error| source.why_refused(error))?;
        Ok(Self {
            door,
            clock,
            source,
            outputs,
            lock,
            lamps,
            shown: Shown::NOTHING,
            listening,
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

    pub(super) async fn news(&mut self) -> anyhow::Result<News> {
        loop {
            if let Some(news) = self.waiting.pop_front() {
                return Ok(news);
            }
            let (beep, retry) = (self.shown.next_due(), self.retry_at());
            let due = beep.into_iter().chain(retry).min();
            let left_ms = due.map(|at| at.since_ms(self.clock.uptime()));
            let edge = async {
                match &mut self.listening {
                    Listening::To(inputs) => inputs.edge().await,
                    Listening::ToNone | Listening::Refused { .. } => std::future::pending().await,
                }
            };
            let due = async {
                match left_ms {
                    Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                edge = edge => self.take(edge?)?,
                () = due => {
                    self.shown.due(self.clock.uptime());
                    self.light()?;
                    self.listen_again()?;
                }
            }
        }
    }

    fn retry_at(&self) -> Option<Uptime> {
        match &self.listening {
            Listening::Refused { retry_at, .. } => Some(*retry_at),
            Listening::ToNone | Listening::To(_) => None,
        }
    }

    fn listen_again(&mut self) -> anyhow::Result<()> {
        let now = self.clock.uptime();
        if self.retry_at().is_some_and(|at| at <= now) {
            self.listening = self.source.listen(self.door, now);
            self.last_edge = None;
            let standing = self.standing()?;
            self.waiting.extend(standing);
        }
        Ok(())
    }

    fn take(&mut self, edge: Edge) -> anyhow::Result<()> {
        let before = self.last_edge.replace(edge.number);
        let mut sensors = self.source.sensors.iter();
        let sensor = sensors.find(|(_, taken)| taken.offset == edge.offset);
        let input = sensor.and_then(|(sensor, _)| sensor.says(edge.stands));
        let door = self.door;
        let sensed = input.map(|input| News::Sensed(Sensed { door, input }));
        self.waiting.extend(sensed);
        if before.is_some_and(|before| before.wrapping_add(1) != edge.number) {
            tracing::warn!(door.id = door.0, "edges of door {door} were lost");
            let standing = self.standing()?;
            self.waiting.extend(standing);
        }
        Ok(())
    }

    /// Whether the lines work, and how the sensors stand.
    pub(super) fn standing(&self) -> anyhow::Result<Vec<News>> {
        let door = self.door;
        let (inputs, problem) = match &self.listening {
            Listening::ToNone => (None, None),
            Listening::To(inputs) => (Some(inputs), None),
            Listening::Refused { problem, .. } => (None, Some(problem.clone())),
        };
        let mut standing = vec![News::State { door, problem }];
        for (sensor, taken) in &self.source.sensors {
            if let Some(inputs) = inputs {
                let input = sensor.says_at_first(inputs.get(taken.offset)?);
                standing.extend(input.map(|input| News::Sensed(Sensed { door, input })));
            }
        }
        Ok(standing)
    }
}

impl Source {
    fn listen(&self, door: DoorId, now: Uptime) -> Listening {
        if self.sensors.is_empty() {
            return Listening::ToNone;
        }
        let uses: Vec<InputUse> = self.sensors.iter().map(|(_, taken)| *taken).collect();
        match self.chips.inputs(&self.chip, door, &uses) {
            Ok(inputs) => Listening::To(inputs),
            Err(error) => Listening::Refused {
                problem: format!("{:#}", self.why_refused(error)),
                retry_at: now.plus_ms(RETRY_MS),
            },
        }
    }

    fn stands_of(&self, listening: &Listening, sensor: Sensor) -> Option<Stands> {
        let Listening::To(inputs) = listening else {
            return None;
        };
        let (_, taken) = self.sensors.iter().find(|(it, _)| *it == sensor)?;
        // What cannot be read now is a fault as soon as it is told how things stand.
        inputs.get(taken.offset).ok()
    }

    fn outputs(&self, (lock, level): (u32, Level), lamps: &[(Lamp, u32)]) -> Vec<OutputUse> {
        let lock = OutputUse {
            offset: lock,
            active: other(self.wiring.lock.locked),
            drive: self.wiring.lock.drive,
            stands: released(level),
        };
        let lamps = lamps.iter().filter_map(|(lamp, offset)| {
            let line = self.wiring.lamp(*lamp)?;
            Some(OutputUse {
                offset: *offset,
                active: line.active,
                drive: line.drive,
                stands: Stands::Idle,
            })
        });
        [lock].into_iter().chain(lamps).collect()
    }

    /// Says who has the lines when somebody else does.
    fn why_refused(&self, error: anyhow::Error) -> anyhow::Error {
        let chip = name_of(&self.chip);
        if !chips::is_busy(&error) {
            return error.context(format!("cannot take lines of {chip}"));
        }
        let known = self.chips.lines(&self.chip).unwrap_or_default();
        let taken: Vec<String> = self
            .wiring
            .uses()
            .filter_map(|(name, line)| {
                let offset = find_line(&self.chip, &known, line).ok()?;
                let facts = known.iter().find(|facts| facts.offset == offset)?;
                match (facts.consumer.as_str(), chips::door_of(&facts.consumer)) {
                    ("", _) => None,
                    (_, Some(door)) => {
                        Some(format!("line {line} ({name}) is wired to door {door} too"))
                    }
                    (user, None) => Some(format!("line {line} ({name}) is used by {user:?}")),
                }
            })
            .collect();
        let taken = taken.join(", ");
        anyhow!(
            "lines of {chip} are taken: {taken}; end that program, free them in the device tree, \
             or choose others"
        )
    }
}

/// A name and an offset may be one line.
fn check_uses(chip: &ChipFacts, known: &[LineFacts], wiring: &GpioDoor) -> anyhow::Result<()> {
    let mut seen = BTreeMap::new();
    for (name, line) in wiring.uses() {
        let offset = find_line(chip, known, line)?;
        if let Some((first, first_line)) = seen.insert(offset, (name, line)) {
            bail!(
                "line {offset} of {} has two uses: {first} ({first_line}) and {name} ({line})",
                name_of(chip)
            );
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests;

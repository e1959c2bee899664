//! Doors on relay boards at a serial port: Modbus RTU boards, which answer and have inputs, and USB
//! relays of the LCUS kind, which do neither. One port is one owner's, so its doors stand together;
//! but each board fails by itself, and only a port that breaks takes all of them along.
//!
//! A board keeps its relays as they are when nobody talks to it: a release is bounded by this
//! process, by the board's own timer where it has one, and by the hardware of the handbook.

mod attached;
mod modbus;
mod port;
mod unit;
mod wiring;

pub use wiring::{
    INPUTS_MAX, LampRelay, LcusDoor, LockRelay, ModbusDoor, Parity, SensorInput, Switch,
};

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};

use shared::{ids::DoorId, time::Uptime};

use super::{
    lines::{Drive, News},
    wiring::{DoorIoConfig, DoorPlace, Level},
};
use crate::clock::Clock;
use attached::Attached;
use modbus::{Answer, Misheard, Question, What, lcus};
pub(super) use port::look;
use port::{Errand, Outcome, Port, PortSettings};
use unit::{Change, Role, Unit};

/// How long until a port that broke is opened again, in ms.
const REOPEN_MS: u64 = 1_000;
/// A port's driver that has not done an errand for so long, in ms, hangs: an answer is waited for
/// a quarter of a second, and a converter is set up in less than that.
const HANGS_AFTER_MS: u64 = 2_000;

/// How boards are talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Modbus,
    Lcus,
}

/// What the port does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Closed {
        open_at: Uptime,
    },
    Idle,
    Opening {
        patience: Patience,
    },
    Asking {
        unit: u8,
        what: What,
        patience: Patience,
    },
}

/// How long its driver is waited for before that is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Until(Uptime),
    Lost,
}

/// The doors at one port.
#[derive(Debug)]
pub(super) struct BoardLines {
    clock: Clock,
    speech: Speech,
    port: Port,
    work: Work,
    doors: Vec<Attached>,
    units: BTreeMap<u8, Unit>,
    /// Sensed or found out, and not yet told.
    waiting: VecDeque<News>,
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
            if !same {
                return Some(format!(
                    "baud, parity and poll_ms differ between doors at {port}"
                ));
            }
            if a.unit != b.unit {
                return None;
            }
            let board = format!("unit {} at {port}", a.unit);
            // One panel, or one case, may be several doors'.
            let is_common = |a: &str, b: &str| a == b && ["fire", "tamper"].contains(&a);
            shared("relay", &board, &a.relays(), &b.relays(), |_, _| false)
                .or_else(|| shared("input", &board, &a.inputs(), &b.inputs(), is_common))
        }
        (DoorIoConfig::Lcus(a), DoorIoConfig::Lcus(b)) => {
            let board = port.to_string();
            shared("relay", &board, &a.relays(), &b.relays(), |_, _| false)
        }
        _ => Some(format!(
            "two kinds of boards at {port}: one port is one kind's"
        )),
    }
}

/// A relay or an input that is two doors', in words.
fn shared(
    what: &str,
    board: &str,
    first: &[(&str, u16)],
    second: &[(&str, u16)],
    may_be: impl Fn(&str, &str) -> bool,
) -> Option<String> {
    first.iter().find_map(|(name, number)| {
        let same = |(theirs, it): &&(&str, u16)| it == number && !may_be(name, theirs);
        let (theirs, _) = second.iter().find(same)?;
        Some(format!(
            "{what} {number} of {board} is two doors': {name} of one and {theirs} of the other"
        ))
    })
}

impl BoardLines {
    /// Begins to drive the doors of one port, whether or not it is there; that is told later.
    pub(super) fn open(places: &[(DoorPlace, Level)], clock: Clock) -> anyhow::Result<Self> {
        let now = clock.uptime();
        let mut doors = Vec::new();
        let mut units: BTreeMap<u8, Unit> = BTreeMap::new();
        let mut speech = Speech::Lcus;
        let mut settings = PortSettings {
            path: Path::new("").into(),
            baud: 9_600,
            parity: Parity::None,
        };
        for (place, level) in places {
            let (attached, poll_ms) = match &place.io {
                DoorIoConfig::Modbus(door) => {
                    speech = Speech::Modbus;
                    settings = PortSettings {
                        path: door.port.clone(),
                        baud: door.baud,
                        parity: door.parity,
                    };
                    (Attached::modbus(place.door, door), door.poll_ms.into())
                }
                DoorIoConfig::Lcus(door) => {
                    settings.path.clone_from(&door.port);
                    (Attached::lcus(place.door, door), 0)
                }
                DoorIoConfig::Simulated(_) | DoorIoConfig::Gpio(_) => {
                    unreachable!("doors are grouped by their ports")
                }
            };
            let unit = units
                .entry(attached.unit)
                .or_insert_with(|| Unit::new(poll_ms));
            attached.inputs().for_each(|input| unit.has_input(input));
            for (relay, wanted) in attached.lamps_want() {
                unit.has_output(relay, Role::Lamp, wanted);
            }
            let wanted = attached.lock_wants(*level);
            unit.has_output(attached.lock.relay, Role::Lock, wanted);
            doors.push(attached);
        }
        let mut lines = Self {
            clock,
            speech,
            port: Port::start(settings, clock)?,
            work: Work::Closed { open_at: now },
            doors,
            units,
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
        let Some(unit) = self.units.get_mut(&attached.unit) else {
            return Ok(());
        };
        match drive {
            Drive::Lock(moved) => {
                unit.want(now, attached.lock.relay, attached.lock_wants(moved.to));
            }
            Drive::Signal(signal) => {
                attached.shown.show(now, signal);
                for (relay, wanted) in attached.lamps_want() {
                    unit.want(now, relay, wanted);
                }
            }
        }
        self.go_on()
    }

    pub(super) async fn news(&mut self) -> anyhow::Result<News> {
        loop {
            if let Some(news) = self.waiting.pop_front() {
                return Ok(news);
            }
            self.go_on()?;
            let now = self.clock.uptime();
            let left_ms = self.next_due(now).map(|due| due.since_ms(now));
            let due = async {
                match left_ms {
                    Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                outcome = self.port.outcome() => {
                    let outcome = outcome?;
                    let was_settled = self.is_settled();
                    self.take(outcome);
                    if !was_settled && self.is_settled() {
                        self.waiting.push_back(News::Settled);
                    }
                }
                () = due => {
                    self.beep();
                    self.lose_patience();
                }
            }
        }
    }

    /// How everything stands, as far as it is known: what is not is told when it is.
    pub(super) fn standing(&self) -> Vec<News> {
        let mut standing = Vec::new();
        for attached in &self.doors {
            let unit = self.units.get(&attached.unit);
            let told = unit.map_or(&Change::Nothing, Unit::told);
            standing.extend(news_of(attached, told));
            standing.extend(attached.standing().map(News::Sensed));
        }
        standing
    }

    /// Has every board confirmed what it shall do?
    pub(super) fn is_settled(&self) -> bool {
        self.units.values().all(Unit::is_settled)
    }

    /// Works until every board has confirmed what it shall do.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        while !self.is_settled() {
            self.news().await?;
        }
        Ok(())
    }

    fn next_due(&self, now: Uptime) -> Option<Uptime> {
        let beeps = self.doors.iter().filter_map(|it| it.shown.next_due());
        let next = match self.work {
            Work::Closed { open_at } => Some(open_at),
            Work::Idle => {
                let questions = self.units.values();
                questions.filter_map(|unit| unit.next_due(now)).min()
            }
            Work::Opening { patience } | Work::Asking { patience, .. } => match patience {
                Patience::Until(until) => Some(until),
                Patience::Lost => None,
            },
        };
        next.into_iter().chain(beeps).min()
    }

    fn beep(&mut self) {
        let now = self.clock.uptime();
        for attached in &mut self.doors {
            if attached.shown.next_due().is_some_and(|due| due <= now)
                && let Some(unit) = self.units.get_mut(&attached.unit)
            {
                attached.shown.due(now);
                for (relay, wanted) in attached.lamps_want() {
                    unit.want(now, relay, wanted);
                }
            }
        }
    }

    /// Says what is to be said next, unless something was sensed that may change it.
    fn go_on(&mut self) -> anyhow::Result<()> {
        if !self.waiting.is_empty() {
            return Ok(());
        }
        let now = self.clock.uptime();
        let patience = Patience::Until(now.plus_ms(HANGS_AFTER_MS));
        match self.work {
            Work::Closed { open_at } if open_at <= now => {
                self.port.send(Errand::Open)?;
                self.work = Work::Opening { patience };
            }
            Work::Idle => {
                let questions = self.units.iter();
                let questions =
                    questions.filter_map(|(address, unit)| Some((*address, unit.question(now)?)));
                let Some((address, (_, what))) =
                    questions.min_by_key(|(_, (pressing, _))| *pressing)
                else {
                    return Ok(());
                };
                let errand = match (self.speech, what) {
                    (Speech::Lcus, What::WriteCoil { coil, to }) => Errand::Tell(lcus(coil, to)),
                    (Speech::Lcus | Speech::Modbus, what) => Errand::Ask(Question {
                        unit: address,
                        what,
                    }),
                };
                self.port.send(errand)?;
                if let Some(unit) = self.units.get_mut(&address) {
                    unit.is_asked(now, what);
                }
                self.work = Work::Asking {
                    unit: address,
                    what,
                    patience,
                };
            }
            Work::Closed { .. } | Work::Opening { .. } | Work::Asking { .. } => {}
        }
        Ok(())
    }

    fn take(&mut self, outcome: Outcome) {
        let now = self.clock.uptime();
        let work = std::mem::replace(&mut self.work, Work::Idle);
        match (outcome, work) {
            (Outcome::Broken(problem), _) => {
                self.work = Work::Closed {
                    open_at: now.plus_ms(REOPEN_MS),
                };
                self.all_fail(now, &problem);
            }
            (Outcome::Opened, _) => {
                self.units.values_mut().for_each(|unit| unit.retry(now));
            }
            (Outcome::Answered(Ok(answer)), Work::Asking { unit, what, .. }) => {
                self.answered(now, unit, what, &answer);
            }
            (Outcome::Told, Work::Asking { unit, what, .. }) => {
                self.answered(now, unit, what, &Answer::Written);
            }
            (Outcome::Answered(Err(misheard)), Work::Asking { unit, what, .. }) => {
                self.missed(now, unit, what, misheard);
            }
            // The port's thread gives each errand the outcome that belongs to it.
            (
                Outcome::Answered(_) | Outcome::Told,
                Work::Closed { .. } | Work::Idle | Work::Opening { .. },
            ) => {}
        }
    }

    fn answered(&mut self, now: Uptime, address: u8, what: What, answer: &Answer) {
        let Some(unit) = self.units.get_mut(&address) else {
            return;
        };
        let change = unit.answered(now, what);
        if let Answer::Inputs(inputs) = answer {
            for attached in self.doors.iter_mut().filter(|it| it.unit == address) {
                let sensed = attached.reads(inputs).into_iter();
                self.waiting.extend(sensed.map(News::Sensed));
            }
        }
        self.tell(address, &change);
    }

    fn missed(&mut self, now: Uptime, address: u8, what: What, misheard: Misheard) {
        if let Some(unit) = self.units.get_mut(&address) {
            let change = unit.missed(now, what, misheard);
            self.tell(address, &change);
        }
    }

    fn all_fail(&mut self, now: Uptime, problem: &str) {
        let addresses: Vec<u8> = self.units.keys().copied().collect();
        for address in addresses {
            if let Some(unit) = self.units.get_mut(&address) {
                let change = unit.fails(now, problem.to_owned());
                self.tell(address, &change);
            }
        }
    }

    /// Tells the doors on a board how it is.
    fn tell(&mut self, address: u8, change: &Change) {
        for attached in self.doors.iter_mut().filter(|it| it.unit == address) {
            if let Change::Fails(_) = change {
                attached.forget();
            }
            self.waiting.extend(news_of(attached, change));
        }
    }

    /// The port's driver does not come back. It cannot be hurried, nor is another thread sent
    /// behind it; when it does come back, everything is said anew.
    fn lose_patience(&mut self) {
        let now = self.clock.uptime();
        let (Work::Opening { patience } | Work::Asking { patience, .. }) = &mut self.work else {
            return;
        };
        if let Patience::Until(until) = *patience
            && until <= now
        {
            *patience = Patience::Lost;
            let problem = "the serial port hangs: pull its plug, and put it in again";
            self.all_fail(now, problem);
        }
    }
}

fn news_of(attached: &Attached, change: &Change) -> Option<News> {
    let problem = match change {
        Change::Nothing => return None,
        Change::Works => None,
        Change::Fails(problem) if attached.unit == 0 => Some(problem.clone()),
        Change::Fails(problem) => Some(format!("unit {}: {problem}", attached.unit)),
    };
    let door = attached.door;
    Some(News::State { door, problem })
}

#[cfg(test)]
mod tests;

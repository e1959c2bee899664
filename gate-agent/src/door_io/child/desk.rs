//! The doors on the door process's desk: every command, sensor and end of time, one after the
//! other.

use std::{collections::BTreeMap, time::Duration};

use gate_core::{
    action::{DoorCommand, DoorSignal},
    input::DoorInput,
};
use shared::{ids::DoorId, time::Uptime};

use crate::{
    clock::Clock,
    door_io::{
        latch::{Agent, Ending, FireInput, Latch, Move},
        lines::{Drive, Lines, Sensed, first_of},
        link::{Link, LinkEnded},
        protocol::{Ask, Report},
        wiring::DoorPlace,
    },
};

/// An agent that says nothing for so long, in ms, is stopped or hangs: six heartbeats.
pub(super) const LEASE_MS: u64 = 3_000;
/// How long until lines that do not work are tried again, in ms.
const RETRY_MS: u64 = 1_000;

type ToAgent = Link<Ask, Report>;

/// Is the agent there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    Heard { last: Uptime },
    Silent,
    Gone,
}

/// Lines that work, or do not for now.
#[derive(Debug)]
enum Bank {
    Works(Lines),
    Broken { retry_at: Uptime },
}

/// Doors whose lines are opened, and fail, together.
#[derive(Debug)]
struct Unit {
    places: Vec<DoorPlace>,
    bank: Bank,
}

/// All doors.
#[derive(Debug)]
pub(super) struct Desk {
    clock: Clock,
    latches: BTreeMap<DoorId, Latch>,
    units: Vec<Unit>,
    hearing: Hearing,
}

/// What woke the desk.
enum Woken {
    Terminated,
    Said(Result<Ask, LinkEnded>),
    Due,
    Sensed(usize, anyhow::Result<Sensed>),
}

impl Desk {
    pub(super) fn new(places: Vec<DoorPlace>, clock: Clock) -> Self {
        let now = clock.uptime();
        let latches = places
            .iter()
            .map(|place| (place.door, Latch::new(place.levels)))
            .collect();
        let units = Lines::grouped(places).into_iter().map(|places| Unit {
            places,
            bank: Bank::Broken { retry_at: now },
        });
        Self {
            clock,
            latches,
            units: units.collect(),
            hearing: Hearing::Heard { last: now },
        }
    }

    /// Serves until there is nothing left to hold; says how it came to that.
    pub(super) async fn serve(
        &mut self,
        link: &mut ToAgent,
        terminated: impl Future<Output = ()>,
    ) -> Ending {
        tokio::pin!(terminated);
        self.open_lines(link);
        loop {
            let woken = self.next(link, terminated.as_mut()).await;
            let now = self.clock.uptime();
            match woken {
                Woken::Terminated => {
                    tracing::info!("the door process was asked to end");
                    return Ending::InOrder;
                }
                Woken::Said(Ok(Ask::Rest)) => return Ending::InOrder,
                Woken::Said(Ok(ask)) => self.hear(now, link, ask),
                Woken::Said(Err(ended)) => {
                    tracing::error!("the agent is gone: {ended}");
                    self.hearing = Hearing::Gone;
                    self.each_latch(link, |latch| latch.agent_is_gone(now));
                }
                Woken::Due => self.due(now, link),
                Woken::Sensed(unit, Ok(sensed)) => self.sensed(unit, link, sensed),
                Woken::Sensed(unit, Err(error)) => self.broken(now, link, unit, &error),
            }
            let rests = self.latches.values().all(Latch::rests);
            if self.hearing == Hearing::Gone && rests {
                return Ending::Broken;
            }
        }
    }

    /// Leaves the lines in the state that is configured for this end.
    pub(super) async fn end(&mut self, ending: Ending) {
        let doors: Vec<DoorId> = self.latches.keys().copied().collect();
        for door in doors {
            let latch = self.latches.get_mut(&door);
            if let Some(moved) = latch.and_then(|latch| latch.end(ending)) {
                self.last_drive(door, Drive::Lock(moved));
            }
            self.last_drive(door, Drive::Signal(DoorSignal::Quiet));
        }
        for unit in &mut self.units {
            if let Bank::Works(lines) = &mut unit.bank
                && let Err(error) = lines.settle().await
            {
                tracing::error!("lines were not left as configured: {error:#}");
            }
        }
    }

    fn last_drive(&mut self, door: DoorId, drive: Drive) {
        if let Some(Bank::Works(lines)) = self.unit_of(door).map(|at| &mut self.units[at].bank)
            && let Err(error) = lines.drive(door, drive)
        {
            tracing::error!(
                door.id = door.0,
                "door {door} was not left as configured: {error:#}"
            );
        }
    }

    async fn next(&mut self, link: &mut ToAgent, terminated: impl Future<Output = ()>) -> Woken {
        let due = self.next_due();
        let left_ms = due.map(|at| at.since_ms(self.clock.uptime()));
        let hearing = self.hearing;
        let sensed = self.units.iter_mut().enumerate().map(|(at, unit)| {
            Box::pin(async move {
                match &mut unit.bank {
                    Bank::Works(lines) => (at, lines.sensed().await),
                    Bank::Broken { .. } => std::future::pending().await,
                }
            })
        });
        let sensed = first_of(sensed.collect());
        tokio::select! {
            biased;
            () = terminated => Woken::Terminated,
            () = sleep_ms(left_ms) => Woken::Due,
            said = link.next(), if hearing != Hearing::Gone => Woken::Said(said),
            (at, sensed) = sensed => Woken::Sensed(at, sensed),
        }
    }

    fn next_due(&self) -> Option<Uptime> {
        let lease = match self.hearing {
            Hearing::Heard { last } => Some(last.plus_ms(LEASE_MS)),
            Hearing::Silent | Hearing::Gone => None,
        };
        let retries = self.units.iter().filter_map(|unit| match unit.bank {
            Bank::Broken { retry_at } => Some(retry_at),
            Bank::Works(_) => None,
        });
        let releases = self.latches.values().filter_map(Latch::next_due);
        lease.into_iter().chain(retries).chain(releases).min()
    }

    fn hear(&mut self, now: Uptime, link: &mut ToAgent, ask: Ask) {
        if self.hearing == Hearing::Silent {
            tracing::warn!("the agent is heard again");
            link.say(&Report::WasAlone);
            self.tell_standing(link);
        }
        self.hearing = Hearing::Heard { last: now };
        match ask {
            Ask::Heartbeat { number } => link.say(&Report::Alive { number }),
            Ask::Command {
                door,
                decided_at,
                command,
            } => self.command(now, link, (door, decided_at, command)),
            // `serve` takes the one, and the other comes once.
            Ask::Rest | Ask::Begin { .. } => {}
        }
    }

    fn command(
        &mut self,
        now: Uptime,
        link: &mut ToAgent,
        (door, decided_at, command): (DoorId, Uptime, DoorCommand),
    ) {
        let Some(latch) = self.latches.get_mut(&door) else {
            return;
        };
        if let DoorCommand::Signal(signal) = command {
            self.drive(link, door, Drive::Signal(signal));
            return;
        }
        match latch.obey(now, decided_at, command) {
            Ok(Some(moved)) => self.drive(link, door, Drive::Lock(moved)),
            Ok(None) => {}
            Err(late) => tracing::error!(door.id = door.0, "door {door}: {late}"),
        }
    }

    fn due(&mut self, now: Uptime, link: &mut ToAgent) {
        if let Hearing::Heard { last } = self.hearing
            && now.since_ms(last) >= LEASE_MS
        {
            tracing::error!("the agent has said nothing for {LEASE_MS} ms");
            self.hearing = Hearing::Silent;
            self.each_latch(link, Latch::agent_is_silent);
            // Nobody would end a buzzer.
            let doors: Vec<DoorId> = self.latches.keys().copied().collect();
            for door in doors {
                self.drive(link, door, Drive::Signal(DoorSignal::Quiet));
            }
        }
        let agent = match self.hearing {
            Hearing::Heard { .. } => Agent::Speaks,
            Hearing::Silent | Hearing::Gone => Agent::Silent,
        };
        self.each_latch(link, |latch| latch.due(now, agent));
        self.open_lines(link);
    }

    fn sensed(&mut self, unit: usize, link: &mut ToAgent, Sensed { door, input }: Sensed) {
        if !self.units[unit]
            .places
            .iter()
            .any(|place| place.door == door)
        {
            return;
        }
        let fire = match input {
            DoorInput::FireRaised => Some(FireInput::Raised),
            DoorInput::FireEnded => Some(FireInput::Ended),
            DoorInput::Opened
            | DoorInput::Closed
            | DoorInput::Rotated
            | DoorInput::RequestToExit
            | DoorInput::TamperRaised
            | DoorInput::TamperEnded
            | DoorInput::FaultRaised
            | DoorInput::FaultEnded => None,
        };
        if let (Some(fire), Some(latch)) = (fire, self.latches.get_mut(&door))
            && let Some(moved) = latch.fire(fire)
        {
            self.drive(link, door, Drive::Lock(moved));
        }
        self.tell(link, &Report::Input { door, input });
    }

    fn each_latch(&mut self, link: &mut ToAgent, step: impl Fn(&mut Latch) -> Option<Move>) {
        let moves: Vec<(DoorId, Move)> = self
            .latches
            .iter_mut()
            .filter_map(|(door, latch)| step(latch).map(|moved| (*door, moved)))
            .collect();
        for (door, moved) in moves {
            self.drive(link, door, Drive::Lock(moved));
        }
    }

    /// Moves an output; lines that do not take it are opened anew, each lock at its level.
    fn drive(&mut self, link: &mut ToAgent, door: DoorId, drive: Drive) {
        let Some(at) = self.unit_of(door) else {
            return;
        };
        if let Bank::Works(lines) = &mut self.units[at].bank
            && let Err(error) = lines.drive(door, drive)
        {
            self.broken(self.clock.uptime(), link, at, &error);
        }
    }

    fn unit_of(&self, door: DoorId) -> Option<usize> {
        let is_at = |unit: &Unit| unit.places.iter().any(|place| place.door == door);
        self.units.iter().position(is_at)
    }

    fn broken(&mut self, now: Uptime, link: &mut ToAgent, at: usize, error: &anyhow::Error) {
        let retry_at = now.plus_ms(RETRY_MS);
        // Lines that are dropped first can be opened again.
        self.units[at].bank = Bank::Broken { retry_at };
        tracing::error!("lines do not work: {error:#}");
        self.tell_of_fault(link, at, Some(format!("{error:#}")));
    }

    fn tell_of_fault(&mut self, link: &mut ToAgent, at: usize, problem: Option<String>) {
        let doors: Vec<DoorId> = self.units[at].places.iter().map(|it| it.door).collect();
        for door in doors {
            let problem = problem.clone();
            self.tell(link, &Report::Fault { door, problem });
        }
    }

    /// Opens the lines that are due.
    fn open_lines(&mut self, link: &mut ToAgent) {
        let now = self.clock.uptime();
        for at in 0..self.units.len() {
            let Bank::Broken { retry_at } = self.units[at].bank else {
                continue;
            };
            if retry_at > now {
                continue;
            }
            let places: Vec<_> = self.units[at]
                .places
                .iter()
                .map(|place| (place.clone(), self.latches[&place.door].level()))
                .collect();
            match Lines::open(&places, self.clock) {
                Ok(lines) => {
                    self.units[at].bank = Bank::Works(lines);
                    self.tell_of_fault(link, at, None);
                    self.tell_standing_of(link, at);
                }
                Err(error) => self.broken(now, link, at, &error),
            }
        }
    }

    fn tell_standing(&mut self, link: &mut ToAgent) {
        for at in 0..self.units.len() {
            self.tell_standing_of(link, at);
        }
    }

    fn tell_standing_of(&mut self, link: &mut ToAgent, at: usize) {
        let Bank::Works(lines) = &mut self.units[at].bank else {
            return;
        };
        match lines.standing() {
            Ok(standing) => {
                for sensed in standing {
                    self.sensed(at, link, sensed);
                }
            }
            Err(error) => self.broken(self.clock.uptime(), link, at, &error),
        }
    }

    fn tell(&self, link: &mut ToAgent, report: &Report) {
        if self.hearing != Hearing::Gone {
            link.say(report);
        }
    }
}

async fn sleep_ms(ms: Option<u64>) {
    match ms {
        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
}

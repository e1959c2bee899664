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
        lines::{Drive, Lines, News, Sensed, all_of, first_of},
        link::{Link, LinkEnded},
        protocol::{Ask, Report},
        wiring::{DoorPlace, Level},
    },
};

/// An agent that says nothing for so long, in ms, is stopped or hangs: six heartbeats.
pub(super) const LEASE_MS: u64 = 3_000;
/// How long until lines that do not work are tried again, in ms.
const RETRY_MS: u64 = 1_000;
/// How long outputs may take to confirm what shall hold behind the agent, in ms, before it is told
/// not to wait for them: one question that a board missed, and its repetition.
const HOLDS_AFTER_MS: u64 = 350;
/// How long the last words to all boards may take, in ms, when another process is to have the
/// lines: it is waiting.
const SETTLES_WITHIN_MS: u64 = 800;

type ToAgent = Link<Ask, Report>;

/// Is the agent there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// It has not begun to speak: what is configured for the start holds for as long as it takes.
    NotYet,
    Heard {
        last: Uptime,
    },
    Silent,
    /// It is dead, or has ended in order: nobody commands until another process has the lines.
    Gone,
}

/// Lines that work, or do not for now.
#[derive(Debug)]
enum Bank {
    Works(Lines),
    Broken { problem: String, retry_at: Uptime },
}

/// Doors whose lines are opened together.
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
    /// How the agent came to its end, once it has: in order from this moment on, or it broke.
    rests_since: Option<Uptime>,
    is_told_to_hold: bool,
}

/// What woke the desk.
enum Woken {
    Terminated,
    Said(Result<Ask, LinkEnded>),
    Due,
    News(usize, anyhow::Result<News>),
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
            bank: Bank::Broken {
                problem: String::new(),
                retry_at: now,
            },
        });
        Self {
            clock,
            latches,
            units: units.collect(),
            hearing: Hearing::NotYet,
            rests_since: None,
            is_told_to_hold: false,
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
                Woken::Said(Ok(Ask::Rest)) => self.rest(now, link),
                Woken::Said(Ok(ask)) => self.hear(now, link, ask),
                Woken::Said(Err(ended)) => {
                    tracing::error!("the agent is gone: {ended}");
                    self.hearing = Hearing::Gone;
                    self.each_latch(link, |latch| latch.agent_is_gone(now));
                    self.be_quiet(link);
                }
                Woken::Due => self.due(now, link),
                Woken::News(unit, Ok(news)) => self.hear_news(unit, link, news),
                Woken::News(unit, Err(error)) => self.broken(now, link, unit, &error),
            }
            if self.hearing == Hearing::Gone {
                if self.may_let_go() {
                    return match self.rests_since {
                        Some(_) => Ending::InOrder,
                        None => Ending::Broken,
                    };
                }
                self.tell_to_hold(now, link);
            }
        }
    }

    /// The agent ends in order. What is configured for that holds from now on.
    fn rest(&mut self, now: Uptime, link: &mut ToAgent) {
        self.hearing = Hearing::Gone;
        self.rests_since = Some(now);
        self.each_latch(link, |latch| latch.end(Ending::InOrder));
        self.be_quiet(link);
    }

    /// Would every door do the same if this process were not there? Its lock would stand as it
    /// does, no fire input would be missed, and every output has confirmed what it does.
    fn may_let_go(&self) -> bool {
        let mut places = self.units.iter().flat_map(|unit| &unit.places);
        self.is_settled() && places.all(|place| self.rests(place))
    }

    fn is_settled(&self) -> bool {
        self.units.iter().all(|unit| match &unit.bank {
            Bank::Works(lines) => lines.is_settled(),
            Bank::Broken { .. } => false,
        })
    }

    fn rests(&self, place: &DoorPlace) -> bool {
        let opens_unpowered = place.levels.lock.unpowered() == Level::Released;
        self.latches[&place.door].rests() && (opens_unpowered || !place.io.hears_fire())
    }

    /// Tells an agent that ends in order not to wait: this process has something to hold.
    fn tell_to_hold(&mut self, now: Uptime, link: &mut ToAgent) {
        let Some(since) = self.rests_since else {
            return;
        };
        let is_sure = self.is_settled() || now.since_ms(since) >= HOLDS_AFTER_MS;
        if !self.is_told_to_hold && is_sure {
            self.is_told_to_hold = true;
            tracing::warn!(
                "the door process goes on without an agent: it holds a lock or hears fire"
            );
            link.say(&Report::Holding);
        }
    }

    /// Leaves the lines in the state that is configured for this end.
    pub(super) async fn end(&mut self, ending: Ending) {
        let doors: Vec<DoorId> = self.latches.keys().copied().collect();
        let mut moves = Vec::new();
        for door in doors {
            let latch = self.latches.get_mut(&door);
            let moved = latch.and_then(|latch| latch.end(ending));
            moves.extend(moved.map(|moved| (door, Drive::Lock(moved))));
            moves.push((door, Drive::Signal(DoorSignal::Quiet)));
        }
        for at in 0..self.units.len() {
            // Lines that come back now come back at the level that is to be left.
            if let Bank::Broken { .. } = self.units[at].bank
                && let Ok(lines) = Lines::open(&self.places_of(at), self.clock)
            {
                self.units[at].bank = Bank::Works(lines);
            }
        }
        for (door, drive) in moves {
            self.last_drive(door, drive);
        }
        let settling = self.units.iter_mut().map(|unit| {
            Box::pin(async move {
                let limit = Duration::from_millis(SETTLES_WITHIN_MS);
                let problem = match &mut unit.bank {
                    Bank::Works(lines) => match tokio::time::timeout(limit, lines.settle()).await {
                        Ok(Ok(())) => return,
                        Ok(Err(error)) => format!("{error:#}"),
                        Err(_) => "the board does not answer".into(),
                    },
                    Bank::Broken { problem, .. } => problem.clone(),
                };
                let doors: Vec<_> = unit.places.iter().map(|it| it.door.to_string()).collect();
                let doors = doors.join(", ");
                tracing::error!("doors {doors} were not left as configured: {problem}");
            })
        });
        all_of(settling.collect()).await;
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
        let news = self.units.iter_mut().enumerate().map(|(at, unit)| {
            Box::pin(async move {
                match &mut unit.bank {
                    Bank::Works(lines) => (at, lines.news().await),
                    Bank::Broken { .. } => std::future::pending().await,
                }
            })
        });
        let news = first_of(news.collect());
        tokio::select! {
            biased;
            () = terminated => Woken::Terminated,
            () = sleep_ms(left_ms) => Woken::Due,
            said = link.next(), if hearing != Hearing::Gone => Woken::Said(said),
            (at, news) = news => Woken::News(at, news),
        }
    }

    fn next_due(&self) -> Option<Uptime> {
        let lease = match self.hearing {
            Hearing::Heard { last } => Some(last.plus_ms(LEASE_MS)),
            Hearing::NotYet | Hearing::Silent | Hearing::Gone => None,
        };
        let retries = self.units.iter().filter_map(|unit| match unit.bank {
            Bank::Broken { retry_at, .. } => Some(retry_at),
            Bank::Works(_) => None,
        });
        let releases = self.latches.values().filter_map(Latch::next_due);
        let held = match self.rests_since {
            Some(since) if !self.is_told_to_hold => Some(since.plus_ms(HOLDS_AFTER_MS)),
            Some(_) | None => None,
        };
        let due = lease.into_iter().chain(retries).chain(releases);
        due.chain(held).min()
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
            self.be_quiet(link);
        }
        let agent = match self.hearing {
            Hearing::NotYet | Hearing::Heard { .. } => Agent::Speaks,
            Hearing::Silent | Hearing::Gone => Agent::Silent,
        };
        self.each_latch(link, |latch| latch.due(now, agent));
        self.open_lines(link);
    }

    /// Nobody would end a buzzer, or a lamp that says *come in*.
    fn be_quiet(&mut self, link: &mut ToAgent) {
        let doors: Vec<DoorId> = self.latches.keys().copied().collect();
        for door in doors {
            self.drive(link, door, Drive::Signal(DoorSignal::Quiet));
        }
    }

    fn hear_news(&mut self, unit: usize, link: &mut ToAgent, news: News) {
        match news {
            News::Sensed(sensed) => self.sensed(unit, link, sensed),
            // Whether this process may end is looked at after each news.
            News::Settled => {}
            News::State { door, problem } => {
                if let Some(problem) = &problem {
                    tracing::error!(door.id = door.0, "lines of door {door} fail: {problem}");
                }
                self.tell(link, &Report::Fault { door, problem });
            }
        }
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
        let problem = format!("{error:#}");
        // Lines that are dropped first can be opened again.
        let broken = Bank::Broken {
            problem: problem.clone(),
            retry_at,
        };
        let before = std::mem::replace(&mut self.units[at].bank, broken);
        if !matches!(before, Bank::Broken { problem: known, .. } if known == problem) {
            tracing::error!("lines do not work: {problem}");
        }
        self.tell_standing_of(link, at);
    }

    fn places_of(&self, at: usize) -> Vec<(DoorPlace, Level)> {
        let places = self.units[at].places.iter();
        let with_level = |place: &DoorPlace| (place.clone(), self.latches[&place.door].level());
        places.map(with_level).collect()
    }

    /// Opens the lines that are due.
    fn open_lines(&mut self, link: &mut ToAgent) {
        let now = self.clock.uptime();
        for at in 0..self.units.len() {
            let Bank::Broken { retry_at, .. } = self.units[at].bank else {
                continue;
            };
            if retry_at > now {
                continue;
            }
            match Lines::open(&self.places_of(at), self.clock) {
                Ok(lines) => {
                    self.units[at].bank = Bank::Works(lines);
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
        let lines = match &mut self.units[at].bank {
            Bank::Works(lines) => lines,
            Bank::Broken { problem, .. } => {
                let problem = Some(problem.clone());
                let doors: Vec<DoorId> = self.units[at].places.iter().map(|it| it.door).collect();
                for door in doors {
                    let problem = problem.clone();
                    self.tell(link, &Report::Fault { door, problem });
                }
                return;
            }
        };
        match lines.standing() {
            Ok(standing) => {
                for news in standing {
                    self.hear_news(at, link, news);
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

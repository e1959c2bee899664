//! A door with behaviour: opens late, bounces, sticks, does not turn, has no sensors. A release
//! ends when its time is over, whether or not anybody says so; a door that is held released stays
//! so when nobody commands it any more.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use gate_core::{action::DoorCommand, input::DoorInput};
use serde::Deserialize;
use shared::{ids::DoorId, time::Uptime};
use tokio::sync::mpsc;

use super::{
    SensorChange,
    control::{self, Ask, Asked},
    trace::{Cause, Relay, Trace},
};
use crate::clock::Clock;

/// A simulated door as the configuration describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatedDoor {
    /// From the release until somebody goes through, in ms. Longer than the release: the door
    /// opens late.
    pub opens_after_ms: u32,
    /// How long it stays open, in ms.
    pub open_for_ms: u32,
    /// How many times a sensor bounces with each change.
    pub bounces: u32,
    /// Time between two bounces, in ms.
    pub bounce_ms: u32,
    /// Once open, it does not close.
    pub sticks: bool,
    /// Somebody goes through when it is released.
    pub turns: bool,
    /// What it can tell of itself.
    pub sensors: Sensors,
    /// Where each change of the relay is written.
    pub trace: Option<PathBuf>,
    /// Socket by which a simulation moves sensors and changes behaviour.
    pub control: Option<PathBuf>,
}

/// What a door can tell of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensors {
    /// A contact: open, closed.
    #[default]
    Contact,
    /// A turnstile's rotation.
    Rotation,
    /// Both.
    ContactAndRotation,
    /// Nothing.
    None,
}

impl Default for SimulatedDoor {
    fn default() -> Self {
        Self {
            opens_after_ms: 200,
            open_for_ms: 500,
            bounces: 0,
            bounce_ms: 3,
            sticks: false,
            turns: true,
            sensors: Sensors::Contact,
            trace: None,
            control: None,
        }
    }
}

/// How a door behaves from now on; what is not named is as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BehaviourChange {
    /// See [`SimulatedDoor::opens_after_ms`].
    pub opens_after_ms: Option<u32>,
    /// See [`SimulatedDoor::open_for_ms`].
    pub open_for_ms: Option<u32>,
    /// See [`SimulatedDoor::bounces`].
    pub bounces: Option<u32>,
    /// See [`SimulatedDoor::bounce_ms`].
    pub bounce_ms: Option<u32>,
    /// See [`SimulatedDoor::sticks`].
    pub sticks: Option<bool>,
    /// See [`SimulatedDoor::turns`].
    pub turns: Option<bool>,
}

/// How a door behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    opens_after_ms: u32,
    open_for_ms: u32,
    bounces: u32,
    bounce_ms: u32,
    sticks: bool,
    turns: bool,
    sensors: Sensors,
}

impl Behaviour {
    fn new(door: &SimulatedDoor, change: BehaviourChange) -> Self {
        Self {
            opens_after_ms: change.opens_after_ms.unwrap_or(door.opens_after_ms),
            open_for_ms: change.open_for_ms.unwrap_or(door.open_for_ms),
            bounces: change.bounces.unwrap_or(door.bounces),
            bounce_ms: change.bounce_ms.unwrap_or(door.bounce_ms),
            sticks: change.sticks.unwrap_or(door.sticks),
            turns: change.turns.unwrap_or(door.turns),
            sensors: door.sensors,
        }
    }

    /// What the sensors will say of somebody who goes through after a release at `now`.
    fn passage(&self, now: Uptime) -> Vec<(Uptime, DoorInput)> {
        let mut changes = Vec::new();
        let opens_at = now.plus_ms(self.opens_after_ms.into());
        match self.sensors {
            Sensors::None => {}
            Sensors::Rotation => self.turn(opens_at, &mut changes),
            Sensors::Contact => self.open_and_close(opens_at, &mut changes),
            Sensors::ContactAndRotation => {
                self.turn(opens_at, &mut changes);
                self.open_and_close(opens_at, &mut changes);
            }
        }
        changes
    }

    fn turn(&self, at: Uptime, changes: &mut Vec<(Uptime, DoorInput)>) {
        for bounce in 0..=self.bounces {
            changes.push((self.after(at, bounce), DoorInput::Rotated));
        }
    }

    fn open_and_close(&self, at: Uptime, changes: &mut Vec<(Uptime, DoorInput)>) {
        self.swing(at, [DoorInput::Opened, DoorInput::Closed], changes);
        if !self.sticks {
            let closes_at = at.plus_ms(self.open_for_ms.into());
            self.swing(closes_at, [DoorInput::Closed, DoorInput::Opened], changes);
        }
    }

    /// `to`, and for each bounce back to `from` and to `to` again.
    fn swing(
        &self,
        at: Uptime,
        [to, from]: [DoorInput; 2],
        changes: &mut Vec<(Uptime, DoorInput)>,
    ) {
        changes.push((at, to));
        for bounce in 0..self.bounces {
            changes.push((self.after(at, 2 * bounce + 1), from));
            changes.push((self.after(at, 2 * bounce + 2), to));
        }
    }

    fn after(&self, at: Uptime, bounces: u32) -> Uptime {
        at.plus_ms(u64::from(self.bounce_ms) * u64::from(bounces))
    }
}

/// What the lock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    Locked,
    ReleasedUntil(Uptime),
    HeldReleased,
}

struct Machine<'a> {
    config: &'a SimulatedDoor,
    behaviour: Behaviour,
    lock: Lock,
    /// Sensor changes to come, by time and order.
    planned: BTreeMap<(Uptime, u64), DoorInput>,
    planned_so_far: u64,
    trace: Trace,
}

/// What woke the door.
enum Woken {
    Command(Option<DoorCommand>),
    Asked(Option<Asked>),
    Due,
    ControlEnded(anyhow::Result<()>),
}

pub(super) async fn run(
    door: DoorId,
    config: &SimulatedDoor,
    clock: Clock,
    mut commands: mpsc::Receiver<DoorCommand>,
    changes: mpsc::Sender<SensorChange>,
) -> anyhow::Result<()> {
    let mut machine = Machine {
        config,
        behaviour: Behaviour::new(config, BehaviourChange::default()),
        lock: Lock::Locked,
        planned: BTreeMap::new(),
        planned_so_far: 0,
        trace: Trace::open(door, config.trace.as_deref(), clock)?,
    };
    let (ask, mut asked) = mpsc::channel(1);
    let control = async {
        match &config.control {
            Some(path) => control::listen(path, ask).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(control);
    loop {
        let due = machine.next_due();
        let sleep = async {
            match due {
                Some(at) => {
                    let left_ms = at.since_ms(clock.uptime());
                    tokio::time::sleep(Duration::from_millis(left_ms)).await;
                }
                None => std::future::pending().await,
            }
        };
        let woken = tokio::select! {
            biased;
            command = commands.recv() => Woken::Command(command),
            () = sleep => Woken::Due,
            asked = asked.recv() => Woken::Asked(asked),
            ended = &mut control => Woken::ControlEnded(ended),
        };
        let now = clock.uptime();
        match woken {
            Woken::Command(Some(command)) => machine.obey(now, command)?,
            Woken::Command(None) => return machine.end(),
            Woken::Due => {}
            Woken::Asked(Some((asked, done))) => {
                machine.take(now, asked);
                // Whoever asked may have gone.
                let _ = done.send(());
            }
            Woken::Asked(None) | Woken::ControlEnded(Ok(())) => return Ok(()),
            Woken::ControlEnded(Err(error)) => return Err(error),
        }
        for input in machine.due(now)? {
            if changes.send(SensorChange { door, input }).await.is_err() {
                return machine.end();
            }
        }
    }
}

impl Machine<'_> {
    fn obey(&mut self, now: Uptime, command: DoorCommand) -> anyhow::Result<()> {
        match command {
            DoorCommand::Release { for_ms } => {
                self.trace
                    .write(Relay::Released, Cause::Command, Some(for_ms))?;
                self.lock = Lock::ReleasedUntil(now.plus_ms(for_ms.into()));
                if self.behaviour.turns && self.planned.is_empty() {
                    for (at, input) in self.behaviour.passage(now) {
                        self.plan(at, input);
                    }
                }
                Ok(())
            }
            DoorCommand::HoldReleased => {
                self.trace.write(Relay::Released, Cause::Command, None)?;
                self.lock = Lock::HeldReleased;
                Ok(())
            }
            DoorCommand::Lock => self.lock(Cause::Command),
            DoorCommand::Signal(signal) => {
                tracing::debug!("the door shows {signal:?}");
                Ok(())
            }
        }
    }

    fn take(&mut self, now: Uptime, ask: Ask) {
        match ask {
            Ask::Input(input) => self.plan(now, input.into()),
            Ask::Behaviour(change) => self.behaviour = Behaviour::new(self.config, change),
        }
    }

    fn lock(&mut self, cause: Cause) -> anyhow::Result<()> {
        if self.lock != Lock::Locked {
            self.trace.write(Relay::Locked, cause, None)?;
            self.lock = Lock::Locked;
        }
        Ok(())
    }

    /// Nobody commands the door any more. A timed release ends, for nobody would end it; what was
    /// commanded to last (a fire alarm, a door that fails safe) lasts.
    fn end(&mut self) -> anyhow::Result<()> {
        match self.lock {
            Lock::ReleasedUntil(_) => self.lock(Cause::Abandoned),
            Lock::Locked | Lock::HeldReleased => Ok(()),
        }
    }

    fn plan(&mut self, at: Uptime, input: DoorInput) {
        self.planned.insert((at, self.planned_so_far), input);
        self.planned_so_far += 1;
    }

    fn next_due(&self) -> Option<Uptime> {
        let release_ends = match self.lock {
            Lock::ReleasedUntil(at) => Some(at),
            Lock::Locked | Lock::HeldReleased => None,
        };
        let sensor = self.planned.keys().next().map(|(at, _)| *at);
        release_ends.into_iter().chain(sensor).min()
    }

    /// Ends a release that is over, and takes the sensor changes that are due.
    fn due(&mut self, now: Uptime) -> anyhow::Result<Vec<DoorInput>> {
        if let Lock::ReleasedUntil(at) = self.lock
            && at <= now
        {
            self.lock(Cause::EndOfRelease)?;
        }
        let later = self.planned.split_off(&(now.plus_ms(1), 0));
        Ok(std::mem::replace(&mut self.planned, later)
            .into_values()
            .collect())
    }
}

#[cfg(test)]
mod tests;

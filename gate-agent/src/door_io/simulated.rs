//! A door with behaviour: opens late, bounces, sticks, does not turn, has no sensors. Stands in for
//! lines in the door process, so that everything above them is the real thing.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::Context as _;
use gate_core::input::DoorInput;
use serde::{Deserialize, Serialize};
use shared::{ids::DoorId, time::Uptime};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    control::{self, Ask, Asked},
    latch::{Cause, Move},
    lines::{Drive, Sensed},
    trace::Trace,
    wiring::Level,
};
use crate::clock::Clock;

/// A simulated door as the configuration describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// A simulated door, driven.
#[derive(Debug)]
pub(super) struct SimulatedLines {
    door: DoorId,
    config: SimulatedDoor,
    clock: Clock,
    behaviour: Behaviour,
    /// Sensor changes to come, by time and order.
    planned: BTreeMap<(Uptime, u64), DoorInput>,
    planned_so_far: u64,
    trace: Trace,
    /// What the contact says, when there is one.
    contact: Option<DoorInput>,
    asked: mpsc::Receiver<Asked>,
    control: JoinHandle<anyhow::Result<()>>,
}

impl SimulatedLines {
    pub(super) fn open(
        door: DoorId,
        config: &SimulatedDoor,
        level: Level,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let (ask, asked) = mpsc::channel(1);
        let socket = config.control.clone();
        let control = tokio::spawn(async move {
            match socket {
                Some(path) => control::listen(&path, ask).await,
                None => std::future::pending().await,
            }
        });
        let mut lines = Self {
            door,
            config: config.clone(),
            clock,
            behaviour: Behaviour::new(config, BehaviourChange::default()),
            planned: BTreeMap::new(),
            planned_so_far: 0,
            trace: Trace::open(door, config.trace.as_deref(), clock)?,
            contact: match config.sensors {
                Sensors::Contact | Sensors::ContactAndRotation => Some(DoorInput::Closed),
                Sensors::Rotation | Sensors::None => None,
            },
            asked,
            control,
        };
        match level {
            Level::Locked => {}
            // A simulated relay is locked until it is moved.
            Level::Released => lines.trace.write(Move {
                to: level,
                cause: Cause::Start,
                for_ms: None,
            })?,
        }
        Ok(lines)
    }

    pub(super) fn door(&self) -> DoorId {
        self.door
    }

    pub(super) fn drive(&mut self, door: DoorId, drive: Drive) -> anyhow::Result<()> {
        match drive {
            Drive::Lock(moved) => {
                self.trace.write(moved)?;
                let is_timed = moved.for_ms.is_some();
                if is_timed && self.behaviour.turns && self.planned.is_empty() {
                    let now = self.clock.uptime();
                    for (at, input) in self.behaviour.passage(now) {
                        self.plan(at, input);
                    }
                }
            }
            Drive::Signal(signal) => {
                tracing::debug!(door.id = door.0, "door {door} shows {signal:?}");
            }
        }
        Ok(())
    }

    pub(super) async fn sensed(&mut self) -> anyhow::Result<Sensed> {
        loop {
            let now = self.clock.uptime();
            let next = self.planned.first_key_value().map(|((at, _), _)| *at);
            if next.is_some_and(|at| at <= now)
                && let Some((_, input)) = self.planned.pop_first()
            {
                let door = self.door;
                if matches!(input, DoorInput::Opened | DoorInput::Closed) {
                    self.contact = Some(input);
                }
                return Ok(Sensed { door, input });
            }
            let due = async {
                match next {
                    Some(at) => {
                        tokio::time::sleep(Duration::from_millis(at.since_ms(now))).await;
                    }
                    None => std::future::pending().await,
                }
            };
            let asked = tokio::select! {
                asked = self.asked.recv() => asked,
                () = due => continue,
            };
            let Some((ask, done)) = asked else {
                let ended = (&mut self.control).await;
                ended.context("the simulation's socket broke")??;
                anyhow::bail!("the simulation's socket has ended");
            };
            self.take(ask);
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    pub(super) fn standing(&self) -> Vec<Sensed> {
        let door = self.door;
        self.contact
            .map(|input| Sensed { door, input })
            .into_iter()
            .collect()
    }

    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Input(input) => self.plan(self.clock.uptime(), input.into()),
            Ask::Behaviour(change) => self.behaviour = Behaviour::new(&self.config, change),
        }
    }

    fn plan(&mut self, at: Uptime, input: DoorInput) {
        self.planned.insert((at, self.planned_so_far), input);
        self.planned_so_far += 1;
    }
}

impl Drop for SimulatedLines {
    fn drop(&mut self) {
        self.control.abort();
    }
}

#[cfg(test)]
mod tests;

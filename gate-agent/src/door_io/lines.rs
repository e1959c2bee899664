//! The seam of the drivers: how the door process moves a door's lines and hears its sensors,
//! whatever they hang on.

use std::{pin::Pin, task::Poll};

use gate_core::{action::DoorSignal, input::DoorInput};
use shared::ids::DoorId;

use super::{
    board::{self, BoardLines},
    gpio::GpioLines,
    latch::Move,
    simulated::SimulatedLines,
    wiring::{DoorIoConfig, DoorPlace, Level},
};
use crate::clock::Clock;

/// What a door's outputs shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drive {
    Lock(Move),
    Signal(DoorSignal),
}

/// A sensor changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sensed {
    pub(super) door: DoorId,
    pub(super) input: DoorInput,
}

/// Lines of one or more doors that are opened, and fail, together.
#[derive(Debug)]
pub(super) enum Lines {
    Simulated(Box<SimulatedLines>),
    Gpio(Box<GpioLines>),
    Board(Box<BoardLines>),
}

impl Lines {
    /// Doors whose lines hang on one serial port stand together, every other door by itself.
    pub(super) fn grouped(places: Vec<DoorPlace>) -> Vec<Vec<DoorPlace>> {
        let mut groups: Vec<Vec<DoorPlace>> = Vec::new();
        for place in places {
            let port = board::port_of(&place.io);
            let beside = groups
                .iter_mut()
                .find(|group| port.is_some() && board::port_of(&group[0].io) == port);
            match beside {
                Some(group) => group.push(place),
                None => groups.push(vec![place]),
            }
        }
        groups
    }

    /// Takes the lines, each lock at its level from the first moment on.
    pub(super) fn open(places: &[(DoorPlace, Level)], clock: Clock) -> anyhow::Result<Self> {
        let (first, level) = places.first().expect("lines are some door's");
        match &first.io {
            DoorIoConfig::Simulated(door) => {
                let lines = SimulatedLines::open(first.door, door, *level, clock)?;
                Ok(Self::Simulated(Box::new(lines)))
            }
            DoorIoConfig::Gpio(door) => {
                let lines = GpioLines::open(first.door, door, *level, clock)?;
                Ok(Self::Gpio(Box::new(lines)))
            }
            DoorIoConfig::Modbus(_) | DoorIoConfig::Lcus(_) => {
                let lines = BoardLines::open(places, clock)?;
                Ok(Self::Board(Box::new(lines)))
            }
        }
    }

    /// Moves an output. What moves it later by itself says so with [`Self::settle`].
    pub(super) fn drive(&mut self, door: DoorId, drive: Drive) -> anyhow::Result<()> {
        match self {
            Self::Simulated(lines) => lines.drive(door, drive),
            Self::Gpio(lines) => lines.drive(drive),
            Self::Board(lines) => lines.drive(door, drive),
        }
    }

    /// The next sensor change; ends when the lines do not work any more. May be dropped and called
    /// again without losing anything.
    pub(super) async fn sensed(&mut self) -> anyhow::Result<Sensed> {
        match self {
            Self::Simulated(lines) => lines.sensed().await,
            Self::Gpio(lines) => lines.sensed().await,
            Self::Board(lines) => lines.sensed().await,
        }
    }

    /// How the sensors stand, for whoever has not listened for a while.
    pub(super) fn standing(&mut self) -> anyhow::Result<Vec<Sensed>> {
        match self {
            Self::Simulated(lines) => Ok(lines.standing()),
            Self::Gpio(lines) => lines.standing(),
            Self::Board(lines) => lines.standing(),
        }
    }

    /// Waits until what was driven has reached the outputs, for the last time.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Simulated(_) | Self::Gpio(_) => Ok(()),
            Self::Board(lines) => lines.settle().await,
        }
    }
}

/// What the first of several says that is ready.
pub(super) async fn first_of<F: Future>(mut futures: Vec<Pin<Box<F>>>) -> F::Output {
    std::future::poll_fn(move |context| {
        for future in &mut futures {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

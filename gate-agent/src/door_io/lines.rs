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

/// What lines have to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Sensed(Sensed),
    /// A door's lines work from now on, or do not. What does not is tried again by itself.
    State {
        door: DoorId,
        /// What is wrong and what to do; none: they work.
        problem: Option<String>,
    },
    /// Every output does what it shall, which was not so before.
    Settled,
}

/// Lines of one or more doors that are opened together.
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

    /// The next news; ends when the lines do not work any more and are to be opened anew. May be
    /// dropped and called again without losing anything.
    pub(super) async fn news(&mut self) -> anyhow::Result<News> {
        match self {
            Self::Simulated(lines) => lines.sensed().await.map(News::Sensed),
            Self::Gpio(lines) => lines.news().await,
            Self::Board(lines) => lines.news().await,
        }
    }

    /// How lines and sensors stand, for whoever has not listened for a while.
    pub(super) fn standing(&mut self) -> anyhow::Result<Vec<News>> {
        let (door, sensed) = match self {
            Self::Simulated(lines) => (lines.door(), lines.standing()),
            Self::Gpio(lines) => return lines.standing(),
            Self::Board(lines) => return Ok(lines.standing()),
        };
        let works = News::State {
            door,
            problem: None,
        };
        let sensed = sensed.into_iter().map(News::Sensed);
        Ok([works].into_iter().chain(sensed).collect())
    }

    /// Has what was driven reached the outputs?
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Self::Simulated(_) | Self::Gpio(_) => true,
            Self::Board(lines) => lines.is_settled(),
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

/// Lets all of several come to their end, side by side.
pub(super) async fn all_of<F: Future<Output = ()>>(mut futures: Vec<Pin<Box<F>>>) {
    std::future::poll_fn(move |context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if futures.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

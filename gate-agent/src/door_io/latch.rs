//! What one lock shall do, and why: the agent's commands, the end of a release, fire, and what
//! holds once the agent is silent. Pure: it reads no clock and moves no line.

use gate_core::action::DoorCommand;
use serde::Serialize;
use shared::time::Uptime;

use super::wiring::{LastLevel, Level, SafeLevels};

/// A release that was asked for so long ago, in ms, is not begun any more: whoever was let in has
/// gone, and a process that was stopped must not open doors when it goes on.
pub(super) const RELEASE_AGE_MAX_MS: u64 = 2_000;

/// Longest rest of a release behind the death of the agent, in ms: longer than anybody needs to go
/// through, short enough that the next agent soon has the lines.
pub(super) const ORPHANED_RELEASE_MAX_MS: u64 = 15_000;

/// Why a lock changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cause {
    /// The door process begins.
    Start,
    /// The agent said so.
    Command,
    /// The release was over.
    EndOfRelease,
    /// The agent is silent: what is configured for a crash holds.
    Silence,
    /// The door process ends, and a timed release was under way.
    Abandoned,
    /// The door process ends, and something else is configured to hold behind it.
    End,
    /// The fire input is active, or quiet again.
    Fire,
}

/// A change of a lock, or a release that begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) to: Level,
    pub(super) cause: Cause,
    /// How long the release lasts, when it is timed, in ms.
    pub(super) for_ms: Option<u32>,
}

/// What the agent commanded, or what stands in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commanded {
    Locked,
    ReleasedUntil(Uptime),
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fire {
    Quiet,
    Active,
}

/// How the door process comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The agent has ended in order, or somebody asked this process to end.
    InOrder,
    /// Something broke.
    Broken,
}

/// A release that came too late to be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a release that was asked for {age_ms} ms ago is not begun any more")]
pub(super) struct TooLate {
    age_ms: u64,
}

/// One lock.
#[derive(Clone, Debug)]
pub(super) struct Latch {
    levels: SafeLevels,
    commanded: Commanded,
    fire: Fire,
}

impl Latch {
    pub(super) fn new(levels: SafeLevels) -> Self {
        let commanded = match levels.at_start {
            Level::Locked => Commanded::Locked,
            Level::Released => Commanded::Held,
        };
        Self {
            levels,
            commanded,
            fire: Fire::Quiet,
        }
    }

    /// What the lock shall do now.
    pub(super) fn level(&self) -> Level {
        match (self.fire, self.commanded) {
            (Fire::Active, _) | (Fire::Quiet, Commanded::ReleasedUntil(_) | Commanded::Held) => {
                Level::Released
            }
            (Fire::Quiet, Commanded::Locked) => Level::Locked,
        }
    }

    /// When the running release ends.
    pub(super) fn next_due(&self) -> Option<Uptime> {
        match self.commanded {
            Commanded::ReleasedUntil(at) => Some(at),
            Commanded::Locked | Commanded::Held => None,
        }
    }

    /// Would the lock do the same if its line were dropped?
    pub(super) fn rests(&self) -> bool {
        self.next_due().is_none() && self.level() == self.levels.lock.unpowered()
    }

    /// The agent commands, having decided so at `decided_at`. Signals are not the lock's.
    ///
    /// # Errors
    /// [`TooLate`] for a release that nobody waits for any more.
    pub(super) fn obey(
        &mut self,
        now: Uptime,
        decided_at: Uptime,
        command: DoorCommand,
    ) -> Result<Option<Move>, TooLate> {
        let before = self.level();
        match command {
            DoorCommand::Signal(_) => Ok(None),
            DoorCommand::Lock => {
                self.commanded = Commanded::Locked;
                Ok(self.moved(before, Cause::Command))
            }
            DoorCommand::HoldReleased => {
                self.commanded = Commanded::Held;
                Ok(Some(Move {
                    to: Level::Released,
                    cause: Cause::Command,
                    for_ms: None,
                }))
            }
            DoorCommand::Release { for_ms } => {
                // A clock that differs must not lengthen a release.
                let decided_at = decided_at.min(now);
                let age_ms = now.since_ms(decided_at);
                if age_ms > RELEASE_AGE_MAX_MS {
                    return Err(TooLate { age_ms });
                }
                let for_ms = for_ms.min(self.levels.longest_release_ms);
                self.commanded = Commanded::ReleasedUntil(decided_at.plus_ms(for_ms.into()));
                Ok(Some(Move {
                    to: Level::Released,
                    cause: Cause::Command,
                    for_ms: Some(for_ms),
                }))
            }
        }
    }

    /// The fire input changed: people must get out now, not when the agent has thought about it.
    pub(super) fn fire(&mut self, input: FireInput) -> Option<Move> {
        let before = self.level();
        self.fire = match input {
            FireInput::Raised => Fire::Active,
            FireInput::Ended => Fire::Quiet,
        };
        self.moved(before, Cause::Fire)
    }

    /// The agent has not been heard for too long. A timed release runs to its end.
    pub(super) fn agent_is_silent(&mut self) -> Option<Move> {
        let before = self.level();
        self.commanded = match (self.levels.at_crash, self.commanded) {
            (_, running @ Commanded::ReleasedUntil(_)) => running,
            (LastLevel::Locked, Commanded::Held | Commanded::Locked) => Commanded::Locked,
            (LastLevel::Released, Commanded::Held | Commanded::Locked) => Commanded::Held,
            (LastLevel::AsCommanded, as_it_is) => as_it_is,
        };
        self.moved(before, Cause::Silence)
    }

    /// The agent is dead, so nobody will command any more.
    pub(super) fn agent_is_gone(&mut self, now: Uptime) -> Option<Move> {
        if let Commanded::ReleasedUntil(at) = self.commanded {
            let latest = now.plus_ms(ORPHANED_RELEASE_MAX_MS);
            self.commanded = Commanded::ReleasedUntil(at.min(latest));
        }
        self.agent_is_silent()
    }

    /// Ends a release that is over. With the agent silent, what is configured for a crash follows.
    pub(super) fn due(&mut self, now: Uptime, agent: Agent) -> Option<Move> {
        let Commanded::ReleasedUntil(at) = self.commanded else {
            return None;
        };
        if now < at {
            return None;
        }
        let before = self.level();
        self.commanded = match (agent, self.levels.at_crash) {
            (Agent::Silent, LastLevel::Released) => Commanded::Held,
            (Agent::Silent, LastLevel::Locked | LastLevel::AsCommanded) | (Agent::Speaks, _) => {
                Commanded::Locked
            }
        };
        self.moved(before, Cause::EndOfRelease)
    }

    /// The door process ends: what it leaves behind while the kernel still lets it.
    pub(super) fn end(&mut self, ending: Ending) -> Option<Move> {
        let before = self.level();
        let last = match ending {
            Ending::InOrder => self.levels.at_stop,
            Ending::Broken => self.levels.at_crash,
        };
        let (commanded, cause) = match (last, self.commanded) {
            (LastLevel::AsCommanded | LastLevel::Locked, Commanded::ReleasedUntil(_)) => {
                (Commanded::Locked, Cause::Abandoned)
            }
            (LastLevel::AsCommanded, as_it_is @ (Commanded::Locked | Commanded::Held)) => {
                (as_it_is, Cause::End)
            }
            (LastLevel::Locked, Commanded::Locked | Commanded::Held) => {
                (Commanded::Locked, Cause::End)
            }
            (LastLevel::Released, _) => (Commanded::Held, Cause::End),
        };
        self.commanded = commanded;
        self.moved(before, cause)
    }

    fn moved(&self, before: Level, cause: Cause) -> Option<Move> {
        let to = self.level();
        (to != before).then_some(Move {
            to,
            cause,
            for_ms: None,
        })
    }
}

/// The fire input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FireInput {
    Raised,
    Ended,
}

/// Is the agent heard?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    Speaks,
    Silent,
}

#[cfg(test)]
mod tests;

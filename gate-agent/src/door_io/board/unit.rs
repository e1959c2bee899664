//! One board on a port: what its relays shall do and do, what it is asked next, and whether it
//! answers. A board that fails keeps no other from its turn. Pure.

use std::collections::BTreeMap;

use shared::time::Uptime;

use super::{
    modbus::{Misheard, What},
    wiring::Switch,
};

/// Misses in a row before a board counts as silent: a bus has noise.
pub(super) const TRIES_MAX: u32 = 3;
/// How often a lock's relay is told again what it should do, in ms: a board that lost its power for
/// a moment has forgotten it.
pub(super) const TELL_AGAIN_MS: u64 = 1_000;
/// The same for lamps, in ms.
const LAMP_AGAIN_MS: u64 = 5_000;
/// How long until a board that fails is tried again, in ms; twice as long behind each failure.
const RETRY_FIRST_MS: u64 = 1_000;
/// The longest, in ms: each try keeps the bus busy for a quarter of a second.
const RETRY_MOST_MS: u64 = 4_000;

/// What a relay is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Lock,
    Lamp,
}

/// What a relay shall do, and what the board said that it does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Output {
    role: Role,
    wanted: Switch,
    confirmed: Option<Switch>,
    again_at: Uptime,
    refused: Option<Refusal>,
}

/// The inputs that are looked at, from 0 on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Inputs {
    None,
    Unread { count: u16 },
    Read { count: u16, next_at: Uptime },
    Refused { count: u16, refusal: Refusal },
}

/// The board answered that it will not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    problem: String,
    retry_at: Uptime,
}

/// Does the board answer?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    Answers,
    Silent { retry_at: Uptime, retry_ms: u64 },
}

/// How much a question presses: locks that shall move, then lamps, then what comes round. Boards
/// that press alike take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pressing {
    rank: Rank,
    due: Uptime,
    last_asked: Uptime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Lock,
    Lamp,
    Round,
}

/// What came to be known of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Works,
    Fails(String),
}

/// One board.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    poll_ms: u64,
    outputs: BTreeMap<u16, Output>,
    inputs: Inputs,
    hearing: Hearing,
    misses: u32,
    last_asked: Uptime,
    /// What was told last of how it works.
    told: Change,
}

impl Unit {
    pub(super) fn new(poll_ms: u64) -> Self {
        Self {
            poll_ms,
            outputs: BTreeMap::new(),
            inputs: Inputs::None,
            hearing: Hearing::Answers,
            misses: 0,
            last_asked: Uptime(0),
            told: Change::Nothing,
        }
    }

    pub(super) fn has_output(&mut self, relay: u16, role: Role, wanted: Switch) {
        let output = Output {
            role,
            wanted,
            confirmed: None,
            again_at: Uptime(0),
            refused: None,
        };
        self.outputs.insert(relay, output);
    }

    pub(super) fn has_input(&mut self, input: u16) {
        let count = self.inputs.count().unwrap_or(0).max(input + 1);
        self.inputs = Inputs::Unread { count };
    }

    /// A relay shall do this. A lock is worth another try of a board that is silent.
    pub(super) fn want(&mut self, now: Uptime, relay: u16, wanted: Switch) {
        let Some(output) = self.outputs.get_mut(&relay) else {
            return;
        };
        let is_news = output.wanted != wanted;
        output.wanted = wanted;
        if is_news && output.role == Role::Lock {
            self.retry(now);
        }
    }

    /// What it should be asked now, and how much that presses.
    pub(super) fn question(&self, now: Uptime) -> Option<(Pressing, What)> {
        let (due, rank, what) = self.next(now)?;
        let last_asked = self.last_asked;
        let pressing = Pressing {
            rank,
            due,
            last_asked,
        };
        (due <= now).then_some((pressing, what))
    }

    /// When it is to be asked again.
    pub(super) fn next_due(&self, now: Uptime) -> Option<Uptime> {
        self.next(now).map(|(due, ..)| due)
    }

    fn next(&self, now: Uptime) -> Option<(Uptime, Rank, What)> {
        let (_, round) = self.round()?;
        if let Hearing::Silent { retry_at, .. } = self.hearing {
            // The lock first: a board that cannot read its inputs may still have relays.
            let what = self.unconfirmed(now, Role::Lock).unwrap_or(round);
            return Some((retry_at, Rank::Round, what));
        }
        // Before a lock is moved it is known whether there is fire.
        let at_once = Uptime(0);
        if let Some(what) = self.unread().or(self.unconfirmed(now, Role::Lock)) {
            return Some((at_once, Rank::Lock, what));
        }
        if let Some(what) = self.unconfirmed(now, Role::Lamp) {
            return Some((at_once, Rank::Lamp, what));
        }
        let (due, what) = self.round()?;
        Some((due, Rank::Round, what))
    }

    fn unread(&self) -> Option<What> {
        match self.inputs {
            Inputs::Unread { count } => Some(What::ReadInputs { count }),
            Inputs::None | Inputs::Read { .. } | Inputs::Refused { .. } => None,
        }
    }

    fn unconfirmed(&self, now: Uptime, role: Role) -> Option<What> {
        let (coil, output) = self
            .outputs
            .iter()
            .find(|(_, it)| it.role == role && !it.is_settled() && !it.is_refused(now))?;
        let to = output.wanted;
        Some(What::WriteCoil { coil: *coil, to })
    }

    /// What comes round: a look at the inputs, a relay that is told again.
    fn round(&self) -> Option<(Uptime, What)> {
        let again = self.outputs.iter().map(|(coil, output)| {
            let to = output.wanted;
            let refused = output.refused.as_ref().map(|it| it.retry_at);
            let due = refused.unwrap_or(output.again_at);
            (due, What::WriteCoil { coil: *coil, to })
        });
        let look = match &self.inputs {
            Inputs::Read { count, next_at } => Some((*next_at, *count)),
            Inputs::Refused { count, refusal } => Some((refusal.retry_at, *count)),
            Inputs::Unread { count } => Some((Uptime(0), *count)),
            Inputs::None => None,
        };
        let look = look.map(|(due, count)| (due, What::ReadInputs { count }));
        again.chain(look).min_by_key(|(due, _)| *due)
    }

    /// It is asked. A relay that is told to move may have done so, whatever becomes of the answer.
    pub(super) fn is_asked(&mut self, now: Uptime, what: What) {
        self.last_asked = now;
        if let What::WriteCoil { coil, to } = what
            && let Some(output) = self.outputs.get_mut(&coil)
            && output.confirmed != Some(to)
        {
            output.confirmed = None;
        }
    }

    /// The board answered.
    pub(super) fn answered(&mut self, now: Uptime, what: What) -> Change {
        self.misses = 0;
        self.hearing = Hearing::Answers;
        match what {
            What::WriteCoil { coil, to } => {
                if let Some(output) = self.outputs.get_mut(&coil) {
                    output.refused = None;
                    output.confirmed = Some(to);
                    output.again_at = now.plus_ms(match output.role {
                        Role::Lock => TELL_AGAIN_MS,
                        Role::Lamp => LAMP_AGAIN_MS,
                    });
                }
            }
            What::ReadInputs { count } => {
                let next_at = now.plus_ms(self.poll_ms);
                self.inputs = Inputs::Read { count, next_at };
            }
        }
        self.look()
    }

    /// The board did not answer, or not what it was asked, or that it will not.
    pub(super) fn missed(&mut self, now: Uptime, what: What, misheard: Misheard) -> Change {
        if let Misheard::Exception { .. } = misheard {
            return self.refused(now, what, misheard);
        }
        self.misses += 1;
        if self.hearing == Hearing::Answers && self.misses < TRIES_MAX {
            return Change::Nothing;
        }
        self.fails(now, misheard.to_string())
    }

    fn refused(&mut self, now: Uptime, what: What, misheard: Misheard) -> Change {
        self.misses = 0;
        self.hearing = Hearing::Answers;
        let subject = match what {
            What::WriteCoil { coil, .. } => format!("relay {coil}"),
            What::ReadInputs { count } => format!("inputs 0 to {}", count - 1),
        };
        let refusal = Refusal {
            problem: format!("{subject}: {misheard}"),
            retry_at: now.plus_ms(RETRY_MOST_MS),
        };
        match what {
            What::WriteCoil { coil, .. } => {
                if let Some(output) = self.outputs.get_mut(&coil) {
                    output.confirmed = None;
                    output.refused = Some(refusal);
                }
            }
            What::ReadInputs { count } => self.inputs = Inputs::Refused { count, refusal },
        }
        self.look()
    }

    /// The board cannot be reached. What it does is not known any more.
    pub(super) fn fails(&mut self, now: Uptime, problem: String) -> Change {
        self.misses = 0;
        for output in self.outputs.values_mut() {
            output.confirmed = None;
            output.refused = None;
        }
        if let Some(count) = self.inputs.count() {
            self.inputs = Inputs::Unread { count };
        }
        let retry_ms = match self.hearing {
            Hearing::Answers => RETRY_FIRST_MS,
            Hearing::Silent { retry_ms, .. } => (retry_ms * 2).min(RETRY_MOST_MS),
        };
        let retry_at = now.plus_ms(retry_ms);
        self.hearing = Hearing::Silent { retry_at, retry_ms };
        self.tell(Change::Fails(problem))
    }

    /// Works and fails once everything of it is known.
    fn look(&mut self) -> Change {
        let is_open = |it: &Output| it.confirmed.is_none() && it.refused.is_none();
        if self.unread().is_some() || self.outputs.values().any(is_open) {
            return Change::Nothing;
        }
        let refused = self.outputs.values().find_map(|it| it.refused.as_ref());
        let refused = match &self.inputs {
            Inputs::Refused { refusal, .. } => Some(refusal),
            Inputs::None | Inputs::Unread { .. } | Inputs::Read { .. } => refused,
        };
        let change = match refused {
            Some(refusal) => Change::Fails(refusal.problem.clone()),
            None => Change::Works,
        };
        self.tell(change)
    }

    fn tell(&mut self, change: Change) -> Change {
        if self.told == change {
            return Change::Nothing;
        }
        self.told = change.clone();
        change
    }

    /// A board that is silent is asked at once.
    pub(super) fn retry(&mut self, now: Uptime) {
        if let Hearing::Silent { retry_at, .. } = &mut self.hearing {
            *retry_at = now;
        }
    }

    /// What was told last of how it works.
    pub(super) fn told(&self) -> &Change {
        &self.told
    }

    /// Do its relays do what they shall, as far as the board says? Lamps of a board that does not
    /// answer are not waited for, nor those that it refuses.
    pub(super) fn is_settled(&self) -> bool {
        let answers = self.hearing == Hearing::Answers;
        self.outputs.values().all(|it| match it.role {
            Role::Lock => it.is_settled(),
            Role::Lamp => it.is_settled() || it.refused.is_some() || !answers,
        })
    }
}

impl Output {
    fn is_settled(&self) -> bool {
        self.confirmed == Some(self.wanted)
    }

    fn is_refused(&self, now: Uptime) -> bool {
        let refused = self.refused.as_ref();
        refused.is_some_and(|refusal| now < refusal.retry_at)
    }
}

impl Inputs {
    fn count(&self) -> Option<u16> {
        match self {
            Self::None => None,
            Self::Unread { count } | Self::Read { count, .. } | Self::Refused { count, .. } => {
                Some(*count)
            }
        }
    }
}

//! One door: what its lock does, where its leaf stands, which alarms stand (ONVIF Door Control),
//! apart from the mode that somebody wants. A lock is released for a pass, an order or a guard only
//! with proof that the record is durable; egress (request to exit, fire) needs none.
//!
//! ```text
//!            release                       mode unlocked, fire
//!   Locked ───────────► Released ──┐   ┌───────────────────────► Held
//!     ▲  ◄────────────── time over, closed again, lockdown ◄──────┘ mode locked, fire ended
//!
//!            opened while released or held              too long
//!   Closed ─────────────────────────────► Open(Watched) ───► PreAlarm ───► HeldOpen
//!     │  ◄──────────────────────────────── closed
//!     └─ opened while locked ──► Open(Forced)
//! ```

mod leaf;
mod outputs;
mod sensing;

use alloc::{collections::BTreeSet, vec::Vec};

use shared::{
    configuration::{Door as DoorConfiguration, LockType},
    ids::DoorId,
    journal::{DoorAlarm, DoorEvent},
    order::DoorMode,
    panel_api::{DoorPosition, LockState, PanelDoor},
    roster::DoorNeed,
    time::{Now, Uptime},
};

use crate::{
    action::{DoorCommand, DoorSignal},
    commits::Committed,
    memory::Lockdown,
    timers::{TimerReason, earlier},
};
use leaf::{Leaf, LeafChange};

/// How long after a release an opening still belongs to it, in ms: contact, debouncing and the
/// way to this machine take that long.
pub(crate) const RELEASE_GRACE_MS: u64 = 1000;
/// How long the red lamp shows, in ms.
const DENIED_SIGNAL_MS: u64 = 2000;

/// By what right a lock is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permit {
    Pass,
    Staff,
    Egress,
}

/// What a door wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoorOutput {
    Command(DoorCommand),
    Event(DoorEvent),
}

/// May a pass release the door?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorAdmits {
    /// Yes.
    Passes,
    /// Its mode is `Blocked`.
    Blocked,
    /// Its partner in an interlock is open or released.
    Interlocked,
    /// It, or the whole gate, is locked down.
    LockedDown,
    /// The door process or the wiring does not work.
    Faulty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bolt {
    /// Locked; a release ended at `since`.
    Locked { since: Option<Uptime> },
    /// Released for the moment.
    Released { until: Uptime, by: ReleasedBy },
    /// Kept released by mode or fire.
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReleasedBy {
    Grant,
    Egress,
}

/// Did somebody go through, as far as the door can tell?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sensed {
    Nothing,
    Passage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fire {
    Quiet,
    Active,
}

/// Does the door stand unlocked by its schedule?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hours {
    /// It is not the time, or the first person has not come.
    Over,
    /// It does.
    Open,
    /// It would, but staff locked it for the rest of the hours.
    LockedByStaff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lamp {
    Off,
    Granted { until: Uptime },
    Denied { until: Uptime },
}

/// The state of one door.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    configuration: DoorConfiguration,
    mode: DoorMode,
    lockdown: Lockdown,
    hours: Hours,
    fire: Fire,
    bolt: Bolt,
    leaf: Leaf,
    lamp: Lamp,
    turned_at: Option<Uptime>,
    alarms: BTreeSet<DoorAlarm>,
    outputs: Vec<DoorOutput>,
}

impl Door {
    /// A door as the gate finds it: its position unknown, its lock put into the state that mode
    /// and lockdown ask for.
    pub(crate) fn start(
        configuration: DoorConfiguration,
        mode: DoorMode,
        lockdown: Lockdown,
    ) -> Self {
        let mut door = Self {
            leaf: Leaf::Unknown,
            configuration,
            mode,
            lockdown,
            hours: Hours::Over,
            fire: Fire::Quiet,
            bolt: Bolt::Locked { since: None },
            lamp: Lamp::Off,
            turned_at: None,
            alarms: BTreeSet::new(),
            outputs: Vec::new(),
        };
        door.command_bolt();
        door
    }

    pub(crate) fn id(&self) -> DoorId {
        self.configuration.id
    }

    pub(crate) fn configuration(&self) -> &DoorConfiguration {
        &self.configuration
    }

    pub(crate) fn configure(&mut self, configuration: DoorConfiguration) {
        self.configuration = configuration;
    }

    pub(crate) fn take_outputs(&mut self) -> Vec<DoorOutput> {
        core::mem::take(&mut self.outputs)
    }

    /// Releases the lock for a pass; `_proof` is that its grant is on record.
    /// `need` is what its holder needs.
    pub(crate) fn release_for_pass(
        &mut self,
        now: Now,
        need: Option<DoorNeed>,
        _proof: &Committed,
    ) {
        self.release(now, Permit::Pass, need);
    }

    /// Releases the lock for an order or a guard; `_proof` is that it is on record.
    pub(crate) fn release_for_staff(&mut self, now: Now, _proof: &Committed) {
        self.release(now, Permit::Staff, None);
    }

    fn release(&mut self, now: Now, permit: Permit, need: Option<DoorNeed>) {
        let by = match permit {
            // A lockdown may have come between decision and commit.
            Permit::Pass if self.admits() != DoorAdmits::Passes => return,
            Permit::Pass | Permit::Staff => ReleasedBy::Grant,
            Permit::Egress => ReleasedBy::Egress,
        };
        let asked_ms = self.configuration.release_ms(need);
        let for_ms = match self.bolt {
            // Whoever was given longer still has it when the next one follows.
            Bolt::Released { until, .. } => {
                let left_ms = u32::try_from(until.since_ms(now.uptime)).unwrap_or(u32::MAX);
                asked_ms.max(left_ms)
            }
            Bolt::Held | Bolt::Locked { .. } => asked_ms,
        };
        let until = now.uptime.plus_ms(u64::from(for_ms));
        if by == ReleasedBy::Grant {
            self.lamp = Lamp::Granted { until };
            self.signal(DoorSignal::Granted);
        }
        let by = match self.bolt {
            Bolt::Held => return,
            // A running egress release is not cut short by a lockdown because a pass came too.
            Bolt::Released {
                by: ReleasedBy::Egress,
                ..
            } => ReleasedBy::Egress,
            Bolt::Released {
                by: ReleasedBy::Grant,
                ..
            }
            | Bolt::Locked { .. } => by,
        };
        self.bolt = Bolt::Released { until, by };
        self.command(DoorCommand::Release { for_ms });
    }

    /// When the running release ends.
    pub(crate) fn released_until(&self) -> Option<Uptime> {
        match self.bolt {
            Bolt::Released { until, .. } => Some(until),
            Bolt::Held | Bolt::Locked { .. } => None,
        }
    }

    /// Shows a denial.
    pub(crate) fn deny(&mut self, now: Now) {
        if !matches!(self.lamp, Lamp::Granted { .. }) {
            let until = now.uptime.plus_ms(DENIED_SIGNAL_MS);
            self.lamp = Lamp::Denied { until };
        }
        self.signal(DoorSignal::Denied);
    }

    /// Locks again before the release time is over: everybody who was let through has passed.
    pub(crate) fn passage_over(&mut self, now: Now) {
        let by_grant = ReleasedBy::Grant;
        if matches!(self.bolt, Bolt::Released { by, .. } if by == by_grant) {
            self.lock(now);
        }
    }

    /// Staff or an order want this mode. *Locked* ends unlocked hours until they begin anew.
    pub(crate) fn set_mode(&mut self, now: Now, mode: DoorMode) {
        if mode == DoorMode::Locked && self.hours == Hours::Open {
            self.hours = Hours::LockedByStaff;
        } else if self.mode == mode {
            return;
        }
        self.mode = mode;
        self.mode_changed(now);
    }

    /// The door's unlocked hours begin or are over.
    pub(crate) fn set_hours(&mut self, now: Now, hours: Hours) {
        let was_locked_by_staff = self.hours == Hours::LockedByStaff && hours == Hours::Open;
        if self.hours == hours || was_locked_by_staff {
            return;
        }
        let before = self.effective_mode();
        self.hours = hours;
        let mode = self.effective_mode();
        if mode != before {
            self.event(DoorEvent::ModeChanged(mode));
            self.mode_changed(now);
        }
    }

    pub(crate) fn hours(&self) -> Hours {
        self.hours
    }

    /// Is it shut and locked, as the other door of an interlock wants it?
    pub(crate) fn is_secured(&self) -> bool {
        matches!(self.bolt, Bolt::Locked { .. }) && !self.is_open()
    }

    pub(crate) fn set_lockdown(&mut self, now: Now, lockdown: Lockdown) {
        if self.lockdown != lockdown {
            self.lockdown = lockdown;
            self.mode_changed(now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        if let Bolt::Released { until, .. } = self.bolt
            && until <= now.uptime
        {
            self.lock(now);
        }
        if let Lamp::Granted { until } | Lamp::Denied { until } = self.lamp
            && until <= now.uptime
        {
            self.lamp_off();
        }
        match self.leaf.handle_timeout(now.uptime) {
            LeafChange::None => {}
            LeafChange::SoonHeldOpen => self.raise(DoorAlarm::HeldOpenSoon),
            LeafChange::HeldOpen => {
                self.end(DoorAlarm::HeldOpenSoon);
                self.raise(DoorAlarm::HeldOpen);
            }
        }
    }

    pub(crate) fn next_timer(&self) -> Option<(Uptime, TimerReason)> {
        let bolt = match self.bolt {
            Bolt::Released { until, .. } => Some((until, TimerReason::ReleaseEnds(self.id()))),
            Bolt::Locked { .. } | Bolt::Held => None,
        };
        let lamp = match self.lamp {
            Lamp::Granted { until } | Lamp::Denied { until } => {
                Some((until, TimerReason::SignalEnds(self.id())))
            }
            Lamp::Off => None,
        };
        earlier(earlier(bolt, lamp), self.leaf.next_timer(self.id()))
    }

    /// What shall hold while no software watches: locked, but a fail-safe lock stays open unless
    /// the gate is locked down.
    pub(crate) fn stop(&mut self) {
        let held = match self.configuration.lock {
            LockType::FailSecure => false,
            LockType::FailSafe => self.effective_mode() != DoorMode::LockedDown,
        };
        if held || self.is_held() {
            self.bolt = Bolt::Held;
        } else {
            self.bolt = Bolt::Locked { since: None };
        }
        self.command_bolt();
    }

    pub(crate) fn silence(&mut self) {
        self.signal(DoorSignal::Quiet);
    }

    pub(crate) fn admits(&self) -> DoorAdmits {
        if self.alarms.contains(&DoorAlarm::Fault) {
            return DoorAdmits::Faulty;
        }
        match self.effective_mode() {
            DoorMode::LockedDown => DoorAdmits::LockedDown,
            DoorMode::Blocked => DoorAdmits::Blocked,
            DoorMode::Locked | DoorMode::Unlocked | DoorMode::Accessed | DoorMode::LockedOpen => {
                DoorAdmits::Passes
            }
        }
    }

    /// Is an opening now one that was permitted?
    pub(crate) fn is_released(&self, now: Now) -> bool {
        match self.bolt {
            Bolt::Held | Bolt::Released { .. } => true,
            Bolt::Locked { since } => {
                since.is_some_and(|since| now.uptime.since_ms(since) <= RELEASE_GRACE_MS)
            }
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.leaf.position() == DoorPosition::Open
    }

    /// The mode in force: a lockdown of the gate stands over each door's own mode.
    pub(crate) fn effective_mode(&self) -> DoorMode {
        match self.lockdown {
            Lockdown::On { .. } => DoorMode::LockedDown,
            Lockdown::Off if self.mode == DoorMode::Locked && self.hours == Hours::Open => {
                DoorMode::Unlocked
            }
            Lockdown::Off => self.mode,
        }
    }

    pub(crate) fn panel(&self) -> PanelDoor {
        let mode = match (self.effective_mode(), self.bolt) {
            (DoorMode::Locked, Bolt::Released { .. }) => DoorMode::Accessed,
            (mode, Bolt::Released { .. } | Bolt::Locked { .. } | Bolt::Held) => mode,
        };
        PanelDoor {
            door: self.id(),
            name: self.configuration.name.clone(),
            mode,
            position: self.leaf.position(),
            lock: match self.bolt {
                Bolt::Locked { .. } => LockState::Locked,
                Bolt::Released { .. } | Bolt::Held => LockState::Released,
            },
            alarms: self.alarms.iter().copied().collect(),
        }
    }

    fn is_held(&self) -> bool {
        self.fire == Fire::Active
            || matches!(
                self.effective_mode(),
                DoorMode::Unlocked | DoorMode::LockedOpen
            )
    }

    fn mode_changed(&mut self, now: Now) {
        let shall_be_held = self.is_held();
        match self.bolt {
            Bolt::Locked { .. } | Bolt::Released { .. } if shall_be_held => {
                self.bolt = Bolt::Held;
                self.command_bolt();
                if self.leaf.becomes_free() {
                    self.end(DoorAlarm::HeldOpenSoon);
                    self.end(DoorAlarm::HeldOpen);
                }
            }
            Bolt::Held if !shall_be_held => {
                self.lock(now);
                self.leaf.becomes_watched(now.uptime, &self.configuration);
            }
            // A pass's release ends with a lockdown; a way out stays open to its end.
            Bolt::Released {
                by: ReleasedBy::Grant,
                ..
            } if self.admits() != DoorAdmits::Passes => self.lock(now),
            Bolt::Locked { .. } | Bolt::Released { .. } | Bolt::Held => {}
        }
    }

    fn lock(&mut self, now: Now) {
        self.bolt = Bolt::Locked {
            since: Some(now.uptime),
        };
        self.command(DoorCommand::Lock);
        if matches!(self.lamp, Lamp::Granted { .. }) {
            self.lamp_off();
        }
    }

    fn command_bolt(&mut self) {
        if self.is_held() && !matches!(self.bolt, Bolt::Held) {
            self.bolt = Bolt::Held;
        }
        match self.bolt {
            Bolt::Held => self.command(DoorCommand::HoldReleased),
            Bolt::Locked { .. } => self.command(DoorCommand::Lock),
            Bolt::Released { .. } => {
                self.bolt = Bolt::Locked { since: None };
                self.command(DoorCommand::Lock);
            }
        }
    }
}

#[cfg(test)]
mod states;
#[cfg(test)]
mod tests;

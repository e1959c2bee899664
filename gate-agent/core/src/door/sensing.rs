//! What a door's sensors and lines say, and what follows from it.

use shared::{
    configuration::{ContactSensing, PassageSensing},
    journal::{DoorAlarm, DoorEvent},
    time::Now,
};

use super::{Bolt, Door, Fire, Leaf, Permit, ReleasedBy, Sensed};
use crate::{action::DoorCommand, input::DoorInput};

/// A leaf that opens again so soon after it closed did not: its contact bounces, or somebody holds
/// it before it latches, in ms.
pub(super) const LEAF_BOUNCE_MS: u64 = 500;
/// No turnstile turns for two people in so short a time, in ms.
pub(super) const ROTATION_BOUNCE_MS: u64 = 300;

impl Door {
    pub(crate) fn handle_input(&mut self, now: Now, input: DoorInput) -> Sensed {
        match input {
            DoorInput::Opened => return self.opened(now),
            DoorInput::Rotated => return self.rotated(now),
            DoorInput::Closed => self.closed(now),
            DoorInput::RequestToExit => {
                self.event(DoorEvent::RequestToExit);
                self.release(now, Permit::Egress, None);
            }
            DoorInput::TamperRaised => self.raise(DoorAlarm::Tamper),
            DoorInput::TamperEnded => self.end(DoorAlarm::Tamper),
            DoorInput::FireRaised => {
                self.fire = Fire::Active;
                self.raise(DoorAlarm::Fire);
                self.mode_changed(now);
            }
            DoorInput::FireEnded => self.fire_ended(now),
            DoorInput::FaultRaised => self.raise(DoorAlarm::Fault),
            DoorInput::FaultEnded => {
                self.end(DoorAlarm::Fault);
                self.command_anew(now);
            }
        }
        Sensed::Nothing
    }

    fn opened(&mut self, now: Now) -> Sensed {
        if self.configuration.contact == ContactSensing::Absent || self.is_open() {
            return Sensed::Nothing;
        }
        self.event(DoorEvent::Opened);
        // Nobody saw it open that was open when the gate began to look: it must be shut in time.
        let was_unseen = self.leaf == Leaf::Unknown;
        if self.bolt == Bolt::Held {
            self.leaf = Leaf::open_freely();
        } else if was_unseen
            || self.is_released(now)
            || self.leaf.was_shut_within(now.uptime, LEAF_BOUNCE_MS)
        {
            self.leaf = Leaf::open_watched(now.uptime, &self.configuration);
        } else {
            self.leaf = Leaf::open_forced();
            self.raise(DoorAlarm::ForcedOpen);
        }
        match self.configuration.passage {
            PassageSensing::DoorContact => Sensed::Passage,
            PassageSensing::None | PassageSensing::Rotation => Sensed::Nothing,
        }
    }

    fn closed(&mut self, now: Now) {
        if self.configuration.contact == ContactSensing::Absent || !self.leaf.shut(now.uptime) {
            return;
        }
        self.event(DoorEvent::Closed);
        for alarm in [
            DoorAlarm::ForcedOpen,
            DoorAlarm::HeldOpenSoon,
            DoorAlarm::HeldOpen,
        ] {
            self.end(alarm);
        }
    }

    fn rotated(&mut self, now: Now) -> Sensed {
        let before = self.turned_at.replace(now.uptime);
        if before.is_some_and(|at| now.uptime.since_ms(at) < ROTATION_BOUNCE_MS) {
            return Sensed::Nothing;
        }
        if !self.is_released(now) {
            // A turnstile has no leaf that could be closed again: the alarm is a moment.
            self.raise(DoorAlarm::ForcedOpen);
            self.end(DoorAlarm::ForcedOpen);
        }
        match self.configuration.passage {
            PassageSensing::Rotation => Sensed::Passage,
            PassageSensing::None | PassageSensing::DoorContact => Sensed::Nothing,
        }
    }

    /// Lines tell it each time they begin to work, whether or not there was fire.
    fn fire_ended(&mut self, now: Now) {
        if self.fire == Fire::Active {
            self.fire = Fire::Quiet;
            self.end(DoorAlarm::Fire);
            self.mode_changed(now);
        }
    }

    /// The door process may have started anew, and is told what shall hold. Nobody's way out is cut
    /// short by that; whoever was granted one shows the pass again.
    fn command_anew(&mut self, now: Now) {
        match self.bolt {
            Bolt::Released {
                until,
                by: ReleasedBy::Egress,
            } if until > now.uptime => {
                let left_ms = until.since_ms(now.uptime);
                let for_ms = u32::try_from(left_ms).unwrap_or(u32::MAX);
                self.command(DoorCommand::Release { for_ms });
            }
            Bolt::Released { .. } => self.lock(now),
            Bolt::Locked { .. } | Bolt::Held => self.command_bolt(),
        }
    }
}

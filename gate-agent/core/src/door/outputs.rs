//! What a door wants done and told: lamp, buzzer, alarms, commands to its lock.

use shared::journal::{DoorAlarm, DoorEvent};

use super::{Door, DoorOutput, Lamp};
use crate::action::{DoorCommand, DoorSignal};

impl Door {
    pub(super) fn lamp_off(&mut self) {
        self.lamp = Lamp::Off;
        if self.alarms.is_empty() {
            self.signal(DoorSignal::Quiet);
        } else {
            self.signal(DoorSignal::Alarm);
        }
    }

    pub(super) fn raise(&mut self, alarm: DoorAlarm) {
        if self.alarms.insert(alarm) {
            self.event(DoorEvent::AlarmRaised(alarm));
            self.signal(match alarm {
                DoorAlarm::HeldOpenSoon => DoorSignal::PreAlarm,
                DoorAlarm::ForcedOpen
                | DoorAlarm::HeldOpen
                | DoorAlarm::Tamper
                | DoorAlarm::Fault
                | DoorAlarm::Fire => DoorSignal::Alarm,
            });
        }
    }

    pub(super) fn end(&mut self, alarm: DoorAlarm) {
        if self.alarms.remove(&alarm) {
            self.event(DoorEvent::AlarmEnded(alarm));
            if self.alarms.is_empty() {
                self.signal(DoorSignal::Quiet);
            }
        }
    }

    pub(super) fn signal(&mut self, signal: DoorSignal) {
        self.command(DoorCommand::Signal(signal));
    }

    pub(super) fn command(&mut self, command: DoorCommand) {
        self.outputs.push(DoorOutput::Command(command));
    }

    pub(super) fn event(&mut self, event: DoorEvent) {
        self.outputs.push(DoorOutput::Event(event));
    }
}

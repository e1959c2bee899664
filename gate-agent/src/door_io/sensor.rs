//! What sensors a door can have, what each says of the door, and which lamps show what: the same
//! for GPIO lines and relay boards.

use gate_core::{action::DoorSignal, input::DoorInput};
use shared::time::Uptime;

/// A door's sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sensor {
    /// Is the door open?
    Contact,
    /// The button of those who want out.
    RequestToExit,
    /// Is the case open?
    Tamper,
    /// The fire panel's contact.
    Fire,
    /// A turnstile's turns.
    Rotation,
}

impl Sensor {
    pub(super) const ALL: [Self; 5] = [
        Self::Contact,
        Self::RequestToExit,
        Self::Tamper,
        Self::Fire,
        Self::Rotation,
    ];

    /// Its name in the configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::RequestToExit => "request_to_exit",
            Self::Tamper => "tamper",
            Self::Fire => "fire",
            Self::Rotation => "rotation",
        }
    }

    /// What it says when it comes to stand like this; active is what it is named after: the door
    /// open, the button pressed, the case open, fire, a turn.
    pub(super) const fn says(self, stands: Stands) -> Option<DoorInput> {
        match (self, stands) {
            (Self::Contact, Stands::Active) => Some(DoorInput::Opened),
            (Self::Contact, Stands::Idle) => Some(DoorInput::Closed),
            (Self::RequestToExit, Stands::Active) => Some(DoorInput::RequestToExit),
            (Self::Tamper, Stands::Active) => Some(DoorInput::TamperRaised),
            (Self::Tamper, Stands::Idle) => Some(DoorInput::TamperEnded),
            (Self::Fire, Stands::Active) => Some(DoorInput::FireRaised),
            (Self::Fire, Stands::Idle) => Some(DoorInput::FireEnded),
            (Self::Rotation, Stands::Active) => Some(DoorInput::Rotated),
            (Self::RequestToExit | Self::Rotation, Stands::Idle) => None,
        }
    }

    /// What it says to somebody who has just begun to listen: a button that is pressed by then is
    /// no press.
    pub(super) const fn says_at_first(self, stands: Stands) -> Option<DoorInput> {
        match self {
            Self::Contact | Self::Tamper | Self::Fire => self.says(stands),
            Self::RequestToExit | Self::Rotation => None,
        }
    }
}

/// How a line stands, its electrical level apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Active,
    Idle,
}

/// A lamp or the buzzer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lamp {
    /// Go.
    Green,
    /// Stop.
    Red,
    /// What is heard.
    Buzzer,
}

impl Lamp {
    pub(super) const ALL: [Self; 3] = [Self::Green, Self::Red, Self::Buzzer];

    /// Its name in the configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Red => "red",
            Self::Buzzer => "buzzer",
        }
    }
}

/// The buzzer before *held open* sounds for so long, and is quiet for so long, in ms.
const BEEP_MS: u64 = 400;

/// What lamps and buzzer show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    green: Stands,
    red: Stands,
    buzzer: Buzzer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buzzer {
    Quiet,
    Sounds,
    Beeps { stands: Stands, until: Uptime },
}

impl Shown {
    pub(super) const NOTHING: Self = Self {
        green: Stands::Idle,
        red: Stands::Idle,
        buzzer: Buzzer::Quiet,
    };

    /// Shows a signal. A grant or a denial leaves the buzzer as it is.
    pub(super) fn show(&mut self, now: Uptime, signal: DoorSignal) {
        match signal {
            DoorSignal::Granted => {
                self.green = Stands::Active;
                self.red = Stands::Idle;
            }
            DoorSignal::Denied => {
                self.green = Stands::Idle;
                self.red = Stands::Active;
            }
            DoorSignal::PreAlarm => {
                self.buzzer = Buzzer::Beeps {
                    stands: Stands::Active,
                    until: now.plus_ms(BEEP_MS),
                };
            }
            DoorSignal::Alarm => {
                self.green = Stands::Idle;
                self.red = Stands::Active;
                self.buzzer = Buzzer::Sounds;
            }
            DoorSignal::Quiet => *self = Self::NOTHING,
        }
    }

    /// When the buzzer changes by itself.
    pub(super) fn next_due(&self) -> Option<Uptime> {
        match self.buzzer {
            Buzzer::Beeps { until, .. } => Some(until),
            Buzzer::Quiet | Buzzer::Sounds => None,
        }
    }

    pub(super) fn due(&mut self, now: Uptime) {
        if let Buzzer::Beeps { stands, until } = self.buzzer
            && until <= now
        {
            let stands = match stands {
                Stands::Active => Stands::Idle,
                Stands::Idle => Stands::Active,
            };
            let until = now.plus_ms(BEEP_MS);
            self.buzzer = Buzzer::Beeps { stands, until };
        }
    }

    pub(super) fn of(&self, lamp: Lamp) -> Stands {
        match (lamp, self.buzzer) {
            (Lamp::Green, _) => self.green,
            (Lamp::Red, _) => self.red,
            (Lamp::Buzzer, Buzzer::Quiet) => Stands::Idle,
            (Lamp::Buzzer, Buzzer::Sounds) => Stands::Active,
            (Lamp::Buzzer, Buzzer::Beeps { stands, .. }) => stands,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(shown: &Shown) -> Vec<Lamp> {
        let lamps = Lamp::ALL.into_iter();
        lamps
            .filter(|lamp| shown.of(*lamp) == Stands::Active)
            .collect()
    }

    #[test]
    fn lamps_show_the_last_answer_and_an_alarm_sounds_through_it() {
        let mut shown = Shown::NOTHING;
        let now = Uptime(1_000);
        for (signal, expected) in [
            (DoorSignal::Granted, vec![Lamp::Green]),
            (DoorSignal::Denied, vec![Lamp::Red]),
            (DoorSignal::Alarm, vec![Lamp::Red, Lamp::Buzzer]),
            (DoorSignal::Granted, vec![Lamp::Green, Lamp::Buzzer]),
            (DoorSignal::Quiet, vec![]),
        ] {
            shown.show(now, signal);
            assert_eq!(lit(&shown), expected, "{signal:?}");
            assert_eq!(shown.next_due(), None);
        }
    }

    #[test]
    fn the_pre_alarm_beeps_until_it_is_over() {
        let mut shown = Shown::NOTHING;
        shown.show(Uptime(1_000), DoorSignal::PreAlarm);
        let mut sounds = Vec::new();
        for _ in 0..4 {
            sounds.push(shown.of(Lamp::Buzzer));
            let due = shown.next_due().unwrap();
            shown.due(Uptime(due.0 - 1));
            assert_eq!(shown.of(Lamp::Buzzer), *sounds.last().unwrap());
            shown.due(due);
        }
        use Stands::{Active, Idle};
        assert_eq!(sounds, [Active, Idle, Active, Idle]);
        shown.show(Uptime(9_000), DoorSignal::Quiet);
        assert_eq!(shown.next_due(), None);
    }

    #[test]
    fn a_button_that_is_pressed_when_listening_begins_is_no_press() {
        for sensor in Sensor::ALL {
            for stands in [Stands::Active, Stands::Idle] {
                let first = sensor.says_at_first(stands);
                let is_level = sensor.says(Stands::Idle).is_some();
                assert_eq!(
                    first,
                    sensor.says(stands).filter(|_| is_level),
                    "{sensor:?}"
                );
            }
        }
    }
}

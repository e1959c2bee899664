//! What happens with every input, and what happens with none: clock, freshness, timers.

use alloc::vec::Vec;

use shared::{
    journal::{Event, PassageOutcome, SyncEvent},
    panel_api::{Link, PanelMessage},
    time::{Now, Uptime},
};

use super::{Gate, Storage};
use crate::{
    action::Action,
    freshness::seconds_to_next_step,
    timers::{TimerReason, earlier},
};

/// Longest name of a faulty part and longest description, in bytes: they fit a record.
const PART_LIMIT: usize = 64;
const PROBLEM_LIMIT: usize = 512;
/// Most faults that stand at once; further parts are recorded, not listed.
const FAULTS_LIMIT: usize = 32;

impl Gate {
    /// A timer that [`Gate::poll_timeout`] named is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.observe(now);
        for door in self.doors.values_mut() {
            door.handle_timeout(now);
        }
        if self.hours_at.is_some_and(|at| at <= now.uptime) {
            self.look_at_hours(now);
        }
        self.flush_doors(now);
        for scan in self.passages.take_due(now.uptime) {
            self.settle(now, scan, PassageOutcome::NotTaken);
        }
        let counted = self.refusals.take_due(now.uptime);
        let counted = counted
            .into_iter()
            .map(|(access_point, counts)| Event::Refused {
                access_point,
                counts,
            })
            .collect();
        self.tell(now, counted);
        self.forget_old_presences(now);
        self.retry_storage(now);
        self.finish(now);
    }

    /// The link to central came up or went down.
    pub fn handle_link(&mut self, now: Now, link: Link) {
        self.observe(now);
        let before = core::mem::replace(&mut self.link, link);
        if before != link {
            let event = match link {
                Link::Up => Some(SyncEvent::LinkUp),
                Link::Down => Some(SyncEvent::LinkDown),
                Link::NotEnrolled | Link::Stick => None,
            };
            self.tell(now, event.map(Event::Sync).into_iter().collect());
        }
        self.finish(now);
    }

    /// A part of the gate broke, with what is wrong, or works again.
    pub fn handle_fault(&mut self, now: Now, part: &str, problem: Option<alloc::string::String>) {
        self.observe(now);
        let part = shortened(part, PART_LIMIT);
        let problem = problem.map(|problem| shortened(&problem, PROBLEM_LIMIT));
        let before = match &problem {
            Some(problem) if self.faults.len() < FAULTS_LIMIT => {
                self.faults.insert(part.clone(), problem.clone())
            }
            Some(_) => None,
            None => self.faults.remove(&part),
        };
        if before != problem {
            self.tell(now, alloc::vec![Event::Fault { part, problem }]);
        }
        self.finish(now);
    }

    /// Looks at the clock and the ladder of freshness; records what changed.
    pub(super) fn observe(&mut self, now: Now) {
        let mut events: Vec<Event> = self
            .clock
            .observe(now)
            .map(Event::Clock)
            .into_iter()
            .collect();
        let step = self.freshness(now);
        if step != self.step {
            self.step = step;
            events.push(Event::Sync(SyncEvent::FreshnessChanged(step)));
        }
        self.tell(now, events);
    }

    /// Behind every input: what the doors want, what the panels see, when to wake.
    pub(super) fn finish(&mut self, now: Now) {
        self.flush_doors(now);
        self.refuse_what_finds_no_room(now);
        let step = self.freshness(now);
        if step != self.step {
            self.step = step;
            let event = Event::Sync(SyncEvent::FreshnessChanged(step));
            self.tell(now, alloc::vec![event]);
        }
        let age_s = self.freshness.age_s(now, &self.clock);
        let next_s = seconds_to_next_step(&self.limits(), age_s);
        self.next_step_at = next_s.map(|seconds| now.uptime.plus_ms(seconds.saturating_mul(1000)));
        self.show_state_if_changed(now);
    }

    pub(super) fn next_timer(&self) -> Option<(Uptime, TimerReason)> {
        let step = self.next_step_at.map(|at| (at, TimerReason::FreshnessStep));
        let storage = match &self.storage {
            Storage::Sound => None,
            Storage::Failing { retry_at, .. } => Some((*retry_at, TimerReason::StorageRetry)),
        };
        let doors = self.doors.values().map(|door| door.next_timer());
        let hours = self.hours_at.map(|at| (at, TimerReason::UnlockedHours));
        [
            step,
            hours,
            storage,
            self.passages.next_timer(),
            self.refusals.next_timer(),
            Some(self.forget_timer()),
        ]
        .into_iter()
        .chain(doors)
        .fold(None, earlier)
    }

    fn show_state_if_changed(&mut self, now: Now) {
        let state = self.state(now);
        let is_same = self.shown.as_ref().is_some_and(|shown| {
            let mut shown = shown.clone();
            // These move by themselves; a panel counts on from what it was told.
            shown.utc = state.utc;
            shown.heads_age_s = state.heads_age_s;
            shown == state
        });
        if !is_same {
            self.shown = Some(state.clone());
            self.actions
                .push_back(Action::Show(PanelMessage::State(state)));
        }
    }
}

pub(super) fn shortened(text: &str, limit: usize) -> alloc::string::String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

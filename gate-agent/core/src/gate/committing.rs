//! Commits out, answers in.

use alloc::{string::String, vec::Vec};

use shared::{
    journal::{Event, PersonalPart},
    time::Now,
};

use super::{Gate, Storage, timing::shortened};
use crate::{
    action::{Action, CommitToken, Problem, RecordDraft},
    commits::{Carries, Consequence, Draft, apply_all},
    remembered::{FactChange, Undo},
};

/// How long until a store that failed is tried again, in ms.
const STORAGE_RETRY_MS: u64 = 5000;
/// Longest description of a storage problem, in bytes.
const PROBLEM_LIMIT: usize = 512;

impl Gate {
    /// Everything of the commit is durable.
    pub fn handle_committed(&mut self, now: Now, token: CommitToken) {
        self.observe(now);
        let Some((proof, consequence)) = self.commits.committed(token) else {
            return;
        };
        self.offer_held_back();
        match consequence {
            Consequence::Nothing => {}
            Consequence::Scan(decided) => self.scan_recorded(now, &decided, &proof),
            Consequence::Document(incoming) => self.document_stored(now, incoming),
            Consequence::Order(order) => self.order_stored(now, &order, &proof),
            Consequence::Guard(effect) => self.guard_recorded(now, effect, &proof),
            Consequence::ClockReset(mark) => self.clock_reset_stored(now, mark),
        }
        self.storage_works(now);
        self.resume_settlements(now);
        self.resume_scans(now);
        self.finish(now);
    }

    /// Nothing of the commit was written: what it was to bring about does not happen.
    pub fn handle_commit_failed(&mut self, now: Now, token: CommitToken, problem: Problem) {
        self.observe(now);
        let Some(consequence) = self.commits.failed(token, &mut self.memory) else {
            return;
        };
        self.offer_held_back();
        self.storage_fails(now, &problem);
        self.not_written(now, consequence);
        self.resume_settlements(now);
        self.resume_scans(now);
        self.finish(now);
    }

    /// What could not be begun because the store leaves too much unanswered.
    pub(super) fn refuse_what_finds_no_room(&mut self, now: Now) {
        if !self.commits.is_holding_back() && self.no_room_for.is_empty() {
            return;
        }
        self.storage_fails(now, "the store does not answer");
        for consequence in core::mem::take(&mut self.no_room_for) {
            self.not_written(now, consequence);
        }
    }

    fn not_written(&mut self, now: Now, consequence: Consequence) {
        match consequence {
            Consequence::Scan(decided) => self.scan_not_recorded(now, decided),
            Consequence::Order(order) => self.order_not_stored(now, &order),
            // What was in force stays in force; central is asked again. A guard sees the fault.
            Consequence::Nothing
            | Consequence::Document(_)
            | Consequence::Guard(_)
            | Consequence::ClockReset(_) => {}
        }
    }

    pub(super) fn record(&self, now: Now, event: Event) -> RecordDraft {
        self.record_of(now, event, None)
    }

    pub(super) fn record_of(
        &self,
        now: Now,
        event: Event,
        personal: Option<PersonalPart>,
    ) -> RecordDraft {
        RecordDraft {
            utc: now.utc,
            uptime: now.uptime,
            clock: self.clock.trust(),
            event,
            personal,
        }
    }

    /// Records events that have happened.
    pub(super) fn tell(&mut self, now: Now, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let records = events.into_iter().map(|event| self.record(now, event));
        let records = records.collect();
        self.commit(
            Draft {
                records,
                ..Draft::default()
            },
            Consequence::Nothing,
        );
    }

    /// Makes the changes to the working memory and asks the shell to make them durable.
    pub(super) fn commit(&mut self, draft: Draft, consequence: Consequence) {
        self.commit_with(draft, consequence, Carries::WhatItBuildsOn);
    }

    /// Offers what the store did not take once more. The facts are written in any case: a commit
    /// behind a failed one may have written facts that the failed one was part of.
    fn commit_backlog(&mut self, records: Vec<RecordDraft>) {
        let draft = Draft {
            records,
            facts: [FactChange::NextScan(self.next_scan)].to_vec(),
            ..Draft::default()
        };
        self.commit_with(draft, Consequence::Nothing, Carries::Backlog);
    }

    fn commit_with(&mut self, draft: Draft, consequence: Consequence, carries: Carries) {
        if self.commits.has_room() {
            let undo = apply_all(&draft.changes, &mut self.memory);
            self.begin(draft, undo, consequence, carries);
            return;
        }
        match consequence {
            Consequence::Nothing => {
                let undo = apply_all(&draft.changes, &mut self.memory);
                self.commits.hold_back(draft, undo);
            }
            Consequence::Scan(_)
            | Consequence::Document(_)
            | Consequence::Order(_)
            | Consequence::Guard(_)
            | Consequence::ClockReset(_) => self.no_room_for.push(consequence),
        }
    }

    fn offer_held_back(&mut self) {
        if let Some((draft, undo)) = self.commits.take_held_back() {
            self.begin(draft, undo, Consequence::Nothing, Carries::WhatItBuildsOn);
        }
    }

    /// The changes have been made to the working memory.
    fn begin(&mut self, draft: Draft, undo: Vec<Undo>, consequence: Consequence, carries: Carries) {
        let commit = self
            .commits
            .begin(draft, undo, consequence, carries, &self.memory);
        self.actions.push_back(Action::Commit(commit));
    }

    pub(super) fn retry_storage(&mut self, now: Now) {
        let Storage::Failing { retry_at, .. } = &mut self.storage else {
            return;
        };
        if *retry_at <= now.uptime {
            *retry_at = now.uptime.plus_ms(STORAGE_RETRY_MS);
            self.commit_backlog(Vec::new());
        }
    }

    fn storage_fails(&mut self, now: Now, problem: &str) {
        let problem = shortened(problem, PROBLEM_LIMIT);
        if self.storage == Storage::Sound {
            let record = self.record(now, storage_event(Some(problem.clone())));
            self.commits.keep_record(record);
        }
        self.storage = Storage::Failing {
            problem,
            retry_at: now.uptime.plus_ms(STORAGE_RETRY_MS),
        };
    }

    fn storage_works(&mut self, now: Now) {
        if self.storage == Storage::Sound || self.commits.is_holding_back() {
            return;
        }
        self.storage = Storage::Sound;
        let record = self.record(now, storage_event(None));
        self.commit_backlog([record].to_vec());
    }
}

fn storage_event(problem: Option<String>) -> Event {
    Event::Fault {
        part: "storage".into(),
        problem,
    }
}

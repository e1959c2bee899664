//! Commits under way: what each shall bring about once it is durable, and how it is taken back
//! when it is not. Several may be under way, but of one holder or pass only one that builds on
//! what is remembered of them: the next waits (see [`Commits::touch`]). The only maker of
//! [`Committed`], without which no lock is released for a pass.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use shared::{ids::PassId, order::Subject, time::UtcSeconds};

use crate::{
    action::{Commit, CommitToken, RecordDraft, StoredDocument, StoredKind},
    documents::Incoming,
    gate::DecidedScan,
    guard::GuardEffect,
    memory::{GateFacts, Lockdown, MemoryChange},
    remembered::{FactChange, MemoryKey, Remembered, Undo},
};

/// Most records that wait for a store that does not take them; beyond it the oldest go, and the
/// fault that stands all the while says why.
pub(crate) const BACKLOG_LIMIT: usize = 256;

/// Most commits that are under way at once: a reader has one, a door a few, and a store answers in
/// milliseconds. A store that leaves so many unanswered does not work: what has happened meanwhile
/// is gathered into one commit for later, and all else is refused.
pub(crate) const UNDER_WAY_LIMIT: usize = 256;

/// Proof that a commit is durable. Whoever wants to open a door for a pass, an order or a guard
/// needs one.
#[derive(Debug)]
pub(crate) struct Committed(());

#[cfg(test)]
impl Committed {
    /// For tests of a door by itself.
    pub(crate) fn for_tests() -> Self {
        Self(())
    }
}

#[cfg(portcullis_defects)]
impl Committed {
    /// For the planted defect `relay-before-commit` alone.
    pub(crate) fn planted() -> Self {
        Self(())
    }
}

/// What follows when a commit is durable.
#[derive(Clone, Debug)]
pub(crate) enum Consequence {
    /// Nothing: it tells of what has happened already. It is offered again when it fails.
    Nothing,
    /// A scan's decision is shown, and the door released.
    Scan(DecidedScan),
    /// A document is in force.
    Document(Incoming),
    /// An order is carried out.
    Order(crate::documents::CheckedOrder),
    /// A guard's request is carried out.
    Guard(GuardEffect),
    /// The mark is what roots say.
    ClockReset(UtcSeconds),
}

/// A commit that is being put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) records: Vec<RecordDraft>,
    pub(crate) changes: Vec<MemoryChange>,
    pub(crate) facts: Vec<FactChange>,
    pub(crate) documents: Vec<StoredDocument>,
}

impl Draft {
    /// What its changes are about.
    fn keys(&self) -> impl Iterator<Item = MemoryKey> + '_ {
        self.changes.iter().filter_map(MemoryKey::of)
    }
}

/// What of the backlog a commit carries along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// All of it.
    Backlog,
    /// All of it when the commit builds on it: what was decided because of a settlement must not
    /// become durable without that settlement. Otherwise nothing, so that a journal which has no
    /// room for the backlog keeps no document out.
    WhatItBuildsOn,
}

#[derive(Clone, Debug)]
struct UnderWay {
    token: CommitToken,
    draft: Draft,
    carried: Backlog,
    undo: Vec<Undo>,
    consequence: Consequence,
}

impl UnderWay {
    fn keys(&self) -> impl Iterator<Item = MemoryKey> + '_ {
        let carried = self.carried.doubtful.iter().copied();
        self.draft.keys().chain(carried)
    }

    fn facts(&self) -> impl Iterator<Item = &FactChange> {
        self.carried.facts.iter().chain(&self.draft.facts)
    }
}

/// All commits under way, and what waits to be offered again.
#[derive(Clone, Debug)]
pub(crate) struct Commits {
    next: u64,
    durable: GateFacts,
    under_way: VecDeque<UnderWay>,
    held_back: Option<HeldBack>,
    backlog: Backlog,
}

/// What has happened while no more commits could be begun; behind all that are under way.
#[derive(Clone, Debug, Default)]
struct HeldBack {
    draft: Draft,
    undo: Vec<Undo>,
}

/// What the store did not take although it has happened.
#[derive(Clone, Debug, Default)]
struct Backlog {
    records: VecDeque<RecordDraft>,
    /// What the store may remember otherwise than the machine does.
    doubtful: BTreeSet<MemoryKey>,
    facts: Vec<FactChange>,
}

impl Backlog {
    /// Of each fact the newest is enough.
    fn keep_fact(&mut self, fact: FactChange) {
        self.facts.retain(|known| !fact.overtakes(known));
        self.facts.push(fact);
    }

    fn keep_record(&mut self, record: RecordDraft) {
        if self.records.len() == BACKLOG_LIMIT {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// Takes out what `newer` says anew.
    fn take_overtaken(&mut self, newer: &UnderWay) -> Self {
        let is_fact = |old: &mut FactChange| newer.facts().any(|new| new.overtakes(old));
        let keys = newer.keys();
        Self {
            records: VecDeque::new(),
            doubtful: keys.filter(|key| self.doubtful.remove(key)).collect(),
            facts: self.facts.extract_if(.., is_fact).collect(),
        }
    }

    /// What was carried by a commit that failed is older than what has come since.
    fn put_back(&mut self, carried: Self) {
        let newer = core::mem::replace(self, carried);
        for record in newer.records {
            self.keep_record(record);
        }
        for fact in newer.facts {
            self.keep_fact(fact);
        }
        self.doubtful.extend(newer.doubtful);
    }
}

impl Commits {
    pub(crate) fn new(durable: GateFacts) -> Self {
        Self {
            next: 1,
            durable,
            under_way: VecDeque::new(),
            held_back: None,
            backlog: Backlog::default(),
        }
    }

    /// The gate's facts as they are when everything under way is durable.
    pub(crate) fn facts(&self) -> GateFacts {
        let mut facts = self.durable;
        for change in self.facts_on_their_way() {
            change.apply(&mut facts);
        }
        facts
    }

    /// Was a lockdown called whose record is not durable yet?
    pub(crate) fn is_lockdown_on_its_way(&self) -> bool {
        self.facts_on_their_way()
            .any(|fact| matches!(fact, FactChange::Lockdown(Lockdown::On { .. })))
    }

    fn facts_on_their_way(&self) -> impl Iterator<Item = &FactChange> {
        let under_way = self.under_way.iter().flat_map(UnderWay::facts);
        let held_back = self.held_back.iter().flat_map(|held| &held.draft.facts);
        self.backlog.facts.iter().chain(under_way).chain(held_back)
    }

    /// May another commit be begun? None before what is held back.
    pub(crate) fn has_room(&self) -> bool {
        self.held_back.is_none() && self.under_way.len() < UNDER_WAY_LIMIT
    }

    pub(crate) fn is_holding_back(&self) -> bool {
        self.held_back.is_some()
    }

    /// Keeps what has happened, and been changed in the working memory, until there is room.
    pub(crate) fn hold_back(&mut self, draft: Draft, undo: Vec<Undo>) {
        let held = self.held_back.get_or_insert_default();
        let records = &mut held.draft.records;
        records.extend(draft.records);
        records.drain(..records.len().saturating_sub(BACKLOG_LIMIT));
        for change in draft.changes {
            let key = MemoryKey::of(&change);
            held.draft
                .changes
                .retain(|known| MemoryKey::of(known) != key);
            held.draft.changes.push(change);
        }
        for fact in draft.facts {
            held.draft.facts.retain(|known| !fact.overtakes(known));
            held.draft.facts.push(fact);
        }
        held.undo.extend(undo);
    }

    /// What was held back, when there is room for it and for what it leads to.
    pub(crate) fn take_held_back(&mut self) -> Option<(Draft, Vec<Undo>)> {
        if self.under_way.len() > UNDER_WAY_LIMIT / 2 {
            return None;
        }
        let held = self.held_back.take()?;
        Some((held.draft, held.undo))
    }

    /// The newest document of a kind that is being stored.
    pub(crate) fn arriving(&self, kind: StoredKind) -> Option<&StoredDocument> {
        let mut documents = self
            .under_way
            .iter()
            .flat_map(|entry| &entry.draft.documents);
        documents.rfind(|document| document.kind == kind)
    }

    /// Registers a commit whose changes have been made to `memory`. What the store may remember
    /// otherwise is written as it is now, not as it was when a commit failed.
    pub(crate) fn begin(
        &mut self,
        draft: Draft,
        undo: Vec<Undo>,
        consequence: Consequence,
        carries: Carries,
        memory: &Remembered,
    ) -> Commit {
        let token = CommitToken(self.next);
        self.next += 1;
        let carried = match carries {
            Carries::WhatItBuildsOn if !self.is_built_on(&draft) => Backlog::default(),
            Carries::WhatItBuildsOn | Carries::Backlog => self.take_backlog(),
        };
        let is_said_anew = |key: &MemoryKey| draft.keys().any(|new| new == *key);
        let doubtful = carried.doubtful.iter().filter(|key| !is_said_anew(key));
        let mut commit = Commit {
            token,
            records: carried
                .records
                .iter()
                .chain(&draft.records)
                .cloned()
                .collect(),
            changes: doubtful.map(|key| memory.current(*key)).collect(),
            documents: draft.documents.clone(),
        };
        commit.changes.extend(&draft.changes);
        let entry = UnderWay {
            token,
            draft,
            carried,
            undo,
            consequence,
        };
        let has_facts = entry.facts().next().is_some();
        self.under_way.push_back(entry);
        if has_facts {
            commit.changes.push(MemoryChange::SetFacts(self.facts()));
        }
        commit
    }

    /// The commit is durable; `None` for a token that is not under way.
    pub(crate) fn committed(&mut self, token: CommitToken) -> Option<(Committed, Consequence)> {
        let entry = self.remove(token)?;
        // What is durable now is newer than what still waits to be offered again.
        self.backlog.take_overtaken(&entry);
        for change in entry.facts() {
            change.apply(&mut self.durable);
        }
        Some((Committed(()), entry.consequence))
    }

    /// Nothing of the commit was written. What it tells of and has happened all the same is kept
    /// for the backlog; all else is taken back.
    pub(crate) fn failed(
        &mut self,
        token: CommitToken,
        memory: &mut Remembered,
    ) -> Option<Consequence> {
        let at = self.under_way.iter().position(|e| e.token == token)?;
        let mut later = self.under_way.split_off(at);
        let failed = later.pop_front()?;
        self.backlog.doubtful.extend(failed.draft.keys());
        self.backlog.put_back(failed.carried);
        if matches!(failed.consequence, Consequence::Nothing) {
            for fact in failed.draft.facts {
                self.backlog.keep_fact(fact);
            }
            for record in failed.draft.records {
                self.backlog.keep_record(record);
            }
        } else {
            let held = self
                .held_back
                .iter()
                .flat_map(|held| held.undo.iter().rev());
            let undo = later.iter().rev().flat_map(|entry| entry.undo.iter().rev());
            for undo in held.chain(undo).chain(failed.undo.iter().rev()) {
                memory.undo(*undo);
            }
            for entry in &mut later {
                entry.undo = apply_all(&entry.draft.changes, memory);
            }
            if let Some(held) = &mut self.held_back {
                held.undo = apply_all(&held.draft.changes, memory);
            }
        }
        self.under_way.append(&mut later);
        Some(failed.consequence)
    }

    /// Keeps a record for the next attempt.
    pub(crate) fn keep_record(&mut self, record: RecordDraft) {
        self.backlog.keep_record(record);
    }

    /// Is anything under way about this holder or pass?
    pub(crate) fn touch(&self, subject: Subject, pass: PassId) -> bool {
        let holder = match subject {
            Subject::Holder(holder) => Some(MemoryKey::HolderUse(holder)),
            Subject::Pass(_) => None,
        };
        let keys = [
            MemoryKey::Presence(subject),
            MemoryKey::Presence(Subject::Pass(pass)),
            MemoryKey::PassUse(pass),
        ];
        let under_way = self.under_way.iter().flat_map(UnderWay::keys);
        let held_back = self.held_back.iter().flat_map(|held| held.draft.keys());
        let mut all = under_way.chain(held_back);
        all.any(|key| keys.contains(&key) || holder == Some(key))
    }

    fn is_built_on(&self, draft: &Draft) -> bool {
        draft.keys().any(|key| self.backlog.doubtful.contains(&key))
    }

    /// What a commit under way says anew waits for how that one ends.
    fn take_backlog(&mut self) -> Backlog {
        let mut later = Backlog::default();
        let mut backlog = core::mem::take(&mut self.backlog);
        for entry in &self.under_way {
            later.put_back(backlog.take_overtaken(entry));
        }
        self.backlog = later;
        backlog
    }

    fn remove(&mut self, token: CommitToken) -> Option<UnderWay> {
        let at = self.under_way.iter().position(|e| e.token == token)?;
        self.under_way.remove(at)
    }
}

/// Makes changes to the working memory; returns what takes them back.
pub(crate) fn apply_all(changes: &[MemoryChange], memory: &mut Remembered) -> Vec<Undo> {
    changes.iter().map(|change| memory.apply(*change)).collect()
}

/// Faults that stand, by part.
pub(crate) type Faults = BTreeMap<alloc::string::String, alloc::string::String>;

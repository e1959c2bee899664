//! Commits under way: what each shall bring about once it is durable, and how it is taken back
//! when it is not. The only maker of [`Committed`], without which no lock is released for a pass.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use shared::time::UtcSeconds;

use crate::{
    action::{Commit, CommitToken, RecordDraft, StoredDocument, StoredKind},
    documents::{Incoming, NumberAndDigest},
    gate::DecidedScan,
    guard::GuardEffect,
    memory::{GateFacts, Lockdown, MemoryChange},
    remembered::{FactChange, Remembered, Undo},
};

/// Most records that wait for a store that does not take them; beyond it the oldest go, and the
/// fault that stands all the while says why.
pub(crate) const BACKLOG_LIMIT: usize = 256;

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

#[derive(Clone, Debug)]
struct UnderWay {
    token: CommitToken,
    draft: Draft,
    undo: Vec<Undo>,
    consequence: Consequence,
}

/// All commits under way, and what waits to be offered again.
#[derive(Clone, Debug)]
pub(crate) struct Commits {
    next: u64,
    durable: GateFacts,
    under_way: VecDeque<UnderWay>,
    backlog: Backlog,
}

/// What the store did not take although it has happened.
#[derive(Clone, Debug, Default)]
struct Backlog {
    records: VecDeque<RecordDraft>,
    changes: Vec<MemoryChange>,
    facts: Vec<FactChange>,
}

impl Backlog {
    /// Of each fact the newest is enough.
    fn keep_fact(&mut self, fact: FactChange) {
        self.facts.retain(|known| !fact.overtakes(known));
        self.facts.push(fact);
    }

    /// Of each thing remembered the newest change is enough.
    fn keep_change(&mut self, change: MemoryChange) {
        self.changes.retain(|known| !change.overtakes(known));
        self.changes.push(change);
    }

    /// Takes out what `newer` says anew.
    fn take_overtaken(&mut self, newer: &Draft) -> Self {
        let (changes, facts) = (&newer.changes, &newer.facts);
        let is_change = |old: &mut MemoryChange| changes.iter().any(|new| new.overtakes(old));
        let is_fact = |old: &mut FactChange| facts.iter().any(|new| new.overtakes(old));
        Self {
            records: VecDeque::new(),
            changes: self.changes.extract_if(.., is_change).collect(),
            facts: self.facts.extract_if(.., is_fact).collect(),
        }
    }
}

impl Commits {
    pub(crate) fn new(durable: GateFacts) -> Self {
        Self {
            next: 1,
            durable,
            under_way: VecDeque::new(),
            backlog: Backlog::default(),
        }
    }

    /// The gate's facts as they are when everything under way is durable.
    pub(crate) fn facts(&self) -> GateFacts {
        let mut facts = self.durable;
        let under_way = self.under_way.iter().flat_map(|entry| &entry.draft.facts);
        for change in self.backlog.facts.iter().chain(under_way) {
            change.apply(&mut facts);
        }
        facts
    }

    /// Was a lockdown called whose record is not durable yet?
    pub(crate) fn is_lockdown_on_its_way(&self) -> bool {
        let under_way = self.under_way.iter().flat_map(|entry| &entry.draft.facts);
        self.backlog
            .facts
            .iter()
            .chain(under_way)
            .any(|fact| matches!(fact, FactChange::Lockdown(Lockdown::On { .. })))
    }

    /// The number of a kind of document that is being stored.
    pub(crate) fn arriving(&self, kind: StoredKind) -> Option<NumberAndDigest> {
        let documents = self
            .under_way
            .iter()
            .flat_map(|entry| &entry.draft.documents);
        documents
            .filter(|document| document.kind == kind)
            .map(NumberAndDigest::of_stored)
            .next_back()
    }

    /// Registers a commit whose changes have been made to the working memory.
    pub(crate) fn begin(
        &mut self,
        draft: Draft,
        undo: Vec<Undo>,
        consequence: Consequence,
    ) -> Commit {
        let token = CommitToken(self.next);
        self.next += 1;
        let has_facts = !draft.facts.is_empty();
        let mut commit = Commit {
            token,
            records: draft.records.clone(),
            changes: draft.changes.clone(),
            documents: draft.documents.clone(),
        };
        self.under_way.push_back(UnderWay {
            token,
            draft,
            undo,
            consequence,
        });
        if has_facts {
            commit.changes.push(MemoryChange::SetFacts(self.facts()));
        }
        commit
    }

    /// The commit is durable; `None` for a token that is not under way.
    pub(crate) fn committed(&mut self, token: CommitToken) -> Option<(Committed, Consequence)> {
        let entry = self.remove(token)?;
        // What is durable now is newer than what still waits to be offered again.
        self.backlog.take_overtaken(&entry.draft);
        for change in entry.draft.facts {
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
        if matches!(self.under_way[at].consequence, Consequence::Nothing) {
            let entry = self.remove(token)?;
            for change in entry.draft.changes {
                self.backlog.keep_change(change);
            }
            for fact in entry.draft.facts {
                self.backlog.keep_fact(fact);
            }
            for record in entry.draft.records {
                self.keep_record(record);
            }
            return Some(Consequence::Nothing);
        }
        let mut later = self.under_way.split_off(at);
        for entry in later.iter().rev() {
            for undo in entry.undo.iter().rev() {
                memory.undo(*undo);
            }
        }
        let failed = later.pop_front()?;
        for entry in &mut later {
            entry.undo = apply_all(&entry.draft.changes, memory);
        }
        self.under_way.append(&mut later);
        Some(failed.consequence)
    }

    /// Keeps a record for the next attempt.
    pub(crate) fn keep_record(&mut self, record: RecordDraft) {
        if self.backlog.records.len() == BACKLOG_LIMIT {
            self.backlog.records.pop_front();
        }
        self.backlog.records.push_back(record);
    }

    /// What waits to be offered again, as one draft; without what a commit under way says anew,
    /// which waits for how that one ends. The facts are written in any case: a commit behind a
    /// failed one may have written facts that the failed one was part of.
    pub(crate) fn take_backlog(&mut self) -> Draft {
        let mut later = Backlog::default();
        let mut backlog = core::mem::take(&mut self.backlog);
        for entry in &self.under_way {
            let overtaken = backlog.take_overtaken(&entry.draft);
            later.changes.extend(overtaken.changes);
            later.facts.extend(overtaken.facts);
        }
        self.backlog = later;
        let mut facts = backlog.facts;
        facts.push(FactChange::NextScan(self.facts().next_scan));
        Draft {
            records: backlog.records.into(),
            changes: backlog.changes,
            facts,
            documents: Vec::new(),
        }
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

//! Refusals of signed documents that were recorded lately: central, or whoever stands in for it,
//! offers what does not hold at each pull, and that must not fill the journal.

use alloc::{string::String, vec::Vec};
use core::mem::{Discriminant, discriminant};

use shared::{
    document::{DocumentRejected, SignedKind as _},
    heads::{Acknowledgement, SignedTime},
    root_set::ClockReset,
    time::Uptime,
};

use crate::{
    action::StoredKind,
    documents::{DocumentProblem, kind_of},
};

/// How long until a refusal of the same kind for the same reason is recorded again, in ms. The
/// facts of a reason (numbers, dates, keys) are whoever's who sends it, and do not make it new.
const REFUSED_AGAIN_MS: u64 = 10 * 60_000;
/// Most refusals that are remembered: more than there are kinds, for a gate of several issuer keys,
/// times the reasons that one sender finds. At the limit the oldest goes.
const REFUSED_LIMIT: usize = 256;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusedKind {
    Stored(StoredKind),
    Time,
    Acknowledgement,
    ClockReset,
}

impl RefusedKind {
    /// As records name it.
    pub(super) fn name(self) -> String {
        match self {
            Self::Stored(kind) => kind_of(kind),
            Self::Time => SignedTime::EXTERNAL_DATA.into(),
            Self::Acknowledgement => Acknowledgement::EXTERNAL_DATA.into(),
            Self::ClockReset => ClockReset::EXTERNAL_DATA.into(),
        }
    }
}

/// A problem without its facts.
type Reason = (
    Discriminant<DocumentProblem>,
    Option<Discriminant<DocumentRejected>>,
);

fn reason_of(problem: &DocumentProblem) -> Reason {
    if let DocumentProblem::Rejected(rejected) = problem {
        (discriminant(problem), Some(discriminant(rejected)))
    } else {
        (discriminant(problem), None)
    }
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    kind: RefusedKind,
    reason: Reason,
    at: Uptime,
}

/// Refusals that were recorded lately, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct RefusedDocuments(Vec<Refused>);

impl RefusedDocuments {
    /// Is this refusal to be recorded? Then it is remembered.
    pub(super) fn is_new(
        &mut self,
        now: Uptime,
        kind: RefusedKind,
        problem: DocumentProblem,
    ) -> bool {
        let reason = reason_of(&problem);
        self.0
            .retain(|known| now.since_ms(known.at) < REFUSED_AGAIN_MS);
        let is_it = |known: &Refused| known.kind == kind && known.reason == reason;
        if self.0.iter().any(is_it) {
            return false;
        }
        if self.0.len() == REFUSED_LIMIT {
            self.0.remove(0);
        }
        let at = now;
        self.0.push(Refused { kind, reason, at });
        true
    }
}

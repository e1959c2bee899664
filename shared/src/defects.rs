//! Planted defects, so that tests can show that they would notice. Exists only in builds with
//! `--cfg portcullis_defects`; never a cargo feature, because features unify and ship.

use core::sync::atomic::{AtomicU8, Ordering};

/// A defect that a program plants in itself at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Defect {
    /// The relay is driven before the journal record is committed.
    RelayBeforeCommit = 1,
    /// Central acknowledges a batch before its transaction is committed.
    AcknowledgeBeforeCommit = 2,
    /// A document with a lower number is taken.
    NumberCheckSkipped = 3,
    /// Lower case and non-canonical Base45 are read.
    LenientBase45 = 4,
    /// Central inserts records that it already has.
    DuplicatesNotRecognised = 5,
    /// A signature of any kind is taken for one of the kind that is looked for.
    KindNotBound = 6,
}

impl Defect {
    /// All defects, in order.
    pub const ALL: [Defect; 6] = [
        Defect::RelayBeforeCommit,
        Defect::AcknowledgeBeforeCommit,
        Defect::NumberCheckSkipped,
        Defect::LenientBase45,
        Defect::DuplicatesNotRecognised,
        Defect::KindNotBound,
    ];

    /// The name by which `PORTCULLIS_DEFECT` chooses it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Defect::RelayBeforeCommit => "relay-before-commit",
            Defect::AcknowledgeBeforeCommit => "acknowledge-before-commit",
            Defect::NumberCheckSkipped => "number-check-skipped",
            Defect::LenientBase45 => "lenient-base45",
            Defect::DuplicatesNotRecognised => "duplicates-not-recognised",
            Defect::KindNotBound => "kind-not-bound",
        }
    }

    /// The defect of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Defect> {
        Defect::ALL.into_iter().find(|defect| defect.name() == name)
    }
}

/// Names the defect to plant in a program.
pub const VARIABLE: &str = "PORTCULLIS_DEFECT";

/// The external data of every kind of signature.
pub(crate) const KINDS: [&str; 16] = [
    crate::pass::PASS_EXTERNAL_DATA,
    crate::live_pass::LIVE_EXTERNAL_DATA,
    "portcullis/root-set/1",
    "portcullis/clock-reset/1",
    "portcullis/trust-list/1",
    "portcullis/configuration/1",
    "portcullis/status-list/1",
    "portcullis/issued-list/1",
    "portcullis/roster/1",
    "portcullis/heads/1",
    "portcullis/order/1",
    "portcullis/time/1",
    "portcullis/acknowledgement/1",
    "portcullis/movement/1",
    "portcullis/journal-head/1",
    "portcullis/journal-anchor/1",
];

static PLANTED: AtomicU8 = AtomicU8::new(0);

/// Plants `defect` in this process.
pub fn plant(defect: Defect) {
    PLANTED.store(defect as u8, Ordering::Relaxed);
}

/// Is `defect` planted in this process?
#[must_use]
pub fn is_planted(defect: Defect) -> bool {
    PLANTED.load(Ordering::Relaxed) == defect as u8
}

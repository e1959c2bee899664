//! What goes on at one access point: at most one scan at a time, and what waits behind it.

use alloc::{boxed::Box, collections::VecDeque, string::String};

use shared::{
    ids::{PassId, ScanId},
    order::Subject,
    pass::{Presentation, VerifiedPass},
    roster::DoorNeed,
    time::Uptime,
};

use crate::{
    input::{Lookup, TextsRead},
    looking::Looking,
    repeat_scan::RepeatScan,
};

/// Most pictures that wait behind a scan. A camera sends further frames anyway; a folder of
/// pictures is read one by one. Beyond it a picture is told to be unreadable.
pub(crate) const WAITING_LIMIT: usize = 64;

/// One access point's reader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    pub(crate) state: ReaderState,
    pub(crate) looking: Looking,
    pub(crate) repeat: RepeatScan,
    pub(crate) waiting: VecDeque<TextsRead>,
    pub(crate) first_person: Option<FirstPerson>,
    /// Since when more than one pass has been in the picture.
    pub(crate) several_since: Option<Uptime>,
}

/// Is a scan under way?
#[derive(Clone, Debug, Default)]
pub(crate) enum ReaderState {
    #[default]
    Ready,
    /// The store is asked.
    LookingUp(Box<PendingScan>),
    /// Another commit about the same holder or pass is under way.
    Waiting(Box<(PendingScan, Lookup)>),
    /// The decision is being recorded.
    Recording,
}

/// A scan between the verified pass and its decision.
#[derive(Clone, Debug)]
pub(crate) struct PendingScan {
    pub(crate) scan: ScanId,
    pub(crate) pass: VerifiedPass,
    pub(crate) taken_at: Uptime,
    pub(crate) source: Option<String>,
}

/// Somebody who lacks nothing but a second person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstPerson {
    pub(crate) who: Who,
    pub(crate) at: Uptime,
}

/// Somebody in front of the reader, once the roster was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) scan: ScanId,
    pub(crate) pass: PassId,
    pub(crate) subject: Subject,
    pub(crate) presentation: Presentation,
    pub(crate) need: Option<DoorNeed>,
}

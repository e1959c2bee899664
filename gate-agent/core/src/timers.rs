//! Why the machine wants to be woken. Every timer carries its reason.

use shared::{
    ids::{AccessPointId, DoorId, ScanId},
    time::Uptime,
};

/// The reason of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerReason {
    /// A momentary release of a lock is over.
    ReleaseEnds(DoorId),
    /// A door will soon have been open for too long.
    HeldOpenSoon(DoorId),
    /// A door has been open for too long.
    HeldOpen(DoorId),
    /// The unlocked hours of a door may begin or be over.
    UnlockedHours,
    /// A lamp goes out.
    SignalEnds(DoorId),
    /// Nobody went through after a grant.
    PassageDue(ScanId),
    /// Counted refusals become a record.
    RefusalsDue(AccessPointId),
    /// The ladder of freshness reaches its next step.
    FreshnessStep,
    /// Old whereabouts are forgotten.
    ForgetPresences,
    /// What the store did not take is offered again.
    StorageRetry,
}

/// The earlier of two timers.
#[must_use]
pub(crate) fn earlier(
    a: Option<(Uptime, TimerReason)>,
    b: Option<(Uptime, TimerReason)>,
) -> Option<(Uptime, TimerReason)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

//! Where a door's leaf stands, and since when it should be shut again.

use shared::{
    configuration::Door as DoorConfiguration, ids::DoorId, panel_api::DoorPosition, time::Uptime,
};

use crate::timers::TimerReason;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// No contact, or it has not spoken yet.
    Unknown,
    Closed(Shut),
    Open(Opening),
}

/// How the leaf came to be shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// After an opening that was permitted.
    AfterUse { at: Uptime },
    /// After a forced one, or nobody saw.
    Otherwise,
}

/// How the leaf came to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Permitted; must be shut in time.
    Watched {
        pre_alarm_at: Uptime,
        held_open_at: Uptime,
    },
    /// The pre-alarm sounds.
    PreAlarm { held_open_at: Uptime },
    /// Too long.
    HeldOpen,
    /// Opened while locked.
    Forced,
    /// Open for everybody: no limit.
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeafChange {
    None,
    SoonHeldOpen,
    HeldOpen,
}

impl Leaf {
    pub(crate) fn open_watched(now: Uptime, door: &DoorConfiguration) -> Self {
        let open_time_ms = u64::from(door.open_time_ms);
        let pre_alarm_ms = u64::from(door.pre_alarm_ms);
        Leaf::Open(Opening::Watched {
            pre_alarm_at: now.plus_ms(open_time_ms.saturating_sub(pre_alarm_ms)),
            held_open_at: now.plus_ms(open_time_ms),
        })
    }

    pub(crate) fn open_forced() -> Self {
        Leaf::Open(Opening::Forced)
    }

    pub(crate) fn open_freely() -> Self {
        Leaf::Open(Opening::Free)
    }

    /// The contact says shut. False when it was already.
    pub(crate) fn shut(&mut self, now: Uptime) -> bool {
        let (shut, changes) = match *self {
            Leaf::Open(
                Opening::Watched { .. }
                | Opening::PreAlarm { .. }
                | Opening::HeldOpen
                | Opening::Free,
            ) => (Shut::AfterUse { at: now }, true),
            Leaf::Open(Opening::Forced) => (Shut::Otherwise, true),
            Leaf::Unknown => (Shut::Otherwise, false),
            Leaf::Closed(shut) => (shut, false),
        };
        *self = Leaf::Closed(shut);
        changes
    }

    pub(crate) fn was_shut_within(&self, now: Uptime, ms: u64) -> bool {
        match *self {
            Leaf::Closed(Shut::AfterUse { at }) => now.since_ms(at) <= ms,
            Leaf::Closed(Shut::Otherwise) | Leaf::Open(_) | Leaf::Unknown => false,
        }
    }

    /// The lock is kept released from now on. True when an opening was watched until now.
    pub(crate) fn becomes_free(&mut self) -> bool {
        match self {
            Leaf::Open(Opening::Watched { .. } | Opening::PreAlarm { .. } | Opening::HeldOpen) => {
                *self = Leaf::open_freely();
                true
            }
            // A forced opening stays an alarm until the leaf is shut.
            Leaf::Open(Opening::Forced | Opening::Free) | Leaf::Closed(_) | Leaf::Unknown => false,
        }
    }

    /// The lock is no longer kept released: a leaf that stands open is to be shut in time.
    pub(crate) fn becomes_watched(&mut self, now: Uptime, door: &DoorConfiguration) {
        if *self == Leaf::open_freely() {
            *self = Leaf::open_watched(now, door);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Uptime) -> LeafChange {
        match *self {
            Leaf::Open(
                Opening::Watched { held_open_at, .. } | Opening::PreAlarm { held_open_at },
            ) if held_open_at <= now => {
                *self = Leaf::Open(Opening::HeldOpen);
                LeafChange::HeldOpen
            }
            Leaf::Open(Opening::Watched {
                pre_alarm_at,
                held_open_at,
            }) if pre_alarm_at <= now => {
                *self = Leaf::Open(Opening::PreAlarm { held_open_at });
                LeafChange::SoonHeldOpen
            }
            Leaf::Open(_) | Leaf::Closed(_) | Leaf::Unknown => LeafChange::None,
        }
    }

    pub(crate) fn next_timer(&self, door: DoorId) -> Option<(Uptime, TimerReason)> {
        match *self {
            Leaf::Open(Opening::Watched { pre_alarm_at, .. }) => {
                Some((pre_alarm_at, TimerReason::HeldOpenSoon(door)))
            }
            Leaf::Open(Opening::PreAlarm { held_open_at }) => {
                Some((held_open_at, TimerReason::HeldOpen(door)))
            }
            Leaf::Open(Opening::HeldOpen | Opening::Forced | Opening::Free)
            | Leaf::Closed(_)
            | Leaf::Unknown => None,
        }
    }

    pub(crate) fn position(&self) -> DoorPosition {
        match self {
            Leaf::Unknown => DoorPosition::Unknown,
            Leaf::Closed(_) => DoorPosition::Closed,
            Leaf::Open(_) => DoorPosition::Open,
        }
    }
}

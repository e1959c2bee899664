//! Orders from central to one gate: one sequence, delivered in order, stored before use.

use minicbor::{Decode, Encode};

use crate::{
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{DoorId, GateId, HolderNumber, PassId},
};

/// An order. `header.expires_at` is the last moment at which the gate may take it up; what was
/// taken up stays in force.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Order {
    /// Number in the gate's one sequence, date, expiry.
    #[n(0)]
    pub header: Header,
    /// The gate that shall obey.
    #[n(1)]
    pub gate: GateId,
    /// What to do.
    #[n(2)]
    pub action: OrderAction,
}

/// What an order asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum OrderAction {
    /// Lock all doors of the gate down; beats a valid pass and never lapses by itself.
    #[n(0)]
    LockDown,
    /// End a lockdown.
    #[n(1)]
    EndLockdown,
    /// Put a door into a mode.
    #[n(2)]
    SetDoorMode {
        /// The door.
        #[n(0)]
        door: DoorId,
        /// The mode.
        #[n(1)]
        mode: DoorMode,
    },
    /// Release a door once, for its release time.
    #[n(3)]
    Release {
        /// The door.
        #[n(0)]
        door: DoorId,
    },
    /// Reset the anti-passback state of a holder or a pass.
    #[n(4)]
    Forgive {
        /// Whom.
        #[n(0)]
        subject: Subject,
    },
}

/// Intent for a door, apart from its physical state (ONVIF Door Control, `DoorMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum DoorMode {
    /// Locked; passes release it.
    #[n(0)]
    Locked,
    /// Unlocked for everybody.
    #[n(1)]
    Unlocked,
    /// Released for the moment.
    #[n(2)]
    Accessed,
    /// Locked; passes do not release it, egress does.
    #[n(3)]
    Blocked,
    /// Locked down: beats a valid pass.
    #[n(4)]
    LockedDown,
    /// Held unlocked, and no lock command counts until it ends.
    #[n(5)]
    LockedOpen,
}

/// Whose presence, uses and anti-passback are counted: the holder where the roster knows one
/// (card and phone are one person), else the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum Subject {
    /// A holder.
    #[n(0)]
    Holder(#[n(0)] HolderNumber),
    /// A pass of a holder that the roster does not know.
    #[n(1)]
    Pass(#[n(0)] PassId),
}

impl SignedKind for Order {
    const EXTERNAL_DATA: &'static str = "portcullis/order/1";
    const LIMIT: usize = 1024;

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        match self.action {
            OrderAction::SetDoorMode {
                mode: DoorMode::Accessed,
                ..
            } => Err(Malformed::OutOfRange(
                "accessed is no mode to order; order a release",
            )),
            OrderAction::LockDown
            | OrderAction::EndLockdown
            | OrderAction::SetDoorMode { .. }
            | OrderAction::Release { .. }
            | OrderAction::Forgive { .. } => Ok(()),
        }
    }
}

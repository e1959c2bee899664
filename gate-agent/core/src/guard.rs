//! What a guard may do: roles, and what follows once it is recorded.

use shared::{
    configuration::StaffRole,
    ids::{AccessPointId, AreaId, DoorId, StaffNumber},
    order::{DoorMode, Subject},
};

/// Longest reason a guard may give, in bytes: with the name it fits a record's personal part.
pub const REASON_LIMIT: usize = 1024;
/// Longest name of somebody without a pass, in bytes.
pub const NAME_LIMIT: usize = 256;

/// Why a guard's request was not carried out, with what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardRefused {
    /// The gate has no configuration, so it knows no staff.
    #[error("this gate has no configuration yet: connect it to central")]
    NoConfiguration,
    /// The configuration knows no such member of staff.
    #[error("staff number {0} may not act at this gate: ask an administrator")]
    StaffUnknown(StaffNumber),
    /// The role may not do this.
    #[error("this needs a supervisor")]
    NeedsSupervisor,
    /// A technician opens no doors.
    #[error("this needs a guard or a supervisor")]
    NeedsGuard,
    /// No such access point at this gate.
    #[error("access point {0} is not one of this gate's")]
    AccessPointUnknown(AccessPointId),
    /// No such door at this gate.
    #[error("door {0} is not one of this gate's")]
    DoorUnknown(DoorId),
    /// Letting in takes a reason.
    #[error("give a reason")]
    ReasonMissing,
    /// The reason or the name is too long.
    #[error("too long: at most {limit_bytes} bytes")]
    TooLong {
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// The scan is not among the last ones of the access point, or was granted.
    #[error("that scan was not denied here lately: let in without naming a scan")]
    ScanUnknown,
    /// The gate is locked down.
    #[error("the gate is locked down: only a supervisor may let in")]
    LockedDown,
    /// The door is blocked.
    #[error("the door is blocked: only a supervisor may let in")]
    DoorBlocked,
    /// The other door of an interlock is open or released.
    #[error("the other door of the interlock is open: shut it first")]
    Interlocked,
    /// `Accessed` is a moment, not a mode to ask for.
    #[error("that mode cannot be set: let somebody in instead")]
    ModeNotSettable,
    /// The store leaves so much unanswered that this could not be recorded.
    #[error("this gate's storage does not answer: try again, or open by key")]
    StorageFailing,
    /// `State`, `Subscribe`: the shell answers them.
    #[error("not for the machine")]
    NotForTheMachine,
}

/// What follows once a guard's request is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardEffect {
    LetIn {
        door: DoorId,
        role: StaffRole,
        /// Whom the denied scan was of, and where the door leads.
        inside: Option<(Subject, AreaId)>,
    },
    SetDoorMode {
        door: DoorId,
        mode: DoorMode,
    },
    EndLockdown,
    SilenceAlarm {
        door: DoorId,
    },
    Forgiven,
}

/// What a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    GuardOrSupervisor,
    Supervisor,
}

/// May this role do what needs `needs`?
pub(crate) fn may(role: StaffRole, needs: Needs) -> Result<(), GuardRefused> {
    match (needs, role) {
        (Needs::GuardOrSupervisor, StaffRole::Guard | StaffRole::Supervisor)
        | (Needs::Supervisor, StaffRole::Supervisor) => Ok(()),
        (Needs::GuardOrSupervisor, StaffRole::Technician) => Err(GuardRefused::NeedsGuard),
        (Needs::Supervisor, StaffRole::Guard | StaffRole::Technician) => {
            Err(GuardRefused::NeedsSupervisor)
        }
    }
}

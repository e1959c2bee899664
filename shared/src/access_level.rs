//! Access levels: named sets of (access point, schedule).

use alloc::{string::String, vec::Vec};

use minicbor::{Decode, Encode};

use crate::ids::{AccessLevelId, AccessPointId, ScheduleId};

/// Most access levels a school may have: a level is one byte in the pass.
pub const ACCESS_LEVELS_PER_SCHOOL: usize = 256;

/// One access level.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccessLevel {
    /// Its number in passes.
    #[n(0)]
    pub id: AccessLevelId,
    /// What staff call it.
    #[n(1)]
    pub name: String,
    /// Where and when it admits; ascending and unique by (access point, schedule).
    #[n(2)]
    pub grants: Vec<AccessGrant>,
}

/// One place and time of an access level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct AccessGrant {
    /// Where.
    #[n(0)]
    pub access_point: AccessPointId,
    /// When.
    #[n(1)]
    pub schedule: ScheduleId,
}

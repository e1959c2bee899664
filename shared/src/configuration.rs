//! The configuration of one gate, signed by central: doors, access points, access levels,
//! schedules, policies, staff. Wiring of this very box (lines, cameras) is not in it.

mod door;

pub use door::{AccessPoint, Area, ContactSensing, Door, DoorKind, LockType, PassageSensing};

use alloc::{string::String, vec::Vec};

use minicbor::{Decode, Encode};

use crate::{
    access_level::AccessLevel,
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{Digest, DocumentNumber, GateId, Kid, SchoolId, StaffNumber},
    keys::PublicKey,
    policy::{FullJournalPolicy, StaleListsPolicy, UnknownOutcomePolicy},
    schedule::{OffsetTable, Schedule},
};

/// Most doors of one gate: a box has so many lines.
pub const DOORS_PER_GATE: usize = 8;
/// Most access points of one gate: two directions a door.
pub const ACCESS_POINTS_PER_GATE: usize = 16;
/// Most schedules in a configuration.
pub const SCHEDULES_LIMIT: usize = 256;
/// Most staff who may act at one gate.
pub const STAFF_LIMIT: usize = 200;
/// Most peers that share an area with a gate.
pub const PEERS_LIMIT: usize = 256;

/// Everything a gate is told about itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Configuration {
    /// Number, date, expiry.
    #[n(0)]
    pub header: Header,
    /// The gate.
    #[n(1)]
    pub gate: GateId,
    /// Its school. Passes of other schools are `access_point_not_permitted`.
    #[n(2)]
    pub school: SchoolId,
    /// What people call the gate.
    #[n(3)]
    pub name: String,
    /// Areas that its doors lead to, ascending.
    #[n(4)]
    pub areas: Vec<Area>,
    /// Doors, ascending.
    #[n(5)]
    pub doors: Vec<Door>,
    /// Access points, ascending.
    #[n(6)]
    pub access_points: Vec<AccessPoint>,
    /// Access levels that admit anywhere here, ascending.
    #[n(7)]
    pub access_levels: Vec<AccessLevel>,
    /// Schedules that they name, ascending.
    #[n(8)]
    pub schedules: Vec<Schedule>,
    /// Local time.
    #[n(9)]
    pub offsets: OffsetTable,
    /// The ladder of freshness.
    #[n(10)]
    pub freshness: FreshnessLimits,
    /// Policies of the gate as a whole.
    #[n(11)]
    pub policies: GatePolicies,
    /// Staff who may act here, ascending.
    #[n(12)]
    pub staff: Vec<Staff>,
    /// Issuer keys whose lists the gate must hold, ascending.
    #[n(13)]
    pub issuers: Vec<Kid>,
    /// Gates that share an area with this one, ascending.
    #[n(14)]
    pub peers: Vec<Peer>,
    /// SHA-256 of the public keys of central's TLS certificates (current, next).
    #[n(15)]
    pub tls_keys: Vec<Digest>,
    /// The configuration that a gate must have seen before; guards against mix-and-match.
    #[n(16)]
    pub trust_list: DocumentNumber,
    /// How often to talk to central.
    #[n(17)]
    pub sync: SyncIntervals,
}

/// Ages of the last signed heads at which the ladder steps up, in seconds, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FreshnessLimits {
    /// Younger is *fresh*; 15 minutes.
    #[n(0)]
    pub fresh_s: u64,
    /// From here on *warn*; 24 hours.
    #[n(1)]
    pub warn_s: u64,
    /// From here on *restrict*; 72 hours.
    #[n(2)]
    pub restrict_s: u64,
    /// From here on *expired*; 30 days.
    #[n(3)]
    pub expired_s: u64,
    /// What *restrict* allows.
    #[n(4)]
    pub when_restrict: StaleListsPolicy,
    /// What *expired* allows.
    #[n(5)]
    pub when_expired: StaleListsPolicy,
}

impl FreshnessLimits {
    /// The limits of the design: 15 min, 24 h, 72 h, 30 d; restrict grants, expired denies.
    pub const STANDARD: Self = Self {
        fresh_s: 15 * 60,
        warn_s: 24 * 3600,
        restrict_s: 72 * 3600,
        expired_s: 30 * 86_400,
        when_restrict: StaleListsPolicy::Grant,
        when_expired: StaleListsPolicy::Deny,
    };
}

/// Policies of the gate as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GatePolicies {
    /// After a crash.
    #[n(0)]
    pub unknown_outcome: UnknownOutcomePolicy,
    /// When the journal is full.
    #[n(1)]
    pub full_journal: FullJournalPolicy,
    /// Two reads of one pass at one access point within this time are one scan, in ms.
    #[n(2)]
    pub repeat_scan_ms: u64,
    /// Largest difference between a proof's time and the gate's clock, in seconds.
    #[n(3)]
    pub proof_tolerance_s: u64,
}

/// How often a gate talks to central.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SyncIntervals {
    /// Seconds between pulls when no long poll wakes the gate.
    #[n(0)]
    pub pull_s: u64,
    /// Longest wait of a long poll, in seconds.
    #[n(1)]
    pub long_poll_s: u64,
    /// Seconds between heartbeats.
    #[n(2)]
    pub heartbeat_s: u64,
    /// Longest time a record waits for its upload, in milliseconds.
    #[n(3)]
    pub push_ms: u64,
}

/// What a member of staff may do at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StaffRole {
    /// Let in with a reason, forgive, silence.
    #[n(0)]
    Guard,
    /// Also door modes, and the end of a lockdown.
    #[n(1)]
    Supervisor,
    /// Self-test and wiring.
    #[n(2)]
    Technician,
}

/// One member of staff. The PIN itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Staff {
    /// Number that records name.
    #[n(0)]
    pub number: StaffNumber,
    /// Name to show.
    #[n(1)]
    pub name: String,
    /// What they may do.
    #[n(2)]
    pub role: StaffRole,
    /// PHC string (argon2id) of the PIN.
    #[n(3)]
    pub pin_verifier: String,
}

/// A gate that shares an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Peer {
    /// The peer.
    #[n(0)]
    pub gate: GateId,
    /// The key that signs its movements.
    #[n(1)]
    pub key: PublicKey,
}

impl SignedKind for Configuration {
    const EXTERNAL_DATA: &'static str = "portcullis/configuration/1";
    const LIMIT: usize = 4 << 20;

    fn validate(&self) -> Result<(), Malformed> {
        let out_of_range = |what| Err(Malformed::OutOfRange(what));
        if self.doors.len() > DOORS_PER_GATE || !self.doors.is_sorted_by(|a, b| a.id < b.id) {
            return out_of_range("doors");
        }
        if self.access_points.len() > ACCESS_POINTS_PER_GATE
            || !self.access_points.is_sorted_by(|a, b| a.id < b.id)
            || !self
                .access_points
                .iter()
                .all(|point| self.has_door_and_areas(point))
        {
            return out_of_range("access points");
        }
        if !self.areas.is_sorted_by(|a, b| a.id < b.id) {
            return out_of_range("areas");
        }
        self.validate_levels_and_schedules()?;
        self.validate_people_and_limits()
    }
}

impl Configuration {
    fn has_door_and_areas(&self, point: &AccessPoint) -> bool {
        let has_area = |id| self.areas.binary_search_by_key(&id, |area| area.id).is_ok();
        self.doors
            .binary_search_by_key(&point.door, |door| door.id)
            .is_ok()
            && has_area(point.from)
            && has_area(point.to)
    }

    fn validate_levels_and_schedules(&self) -> Result<(), Malformed> {
        if self.schedules.len() > SCHEDULES_LIMIT
            || !self.schedules.is_sorted_by(|a, b| a.id < b.id)
        {
            return Err(Malformed::OutOfRange("schedules"));
        }
        self.schedules.iter().try_for_each(Schedule::validate)?;
        self.offsets.validate()?;
        let known = |id| {
            self.schedules
                .binary_search_by_key(&id, |schedule| schedule.id)
                .is_ok()
        };
        let levels = self.access_levels.is_sorted_by(|a, b| a.id < b.id)
            && self.access_levels.iter().all(|level| {
                level.grants.is_sorted_by(|a, b| a < b)
                    && level.grants.iter().all(|grant| known(grant.schedule))
            });
        if levels {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("access levels"))
        }
    }

    fn validate_people_and_limits(&self) -> Result<(), Malformed> {
        if self.staff.len() > STAFF_LIMIT || !self.staff.is_sorted_by(|a, b| a.number < b.number) {
            return Err(Malformed::OutOfRange("staff"));
        }
        if self.peers.len() > PEERS_LIMIT || !self.peers.is_sorted_by(|a, b| a.gate < b.gate) {
            return Err(Malformed::OutOfRange("peers"));
        }
        let limits = &self.freshness;
        let ladder = [
            limits.fresh_s,
            limits.warn_s,
            limits.restrict_s,
            limits.expired_s,
        ];
        if !ladder.is_sorted() || !self.issuers.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::OutOfRange("freshness or issuers"));
        }
        Ok(())
    }
}

//! The configuration of one gate, signed by central: doors, access points, access levels,
//! schedules, policies, staff. Wiring of this very box (lines, cameras) is not in it.

mod door;

pub use door::{
    AccessPoint, Area, ContactSensing, DOOR_TIME_LIMIT_MS, Door, DoorKind, HoursBegin, LockType,
    PassageSensing, UnlockedHours,
};

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use minicbor::{Decode, Encode};

use crate::{
    access_level::{ACCESS_LEVELS_PER_SCHOOL, AccessLevel},
    cbor::Malformed,
    document::{Header, SignedKind},
    ids::{Digest, DocumentNumber, GateId, Kid, SchoolId, StaffNumber},
    keys::PublicKey,
    policy::{FullJournalPolicy, StaleListsPolicy, UnknownOutcomePolicy},
    schedule::{OffsetTable, Schedule},
    text::is_name,
    trust_list::ISSUER_KEYS_LIMIT,
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
/// Most areas in a configuration: each access point leads from one to one.
pub const AREAS_LIMIT: usize = 2 * ACCESS_POINTS_PER_GATE;
/// Most TLS keys: current, next, and room for a change in a hurry.
pub const TLS_KEYS_LIMIT: usize = 4;
/// Longest PHC string of a PIN.
pub const PIN_VERIFIER_LIMIT: usize = 256;
/// Largest `proof_tolerance_s`: a proof that is good for longer is no live pass.
pub const PROOF_TOLERANCE_LIMIT_S: u64 = 600;
/// Largest `repeat_scan_ms`: one minute.
pub const REPEAT_SCAN_LIMIT_MS: u64 = 60_000;
/// Largest `pull_s` and `heartbeat_s`: one day.
pub const SYNC_INTERVAL_LIMIT_S: u64 = 86_400;
/// Largest `long_poll_s`: proxies cut longer waits.
pub const LONG_POLL_LIMIT_S: u64 = 300;
/// Largest `push_ms`: ten minutes.
pub const PUSH_LIMIT_MS: u64 = 600_000;

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
    /// Local time; the table reaches at least to the configuration's expiry.
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
    /// SHA-256 of the public keys of central's TLS certificates (current, next); none without
    /// TLS.
    #[n(15)]
    pub tls_keys: Vec<Digest>,
    /// The trust list that a gate must have seen before; guards against mix-and-match.
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
    /// Two reads of one pass at one access point within this time are one scan, in ms; at most
    /// 60,000.
    #[n(2)]
    pub repeat_scan_ms: u64,
    /// Largest difference between a proof's time and the gate's clock, in seconds; at most 600.
    #[n(3)]
    pub proof_tolerance_s: u64,
}

/// How often a gate talks to central.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SyncIntervals {
    /// Seconds between pulls when no long poll wakes the gate; 1 to 86,400.
    #[n(0)]
    pub pull_s: u64,
    /// Longest wait of a long poll, in seconds; at most 300.
    #[n(1)]
    pub long_poll_s: u64,
    /// Seconds between heartbeats; 1 to 86,400.
    #[n(2)]
    pub heartbeat_s: u64,
    /// Longest time a record waits for its upload, in milliseconds; at most 600,000.
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

    fn header(&self) -> Option<&Header> {
        Some(&self.header)
    }

    fn validate(&self) -> Result<(), Malformed> {
        let out_of_range = |what| Err(Malformed::OutOfRange(what));
        if self.doors.len() > DOORS_PER_GATE
            || !self.doors.is_sorted_by(|a, b| a.id < b.id)
            || !self.doors.iter().all(Door::is_sound)
        {
            return out_of_range("doors");
        }
        if !self.doors.iter().all(|door| self.has_partner(door)) {
            return out_of_range("interlocked doors must name each other");
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
        if self.areas.len() > AREAS_LIMIT
            || !self.areas.is_sorted_by(|a, b| a.id < b.id)
            || !self.areas.iter().all(|area| is_name(&area.name))
        {
            return out_of_range("areas");
        }
        if !is_name(&self.name) {
            return out_of_range("name");
        }
        self.validate_levels_and_schedules()?;
        self.validate_people()?;
        self.validate_limits()
    }
}

impl Configuration {
    fn has_partner(&self, door: &Door) -> bool {
        let Some(partner) = door.interlock else {
            return true;
        };
        let at = self.doors.binary_search_by_key(&partner, |door| door.id);
        at.is_ok_and(|at| self.doors[at].interlock == Some(door.id))
    }

    fn has_door_and_areas(&self, point: &AccessPoint) -> bool {
        let has_area = |id| self.areas.binary_search_by_key(&id, |area| area.id).is_ok();
        self.doors
            .binary_search_by_key(&point.door, |door| door.id)
            .is_ok()
            && has_area(point.from)
            && has_area(point.to)
            && point.from != point.to
            && is_name(&point.name)
    }

    fn validate_levels_and_schedules(&self) -> Result<(), Malformed> {
        if self.schedules.len() > SCHEDULES_LIMIT
            || !self.schedules.is_sorted_by(|a, b| a.id < b.id)
        {
            return Err(Malformed::OutOfRange("schedules"));
        }
        self.schedules.iter().try_for_each(Schedule::validate)?;
        self.offsets.validate()?;
        if self.offsets.until < self.header.expires_at {
            return Err(Malformed::OutOfRange("offset table ends too early"));
        }
        let has_schedule = |id| {
            self.schedules
                .binary_search_by_key(&id, |schedule| schedule.id)
                .is_ok()
        };
        let hours = self.doors.iter().filter_map(|door| door.hours);
        if !hours.into_iter().all(|hours| has_schedule(hours.schedule)) {
            return Err(Malformed::OutOfRange("a door's unlocked hours"));
        }
        let has_access_point = |id| {
            self.access_points
                .binary_search_by_key(&id, |point| point.id)
                .is_ok()
        };
        let levels = self.access_levels.len() <= ACCESS_LEVELS_PER_SCHOOL
            && self.access_levels.is_sorted_by(|a, b| a.id < b.id)
            && self.access_levels.iter().all(|level| {
                is_name(&level.name)
                    && level.grants.is_sorted_by(|a, b| a < b)
                    && level.grants.iter().all(|grant| {
                        has_schedule(grant.schedule) && has_access_point(grant.access_point)
                    })
            });
        if levels {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("access levels"))
        }
    }

    fn validate_people(&self) -> Result<(), Malformed> {
        let is_sound =
            |staff: &Staff| is_name(&staff.name) && staff.pin_verifier.len() <= PIN_VERIFIER_LIMIT;
        if self.staff.len() > STAFF_LIMIT
            || !self.staff.is_sorted_by(|a, b| a.number < b.number)
            || !self.staff.iter().all(is_sound)
        {
            return Err(Malformed::OutOfRange("staff"));
        }
        let is_peer = |peer: &Peer| peer.gate != self.gate && peer.key.decompress().is_ok();
        let keys: BTreeSet<PublicKey> = self.peers.iter().map(|peer| peer.key).collect();
        if self.peers.len() > PEERS_LIMIT
            || !self.peers.is_sorted_by(|a, b| a.gate < b.gate)
            || !self.peers.iter().all(is_peer)
            || keys.len() != self.peers.len()
        {
            return Err(Malformed::OutOfRange("peers"));
        }
        Ok(())
    }

    fn validate_limits(&self) -> Result<(), Malformed> {
        let limits = &self.freshness;
        let ladder = [
            limits.fresh_s,
            limits.warn_s,
            limits.restrict_s,
            limits.expired_s,
        ];
        if !ladder.is_sorted() {
            return Err(Malformed::OutOfRange("freshness"));
        }
        if self.issuers.len() > ISSUER_KEYS_LIMIT || !self.issuers.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::OutOfRange("issuers"));
        }
        if self.tls_keys.len() > TLS_KEYS_LIMIT || self.trust_list.n == 0 {
            return Err(Malformed::OutOfRange("TLS keys or trust list"));
        }
        if self.policies.proof_tolerance_s > PROOF_TOLERANCE_LIMIT_S
            || self.policies.repeat_scan_ms > REPEAT_SCAN_LIMIT_MS
        {
            return Err(Malformed::OutOfRange("policies"));
        }
        let sync = &self.sync;
        let is_interval = |seconds| (1..=SYNC_INTERVAL_LIMIT_S).contains(&seconds);
        if !is_interval(sync.pull_s)
            || !is_interval(sync.heartbeat_s)
            || sync.long_poll_s > LONG_POLL_LIMIT_S
            || sync.push_ms > PUSH_LIMIT_MS
        {
            return Err(Malformed::OutOfRange("sync intervals"));
        }
        Ok(())
    }
}

//! Doors, access points and areas.

use alloc::string::String;

use minicbor::{Decode, Encode};

use crate::{
    ids::{AccessPointId, AreaId, DoorId, ScheduleId},
    policy::{
        AntiPassbackPolicy, LivePassPolicy, SecondPersonPolicy, UnknownIssuancePolicy,
        UnknownStatusPolicy, UntrustedClockPolicy,
    },
    roster::DoorNeed,
    text::is_name,
};

/// Where a door leads.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Area {
    /// The area; 0 is outside.
    #[n(0)]
    pub id: AreaId,
    /// What people call it.
    #[n(1)]
    pub name: String,
    /// Most people inside; none: no limit.
    #[n(2)]
    pub capacity: Option<u32>,
}

/// What kind of barrier a door is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum DoorKind {
    /// A leaf with a lock.
    #[n(0)]
    Door,
    /// A turnstile that turns for one person.
    #[n(1)]
    Turnstile,
    /// A speed gate.
    #[n(2)]
    SpeedGate,
}

/// What an unpowered lock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LockType {
    /// Stays locked.
    #[n(0)]
    FailSecure,
    /// Opens.
    #[n(1)]
    FailSafe,
}

/// Is there a contact that says whether the door is open?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ContactSensing {
    /// No contact: held open and forced open cannot be seen.
    #[n(0)]
    Absent,
    /// A contact.
    #[n(1)]
    Present,
}

/// What settles a grant as taken or not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PassageSensing {
    /// Nothing: a grant counts as taken at once.
    #[n(0)]
    None,
    /// The door contact opened.
    #[n(1)]
    DoorContact,
    /// The turnstile turned.
    #[n(2)]
    Rotation,
}

/// One barrier.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Door {
    /// The door.
    #[n(0)]
    pub id: DoorId,
    /// What people call it.
    #[n(1)]
    pub name: String,
    /// What it is.
    #[n(2)]
    pub kind: DoorKind,
    /// What its lock does without power.
    #[n(3)]
    pub lock: LockType,
    /// Whether open and closed can be told.
    #[n(4)]
    pub contact: ContactSensing,
    /// What settles a grant: a contact must be present, a rotation needs something that turns.
    #[n(5)]
    pub passage: PassageSensing,
    /// How long a release lasts, in ms; at least 1.
    #[n(6)]
    pub release_time_ms: u32,
    /// How long a release lasts for holders who need longer, in ms; at least `release_time_ms`.
    #[n(7)]
    pub extended_release_time_ms: u32,
    /// How long the door may stand open before it is *held open*, in ms.
    #[n(8)]
    pub open_time_ms: u32,
    /// How long before *held open* the pre-alarm sounds, in ms; at most `open_time_ms`.
    #[n(9)]
    pub pre_alarm_ms: u32,
    /// Another door of this gate, which names this one too: of the two at most one is released for
    /// a pass or by staff, and only while the other is shut. Never in the way of egress.
    #[n(10)]
    pub interlock: Option<DoorId>,
    /// When it stands unlocked for everybody.
    #[n(11)]
    pub hours: Option<UnlockedHours>,
}

/// When a door stands unlocked for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UnlockedHours {
    /// A schedule of the configuration.
    #[n(0)]
    pub schedule: ScheduleId,
    /// What begins them.
    #[n(1)]
    pub begin: HoursBegin,
}

/// What begins a door's unlocked hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum HoursBegin {
    /// The schedule.
    #[n(0)]
    WithSchedule,
    /// The first holder who goes in while the schedule holds: an empty building stays locked.
    #[n(1)]
    WithFirstPerson,
}

/// Longest time that a door may be told to stay released or open, in ms: one hour.
pub const DOOR_TIME_LIMIT_MS: u32 = 3_600_000;

impl Door {
    /// How long a release lasts for a holder with such a need, in ms.
    #[must_use]
    pub const fn release_ms(&self, need: Option<DoorNeed>) -> u32 {
        match need {
            None => self.release_time_ms,
            Some(DoorNeed::ExtendedRelease) => self.extended_release_time_ms,
        }
    }

    /// Do its times and sensors make sense together?
    pub(super) fn is_sound(&self) -> bool {
        let release = 1..=self.extended_release_time_ms;
        let times = release.contains(&self.release_time_ms)
            && self.extended_release_time_ms <= DOOR_TIME_LIMIT_MS
            && self.open_time_ms <= DOOR_TIME_LIMIT_MS
            && self.pre_alarm_ms <= self.open_time_ms;
        let sensing = match self.passage {
            PassageSensing::None => true,
            PassageSensing::DoorContact => self.contact == ContactSensing::Present,
            PassageSensing::Rotation => match self.kind {
                DoorKind::Door => false,
                DoorKind::Turnstile | DoorKind::SpeedGate => true,
            },
        };
        times && sensing && self.interlock != Some(self.id) && is_name(&self.name)
    }
}

/// One direction through a door, with its reader.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccessPoint {
    /// The access point.
    #[n(0)]
    pub id: AccessPointId,
    /// What people call it.
    #[n(1)]
    pub name: String,
    /// Its door.
    #[n(2)]
    pub door: DoorId,
    /// Where the holder comes from.
    #[n(3)]
    pub from: AreaId,
    /// Where the holder goes; another area.
    #[n(4)]
    pub to: AreaId,
    /// Unknown status.
    #[n(5)]
    pub unknown_status: UnknownStatusPolicy,
    /// Unknown issuance.
    #[n(6)]
    pub unknown_issuance: UnknownIssuancePolicy,
    /// Untrusted clock.
    #[n(7)]
    pub untrusted_clock: UntrustedClockPolicy,
    /// Anti-passback.
    #[n(8)]
    pub anti_passback: AntiPassbackPolicy,
    /// Live passes.
    #[n(9)]
    pub live_pass: LivePassPolicy,
    /// Second person.
    #[n(10)]
    pub second_person: SecondPersonPolicy,
}

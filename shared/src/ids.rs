//! Typed identifiers. No identifier is interchangeable with another.

use core::fmt;

use minicbor::{Decode, Encode};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident[$len:literal]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; $len]);

        impl fmt::Display for $name {
            /// Lower-case hexadecimal.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl $name {
            /// Reads exactly the lower- or upper-case hexadecimal form.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $len];
                hex_into(text, &mut bytes)?;
                Some(Self(bytes))
            }
        }
    };
}

fn hex_into(text: &str, bytes: &mut [u8]) -> Option<()> {
    let digits = text.as_bytes();
    if digits.len() != bytes.len() * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(())
}

bytes_id! {
    /// Key identifier: the first 8 bytes of SHA-256 of the key's COSE_Key (see [`crate::keys`]).
    Kid[8]
}
bytes_id! {
    /// A school, as central names it (the bytes of a UUID).
    SchoolId[16]
}
bytes_id! {
    /// A gate, as central names it (the bytes of a UUID).
    GateId[16]
}
bytes_id! {
    /// A SHA-256 digest.
    Digest[32]
}
bytes_id! {
    /// The first eight bytes of SHA-256 of an issued pass's COSE bytes, as in the issued list.
    PassDigest[8]
}

number_id! {
    /// A pass's serial number under its issuer key: dense from 0, below 2^24.
    Serial(u32)
}
number_id! {
    /// One direction through a door, with its reader; unique within a central.
    AccessPointId(u32)
}
number_id! {
    /// Any barrier; unique within a central.
    DoorId(u32)
}
number_id! {
    /// Where a door leads; unique within a central. 0 is *outside*.
    AreaId(u32)
}
number_id! {
    /// A schedule of a school.
    ScheduleId(u32)
}
number_id! {
    /// An access level of a school, 0 to 255.
    AccessLevelId(u8)
}
number_id! {
    /// A holder as the roster of a school names one.
    HolderNumber(u32)
}
number_id! {
    /// A member of staff as a gate's configuration names one.
    StaffNumber(u32)
}
number_id! {
    /// One presentation of a pass at one gate; counts up for ever on that gate.
    ScanId(u64)
}
number_id! {
    /// Counts up each time a central starts over after a restore.
    CentralEpoch(u32)
}
number_id! {
    /// Counts up each time a gate's journal starts over.
    JournalEpoch(u32)
}

impl AreaId {
    /// The area in front of every outer door.
    pub const OUTSIDE: AreaId = AreaId(0);
}

/// *The* identity of a pass: every list and every "already used" is keyed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PassId {
    /// The issuer key.
    #[n(0)]
    pub kid: Kid,
    /// The serial under that key.
    #[n(1)]
    pub serial: Serial,
}

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kid, self.serial)
    }
}

/// The number of a signed document: a later central epoch beats any count of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct DocumentNumber {
    /// Central's epoch.
    #[n(0)]
    pub epoch: CentralEpoch,
    /// Counts up within the epoch, from 1.
    #[n(1)]
    pub n: u64,
}

impl fmt::Display for DocumentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.n)
    }
}

/// A place in a gate's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct JournalPosition {
    /// The journal's epoch.
    #[n(0)]
    pub epoch: JournalEpoch,
    /// The record's number: the first is 1; 0 is the place before it.
    #[n(1)]
    pub seq: u64,
}

impl fmt::Display for JournalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

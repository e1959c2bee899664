//! Typed identifiers as JSON, SQL and paths show them. Gates know the same things by the ids of
//! `shared`, to which these convert.

use std::{error::Error, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ident)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = <$inner as FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(sql: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
                <$inner>::from_sql(sql, raw).map(Self)
            }

            fn accepts(sql: &Type) -> bool {
                <$inner as FromSql>::accepts(sql)
            }
        }

        impl ToSql for $name {
            fn to_sql(
                &self,
                sql: &Type,
                out: &mut BytesMut,
            ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
                self.0.to_sql(sql, out)
            }

            fn accepts(sql: &Type) -> bool {
                <$inner as ToSql>::accepts(sql)
            }

            to_sql_checked!();
        }
    };
}

id! {
    /// A school.
    SchoolId(Uuid)
}
id! {
    /// A student of a school.
    StudentId(Uuid)
}
id! {
    /// A gate.
    GateId(Uuid)
}
id! {
    /// An administrator's token.
    AdminTokenId(Uuid)
}
id! {
    /// Where a door leads; unique within a central.
    AreaId(i32)
}
id! {
    /// Any barrier; unique within a central.
    DoorId(i32)
}
id! {
    /// One direction through a door; unique within a central.
    AccessPointId(i32)
}
id! {
    /// An access level of a school, 0 to 255: passes carry this number.
    AccessLevelId(i16)
}
id! {
    /// A schedule; unique within a central.
    ScheduleId(i32)
}

id! {
    /// A member of staff who may act at gates; unique within a central.
    StaffNumber(i32)
}

/// Ids that gates carry as plain integers: the database counts them up from 1.
macro_rules! as_shared_number {
    ($($name:ident),*) => {
        $(impl From<$name> for shared::ids::$name {
            fn from(id: $name) -> Self {
                Self(u32::try_from(id.0).expect("identity columns count up from 1"))
            }
        })*
    };
}

as_shared_number!(AreaId, DoorId, AccessPointId, ScheduleId);

macro_rules! as_shared_bytes {
    ($($name:ident),*) => {
        $(impl From<$name> for shared::ids::$name {
            fn from(id: $name) -> Self {
                Self(id.0.into_bytes())
            }
        }

        impl From<shared::ids::$name> for $name {
            fn from(id: shared::ids::$name) -> Self {
                Self(Uuid::from_bytes(id.0))
            }
        })*
    };
}

as_shared_bytes!(SchoolId, GateId);

impl From<AccessLevelId> for shared::ids::AccessLevelId {
    fn from(id: AccessLevelId) -> Self {
        Self(u8::try_from(id.0).expect("the schema takes levels from 0 to 255"))
    }
}

/// A key's identifier: 16 hexadecimal digits in JSON and paths, 8 bytes in the database.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$", example = "5f1c0a9be2d34c77")]
pub struct Kid(pub shared::ids::Kid);

/// The text is no key identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the 16 hexadecimal digits of a key's identifier")]
pub struct NoKid;

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Kid {
    type Err = NoKid;

    fn from_str(text: &str) -> Result<Self, NoKid> {
        shared::ids::Kid::from_hex(text).map(Self).ok_or(NoKid)
    }
}

impl TryFrom<String> for Kid {
    type Error = NoKid;

    fn try_from(text: String) -> Result<Self, NoKid> {
        text.parse()
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> Self {
        kid.to_string()
    }
}

impl<'a> FromSql<'a> for Kid {
    fn from_sql(sql: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let bytes = <&[u8]>::from_sql(sql, raw)?;
        Ok(Self(shared::ids::Kid(bytes.try_into()?)))
    }

    fn accepts(sql: &Type) -> bool {
        <&[u8] as FromSql>::accepts(sql)
    }
}

impl ToSql for Kid {
    fn to_sql(
        &self,
        sql: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.0.as_slice().to_sql(sql, out)
    }

    fn accepts(sql: &Type) -> bool {
        <&[u8] as ToSql>::accepts(sql)
    }

    to_sql_checked!();
}

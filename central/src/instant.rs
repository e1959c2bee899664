//! `UtcInstant`: an instant as PostgreSQL (`timestamptz`) and JSON (RFC 3339) show it.

use std::{
    error::Error,
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

/// An instant in microseconds, between the years −9999 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcInstant(Timestamp);

impl UtcInstant {
    /// The instant this many seconds after 1970-01-01T00:00:00Z, at most the year 9999.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Self(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z; 0 for what was before.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or(0)
    }

    /// `self + duration`, at most the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration).unwrap_or(Timestamp::MAX))
    }

    /// `self + seconds`, at most the year 9999.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        self.plus(Duration::from_secs(seconds))
    }

    /// Without its fraction of a second: as passes and signed documents carry instants.
    #[must_use]
    pub fn whole_seconds(self) -> Self {
        Self::from_unix_seconds(self.unix_seconds())
    }

    /// `self - duration`, at least the year −9999.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration).unwrap_or(Timestamp::MIN))
    }

    /// For arithmetic in calendars and zones.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for UtcInstant {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.round(Unit::Microsecond).unwrap_or(timestamp))
    }
}

impl fmt::Display for UtcInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UtcInstant {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text.parse::<Timestamp>()?))
    }
}

impl Serialize for UtcInstant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcInstant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            de::Error::custom(format_args!(
                "{text:?} is not an instant: write it as 2026-09-01T08:00:00Z (RFC 3339)"
            ))
        })
    }
}

impl utoipa::PartialSchema for UtcInstant {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-09-01T08:00:00Z"])
            .into()
    }
}

impl utoipa::ToSchema for UtcInstant {}

impl<'a> FromSql<'a> for UtcInstant {
    fn from_sql(sql_type: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Timestamp::try_from(SystemTime::from_sql(
            sql_type, raw,
        )?)?))
    }

    fn accepts(sql_type: &Type) -> bool {
        *sql_type == Type::TIMESTAMPTZ
    }
}

impl ToSql for UtcInstant {
    fn to_sql(
        &self,
        sql_type: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        SystemTime::try_from(self.0)?.to_sql(sql_type, out)
    }

    fn accepts(sql_type: &Type) -> bool {
        *sql_type == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_and_read_as_rfc_3339() {
        let instant: UtcInstant = serde_json::from_str("\"2026-09-01T10:00:00+02:00\"").unwrap();
        assert_eq!(
            serde_json::to_string(&instant).unwrap(),
            "\"2026-09-01T08:00:00Z\""
        );
        let error = serde_json::from_str::<UtcInstant>("\"1 September\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("RFC 3339"), "{error}");
    }

    #[test]
    fn seconds_of_a_pass_and_instants_convert_both_ways() {
        assert_eq!(
            UtcInstant::from_unix_seconds(1_788_249_600).unix_seconds(),
            1_788_249_600
        );
        assert_eq!(UtcInstant::from_unix_seconds(u64::MAX).0, Timestamp::MAX);
        assert_eq!(
            "1969-01-01T00:00:00Z"
                .parse::<UtcInstant>()
                .unwrap()
                .unix_seconds(),
            0
        );
    }
}

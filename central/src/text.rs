//! Texts that people choose, checked as they are read: a value of these types can be stored.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use utoipa::ToSchema;

const NAME_LEN_MAX: usize = 200;
const STUDENT_NUMBER_LEN_MAX: usize = 64;
/// RFC 5646 §4.4.1: the length that every implementation should take.
const LANGUAGE_LEN_MAX: usize = 35;

/// Why a text is not taken; reads on from the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextRefused(&'static str);

impl fmt::Display for TextRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TextRefused {}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextRefused;

            fn try_from(text: String) -> Result<Self, TextRefused> {
                let check: fn(String) -> Result<String, TextRefused> = $check;
                check(text).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = TextRefused;

            fn from_str(text: &str) -> Result<Self, TextRefused> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'a> FromSql<'a> for $name {
            /// What the database holds was checked on its way in.
            fn from_sql(
                sql: &Type,
                raw: &'a [u8],
            ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
                String::from_sql(sql, raw).map(Self)
            }

            fn accepts(sql: &Type) -> bool {
                <String as FromSql>::accepts(sql)
            }
        }

        impl ToSql for $name {
            fn to_sql(
                &self,
                sql: &Type,
                out: &mut BytesMut,
            ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
                self.0.to_sql(sql, out)
            }

            fn accepts(sql: &Type) -> bool {
                <String as ToSql>::accepts(sql)
            }

            to_sql_checked!();
        }
    };
}

text! {
    /// A name of anything: 1 to 200 characters on one line, without space around it.
    Name, |text| {
        let text = text.trim();
        one_line(text, NAME_LEN_MAX, "must have 1 to 200 characters, on one line")?;
        Ok(text.to_owned())
    }
}

text! {
    /// A student's number at the school, as the school writes it: 1 to 64 characters.
    StudentNumber, |text| {
        let text = text.trim();
        one_line(text, STUDENT_NUMBER_LEN_MAX, "must have 1 to 64 characters, on one line")?;
        Ok(text.to_owned())
    }
}

text! {
    /// A language tag (BCP 47), such as `de` or `zh-Hant`.
    LanguageTag, |text| {
        let refused = TextRefused("must be a language tag such as de or zh-Hant (BCP 47)");
        let is_subtag = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let primary = text.split('-').next().unwrap_or("");
        let is_primary = primary.len() >= 2 && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
        if text.len() > LANGUAGE_LEN_MAX || !is_primary || !text.split('-').all(is_subtag) {
            return Err(refused);
        }
        Ok(text)
    }
}

text! {
    /// A time zone of the IANA database, such as `Europe/Berlin`.
    TimeZoneName, |text| {
        let refused = TextRefused("must be a zone of the IANA time zone database, such as Europe/Berlin");
        // The name as the database spells it, whatever its case was.
        let zone = jiff::tz::TimeZone::get(&text).map_err(|_| refused)?;
        zone.iana_name().map(str::to_owned).ok_or(refused)
    }
}

fn one_line(text: &str, len_max: usize, refusal: &'static str) -> Result<(), TextRefused> {
    let len = text.chars().count();
    if len == 0 || len > len_max || text.chars().any(char::is_control) {
        return Err(TextRefused(refusal));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_that_the_database_can_hold() {
        assert_eq!(
            "  Élodie Ó Briain ".parse::<Name>().unwrap().as_str(),
            "Élodie Ó Briain"
        );
        let too_long = "x".repeat(201);
        for bad in ["", "  ", "a\nb", "a\0b", &too_long] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        assert!("ü".repeat(200).parse::<Name>().is_ok());
    }

    #[test]
    fn languages_and_zones_are_those_of_their_standards() {
        for good in ["de", "zh-Hant", "sr-Latn-RS"] {
            assert!(good.parse::<LanguageTag>().is_ok(), "{good}");
        }
        for bad in ["", "d", "german language", "de-", "123", "de_DE"] {
            assert!(bad.parse::<LanguageTag>().is_err(), "{bad}");
        }
        assert_eq!(
            "europe/berlin".parse::<TimeZoneName>().unwrap().as_str(),
            "Europe/Berlin"
        );
        for bad in ["", "Berlin", "+01:00", "../etc/passwd"] {
            assert!(bad.parse::<TimeZoneName>().is_err(), "{bad}");
        }
    }
}

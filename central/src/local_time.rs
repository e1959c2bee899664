//! Days and minutes as a wall clock and a calendar show them, for schedules.

use std::{fmt, str::FromStr};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use shared::schedule::DAY_MIN;
use utoipa::ToSchema;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// 0 in schedules.
    Monday,
    /// 1.
    Tuesday,
    /// 2.
    Wednesday,
    /// 3.
    Thursday,
    /// 4.
    Friday,
    /// 5.
    Saturday,
    /// 6.
    Sunday,
}

/// A minute of the day, as `07:30`; `24:00` is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "07:30")]
pub struct MinuteOfDay(u16);

/// A date, as `2026-12-24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = Date, example = "2026-12-24")]
pub struct CalendarDate(Date);

/// Why a text is no time or date; reads on from the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocalTime(&'static str);

impl Weekday {
    const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// 0 is Monday, 6 is Sunday.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The day with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl MinuteOfDay {
    /// 0 to 1440.
    #[must_use]
    pub fn minutes(self) -> u16 {
        self.0
    }

    /// The minute with this number, 0 to 1440.
    #[must_use]
    pub fn from_minutes(minutes: u16) -> Option<Self> {
        (minutes <= DAY_MIN).then_some(Self(minutes))
    }
}

impl CalendarDate {
    /// Days since 1970-01-01.
    #[must_use]
    pub fn days(self) -> u32 {
        let since = self.0.duration_since(EPOCH).as_hours() / 24;
        u32::try_from(since).expect("a calendar date is from 1970 to 9999")
    }

    /// The date so many days after 1970-01-01; `None` beyond the year 9999.
    #[must_use]
    pub fn from_days(days: u32) -> Option<Self> {
        EPOCH
            .checked_add(jiff::Span::new().try_days(days).ok()?)
            .ok()
            .map(Self)
    }
}

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

impl TryFrom<String> for MinuteOfDay {
    type Error = NotLocalTime;

    fn try_from(text: String) -> Result<Self, NotLocalTime> {
        text.parse()
    }
}

impl FromStr for MinuteOfDay {
    type Err = NotLocalTime;

    fn from_str(text: &str) -> Result<Self, NotLocalTime> {
        let refused = NotLocalTime("must be a time from 00:00 to 24:00, such as 07:30");
        let (hour, minute) = text.split_once(':').ok_or(refused)?;
        let number = |digits: &str| {
            let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_two
                .then(|| digits.parse::<u16>().ok())
                .flatten()
                .ok_or(refused)
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        if minute > 59 {
            return Err(refused);
        }
        Self::from_minutes(hour * 60 + minute).ok_or(refused)
    }
}

impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl From<MinuteOfDay> for String {
    fn from(minute: MinuteOfDay) -> Self {
        minute.to_string()
    }
}

impl TryFrom<String> for CalendarDate {
    type Error = NotLocalTime;

    fn try_from(text: String) -> Result<Self, NotLocalTime> {
        let date = text
            .parse::<Date>()
            .ok()
            .filter(|date| *date >= EPOCH && date.to_string() == text);
        date.map(Self).ok_or(NotLocalTime(
            "must be a date from 1970 on, such as 2026-12-24",
        ))
    }
}

impl fmt::Display for CalendarDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<CalendarDate> for String {
    fn from(date: CalendarDate) -> Self {
        date.to_string()
    }
}

impl fmt::Display for NotLocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotLocalTime {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_run_from_midnight_to_midnight() {
        for (text, minutes) in [
            ("00:00", 0),
            ("07:30", 450),
            ("23:59", 1439),
            ("24:00", 1440),
        ] {
            let minute: MinuteOfDay = text.parse().unwrap();
            assert_eq!(
                (minute.minutes(), minute.to_string().as_str()),
                (minutes, text)
            );
        }
        for bad in ["24:01", "7:30", "07:60", "0730", "+7:30", "99:99", ""] {
            assert!(bad.parse::<MinuteOfDay>().is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_are_counted_from_1970() {
        let date = |text: &str| CalendarDate::try_from(text.to_owned());
        assert_eq!(date("1970-01-01").unwrap().days(), 0);
        assert_eq!(date("2026-11-23").unwrap().days(), 20_780);
        assert_eq!(
            CalendarDate::from_days(20_780).unwrap().to_string(),
            "2026-11-23"
        );
        assert_eq!(CalendarDate::from_days(u32::MAX), None);
        for bad in [
            "2026-02-29",
            "1969-12-31",
            "20261123",
            "2026-11-23T08:00",
            "",
        ] {
            assert!(date(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn weekdays_have_the_numbers_of_schedules() {
        assert_eq!(Weekday::Monday.number(), 0);
        assert_eq!(Weekday::from_number(6), Some(Weekday::Sunday));
        assert_eq!(Weekday::from_number(7), None);
    }
}

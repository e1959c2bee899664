//! Schedules: weekly periods, special days that override them, and the table of UTC offsets that
//! spares a gate the zone database.

use alloc::{string::String, vec::Vec};

use minicbor::{Decode, Encode};

use crate::{cbor::Malformed, ids::ScheduleId, text::is_name, time::UtcSeconds};

/// Minutes in a day: the largest `until_min`.
pub const DAY_MIN: u16 = 1440;
/// Most periods in one day: each scan may look at all of them.
pub const PERIODS_PER_DAY: usize = 24;
/// Most special days of a schedule: school-free days of three years.
pub const SPECIAL_DAYS_LIMIT: usize = 1_000;
/// Most changes in a table of offsets: two a year for half a century, more in some years.
pub const OFFSET_CHANGES_LIMIT: usize = 128;

/// A named set of weekly periods, with dates that override them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Schedule {
    /// Its number within the configuration.
    #[n(0)]
    pub id: ScheduleId,
    /// What staff call it.
    #[n(1)]
    pub name: String,
    /// When it admits in an ordinary week; ascending and not overlapping.
    #[n(2)]
    pub weekly: Vec<WeeklyPeriod>,
    /// Dates on which `weekly` does not hold; ascending and unique by date.
    #[n(3)]
    pub special_days: Vec<SpecialDay>,
}

/// Part of one day of every week, local time. A period over midnight is two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct WeeklyPeriod {
    /// 0 is Monday, 6 is Sunday.
    #[n(0)]
    pub weekday: u8,
    /// First minute of the day inside, 0 to 1439.
    #[n(1)]
    pub from_min: u16,
    /// First minute of the day outside, up to 1440.
    #[n(2)]
    pub until_min: u16,
}

/// A date on which only its own periods hold (none: closed all day).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SpecialDay {
    /// Local date as days since 1970-01-01.
    #[n(0)]
    pub date: u32,
    /// When it admits on that day; ascending and not overlapping.
    #[n(1)]
    pub periods: Vec<DayPeriod>,
}

/// Part of one day, local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct DayPeriod {
    /// First minute of the day inside, 0 to 1439.
    #[n(0)]
    pub from_min: u16,
    /// First minute of the day outside, up to 1440.
    #[n(1)]
    pub until_min: u16,
}

/// A zone's offsets from UTC as central resolved them, valid to `until`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OffsetTable {
    /// The IANA name, for people.
    #[n(0)]
    pub zone: String,
    /// Offset before the first change, in seconds east of UTC.
    #[n(1)]
    pub first_offset_s: i32,
    /// Changes, ascending in time.
    #[n(2)]
    pub changes: Vec<OffsetChange>,
    /// First second for which the table says nothing.
    #[n(3)]
    pub until: UtcSeconds,
}

/// From `at` on, local time is UTC plus `offset_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OffsetChange {
    /// The first second of the new offset.
    #[n(0)]
    pub at: UtcSeconds,
    /// Seconds east of UTC.
    #[n(1)]
    pub offset_s: i32,
}

/// A wall-clock time at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Days since 1970-01-01 of the local date.
    pub date: u32,
    /// Minute of the local day, 0 to 1439.
    pub minute: u16,
}

impl LocalTime {
    /// 0 is Monday, 6 is Sunday.
    #[must_use]
    pub const fn weekday(&self) -> u8 {
        // 1970-01-01 was a Thursday.
        ((self.date % 7 + 3) % 7) as u8
    }
}

impl OffsetTable {
    /// The local time at `utc`; `None` beyond the table's end.
    #[must_use]
    pub fn local(&self, utc: UtcSeconds) -> Option<LocalTime> {
        if utc >= self.until {
            return None;
        }
        let passed = self.changes.partition_point(|change| change.at <= utc);
        let offset_s = match passed {
            0 => self.first_offset_s,
            n => self.changes[n - 1].offset_s,
        };
        let local = utc.0.checked_add_signed(i64::from(offset_s))?;
        Some(LocalTime {
            date: u32::try_from(local / 86_400).ok()?,
            minute: u16::try_from(local % 86_400 / 60).ok()?,
        })
    }

    pub(crate) fn validate(&self) -> Result<(), Malformed> {
        let in_range = |offset_s: i32| offset_s.unsigned_abs() <= 86_400;
        let ascending = self.changes.windows(2).all(|pair| pair[0].at < pair[1].at);
        if !ascending
            || self.changes.len() > OFFSET_CHANGES_LIMIT
            || !is_name(&self.zone)
            || !in_range(self.first_offset_s)
            || !self.changes.iter().all(|change| in_range(change.offset_s))
        {
            return Err(Malformed::OutOfRange("offset table"));
        }
        Ok(())
    }
}

impl Schedule {
    /// Does the schedule admit at this local time?
    #[must_use]
    pub fn admits(&self, local: LocalTime) -> bool {
        let special = self
            .special_days
            .binary_search_by_key(&local.date, |day| day.date);
        if let Ok(index) = special {
            return self.special_days[index]
                .periods
                .iter()
                .any(|period| period.from_min <= local.minute && local.minute < period.until_min);
        }
        let weekday = local.weekday();
        self.weekly.iter().any(|period| {
            period.weekday == weekday
                && period.from_min <= local.minute
                && local.minute < period.until_min
        })
    }

    pub(crate) fn validate(&self) -> Result<(), Malformed> {
        let weekly = self
            .weekly
            .iter()
            .all(|p| p.weekday < 7 && is_period(p.from_min, p.until_min))
            && self.weekly.windows(2).all(|pair| {
                (pair[0].weekday, pair[0].until_min) <= (pair[1].weekday, pair[1].from_min)
            });
        let days = self
            .special_days
            .windows(2)
            .all(|pair| pair[0].date < pair[1].date)
            && self.special_days.iter().all(|day| {
                day.periods
                    .iter()
                    .all(|p| is_period(p.from_min, p.until_min))
                    && day
                        .periods
                        .windows(2)
                        .all(|pair| pair[0].until_min <= pair[1].from_min)
            });
        let counts = self.weekly.len() <= 7 * PERIODS_PER_DAY
            && self.special_days.len() <= SPECIAL_DAYS_LIMIT
            && self
                .special_days
                .iter()
                .all(|day| day.periods.len() <= PERIODS_PER_DAY);
        if weekly && days && counts && is_name(&self.name) {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("schedule"))
        }
    }
}

const fn is_period(from_min: u16, until_min: u16) -> bool {
    from_min < until_min && until_min <= DAY_MIN
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn berlin_2026() -> OffsetTable {
        OffsetTable {
            zone: "Europe/Berlin".into(),
            first_offset_s: 3600,
            changes: vec![
                OffsetChange {
                    at: UtcSeconds(1_774_746_000),
                    offset_s: 7200,
                }, // 2026-03-29 01:00Z
                OffsetChange {
                    at: UtcSeconds(1_792_890_000),
                    offset_s: 3600,
                }, // 2026-10-25 01:00Z
            ],
            until: UtcSeconds(1_830_000_000),
        }
    }

    #[test]
    fn local_time_follows_the_offset_table_to_the_second() {
        let table = berlin_2026();
        let minute = |utc| table.local(UtcSeconds(utc)).unwrap().minute;
        assert_eq!(minute(1_774_745_999), 119);
        assert_eq!(minute(1_774_746_000), 180);
        assert_eq!(minute(1_792_889_999), 179);
        assert_eq!(minute(1_792_890_000), 120);
        assert_eq!(table.local(UtcSeconds(1_830_000_000)), None);
    }

    #[test]
    fn no_instant_and_no_offset_overflows() {
        let mut table = OffsetTable {
            until: UtcSeconds(u64::MAX),
            ..berlin_2026()
        };
        for utc in [0, i64::MAX as u64, u64::MAX - 1] {
            let _ = table.local(UtcSeconds(utc));
        }
        table.first_offset_s = -1;
        assert_eq!(table.local(UtcSeconds(0)), None, "before 1970");
        table.first_offset_s = i32::MIN;
        assert!(table.validate().is_err());
        let date = u32::MAX;
        assert!(LocalTime { date, minute: 0 }.weekday() < 7);
    }

    #[test]
    fn periods_that_overlap_or_are_too_many_are_refused() {
        let period = |from_min, until_min| DayPeriod {
            from_min,
            until_min,
        };
        let with = |periods: Vec<DayPeriod>| {
            Schedule {
                id: ScheduleId(1),
                name: "x".into(),
                weekly: vec![],
                special_days: vec![SpecialDay { date: 1, periods }],
            }
            .validate()
        };
        assert!(with(vec![period(0, 10), period(10, 1440)]).is_ok());
        assert!(with(vec![period(0, 10), period(9, 20)]).is_err());
        assert!(with(vec![period(0, 1441)]).is_err());
        assert!(with(vec![period(10, 10)]).is_err());
        let many = |count: u16| (0..count).map(|i| period(i, i + 1)).collect();
        assert!(with(many(24)).is_ok());
        assert!(with(many(25)).is_err());
    }

    #[test]
    fn special_days_replace_the_week() {
        // 2026-11-23 is a Monday: day 20780.
        let schedule = Schedule {
            id: ScheduleId(1),
            name: "school hours".into(),
            weekly: vec![WeeklyPeriod {
                weekday: 0,
                from_min: 420,
                until_min: 1020,
            }],
            special_days: vec![
                SpecialDay {
                    date: 20_787,
                    periods: vec![],
                },
                SpecialDay {
                    date: 20_788,
                    periods: vec![DayPeriod {
                        from_min: 600,
                        until_min: 660,
                    }],
                },
            ],
        };
        assert!(schedule.validate().is_ok());
        let admits = |date, minute| schedule.admits(LocalTime { date, minute });
        assert!(admits(20_780, 420) && admits(20_780, 1019));
        assert!(!admits(20_780, 419) && !admits(20_780, 1020));
        assert!(!admits(20_787, 500), "closed on a special Monday");
        assert!(admits(20_788, 600), "open on a special Tuesday");
        assert!(!admits(20_789, 500), "no period on a Wednesday");
    }
}

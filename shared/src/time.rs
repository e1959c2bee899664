//! Instants and durations as two types that never mix: `Uptime` for timers, `UtcSeconds` for
//! validity and records. Nothing here reads a clock.

use core::fmt;

use minicbor::{Decode, Encode};

/// Whole seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct UtcSeconds(#[n(0)] pub u64);

impl UtcSeconds {
    /// `self + seconds`, at most the largest instant.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// `self - seconds`, at least 1970.
    #[must_use]
    pub const fn minus(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Seconds from `earlier` to `self`; 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UtcSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / 86_400);
        let second = self.0 % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

/// Proleptic Gregorian (year, month, day) of a day count since 1970-01-01.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
#[must_use]
pub const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 {
        month_shifted + 3
    } else {
        month_shifted - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Milliseconds since this machine booted, suspend included; never goes back within a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Uptime(#[n(0)] pub u64);

impl Uptime {
    /// `self + milliseconds`.
    #[must_use]
    pub const fn plus_ms(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to `self`; 0 when `earlier` is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What the clocks say, read once for each input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For timers.
    pub uptime: Uptime,
    /// For validity and records; not yet believed (see `gate-core`'s `freshness`).
    pub utc: UtcSeconds,
}

/// A half-open window `from <= t < until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Window {
    /// First second inside.
    #[n(0)]
    pub from: UtcSeconds,
    /// First second outside.
    #[n(1)]
    pub until: UtcSeconds,
}

impl Window {
    /// Does `at` lie inside?
    #[must_use]
    pub fn contains(&self, at: UtcSeconds) -> bool {
        self.from <= at && at < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn instants_are_shown_in_rfc_3339_form() {
        assert_eq!(UtcSeconds(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(UtcSeconds(951_827_696).to_string(), "2000-02-29T12:34:56Z");
        assert_eq!(
            UtcSeconds(4_102_444_799).to_string(),
            "2099-12-31T23:59:59Z"
        );
    }

    #[test]
    fn a_window_holds_its_first_second_and_not_its_last() {
        let window = Window {
            from: UtcSeconds(10),
            until: UtcSeconds(20),
        };
        assert!(window.contains(UtcSeconds(10)));
        assert!(window.contains(UtcSeconds(19)));
        assert!(!window.contains(UtcSeconds(20)));
        assert!(!window.contains(UtcSeconds(9)));
    }
}

//! A zone's offsets from UTC as a table, so that a gate needs no zone database.

use anyhow::Context;
use jiff::{Timestamp, tz::TimeZone};
use shared::{
    schedule::{OffsetChange, OffsetTable},
    time::UtcSeconds,
};

/// The offsets of `zone` (an IANA name) from `from` to before `until`. Before `from` the table
/// says what holds at `from`.
pub(super) fn offset_table(
    zone: &str,
    from: UtcSeconds,
    until: UtcSeconds,
) -> anyhow::Result<OffsetTable> {
    let time_zone = TimeZone::get(zone).with_context(|| {
        format!("there is no time zone {zone:?}: set the school's to one of the IANA database")
    })?;
    let (from, end) = (timestamp(from)?, timestamp(until)?);
    let first_offset_s = time_zone.to_offset(from).seconds();
    let mut changes = Vec::new();
    let mut offset_s = first_offset_s;
    for transition in time_zone.following(from) {
        if transition.timestamp() >= end {
            break;
        }
        let next = transition.offset().seconds();
        // Some transitions change a zone's abbreviation alone.
        if next == offset_s {
            continue;
        }
        offset_s = next;
        let at = u64::try_from(transition.timestamp().as_second())
            .context("a change of offset before 1970")?;
        changes.push(OffsetChange {
            at: UtcSeconds(at),
            offset_s,
        });
    }
    Ok(OffsetTable {
        zone: zone.to_owned(),
        first_offset_s,
        changes,
        until,
    })
}

fn timestamp(at: UtcSeconds) -> anyhow::Result<Timestamp> {
    let seconds = i64::try_from(at.0).context("an instant that no calendar knows")?;
    Timestamp::from_second(seconds).context("an instant beyond the year 9999")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FROM: u64 = 1_700_000_000;
    const UNTIL: u64 = 1_900_000_000;

    /// With and without summer time, on both hemispheres, with half hours, and one whose summer
    /// time follows the moon.
    const ZONES: [&str; 8] = [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Kolkata",
        "America/Santiago",
        "Pacific/Chatham",
        "UTC",
    ];

    proptest! {
        #[test]
        fn the_table_says_what_the_zone_database_says(
            zone in prop::sample::select(&ZONES[..]), at in FROM..UNTIL,
        ) {
            let table = offset_table(zone, UtcSeconds(FROM), UtcSeconds(UNTIL)).unwrap();
            let at_zone = TimeZone::get(zone).unwrap()
                .to_datetime(timestamp(UtcSeconds(at)).unwrap());
            let local = table.local(UtcSeconds(at)).unwrap();
            let minute = i64::from(at_zone.hour()) * 60 + i64::from(at_zone.minute());
            prop_assert_eq!(i64::from(local.minute), minute);
            let weekday = at_zone.weekday().to_monday_zero_offset();
            prop_assert_eq!(i64::from(local.weekday()), i64::from(weekday));
        }
    }

    #[test]
    fn the_table_holds_on_both_sides_of_each_change() {
        for zone in ZONES {
            let table = offset_table(zone, UtcSeconds(FROM), UtcSeconds(UNTIL)).unwrap();
            let time_zone = TimeZone::get(zone).unwrap();
            for change in &table.changes {
                let before = timestamp(UtcSeconds(change.at.0 - 1)).unwrap();
                let at = timestamp(change.at).unwrap();
                assert_eq!(time_zone.to_offset(at).seconds(), change.offset_s, "{zone}");
                assert_ne!(
                    time_zone.to_offset(before).seconds(),
                    change.offset_s,
                    "{zone}"
                );
            }
        }
    }

    #[test]
    fn a_zone_that_is_none_is_said() {
        let problem = offset_table("Europe/Atlantis", UtcSeconds(FROM), UtcSeconds(UNTIL))
            .unwrap_err()
            .to_string();
        assert!(problem.contains("Europe/Atlantis"), "{problem}");
    }
}

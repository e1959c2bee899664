//! Tables `schedules`, `schedule_periods`, `special_days`, `special_day_periods`.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::schedule as wire;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::Connection;
use crate::{
    ids::{ScheduleId, SchoolId},
    local_time::{CalendarDate, MinuteOfDay, Weekday},
    paging::PageRequest,
    text::Name,
};

/// When an access level admits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Schedule {
    /// Its id.
    pub schedule_id: ScheduleId,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub fields: ScheduleFields,
}

/// What is said about a schedule. Times are the school's local times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleFields {
    /// What staff call it.
    #[schema(example = "School hours")]
    pub name: Name,
    /// When it admits in an ordinary week; periods do not overlap.
    #[serde(default)]
    pub weekly: Vec<WeeklyPeriod>,
    /// Dates on which `weekly` does not hold.
    #[serde(default)]
    pub special_days: Vec<SpecialDay>,
}

/// Part of one day of every week. A period over midnight is two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeeklyPeriod {
    /// Which day.
    pub weekday: Weekday,
    /// The first minute inside.
    pub from: MinuteOfDay,
    /// The first minute outside.
    pub until: MinuteOfDay,
}

/// A date on which only its own periods hold; without any it is closed all day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpecialDay {
    /// Which date.
    pub date: CalendarDate,
    /// When it admits on that day.
    #[serde(default)]
    pub periods: Vec<DayPeriod>,
}

/// Part of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayPeriod {
    /// The first minute inside.
    pub from: MinuteOfDay,
    /// The first minute outside.
    pub until: MinuteOfDay,
}

impl Schedule {
    /// The same as gates carry it.
    #[must_use]
    pub fn to_wire(&self) -> wire::Schedule {
        let weekly = self.fields.weekly.iter().map(|period| wire::WeeklyPeriod {
            weekday: period.weekday.number(),
            from_min: period.from.minutes(),
            until_min: period.until.minutes(),
        });
        let special_days = self.fields.special_days.iter().map(|day| wire::SpecialDay {
            date: day.date.days(),
            periods: day
                .periods
                .iter()
                .map(|period| wire::DayPeriod {
                    from_min: period.from.minutes(),
                    until_min: period.until.minutes(),
                })
                .collect(),
        });
        wire::Schedule {
            id: self.schedule_id.into(),
            name: self.fields.name.as_str().to_owned(),
            weekly: weekly.collect(),
            special_days: special_days.collect(),
        }
    }
}

/// # Errors
/// When the name is taken, or the database fails.
pub async fn insert(
    connection: &Connection,
    school_id: SchoolId,
    fields: &ScheduleFields,
) -> anyhow::Result<Schedule> {
    let row = connection
        .query_one(
            "INSERT INTO schedules (school_id, name) VALUES ($1, $2) RETURNING schedule_id",
            &[&school_id, &fields.name],
        )
        .await
        .context("cannot store a schedule")?;
    let schedule_id = row.get(0);
    insert_periods(connection, school_id, schedule_id, fields).await?;
    Ok(Schedule {
        schedule_id,
        fields: fields.clone(),
    })
}

/// # Errors
/// When the database fails.
pub async fn get(
    connection: &Connection,
    schedule_id: ScheduleId,
) -> anyhow::Result<Option<Schedule>> {
    Ok(read(connection, &[schedule_id]).await?.pop())
}

/// # Errors
/// When the database fails.
pub async fn list(
    connection: &Connection,
    school_id: SchoolId,
    page: &PageRequest<ScheduleId>,
) -> anyhow::Result<Vec<Schedule>> {
    let rows = connection
        .query(
            "SELECT schedule_id FROM schedules \
             WHERE school_id = $1 AND ($2::integer IS NULL OR schedule_id > $2) \
             ORDER BY schedule_id LIMIT $3",
            &[&school_id, &page.after, &page.sql_limit()],
        )
        .await
        .context("cannot list the schedules")?;
    let ids: Vec<ScheduleId> = rows.iter().map(|row| row.get(0)).collect();
    read(connection, &ids).await
}

/// Those of `ids` that exist, ascending.
///
/// # Errors
/// When the database fails.
pub async fn read(connection: &Connection, ids: &[ScheduleId]) -> anyhow::Result<Vec<Schedule>> {
    let rows = connection
        .query(
            "SELECT schedule_id, name FROM schedules WHERE schedule_id = ANY($1)",
            &[&ids],
        )
        .await
        .context("cannot read schedules")?;
    let mut schedules: BTreeMap<ScheduleId, ScheduleFields> = rows
        .iter()
        .map(|row| {
            let fields = ScheduleFields {
                name: row.get(1),
                weekly: Vec::new(),
                special_days: Vec::new(),
            };
            (row.get(0), fields)
        })
        .collect();
    read_weekly(connection, ids, &mut schedules).await?;
    read_special_days(connection, ids, &mut schedules).await?;
    let schedule = |(schedule_id, fields)| Schedule {
        schedule_id,
        fields,
    };
    Ok(schedules.into_iter().map(schedule).collect())
}

/// The schedule as it is afterwards; `None` when there is none.
///
/// # Errors
/// When the name is taken, or the database fails.
pub async fn update(
    connection: &Connection,
    schedule_id: ScheduleId,
    fields: &ScheduleFields,
) -> anyhow::Result<Option<Schedule>> {
    let row = connection
        .query_opt(
            "UPDATE schedules SET name = $2 WHERE schedule_id = $1 RETURNING school_id",
            &[&schedule_id, &fields.name],
        )
        .await
        .with_context(|| format!("cannot change the schedule {schedule_id}"))?;
    let Some(row) = row else { return Ok(None) };
    for table in ["schedule_periods", "special_days"] {
        connection
            .execute(
                &format!("DELETE FROM {table} WHERE schedule_id = $1"),
                &[&schedule_id],
            )
            .await
            .with_context(|| format!("cannot clear the schedule {schedule_id}"))?;
    }
    insert_periods(connection, row.get(0), schedule_id, fields).await?;
    Ok(Some(Schedule {
        schedule_id,
        fields: fields.clone(),
    }))
}

/// How many schedules that were: one or none.
///
/// # Errors
/// When an access level names it, or the database fails.
pub async fn delete(connection: &Connection, schedule_id: ScheduleId) -> anyhow::Result<u64> {
    connection
        .execute(
            "DELETE FROM schedules WHERE schedule_id = $1",
            &[&schedule_id],
        )
        .await
        .with_context(|| format!("cannot delete the schedule {schedule_id}"))
}

async fn insert_periods(
    connection: &Connection,
    school_id: SchoolId,
    schedule_id: ScheduleId,
    fields: &ScheduleFields,
) -> anyhow::Result<()> {
    let weekly = &fields.weekly;
    let weekdays: Vec<_> = weekly
        .iter()
        .map(|p| i16::from(p.weekday.number()))
        .collect();
    let from: Vec<_> = weekly.iter().map(|p| smallint(p.from)).collect();
    let until: Vec<_> = weekly.iter().map(|p| smallint(p.until)).collect();
    connection
        .execute(
            "INSERT INTO schedule_periods (schedule_id, school_id, weekday, from_min, until_min) \
             SELECT $1, $2, * FROM unnest($3::smallint[], $4::smallint[], $5::smallint[])",
            &[&schedule_id, &school_id, &weekdays, &from, &until],
        )
        .await
        .context("cannot store a schedule's week")?;

    let days: Vec<_> = fields
        .special_days
        .iter()
        .map(|day| date(day.date))
        .collect();
    connection
        .execute(
            "INSERT INTO special_days (schedule_id, school_id, day) \
             SELECT $1, $2, date '1970-01-01' + day FROM unnest($3::integer[]) AS day",
            &[&schedule_id, &school_id, &days],
        )
        .await
        .context("cannot store a schedule's special days")?;

    let periods = fields.special_days.iter().flat_map(|day| {
        day.periods
            .iter()
            .map(|p| (date(day.date), (smallint(p.from), smallint(p.until))))
    });
    let (days, minutes): (Vec<_>, Vec<_>) = periods.unzip();
    let (from, until): (Vec<_>, Vec<_>) = minutes.into_iter().unzip();
    connection
        .execute(
            "INSERT INTO special_day_periods (schedule_id, school_id, day, from_min, until_min) \
             SELECT $1, $2, date '1970-01-01' + day, from_min, until_min \
             FROM unnest($3::integer[], $4::smallint[], $5::smallint[]) AS p (day, from_min, until_min)",
            &[&schedule_id, &school_id, &days, &from, &until],
        )
        .await
        .context("cannot store the periods of a schedule's special days")?;
    Ok(())
}

async fn read_weekly(
    connection: &Connection,
    ids: &[ScheduleId],
    schedules: &mut BTreeMap<ScheduleId, ScheduleFields>,
) -> anyhow::Result<()> {
    let rows = connection
        .query(
            "SELECT schedule_id, weekday, from_min, until_min FROM schedule_periods \
             WHERE schedule_id = ANY($1) ORDER BY schedule_id, weekday, from_min",
            &[&ids],
        )
        .await
        .context("cannot read the weeks of schedules")?;
    for row in &rows {
        let weekday = u8::try_from(row.get::<_, i16>(1))
            .ok()
            .and_then(Weekday::from_number);
        let period = WeeklyPeriod {
            weekday: weekday.context("a stored weekday is 0 to 6")?,
            from: minute(row, 2)?,
            until: minute(row, 3)?,
        };
        if let Some(fields) = schedules.get_mut(&row.get(0)) {
            fields.weekly.push(period);
        }
    }
    Ok(())
}

async fn read_special_days(
    connection: &Connection,
    ids: &[ScheduleId],
    schedules: &mut BTreeMap<ScheduleId, ScheduleFields>,
) -> anyhow::Result<()> {
    let rows = connection
        .query(
            "SELECT schedule_id, day - date '1970-01-01', from_min, until_min \
             FROM special_days LEFT JOIN special_day_periods USING (schedule_id, day) \
             WHERE schedule_id = ANY($1) ORDER BY schedule_id, day, from_min",
            &[&ids],
        )
        .await
        .context("cannot read the special days of schedules")?;
    for row in &rows {
        let date = u32::try_from(row.get::<_, i32>(1))
            .ok()
            .and_then(CalendarDate::from_days);
        let date = date.context("a stored special day is a date from 1970 on")?;
        let Some(fields) = schedules.get_mut(&row.get(0)) else {
            continue;
        };
        if fields
            .special_days
            .last()
            .is_none_or(|day| day.date != date)
        {
            fields.special_days.push(SpecialDay {
                date,
                periods: Vec::new(),
            });
        }
        if row.get::<_, Option<i16>>(2).is_none() {
            continue;
        }
        let period = DayPeriod {
            from: minute(row, 2)?,
            until: minute(row, 3)?,
        };
        if let Some(day) = fields.special_days.last_mut() {
            day.periods.push(period);
        }
    }
    Ok(())
}

fn minute(row: &Row, column: usize) -> anyhow::Result<MinuteOfDay> {
    let minutes = u16::try_from(row.get::<_, i16>(column)).ok();
    minutes
        .and_then(MinuteOfDay::from_minutes)
        .context("a stored minute is 0 to 1440")
}

fn smallint(minute: MinuteOfDay) -> i16 {
    i16::try_from(minute.minutes()).expect("a day has 1440 minutes")
}

fn date(date: CalendarDate) -> i32 {
    i32::try_from(date.days()).expect("the year 9999 is 3 million days away")
}

//! Schedules: when an access level admits.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod update;

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    db::{
        self, Violation,
        schedules::{DayPeriod, ScheduleFields},
    },
    ids::{ScheduleId, SchoolId},
    problem::{FieldProblem, Kind, NAME_TAKEN, Problem},
};

/// The path names no schedule of the school.
pub const SCHEDULE_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "schedule_not_found",
    "The school has no such schedule",
);

/// Ten a day.
const WEEKLY_PERIODS_MAX: usize = 70;
/// A year's worth of dates, and the holidays of the next.
const SPECIAL_DAYS_MAX: usize = 400;
const DAY_PERIODS_MAX: usize = 10;

/// Names a schedule of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct SchedulePath {
    /// The school.
    pub school_id: SchoolId,
    /// The schedule.
    pub schedule_id: ScheduleId,
}

fn not_found(schedule_id: ScheduleId) -> Problem {
    SCHEDULE_NOT_FOUND.because(format!("The school has no schedule {schedule_id}."))
}

/// Puts periods and days into the order in which gates want them, or says which make no sense.
fn check(fields: &mut ScheduleFields) -> Result<(), Problem> {
    fields.weekly.sort_unstable();
    fields.special_days.sort_unstable_by_key(|day| day.date);
    let mut problems = Vec::new();
    let mut refuse = |field: String, detail: &str| {
        problems.push(FieldProblem {
            field,
            detail: detail.to_owned(),
        });
    };
    if fields.weekly.len() > WEEKLY_PERIODS_MAX {
        refuse("weekly".into(), "may have 70 periods");
    }
    if fields.special_days.len() > SPECIAL_DAYS_MAX {
        refuse("special_days".into(), "may have 400 dates");
    }
    for period in fields.weekly.chunk_by(|a, b| a.weekday == b.weekday) {
        let day: Vec<_> = period
            .iter()
            .map(|p| DayPeriod {
                from: p.from,
                until: p.until,
            })
            .collect();
        if let Some(detail) = overlap(&day) {
            refuse(
                "weekly".into(),
                &format!("{:?}: {detail}", period[0].weekday),
            );
        }
    }
    if let Some(pair) = fields
        .special_days
        .windows(2)
        .find(|pair| pair[0].date == pair[1].date)
    {
        refuse(
            "special_days".into(),
            &format!("{} stands there twice", pair[0].date),
        );
    }
    for day in &mut fields.special_days {
        day.periods.sort_unstable();
        if day.periods.len() > DAY_PERIODS_MAX {
            refuse(
                "special_days".into(),
                &format!("{}: may have 10 periods", day.date),
            );
        }
        if let Some(detail) = overlap(&day.periods) {
            refuse("special_days".into(), &format!("{}: {detail}", day.date));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid_fields(problems))
    }
}

/// What is wrong with the periods of one day, which are sorted.
fn overlap(periods: &[DayPeriod]) -> Option<String> {
    if let Some(period) = periods.iter().find(|period| period.from >= period.until) {
        return Some(format!(
            "{} to {} ends before it begins; a period over midnight is two",
            period.from, period.until
        ));
    }
    let pair = periods
        .windows(2)
        .find(|pair| pair[1].from < pair[0].until)?;
    Some(format!(
        "{} to {} and {} to {} overlap",
        pair[0].from, pair[0].until, pair[1].from, pair[1].until
    ))
}

/// What it means that the database refused to store a schedule.
fn refused(error: anyhow::Error, fields: &ScheduleFields) -> Problem {
    match db::violation(&error) {
        Some(Violation::Unique) => NAME_TAKEN.because(format!(
            "Another schedule is called \"{}\": choose another name.",
            fields.name
        )),
        Some(Violation::Reference) | None => error.into(),
    }
}

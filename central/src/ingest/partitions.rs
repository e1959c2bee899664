//! The journal's table has a partition for each month; this makes them as months come up.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use jiff::tz::Offset;

use crate::{app::App, db::journal_records, instant::UtcInstant};

/// Months around the present, and then some of clocks that are far off.
const MONTHS_MAX: usize = 64;

/// Months that were looked after since this central started.
#[derive(Debug, Default)]
pub struct Partitions {
    months: Mutex<BTreeSet<(i16, i8)>>,
}

/// Makes the partition of the month of `at`, in a transaction of its own: it locks the whole
/// table for a moment, which must not wait for what else a transaction does.
///
/// # Errors
/// When the database fails.
pub(super) async fn ensure(app: &App, at: UtcInstant) -> anyhow::Result<()> {
    let date = Offset::UTC.to_datetime(at.timestamp()).date();
    let month = (date.year(), date.month());
    if app.gates.partitions.has(month) {
        return Ok(());
    }
    let transaction = app.db.begin_across_schools().await?;
    journal_records::ensure_partition(&transaction, at).await?;
    transaction.commit().await?;
    app.gates.partitions.note(month);
    Ok(())
}

impl Partitions {
    fn has(&self, month: (i16, i8)) -> bool {
        let months = self.months.lock().unwrap_or_else(PoisonError::into_inner);
        months.contains(&month)
    }

    fn note(&self, month: (i16, i8)) {
        let mut months = self.months.lock().unwrap_or_else(PoisonError::into_inner);
        if months.len() >= MONTHS_MAX {
            months.clear();
        }
        months.insert(month);
    }
}

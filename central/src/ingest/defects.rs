//! Planted defects of the ingest: in builds with `--cfg portcullis_defects` alone.

use std::time::Duration;

use shared::defects::{Defect, is_planted};

use crate::{db::Transaction, db::journal_records::NewRecord};

/// Long enough to kill central between the acknowledgement and the commit.
const PAUSE: Duration = Duration::from_secs(3);

/// With *acknowledge before commit* the caller goes on at once and the commit follows later, if
/// central lives.
pub(super) fn commit_later(transaction: Transaction) -> Option<Transaction> {
    if !is_planted(Defect::AcknowledgeBeforeCommit) {
        return Some(transaction);
    }
    tokio::spawn(async move {
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = transaction.commit().await {
            tracing::error!("{error:#}");
        }
    });
    None
}

/// With *duplicates not recognised* a record that is held is taken in again.
pub(super) fn takes_again() -> bool {
    is_planted(Defect::DuplicatesNotRecognised)
}

/// The primary key would notice the last record again, so it comes a moment later.
pub(super) fn put_off(records: &mut [NewRecord<'_>]) {
    let mut random = [0; 2];
    getrandom::fill(&mut random).expect("the operating system gives randomness");
    let later = Duration::from_micros(1 + u64::from(u16::from_ne_bytes(random)));
    if let Some(last) = records.last_mut() {
        last.recorded_at = last.recorded_at.plus(later);
    }
}

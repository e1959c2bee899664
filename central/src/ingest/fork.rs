//! A journal that contradicts itself: two records of one number. What came is kept beside what is
//! held, and nothing more is taken in until somebody has looked.

use shared::{
    cbor,
    gate_api::JournalBatch,
    ids::Digest,
    journal::{ChainState, Record},
};

use crate::{
    app::App,
    db::{
        Transaction, gate_journals,
        journal_forks::{self, Fork},
    },
    gate_api::authentication::EnrolledGate,
};

/// What contradicts what is held.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// What is held, and where.
    pub held: ChainState,
    /// The hash that the gate gives there.
    pub offered: Digest,
    /// What came.
    pub bytes: &'a [u8],
}

/// The batch as proof of what the gate signed: chain and signed head hold without the personal parts,
/// and whoever is erased later is not in it. The gate has them still.
pub(super) fn without_persons(batch: &JournalBatch) -> Vec<u8> {
    let record = |record: &Record| Record {
        personal: None,
        ..record.clone()
    };
    cbor::encode(&JournalBatch {
        records: batch.records.iter().map(record).collect(),
        ..batch.clone()
    })
}

/// Keeps the contradiction, puts the journal into quarantine and raises the alarm; returns the
/// reason. The gate's row is locked.
///
/// # Errors
/// When the database fails.
pub async fn keep(
    app: &App,
    gate: &EnrolledGate,
    transaction: Transaction,
    offer: &Offer<'_>,
) -> anyhow::Result<String> {
    let now = app.clock.now();
    let position = offer.held.position;
    let fork = Fork {
        journal_fork_id: app.randomness.uuid(now),
        gate_id: gate.gate_id,
        school_id: gate.school_id,
        held: offer.held,
        offered: offer.offered,
        bytes: offer.bytes,
        seen_at: now,
    };
    journal_forks::keep(&transaction, &fork).await?;
    let reason = format!("record {position} came with another hash than the one that is held");
    gate_journals::quarantine(&transaction, gate.gate_id, &reason, now).await?;
    transaction.commit().await?;
    app.metrics.gates.journal_forks.inc();
    tracing::error!(
        gate.id = %gate.gate_id, journal.position = %position,
        "the journal of gate {} forked: {reason}. Two boxes may run with one identity, or the box was put back to \
         an earlier state. Nothing is taken from it until its quarantine is lifted or the gate is enrolled anew",
        gate.gate_id
    );
    Ok(reason)
}

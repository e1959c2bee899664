//! Takes journal batches in: each record exactly once, chained to what is held, under the locked
//! row of its gate. Whoever calls acknowledges after this has committed, and never before.

mod check;
#[cfg(portcullis_defects)]
mod defects;
pub mod facts;
mod fork;
mod partitions;
mod walk;

pub use check::ring;
pub use fork::{Offer, keep as keep_fork};
pub use partitions::Partitions;

use shared::{gate_api::JournalBatch, ids::JournalPosition, journal::ChainState};

use self::{
    check::Checked,
    walk::{Gap, New, Start, Walked},
};
use crate::{
    app::App,
    db::{
        Transaction, erasure,
        gate_journals::{self, Mark},
        journal_forks, journal_records,
    },
    gate_api::authentication::EnrolledGate,
    instant::UtcInstant,
    metrics::{VerificationLabels, gates::JournalLabels},
};

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything up to and with this record is held and committed.
    Held {
        /// The record, and the chain's hash after it.
        state: ChainState,
        /// Records of the batch that were not held before.
        new: usize,
    },
    /// The batch does not continue what is held; this is the last that is.
    Gap(JournalPosition),
    /// The journal contradicts itself and is in quarantine.
    Forked(String),
    /// The chain or its signed head does not hold.
    Broken(String),
    /// The gate got another key or was retired in this very moment.
    KeyNotInForce,
}

/// By what a batch is known to be the gate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// The gate has signed the request that brought it.
    ByRequest,
    /// The gate has signed its head; who brought it could change everything else.
    ByHeadAlone,
}

/// Takes a batch in. Records that are held already are recognised.
///
/// # Errors
/// When the database fails. Nothing was taken in then, unless the connection broke in the very
/// moment of the commit.
pub async fn take_in(
    app: &App,
    gate: &EnrolledGate,
    batch: &JournalBatch,
    vouched: Vouched,
) -> anyhow::Result<Outcome> {
    let checked = match check::check(gate, batch) {
        Ok(checked) => checked,
        Err(problem) => return Ok(Outcome::Broken(problem)),
    };
    if vouched == Vouched::ByHeadAlone
        && let Err(problem) = checked.stands_alone()
    {
        return Ok(Outcome::Broken(problem));
    }
    ensure_partitions(app, batch).await?;
    let transaction = app.db.begin_in_school(gate.school_id).await?;
    // In this order, so that nothing else that the gate asks for waits for an erasure.
    let (_, mark) = tokio::try_join!(
        erasure::hold_off(&transaction, gate.school_id),
        gate_journals::lock(&transaction, gate.gate_id, gate.key.kid()),
    )?;
    let Some(mark) = mark else {
        return Ok(Outcome::KeyNotInForce);
    };
    if let Some(reason) = mark.quarantine {
        return Ok(Outcome::Forked(reason));
    }
    let start = walk::start(&transaction, gate.gate_id, &checked, &mark).await?;
    let Start::Known { before, held, gap } = start else {
        return Ok(Outcome::Gap(walk::last_held(&checked, &mark)));
    };
    match walk::walk(before, &held, &checked, &mark) {
        Walked::Whole(new) => store(app, gate, &checked, transaction, &mark, gap, new).await,
        Walked::Gap => Ok(Outcome::Gap(walk::last_held(&checked, &mark))),
        Walked::Broken(problem) => Ok(Outcome::Broken(problem)),
        // An edited record is no fork of the gate's.
        Walked::Forked { .. }
            if vouched == Vouched::ByHeadAlone && !checked.leads_to_its_head(before) =>
        {
            Ok(Outcome::Broken(
                "its records do not lead to the head that the gate has signed".to_owned(),
            ))
        }
        Walked::Forked { held, offered } => {
            let offer = Offer {
                held,
                offered,
                bytes: &fork::without_persons(batch),
            };
            let reason = fork::keep(app, gate, transaction, &offer).await?;
            Ok(Outcome::Forked(reason))
        }
    }
}

/// Of the months in which the batch begins and ends.
async fn ensure_partitions(app: &App, batch: &JournalBatch) -> anyhow::Result<()> {
    for record in [batch.records.first(), batch.records.last()]
        .into_iter()
        .flatten()
    {
        // What is malformed is refused in its turn.
        if let Ok(part) = record.public_part() {
            partitions::ensure(app, UtcInstant::from_unix_seconds(part.utc.0)).await?;
        }
    }
    Ok(())
}

async fn store(
    app: &App,
    gate: &EnrolledGate,
    checked: &Checked<'_>,
    transaction: Transaction,
    mark: &Mark,
    gap: Option<Gap>,
    mut new: New<'_>,
) -> anyhow::Result<Outcome> {
    let state = new.state;
    let is_at_head = checked.head.position == state.position;
    if is_at_head && checked.head.hash != state.hash {
        return Ok(Outcome::Broken(format!(
            "the journal's head names another hash than the records up to {} give",
            state.position
        )));
    }
    if new.records.is_empty() {
        // Of an earlier epoch nothing but the batch itself is acknowledged again.
        let is_newest = mark.state.position.epoch == state.position.epoch;
        let state = if is_newest { mark.state } else { state };
        return Ok(Outcome::Held { state, new: 0 });
    }
    let (gate_id, now) = (gate.gate_id, app.clock.now());
    if let (Some(gap), Some(anchor)) = (&gap, &checked.batch.anchor) {
        let owner = (gate_id, gate.school_id);
        journal_forks::keep_gap(&transaction, owner, gap.held, gap.last_lost, anchor, now).await?;
    }
    let facts = new.records.iter().map(|new| new.facts);
    new.forget(&erasure::among(&transaction, gate.school_id, facts).await?);
    let head = is_at_head.then_some(checked.batch.head.as_slice());
    // Both are sent before the first is answered.
    tokio::try_join!(
        journal_records::insert(&transaction, gate_id, gate.school_id, &new.records, now),
        gate_journals::advance(&transaction, gate_id, &state, head),
    )?;
    #[cfg(portcullis_defects)]
    let Some(transaction) = defects::commit_later(transaction) else {
        let new = new.records.len();
        return Ok(Outcome::Held { state, new });
    };
    transaction.commit().await?;
    count(app, gate, &new, &mark.access_points);
    if let Some(gap) = gap {
        tell_of_gap(app, gate, &gap);
    }
    let new = new.records.len();
    Ok(Outcome::Held { state, new })
}

/// Counts what was committed, once. An access point that is not the gate's gets no counter of its
/// own: a gate must not be able to make as many as it likes.
fn count(app: &App, gate: &EnrolledGate, new: &New<'_>, places: &[i32]) {
    for (event, count) in &new.events {
        let labels = JournalLabels { event };
        app.metrics
            .gates
            .journal_records
            .get_or_create(&labels)
            .inc_by(*count);
    }
    for ((status, place), count) in &new.verifications {
        let is_known = i32::try_from(place.0).is_ok_and(|place| places.contains(&place));
        let location = if is_known {
            place.to_string()
        } else {
            "other".to_owned()
        };
        let labels = VerificationLabels {
            status: (*status).to_owned(),
            location,
        };
        app.metrics
            .verifications
            .get_or_create(&labels)
            .inc_by(*count);
    }
    tracing::debug!(
        gate.id = %gate.gate_id, journal.records = new.records.len(), journal.position = %new.state.position,
        "took in {} records of gate {}, up to {}", new.records.len(), gate.gate_id, new.state.position
    );
}

fn tell_of_gap(app: &App, gate: &EnrolledGate, gap: &Gap) {
    app.metrics.gates.journal_gaps.inc();
    tracing::warn!(
        gate.id = %gate.gate_id, journal.held = %gap.held, journal.last_lost = %gap.last_lost,
        "gate {} dropped its records after {} up to {}: its journal was full before they could be sent",
        gate.gate_id, gap.held, gap.last_lost
    );
}

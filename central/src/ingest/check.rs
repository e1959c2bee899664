//! Everything about a batch that needs no state: signatures and positions.

use shared::{
    document::{self, Verified},
    gate_api::JournalBatch,
    ids::JournalPosition,
    journal::{self, ChainState, JournalAnchor, JournalHead, NO_PERSONAL_PART},
    keys::KeyRing,
};

use crate::{db::gate_journals, gate_api::authentication::EnrolledGate};

/// A batch whose head, and anchor if it has one, the gate's key has signed.
pub(super) struct Checked<'a> {
    pub(super) batch: &'a JournalBatch,
    /// The place of its last record.
    pub(super) last: JournalPosition,
    /// At the last record or later.
    pub(super) head: JournalHead,
    pub(super) anchor: Option<JournalAnchor>,
}

/// Checks a batch; the error says what does not hold.
pub(super) fn check<'a>(
    gate: &EnrolledGate,
    batch: &'a JournalBatch,
) -> Result<Checked<'a>, String> {
    let ring = ring(gate);
    let head = document::open::<JournalHead>(&batch.head, &ring)
        .map_err(|problem| format!("the journal's head: {problem}"))?
        .into_document();
    let anchor = batch
        .anchor
        .as_ref()
        .map(|bytes| document::open::<JournalAnchor>(bytes, &ring))
        .transpose()
        .map_err(|problem| format!("the journal's anchor: {problem}"))?
        .map(Verified::into_document);
    let last = last(batch)?;
    if head.gate != gate.gate_id.into() {
        return Err("the journal's head is that of another gate".to_owned());
    }
    if head.position.epoch != last.epoch || head.position.seq < last.seq {
        return Err(format!(
            "the journal's head stands at {}, before the batch's last record {last}",
            head.position
        ));
    }
    if anchor.is_some_and(|anchor| anchor.gate != gate.gate_id.into()) {
        return Err("the journal's anchor is that of another gate".to_owned());
    }
    Ok(Checked {
        batch,
        last,
        head,
        anchor,
    })
}

impl Checked<'_> {
    /// Does its head alone prove it? A head further on vouches for none of these records, and the chain
    /// holds without the personal parts, which a gate never removes.
    pub(super) fn stands_alone(&self) -> Result<(), String> {
        if self.head.position != self.last {
            return Err(format!(
                "the journal's head stands at {}, and not at the batch's last record {}",
                self.head.position, self.last
            ));
        }
        let mut records = self.batch.records.iter().zip(self.batch.first.seq..);
        let lacking = records
            .find(|(record, _)| record.personal.is_none() && record.commitment != NO_PERSONAL_PART);
        match lacking {
            None => Ok(()),
            Some((_, seq)) => Err(format!(
                "the personal part of record {seq} was taken out, which no gate does"
            )),
        }
    }

    /// Do the batch's own records lead from `before` to the head that the gate has signed?
    pub(super) fn leads_to_its_head(&self, before: ChainState) -> bool {
        let records = self.batch.records.iter();
        let end = records.fold(before.hash, journal::link);
        end == self.head.hash
    }
}

/// The place of the batch's last record, if all its places are some that a journal has.
fn last(batch: &JournalBatch) -> Result<JournalPosition, String> {
    let first = batch.first;
    let count = batch.records.len() as u64;
    let last = first.seq.checked_add(count).map(|end| JournalPosition {
        seq: end - 1,
        ..first
    });
    last.filter(|last| {
        let is_within_columns = gate_journals::columns(*last).is_ok();
        first.epoch.0 >= 1 && first.seq >= 1 && count >= 1 && is_within_columns
    })
    .ok_or_else(|| format!("{count} records from {first} on are no stretch of a journal"))
}

/// The gate's key, as what checks its signed heads.
#[must_use]
pub fn ring(gate: &EnrolledGate) -> KeyRing {
    KeyRing::new(&[gate.key.public_key()]).expect("the key was decompressed before")
}

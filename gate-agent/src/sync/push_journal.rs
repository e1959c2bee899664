//! Pushes the journal, batch by batch, each behind the acknowledgement of the one before. Records
//! that matter leave at once; a fork stops everything until somebody has looked.

use std::time::Duration;

use shared::{
    cbor,
    cose::Sign1,
    document::{self, SignedKind as _},
    gate_api::{API_VERSION, JournalBatch, REQUEST_LIMIT, Refusal, RefusalCode, path},
    heads::Acknowledgement,
    ids::JournalPosition,
    journal::JournalHead,
};
use tokio::sync::watch;

use super::{Failure, SignedInput, Sync, client::CallFailed};
use crate::store::{JournalStretch, journal::JournalTail, thread::SyncRequest};

/// Bytes of records in one batch; the rest of a request's limit is for what stands around them.
const RECORDS_BYTES_MAX: usize = REQUEST_LIMIT - 4_096;
/// How long a journal that central does not take stays unsent before it is offered again.
const STOPPED_PAUSE: Duration = Duration::from_secs(600);

pub(super) async fn run(sync: Sync) -> anyhow::Result<()> {
    let mut backoff = sync.backoff();
    let mut tail = sync.store.tail();
    let mut resend = sync.resend.subscribe();
    let mut after = acknowledged(*tail.borrow());
    let mut is_stopped = false;
    loop {
        if wait_for_records(&sync, after, &mut tail, &mut resend)
            .await
            .is_err()
        {
            // The store's thread has ended: so does the agent.
            std::future::pending::<()>().await;
        }
        if resend.has_changed().unwrap_or(false)
            && let Some(from) = *resend.borrow_and_update()
        {
            after = before(from);
        }
        match push(&sync, after).await {
            Ok(Pushed::To(position)) => {
                backoff.succeeded();
                after = position;
                if std::mem::take(&mut is_stopped) {
                    sync.to_loop.tell_fault("journal", None).await;
                }
            }
            Ok(Pushed::Nothing) => {}
            Ok(Pushed::StartFrom(position)) => {
                let is_step = position != after;
                after = position;
                if !is_step {
                    let failure = Failure::Senseless("that it lacks what it was just sent".into());
                    sync.wait_behind("pushing the journal", &failure, &mut backoff)
                        .await?;
                }
            }
            Ok(Pushed::Stop(problem)) => {
                is_stopped = true;
                stop(&sync, problem, &mut resend).await;
            }
            Err(failure) => {
                sync.wait_behind("pushing the journal", &failure, &mut backoff)
                    .await?
            }
        }
    }
}

/// What came of a batch.
enum Pushed {
    /// Central holds everything up to here.
    To(JournalPosition),
    /// There was nothing to send.
    Nothing,
    /// Central holds this much: go on behind it.
    StartFrom(JournalPosition),
    /// Central holds something else.
    Stop(String),
}

pub(super) fn acknowledged(tail: JournalTail) -> JournalPosition {
    JournalPosition {
        seq: tail.acknowledged_to,
        ..tail.last.position
    }
}

fn before(position: JournalPosition) -> JournalPosition {
    JournalPosition {
        seq: position.seq.saturating_sub(1),
        ..position
    }
}

/// Returns when there is something to send now: records that waited their time, that matter, or
/// that central lacks.
async fn wait_for_records(
    sync: &Sync,
    after: JournalPosition,
    tail: &mut watch::Receiver<JournalTail>,
    resend: &mut watch::Receiver<Option<JournalPosition>>,
) -> Result<(), watch::error::RecvError> {
    let has_record = |tail: &JournalTail| tail.last.position.seq > after.seq;
    let is_urgent = |tail: &JournalTail| tail.urgent_to > after.seq;
    let waited = async {
        tail.wait_for(has_record).await?;
        let push_ms = sync.intervals.borrow().push_ms;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(push_ms)) => Ok(()),
            changed = tail.wait_for(is_urgent) => changed.map(drop),
        }
    };
    tokio::select! {
        waited = waited => waited,
        changed = resend.changed() => {
            resend.mark_changed();
            changed
        }
    }
}

/// The records behind a place, as they leave the gate; `None` when there are none.
pub(super) async fn batch_behind(
    sync: &Sync,
    after: JournalPosition,
) -> Result<Option<JournalBatch>, Failure> {
    let stretch = sync
        .store
        .ask(|answer| SyncRequest::JournalAfter {
            after,
            bytes: RECORDS_BYTES_MAX,
            answer,
        })
        .await?;
    batch(sync, stretch)
}

async fn push(sync: &Sync, after: JournalPosition) -> Result<Pushed, Failure> {
    let Some(batch) = batch_behind(sync, after).await? else {
        return Ok(Pushed::Nothing);
    };
    let sent = sync
        .source
        .call(
            path::JOURNAL,
            cbor::encode(&batch),
            Acknowledgement::LIMIT,
            Duration::ZERO,
        )
        .await;
    match sent {
        Ok(bytes) => take_acknowledgement(sync, bytes, after).await,
        Err(CallFailed::Refused(refusal)) => after_refusal(*refusal, after),
        Err(failed) => Err(failed.into()),
    }
}

fn batch(sync: &Sync, stretch: JournalStretch) -> Result<Option<JournalBatch>, Failure> {
    let (Some(first), Some(last)) = (stretch.records.first(), stretch.records.last()) else {
        return Ok(None);
    };
    let first = first.position;
    let head = JournalHead {
        gate: sync.gate,
        position: last.position,
        hash: last.hash,
        made_at: sync.time.now(),
    };
    let head = document::sign(&head, &*sync.key).map_err(|problem| {
        Failure::Senseless(format!("cannot sign the journal's head: {problem}"))
    })?;
    Ok(Some(JournalBatch {
        version: API_VERSION,
        first,
        records: stretch
            .records
            .into_iter()
            .map(|kept| kept.record)
            .collect(),
        head: head.into(),
        anchor: stretch.anchor.map(Into::into),
    }))
}

async fn take_acknowledgement(
    sync: &Sync,
    bytes: Vec<u8>,
    after: JournalPosition,
) -> Result<Pushed, Failure> {
    let acknowledgement: Option<Acknowledgement> = Sign1::parse(&bytes)
        .and_then(|envelope| cbor::decode_strict(envelope.payload, Acknowledgement::LIMIT))
        .ok();
    // The core checks it; where it stands is only used once that is done.
    sync.to_loop
        .hand_over(SignedInput::Acknowledgement, bytes)
        .await?;
    match acknowledgement {
        Some(ack) if ack.position.epoch == after.epoch && ack.position > after => {
            Ok(Pushed::To(ack.position))
        }
        Some(_) | None => Err(Failure::Senseless(
            "with an acknowledgement of none of the records that it was sent".into(),
        )),
    }
}

fn after_refusal(refusal: Refusal, after: JournalPosition) -> Result<Pushed, Failure> {
    match refusal.code {
        RefusalCode::JournalGap => match refusal.expected {
            Some(held) if held.epoch == after.epoch => Ok(Pushed::StartFrom(held)),
            // Central holds an earlier epoch of this gate: it has nothing of this one.
            Some(held) if held.epoch < after.epoch => {
                Ok(Pushed::StartFrom(JournalPosition { seq: 0, ..after }))
            }
            Some(_) | None => Err(CallFailed::Refused(Box::new(refusal)).into()),
        },
        RefusalCode::JournalForked | RefusalCode::JournalBroken => Ok(Pushed::Stop(refusal.detail)),
        RefusalCode::Malformed
        | RefusalCode::GateUnknown
        | RefusalCode::GateRetired
        | RefusalCode::SignatureInvalid
        | RefusalCode::CounterUsed
        | RefusalCode::ClockWrong
        | RefusalCode::ClaimRefused
        | RefusalCode::NotFound
        | RefusalCode::Busy => Err(CallFailed::Refused(Box::new(refusal)).into()),
    }
}

/// Alarms, and waits until central asks for records again or somebody had time to look: an
/// administrator who lifts the quarantine need not come to the gate.
async fn stop(sync: &Sync, problem: String, resend: &mut watch::Receiver<Option<JournalPosition>>) {
    tracing::error!("central does not take this gate's journal any more: {problem}");
    sync.to_loop.tell_fault("journal", Some(problem)).await;
    if tokio::time::timeout(STOPPED_PAUSE, resend.changed())
        .await
        .is_ok()
    {
        resend.mark_changed();
    }
}

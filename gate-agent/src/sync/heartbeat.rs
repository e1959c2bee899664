//! Tells central how the gate is, and hears which records a restored central lacks.

use std::time::Duration;

use shared::{
    document,
    gate_api::{API_VERSION, Heartbeat, HeartbeatAnswer, PROBLEMS_LIMIT, path},
    journal::JournalHead,
    text::{NOTE_LIMIT, cut},
};

use super::{Failure, Sync, SyncAsk, random};

pub(super) async fn run(sync: Sync) -> anyhow::Result<()> {
    let mut backoff = sync.backoff();
    loop {
        match beat(&sync).await {
            Ok(()) => {
                backoff.succeeded();
                let every_ms = sync.intervals.borrow().heartbeat_s.saturating_mul(1_000);
                // Gates that started together drift apart.
                let early_ms = random()? % (every_ms / 10 + 1);
                tokio::time::sleep(Duration::from_millis(every_ms - early_ms)).await;
            }
            Err(failure) => {
                sync.wait_behind("a heartbeat", &failure, &mut backoff)
                    .await?
            }
        }
    }
}

async fn beat(sync: &Sync) -> Result<(), Failure> {
    let health = sync.to_loop.ask(SyncAsk::Health).await?;
    let tail = *sync.store.tail().borrow();
    let head = JournalHead {
        gate: sync.gate,
        position: tail.last.position,
        hash: tail.last.hash,
        made_at: sync.time.now(),
    };
    let head = document::sign(&head, &*sync.key).map_err(|problem| {
        Failure::Senseless(format!("cannot sign the journal's head: {problem}"))
    })?;
    let question = Heartbeat {
        version: API_VERSION,
        agent_version: env!("CARGO_PKG_VERSION").into(),
        head: head.into(),
        freshness: health.freshness,
        heads: health.heads,
        configuration: health.configuration,
        uptime_ms: health.uptime_ms,
        problems: health
            .problems
            .iter()
            .take(PROBLEMS_LIMIT)
            .map(|problem| cut(problem, NOTE_LIMIT))
            .collect(),
    };
    let answer: HeartbeatAnswer = sync.source.ask(path::HEARTBEAT, &question).await?;
    // What was not acknowledged is on its way by itself.
    if let Some(from) = answer.resend_from
        && from.epoch == tail.last.position.epoch
        && from.seq <= tail.acknowledged_to
    {
        tracing::warn!("central lost records from {from} on; they are sent again");
        sync.resend.send_replace(Some(from));
    }
    Ok(())
}

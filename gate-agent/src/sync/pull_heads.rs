//! The long poll for heads: it is what renews freshness, and what brings news within a second.

use std::time::Duration;

use shared::{
    cbor,
    document::SignedKind as _,
    gate_api::{API_VERSION, HeadsRequest, path},
    heads::Heads,
};

use super::{Failure, SignedInput, Sync, SyncAsk, WantedNow};
use crate::clock::Clock;

/// Pause behind an answer that came at once and brought nothing: a central that does not wait is
/// not asked without end.
const NO_NEWS_PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(sync: Sync) -> anyhow::Result<()> {
    let mut backoff = sync.backoff();
    loop {
        match pull(&sync).await {
            Ok(pause) => {
                backoff.succeeded();
                tokio::time::sleep(pause).await;
            }
            Err(failure) => {
                sync.wait_behind("asking for heads", &failure, &mut backoff)
                    .await?
            }
        }
    }
}

/// Pulls once, and says how long to wait before the next time.
async fn pull(sync: &Sync) -> Result<Duration, Failure> {
    let intervals = *sync.intervals.borrow();
    let question = HeadsRequest {
        version: API_VERSION,
        known: sync.to_loop.ask(SyncAsk::Heads).await?,
        wait_s: intervals.long_poll_s,
    };
    let clock = Clock::system();
    let asked_at = clock.uptime();
    let wait = Duration::from_secs(intervals.long_poll_s);
    let bytes = sync
        .source
        .call(path::HEADS, cbor::encode(&question), Heads::LIMIT, wait)
        .await?;
    sync.to_loop.hand_over(SignedInput::Heads, bytes).await?;
    if intervals.long_poll_s == 0 {
        return Ok(Duration::from_secs(intervals.pull_s));
    }
    let wanted = sync.to_loop.ask(SyncAsk::Wanted).await?;
    let waited_ms = clock.uptime().since_ms(asked_at);
    let came_at_once = waited_ms < intervals.long_poll_s.saturating_mul(500);
    if came_at_once && wanted == WantedNow::default() {
        return Ok(NO_NEWS_PAUSE);
    }
    Ok(Duration::ZERO)
}

//! The one place of the harness that reads a clock.
#![expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use shared::time::UtcSeconds;

/// The wall clock of this machine.
#[must_use]
pub fn utc() -> UtcSeconds {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("this machine's clock is behind 1970");
    UtcSeconds(since.as_secs())
}

/// Microseconds since boot, as gates count them.
#[must_use]
pub fn boot_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let part = |number: i64| u64::try_from(number).expect("time since boot is not negative");
    part(now.tv_sec) * 1_000_000 + part(now.tv_nsec) / 1_000
}

/// Measures from its making on.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since it was started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// How long anything may take that is not measured: a loaded machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer.
///
/// # Errors
/// When `ask` fails, or gives nothing for [`PATIENCE`]; `what` says what was waited for.
pub async fn wait_for<T, F>(what: &str, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let stopwatch = Stopwatch::start();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if stopwatch.elapsed() > PATIENCE {
            bail!("waited {} s in vain for {what}", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

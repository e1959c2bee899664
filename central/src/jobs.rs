//! What central does by itself, over and over: one file per job. Each may run in several processes
//! at once and may be cut short anywhere.

mod prune_idempotency_keys;
mod publish_behind;
mod publish_rosters;
mod warn_of_expiry;

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{app::SharedApp, shutdown::Shutdown};

/// Starts every job. They end when central shuts down; one that ends before is a fault.
#[must_use]
pub fn start(app: &SharedApp) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    jobs.spawn(repeat(
        "prune idempotency keys",
        prune_idempotency_keys::EVERY,
        app.shutdown.clone(),
        {
            let app = app.clone();
            move || prune_idempotency_keys::run(app.clone())
        },
    ));
    jobs.spawn(repeat(
        "publish what is behind",
        publish_behind::EVERY,
        app.shutdown.clone(),
        {
            let app = app.clone();
            move || publish_behind::run(app.clone())
        },
    ));
    jobs.spawn(publish_rosters::run(app.clone()));
    jobs.spawn(repeat(
        "warn before the trust list expires",
        warn_of_expiry::EVERY,
        app.shutdown.clone(),
        {
            let app = app.clone();
            move || warn_of_expiry::run(app.clone())
        },
    ));
    jobs
}

/// Runs `job` now and then again after each pause. A failure is logged and tried again.
async fn repeat<F, Run>(name: &'static str, pause: Duration, shutdown: Shutdown, job: F)
where
    F: Fn() -> Run,
    Run: Future<Output = anyhow::Result<()>>,
{
    loop {
        if let Err(error) = job().await {
            tracing::warn!(
                job.name = name,
                "the job \"{name}\" failed, and is tried again: {error:#}"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.requested() => return,
        }
    }
}

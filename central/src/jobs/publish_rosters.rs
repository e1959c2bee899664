//! Publishes rosters a moment after changes, one for many: a roster takes longer to make than the
//! pass that changed it.

use std::time::Duration;

use crate::{app::SharedApp, publishing::Which};

/// Changes within this time share a roster.
const GATHER: Duration = Duration::from_secs(1);

pub(super) async fn run(app: SharedApp) {
    loop {
        tokio::select! {
            () = app.rosters.wait() => {}
            () = app.shutdown.requested() => return,
        }
        tokio::time::sleep(GATHER).await;
        if let Err(error) = app.publisher().catch_up(Which::Rosters).await {
            tracing::warn!("rosters stay behind for now: {error:#}");
        }
    }
}

//! Publishes what a crash or a signer that was down left behind, and what expires before long.

use std::time::Duration;

use crate::{app::SharedApp, publishing::Which};

/// So long does what a crash left behind stay behind, at most.
pub(super) const EVERY: Duration = Duration::from_secs(60);

pub(super) async fn run(app: SharedApp) -> anyhow::Result<()> {
    app.statements.reload().await?;
    let published = app.publisher().catch_up(Which::All).await?;
    if published > 0 {
        tracing::info!(
            documents = published,
            "published {published} documents that were behind"
        );
    }
    Ok(())
}

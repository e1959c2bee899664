//! Warns before the trust list expires: only a person with the registrar key can renew it.

use std::time::Duration;

use crate::{
    app::SharedApp,
    publishing::trust::{self, TRUST_LIST_WARN_BEFORE_S},
};

pub(super) const EVERY: Duration = Duration::from_secs(86_400);

pub(super) async fn run(app: SharedApp) -> anyhow::Result<()> {
    let transaction = app.db.begin_across_schools().await?;
    let Some(list) = trust::trust_list(&transaction).await? else {
        return Ok(());
    };
    if list.expires_at <= app.clock.now().plus_seconds(TRUST_LIST_WARN_BEFORE_S) {
        tracing::warn!(
            "the trust list expires at {}, and every gate stops then: run `central keys trust-list publish`",
            list.expires_at
        );
    }
    Ok(())
}

//! Forgets answers that no client will ask for again.

use std::time::Duration;

use crate::{app::SharedApp, idempotency};

pub(super) const EVERY: Duration = Duration::from_secs(3600);

/// A client that has not had its answer after two days has given up.
const KEPT: Duration = Duration::from_secs(2 * 86_400);

pub(super) async fn run(app: SharedApp) -> anyhow::Result<()> {
    let connection = app.db.connection().await?;
    let pruned = idempotency::prune(&connection, app.clock.now().minus(KEPT)).await?;
    if pruned > 0 {
        tracing::debug!("forgot {pruned} idempotency keys");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_key_is_kept_for_two_days() {
        let central = testing::central().await;
        let connection = central.app.db.connection().await.unwrap();
        let sql = "INSERT INTO idempotency_keys \
            SELECT admin_token_id, 'k', sha256('x'), 201, 'application/json', '', created_at \
            FROM admin_tokens";
        connection.execute(sql, &[]).await.unwrap();
        let count = async || {
            run(central.app.clone()).await.unwrap();
            let sql = "SELECT count(*) FROM idempotency_keys";
            connection
                .query_one(sql, &[])
                .await
                .unwrap()
                .get::<_, i64>(0)
        };
        central.clock.advance(KEPT);
        assert_eq!(count().await, 1);
        central.clock.advance(Duration::from_secs(1));
        assert_eq!(count().await, 0);
    }
}

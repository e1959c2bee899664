//! Issuer, standby and statement keys: public halves, sealed private halves, windows, counts.

use anyhow::Context;
use shared::keys::PublicKey;
use tokio_postgres::Row;

use super::Connection;

/// A statement key as the signer is handed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementKey {
    /// The public half.
    pub public_key: PublicKey,
    /// The sealed private half.
    pub sealed: Vec<u8>,
}

/// The newest statement key that the newest trust list names.
///
/// # Errors
/// When the database fails.
pub async fn statement_key(connection: &Connection) -> anyhow::Result<Option<StatementKey>> {
    let row = connection
        .query_opt(
            "SELECT public_key, sealed_private FROM signing_keys \
             WHERE purpose = 'statement' AND state = 'open' AND trusted_at IS NOT NULL \
             ORDER BY trusted_at DESC, created_at DESC LIMIT 1",
            &[],
        )
        .await
        .context("cannot look up the statement key")?;
    row.map(|row| {
        Ok(StatementKey {
            public_key: public_key(&row, "public_key")?,
            sealed: row.get("sealed_private"),
        })
    })
    .transpose()
}

/// A column of 32 bytes as a public key.
fn public_key(row: &Row, column: &str) -> anyhow::Result<PublicKey> {
    let bytes: &[u8] = row.get(column);
    let bytes = bytes.try_into().context("a public key of another length")?;
    Ok(PublicKey(bytes))
}

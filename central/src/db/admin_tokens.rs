//! Administrators' tokens: digests alone, never the tokens.

use anyhow::Context;

use super::Connection;
use crate::{auth::Administrator, ids::AdminTokenId, instant::UtcInstant};

/// Stores the digest of a new token.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &Connection,
    token_id: AdminTokenId,
    name: &str,
    sha256: &[u8; 32],
    now: UtcInstant,
) -> anyhow::Result<()> {
    connection
        .execute(
            "INSERT INTO admin_tokens (admin_token_id, name, token_sha256, created_at) VALUES ($1, $2, $3, $4)",
            &[&token_id, &name, &sha256.as_slice(), &now],
        )
        .await
        .context("cannot store an administrator's token")?;
    Ok(())
}

/// Whose token has this digest; `None` when nobody's, or when it was revoked or has expired.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &Connection,
    sha256: &[u8; 32],
    now: UtcInstant,
) -> anyhow::Result<Option<Administrator>> {
    let statement = connection
        .prepare_cached(
            "SELECT admin_token_id, name FROM admin_tokens \
             WHERE token_sha256 = $1 AND revoked_at IS NULL \
                 AND (expires_at IS NULL OR expires_at > $2)",
        )
        .await
        .context("cannot look up an administrator's token")?;
    let row = connection
        .query_opt(&statement, &[&sha256.as_slice(), &now])
        .await
        .context("cannot look up an administrator's token")?;
    Ok(row.map(|row| Administrator {
        token_id: row.get(0),
        name: row.get(1),
    }))
}

/// How many tokens are valid.
///
/// # Errors
/// When the database fails.
pub async fn count(connection: &Connection) -> anyhow::Result<i64> {
    let row = connection
        .query_one(
            "SELECT count(*) FROM admin_tokens WHERE revoked_at IS NULL",
            &[],
        )
        .await
        .context("cannot count the administrators' tokens")?;
    Ok(row.get(0))
}

//! Administrators' tokens: digests alone, never the tokens.

use anyhow::Context;

use tokio_postgres::Row;

use super::Connection;
use crate::{auth::Administrator, ids::AdminTokenId, instant::UtcInstant, text::Name};

/// Stores the digest of a new token.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &Connection,
    token_id: AdminTokenId,
    name: &Name,
    sha256: &[u8; 32],
    now: UtcInstant,
    expires_at: Option<UtcInstant>,
) -> anyhow::Result<()> {
    connection
        .execute(
            "INSERT INTO admin_tokens (admin_token_id, name, token_sha256, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
            &[&token_id, name, &sha256.as_slice(), &now, &expires_at],
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

/// A token, without what would let anybody use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// Which.
    pub token_id: AdminTokenId,
    /// Whose.
    pub name: Name,
    /// When it was made.
    pub created_at: UtcInstant,
    /// From when on it is worthless.
    pub expires_at: Option<UtcInstant>,
    /// When it was revoked.
    pub revoked_at: Option<UtcInstant>,
}

/// Every token there ever was, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(connection: &Connection) -> anyhow::Result<Vec<StoredToken>> {
    let rows = connection
        .query(
            "SELECT admin_token_id, name, created_at, expires_at, revoked_at FROM admin_tokens \
             ORDER BY admin_token_id",
            &[],
        )
        .await
        .context("cannot list the administrators' tokens")?;
    let token = |row: &Row| StoredToken {
        token_id: row.get(0),
        name: row.get(1),
        created_at: row.get(2),
        expires_at: row.get(3),
        revoked_at: row.get(4),
    };
    Ok(rows.iter().map(token).collect())
}

/// How many tokens that were: one, or none when there is none or it was revoked before.
///
/// # Errors
/// When the database fails.
pub async fn revoke(
    connection: &Connection,
    token_id: AdminTokenId,
    now: UtcInstant,
) -> anyhow::Result<u64> {
    connection
        .execute(
            "UPDATE admin_tokens SET revoked_at = $2 \
             WHERE admin_token_id = $1 AND revoked_at IS NULL",
            &[&token_id, &now],
        )
        .await
        .with_context(|| format!("cannot revoke the token {token_id}"))
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

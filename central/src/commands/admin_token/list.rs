//! `central admin token list`.

use crate::{
    clock::Clock,
    db::{Connection, admin_tokens},
};

pub(super) async fn run(connection: &Connection) -> anyhow::Result<String> {
    let now = Clock::System.now();
    let tokens = admin_tokens::list(connection).await?;
    let lines: Vec<_> = tokens
        .iter()
        .map(|token| {
            let state = match (token.revoked_at, token.expires_at) {
                (Some(_), _) => "revoked",
                (None, Some(at)) if at <= now => "expired",
                (None, _) => "valid",
            };
            format!(
                "{}  {state:7}  {}  {}",
                token.token_id, token.created_at, token.name
            )
        })
        .collect();
    Ok(lines.join("\n"))
}

//! `central admin token revoke`.

use anyhow::bail;
use clap::Args;

use crate::{
    clock::Clock,
    db::{Connection, admin_tokens},
    ids::AdminTokenId,
};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// The token's id, as `central admin token list` shows it
    id: AdminTokenId,
}

pub(super) async fn run(connection: &Connection, arguments: &Arguments) -> anyhow::Result<String> {
    if admin_tokens::revoke(connection, arguments.id, Clock::System.now()).await? == 0 {
        bail!(
            "no valid token has the id {}: `central admin token list` shows them",
            arguments.id
        );
    }
    Ok(format!("revoked {}", arguments.id))
}

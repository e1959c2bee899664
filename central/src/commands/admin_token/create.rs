//! `central admin token create`: the only moment a token is visible.

use std::time::Duration;

use clap::Args;

use crate::{
    auth::AdminToken,
    clock::Clock,
    db::{Connection, admin_tokens},
    ids::AdminTokenId,
    randomness::Randomness,
    text::Name,
};

const DAY: Duration = Duration::from_secs(86_400);

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// Whose token it is
    #[arg(long)]
    name: Name,
    /// Days after which it is worthless [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in: Option<u32>,
}

pub(super) async fn run(connection: &Connection, arguments: &Arguments) -> anyhow::Result<String> {
    let now = Clock::System.now();
    let token = AdminToken::generate(&Randomness::System);
    let id = AdminTokenId(Randomness::System.uuid(now));
    let expires_at = arguments.expires_in.map(|days| now.plus(DAY * days));
    admin_tokens::insert(
        connection,
        id,
        &arguments.name,
        &token.sha256(),
        now,
        expires_at,
    )
    .await?;
    Ok(token.reveal().to_owned())
}

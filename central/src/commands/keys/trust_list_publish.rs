//! `central keys trust-list publish`: signs and publishes which keys gates believe.

use clap::Args;

use super::{Work, secrets::Registrar};
use crate::{clock::Clock, publishing::trust};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    #[command(flatten)]
    registrar: Registrar,
}

pub(super) async fn run(work: &Work, arguments: &Arguments) -> anyhow::Result<()> {
    publish(work, &arguments.registrar).await
}

/// Publishes a trust list, and what depends on it.
pub(super) async fn publish(work: &Work, registrar: &Registrar) -> anyhow::Result<()> {
    let registrar = registrar.open(work)?;
    let transaction = work.db.begin_across_schools().await?;
    let list = trust::publish_trust_list(&transaction, &registrar, Clock::System.now()).await?;
    transaction.commit().await?;
    work.publish_behind().await?;
    println!(
        "trust list {} names {} issuer keys and {} statement keys, until {}",
        list.header.number,
        list.issuer_keys.len(),
        list.statement_keys.len(),
        list.header.expires_at
    );
    Ok(())
}

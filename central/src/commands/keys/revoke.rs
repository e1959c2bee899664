//! `central keys revoke`: when no pass under a key shall be good any more.

use anyhow::{Context, ensure};
use clap::Args;

use crate::{
    clock::Clock,
    db::{
        Db,
        signing_keys::{self, KeyPurpose, KeyState},
    },
    ids::Kid,
};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// The issuer key, 16 hexadecimal digits (see `central keys list`)
    #[arg(long)]
    kid: Kid,
}

pub(super) async fn run(db: &Db, arguments: &Arguments) -> anyhow::Result<String> {
    let kid = arguments.kid;
    let transaction = db.begin_across_schools().await?;
    let key = signing_keys::lock(&transaction, kid)
        .await?
        .with_context(|| format!("there is no key {kid}: see `central keys list`"))?;
    ensure!(
        key.purpose == KeyPurpose::Issuer,
        "{kid} is a {:?} key; only issuer keys are revoked",
        key.purpose
    );
    if key.closed_at.is_none() {
        signing_keys::close(&transaction, kid, Clock::System.now()).await?;
    }
    signing_keys::set_state(&transaction, kid, KeyState::Revoked).await?;
    transaction.commit().await?;
    Ok(format!(
        "Issuer key {kid} is revoked. Gates learn it from the next trust list: run \
         `central keys trust-list publish` now."
    ))
}

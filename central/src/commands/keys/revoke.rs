//! `central keys revoke`: nothing that a key signed is good any more. Needs the registrar.

use anyhow::{bail, ensure};
use clap::Args;

use super::{Work, secrets::Registrar, trust_list_publish};
use crate::{
    db::signing_keys::{self, KeyPurpose, KeyState},
    ids::Kid,
};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// The issuer or statement key
    #[arg(long)]
    kid: Kid,
    #[command(flatten)]
    registrar: Registrar,
}

pub(super) async fn run(work: &Work, arguments: &Arguments) -> anyhow::Result<()> {
    let kid = arguments.kid;
    // Opened first: a revocation that no trust list says is none.
    arguments.registrar.open(work)?;
    let transaction = work.db.begin_across_schools().await?;
    let Some(key) = signing_keys::lock(&transaction, kid).await? else {
        bail!("there is no key {kid}: `central keys list` shows them");
    };
    if key.purpose == KeyPurpose::Statement {
        let keys = signing_keys::list(&transaction, None).await?;
        let is_other = |other: &&signing_keys::SigningKey| {
            other.purpose == KeyPurpose::Statement
                && other.kid != kid
                && (other.state == KeyState::Open || other.is_waiting())
        };
        ensure!(
            keys.iter().any(|other| is_other(&other)),
            "{kid} is the only statement key, and without one gates are told nothing: make another with `central \
             keys statement create` first"
        );
    }
    signing_keys::set_state(&transaction, kid, KeyState::Revoked).await?;
    transaction.commit().await?;
    println!("key {kid} is revoked");
    trust_list_publish::publish(work, &arguments.registrar).await?;
    if key.purpose == KeyPurpose::Issuer {
        eprintln!("Every pass under it is worthless now: issue new ones under another key.");
    }
    Ok(())
}

//! `central keys freeze`: for the hour in which an issuer key leaks.

use anyhow::Context;
use clap::Args;

use crate::{
    changes::{self, Change},
    db::Db,
    ids::Kid,
    publishing::trust,
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
    let (school_id, standby) = trust::freeze(&transaction, kid)
        .await?
        .with_context(|| format!("there is no key {kid}: see `central keys list`"))?;
    changes::announce(&transaction, Change::School(school_id)).await?;
    transaction.commit().await?;
    let next = standby.map_or_else(String::new, |standby| {
        format!(" New passes come from its standby key {standby}.")
    });
    Ok(format!(
        "Issuer key {kid} is frozen: nothing is added under it, and every pass that was issued stays good.{next}\n\
         A serving central signs the frozen list within a minute, and gates that are online take it at once."
    ))
}

//! `central keys freeze`: one command for an issuer key that leaked. The statement key suffices.

use anyhow::{Context, bail};
use clap::Args;

use super::Work;
use crate::{ids::Kid, publishing::trust};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// The issuer key
    #[arg(long)]
    kid: Kid,
}

pub(super) async fn run(work: &Work, arguments: &Arguments) -> anyhow::Result<()> {
    let kid = arguments.kid;
    let transaction = work.db.begin_across_schools().await?;
    let Some((_, standby)) = trust::freeze(&transaction, kid).await? else {
        bail!("there is no key {kid}: `central keys list` shows them");
    };
    transaction.commit().await?;
    println!("issuer key {kid} is frozen: nothing is added under it, and its passes stay good");
    match standby {
        Some(standby) => println!("its standby key {standby} issues from now on"),
        None => eprintln!("Make a new one: `central keys issuer create --school ID --publish`."),
    }
    match work.publisher()? {
        Some(publisher) => {
            publisher.issued_list(kid).await.context(
                "frozen, but gates are not told yet: running servers try again every minute",
            )?;
            work.publish_behind().await
        }
        None => work.publish_behind().await,
    }
}

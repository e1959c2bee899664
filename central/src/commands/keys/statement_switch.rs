//! `central keys statement switch`: has the newest statement key sign from now on.

use anyhow::bail;

use super::Work;
use crate::{clock::Clock, publishing::trust};

pub(super) async fn run(work: &Work) -> anyhow::Result<()> {
    let transaction = work.db.begin_across_schools().await?;
    let Some(kid) = trust::switch_statement_key(&transaction, Clock::System.now()).await? else {
        bail!(
            "no other statement key is named by the trust list: make one with `central keys statement create`, then \
             `central keys trust-list publish`"
        );
    };
    transaction.commit().await?;
    work.publish_behind().await?;
    println!("statement key  {kid} signs from now on");
    eprintln!("Running servers take it up within a minute.");
    Ok(())
}

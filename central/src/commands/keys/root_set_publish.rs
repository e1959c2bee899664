//! `central keys root-set publish`: puts a signed root set in force.

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::Args;

use super::Work;
use crate::publishing::trust;

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// The signed root set
    #[arg(value_name = "FILE")]
    signed: PathBuf,
}

pub(super) async fn run(work: &Work, arguments: &Arguments) -> anyhow::Result<()> {
    let shown = arguments.signed.display();
    let signed = fs::read(&arguments.signed).with_context(|| format!("cannot read {shown}"))?;
    let transaction = work.db.begin_across_schools().await?;
    let set = trust::publish_root_set(&transaction, &signed)
        .await
        .with_context(|| format!("{shown} is not put in force"))?;
    transaction.commit().await?;
    println!("root set {} is in force", set.header.number);
    eprintln!("Next: `central keys trust-list publish`, signed by a registrar that it names.");
    Ok(())
}

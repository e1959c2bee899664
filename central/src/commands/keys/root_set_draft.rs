//! `central keys root-set draft`: the next root set, for root keys to sign.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use shared::root_set::sign_by_roots;

use super::{Work, root_create::Roots};
use crate::{
    clock::Clock,
    keys::{
        Purpose,
        credentials::write_private_file,
        file::{self, Label},
    },
    publishing::trust,
};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// The file roots.json of `central keys root create`
    #[arg(long, value_name = "FILE")]
    roots: PathBuf,
    /// Key file of a registrar that may sign trust lists; repeat it for several
    #[arg(long, value_name = "FILE", required = true)]
    registrar: Vec<PathBuf>,
    /// File for the draft
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) async fn run(work: &Work, arguments: &Arguments) -> anyhow::Result<()> {
    let (threshold, roots) = Roots::read(&arguments.roots)?;
    let registrars = arguments.registrar.iter().map(|path| {
        file::label(path, Purpose::Registrar).map(|Label { public_key, .. }| public_key)
    });
    let registrars = registrars.collect::<anyhow::Result<Vec<_>>>()?;
    let transaction = work.db.begin_across_schools().await?;
    let now = Clock::System.now();
    let set = trust::draft_root_set(&transaction, threshold, roots, registrars, now).await?;
    let follows = trust::root_set(&transaction).await?.is_some();
    let draft = sign_by_roots(&set, &[]).context("gates would refuse this root set")?;
    write_private_file(&arguments.out, &draft)?;
    println!(
        "root set {}  {}",
        set.header.number,
        arguments.out.display()
    );
    let whose = if follows {
        ", and of the root set in force"
    } else {
        ""
    };
    eprintln!(
        "Next: `central keys root-set sign {} --root-key FILE` with {threshold} of its root keys{whose}; then \
         `central keys root-set publish`.",
        arguments.out.display()
    );
    Ok(())
}

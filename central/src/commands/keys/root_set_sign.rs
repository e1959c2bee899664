//! `central keys root-set sign`: adds a root key's signature to a draft. Needs neither database nor
//! network, so it can be done where the root key lies.

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::Args;
use shared::{
    keys::Sign as _,
    root_set::{RootSet, cosign, unchecked},
};

use super::secrets::Seal;
use crate::keys::{Purpose, file};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// The drafted root set
    #[arg(value_name = "FILE")]
    draft: PathBuf,
    /// Key file of the root key
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
    #[command(flatten)]
    seal: Seal,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let shown = arguments.draft.display();
    let draft = fs::read(&arguments.draft).with_context(|| format!("cannot read {shown}"))?;
    let (set, signers) = unchecked::<RootSet>(&draft).with_context(|| {
        format!("{shown} is no root set that `central keys root-set draft` wrote")
    })?;
    println!(
        "root set {}: {} of {} root keys must sign",
        set.header.number,
        set.threshold,
        set.roots.len()
    );
    for root in &set.roots {
        println!("  root       {}", root.kid());
    }
    for registrar in &set.registrars {
        println!("  registrar  {}", registrar.kid());
    }
    for kid in signers {
        println!("  signed by  {kid}");
    }
    let protection = arguments.seal.for_opening(&arguments.root_key)?;
    let key = file::open(&arguments.root_key, Purpose::Root, &protection)?;
    let signed =
        cosign::<RootSet>(&draft, &[&key]).with_context(|| format!("cannot sign {shown}"))?;
    let mut unfinished = arguments.draft.clone().into_os_string();
    unfinished.push(".new");
    fs::write(&unfinished, &signed)
        .and_then(|()| fs::rename(&unfinished, &arguments.draft))
        .with_context(|| format!("cannot write {shown}"))?;
    println!("  signed by  {}  now", key.kid());
    if !set.roots.contains(&key.public()) {
        eprintln!("This root key is not in the new set: it signs as one of the set before.");
    }
    Ok(())
}

//! `central keys issuer create`: an issuer key and its standby key for a school.

use anyhow::bail;
use clap::Args;

use super::{Work, secrets::Registrar, trust_list_publish};
use crate::{
    clock::Clock,
    db::schools,
    ids::SchoolId,
    instant::UtcInstant,
    issuing::IssuingSigner,
    keys::{
        credentials::Credential,
        pairs::{self, KeyWindows},
    },
    randomness::Randomness,
};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// The school's id
    #[arg(long, value_name = "ID")]
    school: SchoolId,
    /// The first instant at which a pass may begin, such as 2026-09-01T00:00:00Z [default: now]
    #[arg(long, value_name = "INSTANT")]
    signing_from: Option<UtcInstant>,
    /// No pass begins from here on [default: a year later]
    #[arg(long, value_name = "INSTANT")]
    signing_until: Option<UtcInstant>,
    /// Publish the trust list right away
    #[arg(long)]
    publish: bool,
    #[command(flatten)]
    registrar: Registrar,
}

pub(super) async fn run(work: &Work, arguments: &Arguments) -> anyhow::Result<()> {
    work.credentials
        .ensure(Credential::Issuing, &Randomness::System)?;
    let seals = work.credentials.key(Credential::Issuing)?;
    let signer = IssuingSigner::here(seals, Randomness::System);
    let now = Clock::System.now();
    let from = arguments.signing_from.unwrap_or(now);
    let windows = KeyWindows::usual(from, arguments.signing_until);
    if windows.signing_from >= windows.signing_until || windows.signing_until <= now {
        bail!("--signing-until must lie after --signing-from and in the future");
    }
    let (pair, standby) = (signer.create().await?, signer.create().await?);
    let school = arguments.school;
    let transaction = work.db.begin_in_school(school).await?;
    if schools::get(&transaction, school).await?.is_none() {
        bail!("there is no school {school}: GET /api/v1/schools lists them");
    }
    let key = pairs::insert(&transaction, school, windows, &pair, &standby, now).await?;
    transaction.commit().await?;
    println!("issuer key   {}", key.kid);
    println!("standby key  {}", standby.public_key.kid());
    if arguments.publish {
        return trust_list_publish::publish(work, &arguments.registrar).await;
    }
    eprintln!("Next: `central keys trust-list publish`; before, it issues nothing.");
    Ok(())
}

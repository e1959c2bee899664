//! `central keys trust-list publish`: the registrar's key is opened for this moment alone.

use super::places::KeyFiles;
use crate::{
    clock::Clock,
    configuration::Configuration,
    db::Db,
    keys::{
        Purpose,
        credentials::{Credential, Credentials},
        file::{self, Protection},
    },
    publishing::trust,
};

pub(super) async fn publish(configuration: &Configuration, db: &Db) -> anyhow::Result<String> {
    let credentials = Credentials::new(configuration);
    let protection = Protection::KeyFile(credentials.key(Credential::Registrar)?);
    let path = KeyFiles::of(configuration).registrar();
    let registrar = file::open(&path, Purpose::Registrar, &protection)?;
    let transaction = db.begin_across_schools().await?;
    let list = trust::publish_trust_list(&transaction, &registrar, Clock::System.now()).await?;
    transaction.commit().await?;
    Ok(format!(
        "Trust list {} published: {} issuer keys, {} statement keys, good until {}.",
        list.header.number,
        list.issuer_keys.len(),
        list.statement_keys.len(),
        list.header.expires_at,
    ))
}

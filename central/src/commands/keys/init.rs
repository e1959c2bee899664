//! `central keys init --small-school`: one root of one, a registrar, a statement key, and what
//! seals them; root set and trust list published.

use anyhow::{Context, ensure};
use clap::Args;
use shared::root_set::sign_by_roots;

use super::places::KeyFiles;
use crate::{
    clock::Clock,
    configuration::Configuration,
    db::{
        Db,
        signing_keys::{self, KeyPurpose, NewKey},
    },
    issuing::SealedKey,
    keys::{
        PrivateKey, Purpose,
        credentials::{self, Credential, Credentials},
        file::{self, Protection},
        sealing::KeyEncryptionKey,
    },
    publishing::trust,
    randomness::Randomness,
    signers::StatementDuty,
};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// One root of one, all keys on this machine
    #[arg(long, required = true)]
    small_school: bool,
}

pub(super) async fn run(
    configuration: &Configuration,
    db: &Db,
    arguments: &Arguments,
) -> anyhow::Result<String> {
    ensure!(arguments.small_school, "say --small-school");
    let files = KeyFiles::of(configuration);
    let transaction = db.begin_across_schools().await?;
    ensure!(
        trust::root_set(&transaction).await?.is_none(),
        "there is a root set already: central has its keys (`central keys list` shows them)"
    );
    for path in [files.root(), files.root_key_file(), files.registrar()] {
        ensure!(
            !path.exists(),
            "{} is there already, but the database knows no root set: is it another central's? \
             Move it away, or name that central's database",
            path.display()
        );
    }
    let randomness = Randomness::System;
    let credentials = Credentials::new(configuration);
    for credential in Credential::ALL {
        credentials.ensure(credential, &randomness)?;
    }
    let (root, registrar) = write_files(&files, &credentials, &randomness)?;

    let now = Clock::System.now();
    let duty = StatementDuty::new(credentials.key(Credential::Statements)?);
    let (public_key, sealed) = duty.create(&randomness);
    let pair = SealedKey { public_key, sealed };
    let statement = NewKey {
        pair: &pair,
        purpose: KeyPurpose::Statement,
        school_id: None,
        signing: None,
        verification: None,
        standby_kid: None,
    };
    signing_keys::insert(&transaction, &statement, now).await?;
    let set = trust::draft_root_set(
        &transaction,
        1,
        vec![root.public()],
        vec![registrar.public()],
        now,
    )
    .await?;
    let signed = sign_by_roots(&set, &[&root]).context("cannot sign the root set")?;
    trust::publish_root_set(&transaction, &signed).await?;
    trust::publish_trust_list(&transaction, &registrar, now).await?;
    transaction.commit().await?;
    Ok(format!(
        "Keys made: root {}, registrar {}, statement {}.\n\
         Copy {} and {} to two places that are not this machine, then delete them here: \
         whoever has both can name new registrars.\n\
         Next: make a school's issuer key in the web API, then `central keys trust-list publish`.",
        root.public().kid(),
        registrar.public().kid(),
        pair.public_key.kid(),
        files.root().display(),
        files.root_key_file().display(),
    ))
}

fn write_files(
    files: &KeyFiles,
    credentials: &Credentials,
    randomness: &Randomness,
) -> anyhow::Result<(PrivateKey, PrivateKey)> {
    credentials::make_private_directory(files.directory())?;
    let root = PrivateKey::generate(randomness);
    let root_seal = KeyEncryptionKey::generate(randomness);
    credentials::write_private_file(&files.root_key_file(), &*root_seal.bytes())?;
    file::write(
        &files.root(),
        Purpose::Root,
        &root,
        &Protection::KeyFile(root_seal),
        randomness,
    )?;
    let registrar = PrivateKey::generate(randomness);
    file::write(
        &files.registrar(),
        Purpose::Registrar,
        &registrar,
        &Protection::KeyFile(credentials.key(Credential::Registrar)?),
        randomness,
    )?;
    Ok((root, registrar))
}

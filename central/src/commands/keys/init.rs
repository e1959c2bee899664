//! `central keys init`: one command makes a sensible set. Run again, it changes nothing.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use shared::{keys::Sign as _, root_set::sign_by_roots};
use zeroize::Zeroizing;

use super::{
    Work,
    secrets::{REGISTRAR_FILE, new_passphrase, read_passphrase},
    statement_create,
};
use crate::{
    clock::Clock,
    keys::{
        PrivateKey, Purpose,
        credentials::{Credential, make_private_directory},
        file::{self, Protection},
    },
    publishing::trust,
    randomness::Randomness,
};

const ROOT_FILE: &str = "root-1.key";

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// One root key, one registrar, one statement key, all on this machine
    #[arg(long, required = true)]
    small_school: bool,
    /// File whose first line is the root key's passphrase [default: a new one, which is printed]
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: Option<PathBuf>,
}

/// How the root key is opened from now on.
enum Passphrase {
    Given,
    New(Zeroizing<String>),
}

pub(super) async fn run(work: &Work, arguments: &Arguments) -> anyhow::Result<()> {
    let transaction = work.db.begin_across_schools().await?;
    if trust::trust_list(&transaction).await?.is_some() {
        eprintln!(
            "Central has its keys already; nothing was changed. `central keys list` shows them."
        );
        return Ok(());
    }
    if trust::root_set(&transaction).await?.is_some() {
        bail!(
            "central has a root set and no trust list: go on with `central keys statement create` and \
             `central keys trust-list publish`"
        );
    }
    transaction.commit().await?;

    let randomness = Randomness::System;
    for credential in Credential::ALL {
        work.credentials.ensure(credential, &randomness)?;
    }
    make_private_directory(&work.keys_directory)?;
    let registrar = registrar(work, &randomness)?;
    let root_path = work.keys_directory.join(ROOT_FILE);
    let (root, passphrase) = root(&root_path, arguments, &randomness)?;
    put_in_force(work, &root, &registrar).await?;
    work.publish_behind().await?;
    tell(work, &root_path, &root, &registrar, passphrase);
    Ok(())
}

/// The registrar's key; one that an earlier attempt made is taken.
fn registrar(work: &Work, randomness: &Randomness) -> anyhow::Result<PrivateKey> {
    let path = work.keys_directory.join(REGISTRAR_FILE);
    let protection = Protection::KeyFile(work.credentials.key(Credential::Registrar)?);
    if path.exists() {
        return file::open(&path, Purpose::Registrar, &protection);
    }
    let key = PrivateKey::generate(randomness);
    file::write(&path, Purpose::Registrar, &key, &protection, randomness)?;
    Ok(key)
}

fn root(
    path: &Path,
    arguments: &Arguments,
    randomness: &Randomness,
) -> anyhow::Result<(PrivateKey, Passphrase)> {
    let given = arguments
        .root_passphrase_file
        .as_deref()
        .map(read_passphrase)
        .transpose()?;
    match (path.exists(), given) {
        (true, Some(given)) => {
            let key = file::open(path, Purpose::Root, &Protection::Passphrase(given))?;
            Ok((key, Passphrase::Given))
        }
        (true, None) => bail!(
            "{} is there from an attempt that did not finish: give its passphrase with --root-passphrase-file, or \
             move the file away",
            path.display()
        ),
        (false, given) => {
            let key = PrivateKey::generate(randomness);
            let (text, passphrase) = match given {
                Some(given) => (given, Passphrase::Given),
                None => {
                    let new = new_passphrase(randomness);
                    (new.clone(), Passphrase::New(new))
                }
            };
            let protection = Protection::Passphrase(text);
            file::write(path, Purpose::Root, &key, &protection, randomness)?;
            Ok((key, passphrase))
        }
    }
}

/// Root set, statement key and trust list, all or none.
async fn put_in_force(
    work: &Work,
    root: &PrivateKey,
    registrar: &PrivateKey,
) -> anyhow::Result<()> {
    let now = Clock::System.now();
    let transaction = work.db.begin_across_schools().await?;
    let set = trust::draft_root_set(
        &transaction,
        1,
        vec![root.public()],
        vec![registrar.public()],
        now,
    )
    .await?;
    let signed = sign_by_roots(&set, &[root])?;
    trust::publish_root_set(&transaction, &signed).await?;
    statement_create::create(work, &transaction, now).await?;
    trust::publish_trust_list(&transaction, registrar, now).await?;
    transaction.commit().await
}

fn tell(
    work: &Work,
    root_path: &Path,
    root: &PrivateKey,
    registrar: &PrivateKey,
    passphrase: Passphrase,
) {
    println!("root key        {}  {}", root.kid(), root_path.display());
    if let Passphrase::New(new) = passphrase {
        println!("root passphrase {}", *new);
    }
    let registrar_path = work.keys_directory.join(REGISTRAR_FILE);
    println!(
        "registrar key   {}  {}",
        registrar.kid(),
        registrar_path.display()
    );
    eprintln!(
        "Write the root key's passphrase down, then move {} to a USB stick in a safe: it is needed to replace the \
         registrar, and whoever has both rules every gate.\n\
         Next: make a school, then `central keys issuer create --school ID --publish`.",
        root_path.display()
    );
}

//! `central keys registrar create`: a registrar key as a file, under its own key-encryption key or
//! a passphrase.

use std::path::PathBuf;

use clap::Args;
use shared::keys::Sign as _;

use super::secrets::{REGISTRAR_FILE, Seal};
use crate::{
    configuration::Configuration,
    keys::{
        PrivateKey, Purpose,
        credentials::{Credential, Credentials, make_private_directory},
        file::{self, Protection},
    },
    randomness::Randomness,
};

#[derive(Args)]
pub(in crate::commands) struct Arguments {
    /// File for the key [default: keys/registrar.key in the data directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Seal it under a passphrase or a key file of its own, in place of registrar.kek
    #[arg(long)]
    sealed_apart: bool,
    #[command(flatten)]
    seal: Seal,
}

pub(super) fn run(configuration: &Configuration, arguments: &Arguments) -> anyhow::Result<()> {
    let path = arguments.out.clone().unwrap_or_else(|| {
        configuration
            .data_directory
            .join("keys")
            .join(REGISTRAR_FILE)
    });
    if let Some(directory) = path.parent().filter(|path| !path.as_os_str().is_empty()) {
        make_private_directory(directory)?;
    }
    let protection = if arguments.sealed_apart {
        arguments.seal.for_new(&path)?
    } else {
        let credentials = Credentials::new(configuration);
        credentials.ensure(Credential::Registrar, &Randomness::System)?;
        Protection::KeyFile(credentials.key(Credential::Registrar)?)
    };
    let key = PrivateKey::generate(&Randomness::System);
    file::write(
        &path,
        Purpose::Registrar,
        &key,
        &protection,
        &Randomness::System,
    )?;
    println!("registrar key  {}  {}", key.kid(), path.display());
    eprintln!(
        "Next: a root set has to name it, see `central keys root-set draft --registrar {}`.",
        path.display()
    );
    Ok(())
}

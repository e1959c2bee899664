//! What somebody could do who got hold of central's database *and* of the key-encryption key
//! beside it: sign passes with the school's true issuer key. Nothing in central does this.

use std::path::Path;

use anyhow::Context;
use central::{
    cluster::{Cluster, Joined},
    keys::{
        Purpose,
        credentials::{Credential, Credentials},
    },
};
use shared::{
    ids::Kid,
    keys::PublicKey,
    pass::{self, Claims},
};
use tokio_postgres::{Client, Config, NoTls};

use crate::phone::TestKey;

/// A thief with an issuer key.
pub struct Thief {
    issuer: TestKey,
}

impl Thief {
    /// Opens the sealed key `kid` of a central whose PostgreSQL is its own.
    ///
    /// # Errors
    /// When there is no such key, or it does not open.
    pub async fn breaks_in(data_directory: &Path, kid: Kid) -> anyhow::Result<Self> {
        let Joined::Running(config) = Cluster::start_or_join(data_directory).await? else {
            anyhow::bail!("central does not run in {}", data_directory.display());
        };
        Self::opens(data_directory, &connect(&config).await?, kid).await
    }

    /// Opens the sealed key `kid` of a central whose database is somewhere else.
    ///
    /// # Errors
    /// When there is no such key, or it does not open.
    pub async fn opens(data_directory: &Path, client: &Client, kid: Kid) -> anyhow::Result<Self> {
        client
            .batch_execute("SET portcullis.all_schools = 'on'")
            .await
            .context("cannot look across schools")?;
        let row = client
            .query_one(
                "SELECT public_key, sealed_private FROM signing_keys WHERE kid = $1",
                &[&kid.0.as_slice()],
            )
            .await
            .with_context(|| format!("central has no key {kid}"))?;
        let public: &[u8] = row.get(0);
        let public = PublicKey(public.try_into().context("a public key has 32 bytes")?);
        let credentials = Credentials::within(&data_directory.join("credentials"));
        let kek = credentials.key(Credential::Issuing)?;
        let seed = kek
            .open(Purpose::Issuer, &public, row.get(1))
            .ok()
            .context("the key does not open")?;
        Ok(Self {
            issuer: TestKey::from_seed(&seed),
        })
    }

    /// The text of a pass that says whatever one likes, under the true key.
    #[must_use]
    pub fn forges(&self, claims: &Claims) -> String {
        pass::static_text(&pass::issue(claims, &self.issuer))
    }
}

async fn connect(config: &Config) -> anyhow::Result<Client> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .context("central's PostgreSQL does not answer")?;
    tokio::spawn(connection);
    Ok(client)
}

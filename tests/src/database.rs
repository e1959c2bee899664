//! A fresh database for each test, in the words of a command line.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use central::testing::{self, FreshDatabase};
use tokio_postgres::config::Host;

/// A database that nobody used before; it is dropped with the value.
#[derive(Debug)]
pub struct Database {
    fresh: FreshDatabase,
    /// What `DATABASE_URL` takes.
    pub url: String,
}

impl Database {
    /// Makes one, without any schema: central's own start is part of what is tested.
    ///
    /// # Errors
    /// When its address cannot be written down.
    pub async fn fresh() -> anyhow::Result<Self> {
        let fresh = testing::empty_database().await;
        let url = url_of(&fresh.owner)?;
        Ok(Self { fresh, url })
    }

    /// Connects as its owner, past every rule of central's.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn client(&self) -> anyhow::Result<tokio_postgres::Client> {
        let (client, connection) = self
            .fresh
            .owner
            .connect(tokio_postgres::NoTls)
            .await
            .context("the test's database does not answer")?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// An address in the words of a command line.
///
/// # Errors
/// When it is not one host and one database.
pub fn url_of(config: &tokio_postgres::Config) -> anyhow::Result<String> {
    let host = match config.get_hosts() {
        [Host::Unix(path)] => path.display().to_string(),
        [Host::Tcp(name)] => name.clone(),
        _ => bail!("the tests' PostgreSQL must have one address"),
    };
    let user = config
        .get_user()
        .context("the tests' PostgreSQL names no user")?;
    let name = config.get_dbname().context("a fresh database has a name")?;
    let mut url = format!("host={host} user={user} dbname={name}");
    if let Some(port) = config.get_ports().first() {
        write!(url, " port={port}").context("cannot write to a text")?;
    }
    if let Some(password) = config.get_password() {
        let password = String::from_utf8_lossy(password);
        write!(url, " password='{password}'").context("cannot write to a text")?;
    }
    Ok(url)
}

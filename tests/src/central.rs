//! The real `central` program: keys made, a token made, served, killed, started again.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use serde_json::Value;

use crate::{
    admin::Admin,
    clock,
    program::{self, Running},
};

/// Where central keeps its rows.
#[derive(Clone, Debug)]
pub enum Rows {
    /// In a PostgreSQL of its own, as on a small server.
    Embedded,
    /// In the database of this address.
    Url(String),
}

/// A central that runs.
#[derive(Debug)]
pub struct Central {
    settings: Settings,
    running: Option<Running>,
    /// Where it listens.
    pub address: SocketAddr,
    /// An administrator's bearer token.
    pub token: String,
}

/// How central is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its data directory.
    pub data_directory: PathBuf,
    /// Where its rows are.
    pub rows: Rows,
    /// The address that gates are told, when it is not where it listens.
    pub public_url: Option<String>,
    /// Where its log goes.
    pub log: PathBuf,
}

impl Settings {
    /// A command of `central` on this central's data.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = program::command("central")?;
        command
            .args(arguments)
            .env("PORTCULLIS_DATA_DIR", &self.data_directory);
        if let Rows::Url(url) = &self.rows {
            command.env("DATABASE_URL", url);
        }
        Ok(command)
    }

    fn serve(&self, listen: &str, ready: &Path) -> anyhow::Result<Running> {
        let mut command = self.command(&["serve", "--listen", listen])?;
        command.arg("--ready-file").arg(ready);
        if let Some(url) = &self.public_url {
            command.args(["--public-url", url]);
        }
        Running::start("central", &mut command, &self.log)
    }
}

impl Central {
    /// Makes keys and a token, and serves.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        program::output(&mut settings.command(&["keys", "init", "--small-school"])?)
            .context("central cannot make its keys")?;
        let token = program::output(&mut settings.command(&[
            "admin",
            "token",
            "create",
            "--name",
            "System tests",
        ])?)
        .context("central cannot make a token")?;
        let (running, address) = serve(&settings, "127.0.0.1:0").await?;
        Ok(Self {
            settings,
            running: Some(running),
            address,
            token: token.trim().to_owned(),
        })
    }

    /// How it was started.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its address as gates and people write it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An administrator.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(&self.url(), &self.token)
    }

    /// A command of `central` on this central's data.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        self.settings.command(arguments)
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.as_ref().map(Running::log).unwrap_or_default()
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().context("central does not run")?.kill()
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When it does not end in time or does not run.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let running = self.running.take().context("central does not run")?;
        running.stop().await?;
        Ok(())
    }

    /// Serves again at the same address after [`Central::kill`] or [`Central::stop`].
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let listen = self.address.to_string();
        let (running, address) = serve(&self.settings, &listen).await?;
        self.running = Some(running);
        self.address = address;
        Ok(())
    }
}

/// Waits until requests are answered.
async fn serve(settings: &Settings, listen: &str) -> anyhow::Result<(Running, SocketAddr)> {
    let ready = settings.data_directory.join("ready.json");
    let _ = std::fs::remove_file(&ready);
    let mut running = settings.serve(listen, &ready)?;
    let stopwatch = clock::Stopwatch::start();
    loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            let ready: Value = serde_json::from_str(&text)
                .with_context(|| format!("central wrote {text:?} when it was ready"))?;
            let address = ready["address"]
                .as_str()
                .context("central says where it listens")?;
            let address = address.parse().context("central says an address")?;
            return Ok((running, address));
        }
        running.must_run()?;
        if stopwatch.elapsed() > clock::PATIENCE {
            anyhow::bail!("central is not ready:\n{}", running.log_end());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

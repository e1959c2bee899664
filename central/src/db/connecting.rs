//! Reaching PostgreSQL: the configured one or the private one, with and without TLS, and single
//! connections outside the pool.

use std::fmt::Write as _;

use anyhow::Context;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_postgres::{AsyncMessage, Config, config::Host};

use super::tls;
use crate::{
    cluster::{Cluster, Joined},
    configuration::{Configuration, DatabaseSource},
};

/// What opening the database gives: how to reach it as its owner, and the process behind it.
#[derive(Debug)]
pub struct Database {
    /// Connects as the owner of the schema: for migrations alone.
    pub owner: Config,
    /// The private PostgreSQL, when this process runs it.
    pub cluster: Option<Cluster>,
}

/// What to do when another central runs the private PostgreSQL already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenRunning {
    /// Stop with a message: a server has its data directory to itself.
    Refuse,
    /// Use it: for commands beside a running server.
    Join,
}

impl Database {
    /// Reaches the configured PostgreSQL, starting the private one if that is what is configured.
    ///
    /// # Errors
    /// When it cannot be reached or started; the message says what to do.
    pub async fn open(
        configuration: &Configuration,
        when_running: WhenRunning,
    ) -> anyhow::Result<Self> {
        match (&configuration.database, when_running) {
            (DatabaseSource::Url(config), _) => {
                let mut owner = (**config).clone();
                tls::settle_mode(&mut owner);
                Ok(Self {
                    owner,
                    cluster: None,
                })
            }
            (DatabaseSource::Embedded, WhenRunning::Refuse) => {
                let cluster = Cluster::start(&configuration.data_directory).await?;
                Ok(Self {
                    owner: cluster.connection(),
                    cluster: Some(cluster),
                })
            }
            (DatabaseSource::Embedded, WhenRunning::Join) => {
                match Cluster::start_or_join(&configuration.data_directory).await? {
                    Joined::Own(cluster) => Ok(Self {
                        owner: cluster.connection(),
                        cluster: Some(*cluster),
                    }),
                    Joined::Running(owner) => Ok(Self {
                        owner: *owner,
                        cluster: None,
                    }),
                }
            }
        }
    }

    /// Waits for the private PostgreSQL to end by itself; for ever when there is none.
    pub async fn ended(&mut self) -> anyhow::Error {
        match &mut self.cluster {
            Some(cluster) => cluster.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Shuts the private PostgreSQL down, if this process runs one.
    ///
    /// # Errors
    /// As [`Cluster::shut_down`].
    pub async fn close(self) -> anyhow::Result<()> {
        match self.cluster {
            Some(cluster) => cluster.shut_down().await,
            None => Ok(()),
        }
    }
}

/// Opens one connection as `config` says, outside any pool.
///
/// # Errors
/// When the database cannot be reached.
pub async fn connect(config: &Config) -> anyhow::Result<tokio_postgres::Client> {
    let client = match tls::connector(config)? {
        Some(connector) => {
            let (client, connection) = config
                .connect(connector)
                .await
                .with_context(|| unreachable(config))?;
            watch(connection);
            client
        }
        None => {
            let (client, connection) = config
                .connect(tokio_postgres::NoTls)
                .await
                .with_context(|| unreachable(config))?;
            watch(connection);
            client
        }
    };
    Ok(client)
}

/// Where `config` connects to, for messages: never its password.
#[must_use]
pub fn hosts(config: &Config) -> String {
    let mut text = String::new();
    for (index, host) in config.get_hosts().iter().enumerate() {
        let port = config
            .get_ports()
            .get(index)
            .or(config.get_ports().first())
            .unwrap_or(&5432);
        let separator = if index == 0 { "" } else { ", " };
        let _ = match host {
            Host::Tcp(name) => write!(text, "{separator}{name}:{port}"),
            Host::Unix(path) => write!(text, "{separator}{}", path.display()),
        };
    }
    text
}

fn unreachable(config: &Config) -> String {
    format!("cannot connect to PostgreSQL on {}", hosts(config))
}

/// Opens one connection that hands the payload of every notification to `payloads`, for LISTEN.
/// When the connection ends, so do they.
///
/// # Errors
/// When the database cannot be reached.
pub async fn connect_listening(
    config: &Config,
    payloads: mpsc::Sender<String>,
) -> anyhow::Result<tokio_postgres::Client> {
    let client = match tls::connector(config)? {
        Some(connector) => {
            let connected = config.connect(connector).await;
            let (client, connection) = connected.with_context(|| unreachable(config))?;
            tokio::spawn(hand_on(connection, payloads));
            client
        }
        None => {
            let connected = config.connect(tokio_postgres::NoTls).await;
            let (client, connection) = connected.with_context(|| unreachable(config))?;
            tokio::spawn(hand_on(connection, payloads));
            client
        }
    };
    Ok(client)
}

async fn hand_on<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    payloads: mpsc::Sender<String>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match std::future::poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                if payloads
                    .send(notification.payload().to_owned())
                    .await
                    .is_err()
                {
                    return;
                }
            }
            // Notices, and whatever PostgreSQL adds.
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "a database connection ended: {error}");
                return;
            }
            None => return,
        }
    }
}

fn watch(connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a database connection ended: {error}");
        }
    });
}

//! `central serve`: port, database, schema, routes; then until a signal, or until something it
//! cannot work without ends.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    app::{App, SharedApp},
    changes::Changes,
    claims::ClaimsKey,
    clock::Clock,
    configuration::{Configuration, ServerFlags},
    db::{
        Database, Db, WhenRunning, admin_tokens,
        migrations::{self, MIGRATIONS},
    },
    gate_api::Traffic,
    issuing::IssuingSigner,
    jobs,
    metrics::Metrics,
    publishing::RostersDue,
    randomness::Randomness,
    router::router,
    server,
    shutdown::Shutdown,
    signers::StatementSigner,
};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) server: ServerFlags,
    /// Write {"address": …, "pid": …} to this file once requests are answered
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

pub(super) async fn run(configuration: Configuration, arguments: Arguments) -> anyhow::Result<()> {
    // First, so that a port in use is said before anything is started.
    let listener = listen(configuration.listen).await?;
    let mut signals = Signals::new()?;
    let mut database = tokio::select! {
        database = Database::open(&configuration, WhenRunning::Refuse) => database?,
        // Dropping what was begun tells a PostgreSQL that is starting to shut down.
        name = signals.received() => bail!("{name} while the database was starting"),
    };
    let outcome = with_database(
        configuration,
        &arguments,
        listener,
        &mut database,
        &mut signals,
    )
    .await;
    let closed = database.close().await;
    if let Some(file) = &arguments.ready_file {
        // Nobody is ready any more; a file that is not there is as good.
        let _ = std::fs::remove_file(file);
    }
    outcome.and(closed)
}

async fn with_database(
    configuration: Configuration,
    arguments: &Arguments,
    listener: TcpListener,
    database: &mut Database,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    tokio::select! {
        applied = migrations::apply(&database.owner, MIGRATIONS) => {
            applied?;
        }
        // One transaction each: what was begun is rolled back.
        name = signals.received() => bail!("{name} while the database was brought up to date"),
    }
    let db = Db::new(&database.owner)?;
    let address = listener
        .local_addr()
        .context("the listening socket has no address")?;
    let claims = ClaimsKey::load(&configuration, &Randomness::System)?;
    let public_url = configuration
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{address}"));
    let app = Arc::new(App {
        issuing: IssuingSigner::in_process_of_its_own(&configuration),
        statements: StatementSigner::in_process_of_its_own(&configuration, db.clone()),
        configuration,
        db: db.clone(),
        claims,
        public_url,
        changes: Changes::new(),
        rosters: RostersDue::default(),
        gates: Traffic::default(),
        clock: Clock::System,
        randomness: Randomness::System,
        metrics: Metrics::new(),
        shutdown: Shutdown::new(),
        started: Clock::System.stopwatch(),
    });
    let outcome = answer(&app, listener, address, arguments, database, signals).await;
    app.shutdown.request();
    db.close();
    outcome
}

/// Serves until a signal arrives; anything else that ends is an error.
async fn answer(
    app: &SharedApp,
    listener: TcpListener,
    address: SocketAddr,
    arguments: &Arguments,
    database: &mut Database,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let mut server = tokio::spawn(server::run(
        listener,
        router(app.clone()),
        app.shutdown.clone(),
    ));

    let mut jobs = jobs::start(app);
    jobs.spawn(
        app.changes
            .clone()
            .pass_on(database.owner.clone(), app.shutdown.clone()),
    );

    hint_at_first_token(app).await?;
    hint_at_keys(app).await?;
    announce(address, arguments.ready_file.as_deref())?;
    tokio::select! {
        ended = &mut server => {
            ended.context("the server's task failed")?;
            bail!("the server ended by itself");
        }
        error = database.ended() => return Err(error),
        Some(ended) = jobs.join_next() => {
            ended.context("a job failed")?;
            bail!("a job ended by itself");
        }
        name = signals.received() => tracing::info!("{name}: shutting down"),
    }
    app.shutdown.request();
    server.await.context("the server's task failed")?;
    // A job under way is cut short: it is done again after the next start.
    jobs.shutdown().await;
    Ok(())
}

/// The signals that ask a server to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one and names it.
    async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "cannot listen on {address}: another program does, perhaps another central (`ss -ltnp 'sport = :{}'` \
             names it). Stop it, or choose another address with --listen",
            address.port()
        ),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!(
            "cannot listen on {address}: ports below 1024 need the capability CAP_NET_BIND_SERVICE. Choose a port \
             above with --listen, and put a proxy in front"
        ),
        Err(error) => Err(error).with_context(|| {
            format!("cannot listen on {address}: choose an address of this machine with --listen")
        }),
    }
}

async fn hint_at_first_token(app: &App) -> anyhow::Result<()> {
    let connection = app.db.connection().await?;
    if admin_tokens::count(&connection).await? == 0 {
        tracing::info!(
            "there is no administrator yet: make the first token with `central admin token create --name NAME`"
        );
    }
    Ok(())
}

async fn hint_at_keys(app: &App) -> anyhow::Result<()> {
    if !app.statements.has_key().await? {
        tracing::info!(
            "there are no keys yet, so gates can be told nothing: make them with `central keys init --small-school`"
        );
    }
    Ok(())
}

fn announce(address: SocketAddr, file: Option<&Path>) -> anyhow::Result<()> {
    let pid = std::process::id();
    println!("central is ready on http://{address} (process {pid})");
    let Some(file) = file else { return Ok(()) };
    let text = serde_json::json!({ "address": address.to_string(), "pid": pid }).to_string();
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".new");
    // Whoever waits for the file sees all of it or nothing.
    std::fs::write(&unfinished, text)
        .and_then(|()| std::fs::rename(&unfinished, file))
        .with_context(|| format!("cannot write the ready file {}", file.display()))
}

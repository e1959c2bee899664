//! The embedded default: a private PostgreSQL of the distribution's own programs, in central's
//! data directory, on a Unix socket alone. Not a general PostgreSQL supervisor.

mod account;
mod binaries;
mod creation;
mod lock;
mod orphan;
mod place;
mod postmaster;
mod settings;
mod temporary;

use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use tokio_postgres::{Config, NoTls};

pub use binaries::{BINARIES_VARIABLE, OLDEST_MAJOR};
pub use temporary::TemporaryCluster;

use lock::{DirectoryLock, Holder, Locked};
use place::Place;
use postmaster::Postmaster;
use settings::Durability;

/// The database of a private cluster.
const DATABASE: &str = "portcullis";

/// How long a command waits for a `serve` that has only just begun to start its PostgreSQL.
const JOIN_LIMIT: Duration = Duration::from_secs(60);

/// A private PostgreSQL that this process runs.
#[derive(Debug)]
pub struct Cluster {
    postmaster: Postmaster,
    socket: PathBuf,
    _lock: DirectoryLock,
}

/// A private PostgreSQL that this process may use.
#[derive(Debug)]
pub enum Joined {
    /// Nobody ran it: this process does now.
    Own(Box<Cluster>),
    /// Another process of central runs it.
    Running(Box<Config>),
}

impl Cluster {
    /// Starts the private PostgreSQL of `data_directory`, making both when they do not exist.
    ///
    /// # Errors
    /// When the directory is in use by another process, PostgreSQL is not installed, or it does
    /// not start; each message says what to do.
    pub async fn start(data_directory: &Path) -> anyhow::Result<Self> {
        let data_directory = make_data_directory(data_directory)?;
        match DirectoryLock::take(&data_directory)? {
            Locked::Taken(lock) => Self::start_locked(&data_directory, lock).await,
            Locked::HeldBy(holder) => bail!(
                "the data directory {} is in use by process {}, another central: stop that one (`kill {}`), or \
                 choose another directory with --data-dir",
                data_directory.display(),
                holder.pid,
                holder.pid
            ),
        }
    }

    /// As [`Cluster::start`], but uses the PostgreSQL of a central that already runs there.
    ///
    /// # Errors
    /// When neither succeeds.
    pub async fn start_or_join(data_directory: &Path) -> anyhow::Result<Joined> {
        let data_directory = make_data_directory(data_directory)?;
        match DirectoryLock::take(&data_directory)? {
            Locked::Taken(lock) => {
                let cluster = Self::start_locked(&data_directory, lock).await?;
                Ok(Joined::Own(Box::new(cluster)))
            }
            Locked::HeldBy(holder) => join(&data_directory, holder).await,
        }
    }

    /// Starts a PostgreSQL for tests in a directory of its own: fast, and forgetful.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_temporary() -> anyhow::Result<TemporaryCluster> {
        temporary::start().await
    }

    /// Connects as the owner of the database.
    #[must_use]
    pub fn connection(&self) -> Config {
        connection(&self.socket, DATABASE)
    }

    /// Waits until PostgreSQL ends by itself: central cannot go on then.
    pub async fn ended(&mut self) -> anyhow::Error {
        self.postmaster.ended().await
    }

    /// Shuts PostgreSQL down and gives the data directory back.
    ///
    /// # Errors
    /// When PostgreSQL does not end in order. Nothing committed is lost even then.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        self.postmaster.shut_down().await
    }

    async fn start_locked(data_directory: &Path, mut lock: DirectoryLock) -> anyhow::Result<Self> {
        let place = Place::settle(data_directory)?;
        orphan::clear(&place).await?;
        let binaries = creation::ensure(&place, Durability::Kept).await?;
        settings::write(&place, Durability::Kept)?;
        let log = data_directory.join("postgres.log");
        let maintenance = connection(&place.socket, "postgres");
        let postmaster = Postmaster::start(&binaries, &place, &log, &maintenance).await?;
        ensure_database(&maintenance).await?;
        lock.announce(&place.socket)?;
        tracing::info!(
            postgres.pid = postmaster.pid(),
            cluster.directory = %place.cluster.display(),
            "{binaries} runs on {}",
            place.cluster.display()
        );
        Ok(Self {
            postmaster,
            socket: place.socket,
            _lock: lock,
        })
    }
}

fn connection(socket: &Path, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host_path(socket)
        .user(creation::OWNER)
        .dbname(database)
        .connect_timeout(Duration::from_secs(10));
    config
}

/// Makes the directory and gives its path without symbolic links.
fn make_data_directory(path: &Path) -> anyhow::Result<PathBuf> {
    // PostgreSQL's account passes through it; every file in it has a mode of its own.
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(path).with_context(|| {
        format!(
            "cannot make the data directory {}: choose one that this user may write with --data-dir",
            path.display()
        )
    })?;
    std::fs::canonicalize(path).with_context(|| format!("cannot look at {}", path.display()))
}

async fn ensure_database(maintenance: &Config) -> anyhow::Result<()> {
    let (client, connection) = maintenance
        .connect(NoTls)
        .await
        .context("cannot connect to PostgreSQL")?;
    let connection = tokio::spawn(connection);
    let exists = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE])
        .await
        .context("cannot list the databases")?;
    if exists.is_none() {
        client
            .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
            .await
            .context("cannot make the database")?;
    }
    drop(client);
    let _ = connection.await;
    Ok(())
}

async fn join(data_directory: &Path, mut holder: Holder) -> anyhow::Result<Joined> {
    let step = Duration::from_millis(100);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(socket) = &holder.socket_directory {
            return Ok(Joined::Running(Box::new(connection(socket, DATABASE))));
        }
        if waited >= JOIN_LIMIT {
            bail!(
                "process {} holds the data directory {} but runs no database in it: look at its log, or stop it",
                holder.pid,
                data_directory.display()
            );
        }
        tokio::time::sleep(step).await;
        waited += step;
        match DirectoryLock::take(data_directory)? {
            Locked::Taken(lock) => {
                let cluster = Cluster::start_locked(data_directory, lock).await?;
                return Ok(Joined::Own(Box::new(cluster)));
            }
            Locked::HeldBy(now) => holder = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use tempfile::TempDir;
    use tokio_postgres::Client;

    use super::*;

    /// A data directory that another account may pass through, as one in /var/lib is.
    fn data_directory() -> TempDir {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
        directory
    }

    async fn client(cluster: &Cluster) -> Client {
        crate::db::connect(&cluster.connection()).await.unwrap()
    }

    async fn count(cluster: &Cluster) -> i64 {
        client(cluster)
            .await
            .query_one("SELECT count(*) FROM kept", &[])
            .await
            .unwrap()
            .get(0)
    }

    async fn keep_a_row(cluster: &Cluster) {
        let sql = "CREATE TABLE kept (a integer); INSERT INTO kept VALUES (1)";
        client(cluster).await.batch_execute(sql).await.unwrap();
    }

    #[tokio::test]
    async fn rows_outlive_a_shutdown_and_nobody_else_may_enter() {
        let directory = data_directory();
        let cluster = Cluster::start(directory.path()).await.unwrap();
        keep_a_row(&cluster).await;
        for name in ["postgres", "postgres-socket"] {
            let mode = fs::metadata(directory.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o700, "{name}");
        }
        let listen = client(&cluster)
            .await
            .query_one("SHOW listen_addresses", &[])
            .await
            .unwrap();
        assert_eq!(listen.get::<_, String>(0), "");
        for setting in [
            "fsync",
            "full_page_writes",
            "synchronous_commit",
            "data_checksums",
        ] {
            let sql = format!("SHOW {setting}");
            let row = client(&cluster).await.query_one(&sql, &[]).await.unwrap();
            assert_eq!(row.get::<_, String>(0), "on", "{setting}");
        }
        cluster.shut_down().await.unwrap();
        assert!(!directory.path().join("postgres/postmaster.pid").exists());
        let cluster = Cluster::start(directory.path()).await.unwrap();
        assert_eq!(count(&cluster).await, 1);
        cluster.shut_down().await.unwrap();
    }

    #[tokio::test]
    async fn a_directory_in_use_is_refused_to_a_second_server_and_joined_by_a_command() {
        let directory = data_directory();
        let cluster = Cluster::start(directory.path()).await.unwrap();
        let error = Cluster::start(directory.path())
            .await
            .unwrap_err()
            .to_string();
        let pid = std::process::id();
        assert!(
            error.contains(&format!("in use by process {pid}")),
            "{error}"
        );
        let Joined::Running(config) = Cluster::start_or_join(directory.path()).await.unwrap()
        else {
            panic!("two servers in one directory");
        };
        crate::db::connect(&config).await.unwrap();
        cluster.shut_down().await.unwrap();
    }

    #[tokio::test]
    async fn a_crash_is_noticed_and_the_next_start_has_every_commit() {
        let directory = data_directory();
        let mut cluster = Cluster::start(directory.path()).await.unwrap();
        keep_a_row(&cluster).await;
        let pid = i32::try_from(cluster.postmaster.pid().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let error = cluster.ended().await.to_string();
        assert!(error.contains("ended unexpectedly"), "{error}");
        drop(cluster);
        let cluster = Cluster::start(directory.path()).await.unwrap();
        assert_eq!(count(&cluster).await, 1);
        cluster.shut_down().await.unwrap();
    }

    #[tokio::test]
    async fn a_postgres_left_behind_by_a_killed_central_is_ended_first() {
        let directory = data_directory();
        let cluster = Cluster::start(directory.path()).await.unwrap();
        keep_a_row(&cluster).await;
        let Cluster {
            postmaster, _lock, ..
        } = cluster;
        let left_behind = postmaster.pid();
        std::mem::forget(postmaster);
        drop(_lock);
        let cluster = Cluster::start(directory.path()).await.unwrap();
        assert_ne!(cluster.postmaster.pid(), left_behind);
        assert_eq!(count(&cluster).await, 1);
        cluster.shut_down().await.unwrap();
    }

    #[tokio::test]
    async fn a_process_number_taken_by_another_program_does_not_stop_a_start() {
        let directory = data_directory();
        let cluster = Cluster::start(directory.path()).await.unwrap();
        keep_a_row(&cluster).await;
        cluster.shut_down().await.unwrap();
        let pid_file = directory.path().join("postgres/postmaster.pid");
        let text = format!(
            "{}\n{}\n0\n5432\n/tmp\n\n",
            std::process::id(),
            directory.path().display()
        );
        fs::write(&pid_file, text).unwrap();
        let cluster = Cluster::start(directory.path()).await.unwrap();
        assert_eq!(count(&cluster).await, 1);
        cluster.shut_down().await.unwrap();
    }

    #[tokio::test]
    async fn a_place_that_postgres_cannot_reach_is_replaced_by_one_that_it_can() {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let below = directory.path().join("central");
        let cluster = Cluster::start(&below).await.unwrap();
        keep_a_row(&cluster).await;
        cluster.shut_down().await.unwrap();
        let cluster = Cluster::start(&below).await.unwrap();
        assert_eq!(count(&cluster).await, 1);
        cluster.shut_down().await.unwrap();
        if let Ok(elsewhere) = fs::read_to_string(below.join("postgres-location")) {
            fs::remove_dir_all(elsewhere.trim()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_postgres_that_does_not_start_shows_why() {
        let directory = data_directory();
        Cluster::start(directory.path())
            .await
            .unwrap()
            .shut_down()
            .await
            .unwrap();
        fs::write(
            directory.path().join("postgres/local.conf"),
            "work_mem = 'much'\n",
        )
        .unwrap();
        let error = Cluster::start(directory.path())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("work_mem"), "{error}");
    }

    #[tokio::test]
    async fn a_data_directory_of_a_version_that_is_not_installed_is_refused() {
        let directory = data_directory();
        Cluster::start(directory.path())
            .await
            .unwrap()
            .shut_down()
            .await
            .unwrap();
        fs::write(directory.path().join("postgres/PG_VERSION"), "9\n").unwrap();
        let error = Cluster::start(directory.path())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("made by PostgreSQL 9"), "{error}");
    }
}

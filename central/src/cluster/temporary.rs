//! A PostgreSQL for tests: nothing is synced, and everything goes when its user goes.

use std::{
    io::PipeWriter,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context;
use tokio_postgres::Config;

use super::{
    connection, creation,
    place::Place,
    postmaster::Postmaster,
    settings::{self, Durability},
};

/// Reads until its user has gone, however that ended, then ends PostgreSQL and removes its files.
const KEEPER: &str = "cat >/dev/null; kill -QUIT \"$1\" 2>/dev/null; \
while kill -0 \"$1\" 2>/dev/null; do sleep 0.05; done; rm -rf -- \"$2\"";

/// A running cluster that ends when this value, or its process, does.
#[derive(Debug)]
pub struct TemporaryCluster {
    _postmaster: Postmaster,
    _keeper: PipeWriter,
    socket: PathBuf,
    /// PostgreSQL's data directory.
    pub directory: PathBuf,
}

impl TemporaryCluster {
    /// Connects as the owner to the maintenance database.
    #[must_use]
    pub fn connection(&self) -> Config {
        connection(&self.socket, "postgres")
    }

    /// The same in words: what `PORTCULLIS_TEST_POSTGRES` takes.
    #[must_use]
    pub fn url(&self) -> String {
        let socket = self
            .socket
            .display()
            .to_string()
            .replace('%', "%25")
            .replace('/', "%2F");
        format!("postgresql://{}@{socket}/postgres", creation::OWNER)
    }
}

pub(super) async fn start() -> anyhow::Result<TemporaryCluster> {
    let place = Place::temporary()?;
    let binaries = creation::ensure(&place, Durability::ThrownAway).await?;
    settings::write(&place, Durability::ThrownAway)?;
    let home = place
        .cluster
        .parent()
        .context("a cluster has a home")?
        .to_owned();
    let connection = connection(&place.socket, "postgres");
    let postmaster =
        Postmaster::start(&binaries, &place, &home.join("postgres.log"), &connection).await?;
    let keeper = start_keeper(&postmaster, &home)?;
    Ok(TemporaryCluster {
        _postmaster: postmaster,
        _keeper: keeper,
        socket: place.socket,
        directory: place.cluster,
    })
}

fn start_keeper(postmaster: &Postmaster, home: &Path) -> anyhow::Result<PipeWriter> {
    use std::os::unix::process::CommandExt;

    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let pid = postmaster.pid().context("PostgreSQL has ended")?;
    std::process::Command::new("/bin/sh")
        .args(["-c", KEEPER, "sh"])
        .arg(pid.to_string())
        .arg(home)
        .process_group(0)
        .stdin(Stdio::from(reader))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start /bin/sh")?;
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::NoTls;

    use super::*;

    #[tokio::test]
    async fn a_temporary_cluster_answers_and_leaves_nothing_behind() {
        let cluster = start().await.unwrap();
        let config: Config = cluster.url().parse().unwrap();
        let (client, connection) = config.connect(NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let row = client
            .query_one("SELECT upper('straße é')", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), "STRASSE É".replace("SS", "ß"));
        drop(client);
        let _ = connection.await;
        let directory = cluster.directory.clone();
        drop(cluster);
        for _ in 0..200 {
            if !directory.parent().unwrap().exists() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{} is still there", directory.display());
    }
}

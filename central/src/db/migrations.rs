//! Brings the schema up to date: numbered files within the program, each applied once, in order,
//! in a transaction of its own. Never goes back, never edits.

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Config};

use super::{APPLICATION_ROLE, connect};

/// The schema as this program knows it, in order. A file that was shipped is never edited.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "0001_schools_keys_passes.sql",
        sql: include_str!("../../../migrations/central/0001_schools_keys_passes.sql"),
    },
    Migration {
        number: 2,
        name: "0002_gates_access.sql",
        sql: include_str!("../../../migrations/central/0002_gates_access.sql"),
    },
    Migration {
        number: 3,
        name: "0003_journal.sql",
        sql: include_str!("../../../migrations/central/0003_journal.sql"),
    },
    Migration {
        number: 4,
        name: "0004_gate_keys.sql",
        sql: include_str!("../../../migrations/central/0004_gate_keys.sql"),
    },
    Migration {
        number: 5,
        name: "0005_publication.sql",
        sql: include_str!("../../../migrations/central/0005_publication.sql"),
    },
    Migration {
        number: 6,
        name: "0006_journal_partitions.sql",
        sql: include_str!("../../../migrations/central/0006_journal_partitions.sql"),
    },
    Migration {
        number: 7,
        name: "0007_key_succession.sql",
        sql: include_str!("../../../migrations/central/0007_key_succession.sql"),
    },
    Migration {
        number: 8,
        name: "0008_door_companions.sql",
        sql: include_str!("../../../migrations/central/0008_door_companions.sql"),
    },
];

/// Two centrals that start at once wait for each other here. Any number serves that nothing else
/// in the database uses.
const ADVISORY_LOCK: i64 = 0x706f_7274_6375_6c6c;

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)";

/// One step of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1 without gaps.
    pub number: i32,
    /// The file's name.
    pub name: &'static str,
    /// Its text.
    pub sql: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
struct Applied {
    number: i32,
    name: String,
    sha256: Vec<u8>,
}

impl Migration {
    fn sha256(&self) -> Vec<u8> {
        Sha256::digest(self.sql.as_bytes()).to_vec()
    }
}

/// Applies what is missing and says how many that were.
///
/// # Errors
/// When the database was written by a newer central, an applied file was edited, or a step fails;
/// earlier steps stay applied then.
pub async fn apply(owner: &Config, migrations: &[Migration]) -> anyhow::Result<usize> {
    let mut client = connect(owner).await?;
    // Released when the connection closes, whatever happens.
    client
        .execute("SELECT pg_advisory_lock($1)", &[&ADVISORY_LOCK])
        .await
        .context("cannot wait for other migrations")?;
    client.batch_execute(LEDGER).await.context(
        "cannot make the table schema_migrations: the user of DATABASE_URL must own the database",
    )?;
    let applied = read_applied(&client).await?;
    let missing = compare(&applied, migrations)?;
    for migration in missing {
        apply_one(&mut client, migration).await?;
    }
    let_application_read_ledger(&client).await?;
    Ok(missing.len())
}

/// Is the schema as this program knows it? `connection` may be the application's own.
///
/// # Errors
/// When it is not; the message says what to do.
pub async fn check(connection: &Client, migrations: &[Migration]) -> anyhow::Result<()> {
    let missing = compare(&read_applied(connection).await?, migrations)?.len();
    if missing > 0 {
        bail!("{missing} migrations are not applied: run `central migrate`");
    }
    Ok(())
}

/// A digest of the whole list: tests name their template database by it.
#[must_use]
pub fn fingerprint(migrations: &[Migration]) -> String {
    let mut hash = Sha256::new();
    for migration in migrations {
        hash.update(migration.sha256());
    }
    hash.finalize()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

async fn read_applied(client: &Client) -> anyhow::Result<Vec<Applied>> {
    let rows = client
        .query(
            "SELECT number, name, sha256 FROM schema_migrations ORDER BY number",
            &[],
        )
        .await
        .context("cannot read the table schema_migrations: run `central migrate`")?;
    let applied = |row: &tokio_postgres::Row| Applied {
        number: row.get(0),
        name: row.get(1),
        sha256: row.get(2),
    };
    Ok(rows.iter().map(applied).collect())
}

/// What is still to be applied.
fn compare<'a>(applied: &[Applied], known: &'a [Migration]) -> anyhow::Result<&'a [Migration]> {
    for (index, row) in applied.iter().enumerate() {
        let Some(migration) = known.get(index) else {
            let newest = known.last().map_or(0, |migration| migration.number);
            bail!(
                "the database is at migration {} ({}), written by a newer central; this one knows migrations up to \
                 {newest}. Start the newer version, or restore a backup made by this one",
                applied.last().map_or(0, |row| row.number),
                applied.last().map_or("", |row| &row.name)
            );
        };
        if row.number != migration.number {
            bail!(
                "migration {} ({}) is missing from the database, which is at {}: restore a backup",
                migration.number,
                migration.name,
                applied.last().map_or(0, |row| row.number)
            );
        }
        if row.sha256 != migration.sha256() {
            bail!(
                "migration {} ({}) is not the one that was applied to this database ({}): it was edited since. Use \
                 an unaltered release of central",
                migration.number,
                migration.name,
                row.name
            );
        }
    }
    Ok(&known[applied.len()..])
}

async fn apply_one(client: &mut Client, migration: &Migration) -> anyhow::Result<()> {
    let step = || format!("migration {} ({})", migration.number, migration.name);
    let transaction = client.transaction().await.with_context(step)?;
    transaction
        .batch_execute(migration.sql)
        .await
        .with_context(step)?;
    transaction
        .execute(
            "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
            &[&migration.number, &migration.name, &migration.sha256()],
        )
        .await
        .with_context(step)?;
    transaction.commit().await.with_context(step)?;
    tracing::info!(
        migration.number = migration.number,
        "applied migration {} ({})",
        migration.number,
        migration.name
    );
    Ok(())
}

/// The readiness check runs as the application.
async fn let_application_read_ledger(client: &Client) -> anyhow::Result<()> {
    let role = client
        .query_opt(
            "SELECT 1 FROM pg_roles WHERE rolname = $1",
            &[&APPLICATION_ROLE],
        )
        .await
        .context("cannot list the roles")?;
    if role.is_some() {
        client
            .batch_execute(&format!(
                "GRANT SELECT ON schema_migrations TO {APPLICATION_ROLE}"
            ))
            .await
            .context("cannot let the application read schema_migrations")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const FIRST: Migration = Migration {
        number: 1,
        name: "0001_a.sql",
        sql: "CREATE TABLE a (a integer)",
    };
    const SECOND: Migration = Migration {
        number: 2,
        name: "0002_b.sql",
        sql: "CREATE TABLE b (b integer)",
    };
    const BROKEN: Migration = Migration {
        number: 2,
        name: "0002_b.sql",
        sql: "CREATE TABLE b (b integer); SELECT * FROM missing",
    };

    #[test]
    fn the_list_is_exactly_the_files_in_order() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/central");
        let mut files: Vec<_> = std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        files.sort();
        assert_eq!(
            files,
            MIGRATIONS
                .iter()
                .map(|migration| migration.name)
                .collect::<Vec<_>>()
        );
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(usize::try_from(migration.number).unwrap(), index + 1);
            assert!(
                migration
                    .name
                    .starts_with(&format!("{:04}_", migration.number))
            );
        }
    }

    #[tokio::test]
    async fn each_step_is_applied_once() {
        let database = testing::empty_database().await;
        assert_eq!(apply(&database.owner, &[FIRST]).await.unwrap(), 1);
        assert_eq!(apply(&database.owner, &[FIRST, SECOND]).await.unwrap(), 1);
        assert_eq!(apply(&database.owner, &[FIRST, SECOND]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn an_edited_step_is_refused() {
        let database = testing::empty_database().await;
        apply(&database.owner, &[FIRST]).await.unwrap();
        let edited = Migration {
            sql: "CREATE TABLE a (a bigint)",
            ..FIRST
        };
        let error = apply(&database.owner, &[edited])
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("it was edited since"), "{error}");
    }

    #[tokio::test]
    async fn a_database_of_a_newer_central_is_refused() {
        let database = testing::empty_database().await;
        apply(&database.owner, &[FIRST, SECOND]).await.unwrap();
        let error = apply(&database.owner, &[FIRST])
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("newer central"), "{error}");
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_nothing_behind() {
        let database = testing::empty_database().await;
        let error = apply(&database.owner, &[FIRST, BROKEN]).await.unwrap_err();
        assert!(format!("{error:#}").contains("0002_b.sql"), "{error:#}");
        assert_eq!(apply(&database.owner, &[FIRST, SECOND]).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn centrals_that_start_at_once_apply_each_step_once() {
        let database = testing::empty_database().await;
        let steps = [FIRST, SECOND];
        let (one, two) = tokio::join!(
            apply(&database.owner, &steps),
            apply(&database.owner, &steps)
        );
        assert_eq!(one.unwrap() + two.unwrap(), 2);
    }

    #[tokio::test]
    async fn the_owner_of_a_database_who_may_make_roles_is_enough() {
        let database = testing::empty_database().await;
        let name = database.owner.get_dbname().unwrap();
        let client = connect(&database.owner).await.unwrap();
        let sql = format!(
            "CREATE ROLE owner_of_{name} LOGIN CREATEROLE; ALTER DATABASE {name} OWNER TO owner_of_{name}"
        );
        client.batch_execute(&sql).await.unwrap();
        let mut owner = database.owner.clone();
        owner.user(format!("owner_of_{name}"));
        apply(&owner, MIGRATIONS).await.unwrap();
        let db = super::super::Db::new(&owner).unwrap();
        let connection = db.connection().await.unwrap();
        check(&connection, MIGRATIONS).await.unwrap();
        drop(connection);
        db.close();
    }
}

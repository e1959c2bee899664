//! The way to PostgreSQL: a pool whose connections run as a role that owns nothing, and
//! transactions that see one school or, named as such, all of them.

pub mod access_levels;
pub mod access_points;
pub mod admin_tokens;
pub mod areas;
pub mod behind;
pub mod doors;
pub mod erasure;
pub mod gate_claims;
pub mod gate_counters;
pub mod gate_heads;
pub mod gate_health;
pub mod gate_journals;
pub mod gate_keys;
pub mod gate_staff;
pub mod gates;
pub mod issued_digests;
pub mod journal_forks;
pub mod journal_records;
pub mod journal_search;
pub mod migrations;
pub mod passes;
pub mod publications;
pub mod schedules;
pub mod schools;
pub mod signed_documents;
pub mod signing_keys;
pub mod students;

mod connecting;
mod tls;
mod word;

use std::{ops::Deref, time::Duration};

pub use connecting::{Database, WhenRunning, connect, connect_listening, hosts};
pub(crate) use word::Word;

use anyhow::Context;
use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use tokio_postgres::{Config, error::SqlState};

use crate::ids::SchoolId;

/// The role all queries run as. The schema's first migration makes it.
pub const APPLICATION_ROLE: &str = "portcullis_app";

/// Connections of one central; a private PostgreSQL takes 100 in all.
const POOL_SIZE: usize = 16;
/// A request waits no longer for a connection: it is told to come again.
const POOL_WAIT: Duration = Duration::from_secs(10);
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Settings of each connection. A statement or transaction that hangs gives its locks back. What
/// is acknowledged is durable, whatever the server was told to do by default.
const SESSION: &str = "SET ROLE portcullis_app; SET statement_timeout = '30s'; \
SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '10s'; \
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// A connection of the pool, with prepared statements remembered (`prepare_cached`).
pub type Connection = ClientWrapper;

/// A pool of connections; clones share it.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Pool,
}

/// Which rows a transaction sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of this school.
    School(SchoolId),
    /// Those of every school: for what is central's own, such as ingest and signing.
    AllSchools,
}

/// An open transaction. Dropped without [`Transaction::commit`], it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    connection: Option<Object>,
}

impl Db {
    /// A pool for the database that `owner` connects to; its connections change to the
    /// application's role before anyone gets them.
    ///
    /// # Errors
    /// When TLS is wanted and the system has no certificate authorities.
    pub fn new(owner: &Config) -> anyhow::Result<Self> {
        let mut config = owner.clone();
        config.application_name("portcullis-central");
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match tls::connector(&config)? {
            Some(connector) => Manager::from_config(config, connector, recycling),
            None => Manager::from_config(config, tokio_postgres::NoTls, recycling),
        };
        let pool = Pool::builder(manager)
            .max_size(POOL_SIZE)
            .wait_timeout(Some(POOL_WAIT))
            .create_timeout(Some(CONNECT_WAIT))
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(|client: &mut ClientWrapper, _| {
                Box::pin(async move {
                    client
                        .batch_execute(SESSION)
                        .await
                        .map_err(HookError::Backend)
                })
            }))
            .build()
            .context("cannot make the pool of database connections")?;
        Ok(Self { pool })
    }

    /// A connection outside any transaction: it sees no school's rows.
    ///
    /// # Errors
    /// When the database cannot be reached, or all connections stay busy.
    pub async fn connection(&self) -> anyhow::Result<Object> {
        self.pool
            .get()
            .await
            .context("no connection to the database")
    }

    /// Opens a transaction that sees what `scope` says.
    ///
    /// # Errors
    /// As [`Db::connection`].
    pub async fn begin(&self, scope: Scope) -> anyhow::Result<Transaction> {
        let transaction = Transaction {
            connection: Some(self.connection().await?),
        };
        let setting = match scope {
            Scope::School(school) => format!("'portcullis.school_id', '{school}'"),
            Scope::AllSchools => "'portcullis.all_schools', 'on'".to_owned(),
        };
        transaction
            .batch_execute(&format!("BEGIN; SELECT set_config({setting}, true)"))
            .await
            .context("cannot begin a transaction")?;
        Ok(transaction)
    }

    /// Opens a transaction that sees one school's rows.
    ///
    /// # Errors
    /// As [`Db::connection`].
    pub async fn begin_in_school(&self, school: SchoolId) -> anyhow::Result<Transaction> {
        self.begin(Scope::School(school)).await
    }

    /// Opens a transaction that sees every school's rows.
    ///
    /// # Errors
    /// As [`Db::connection`].
    pub async fn begin_across_schools(&self) -> anyhow::Result<Transaction> {
        self.begin(Scope::AllSchools).await
    }

    /// Ends all connections; later requests for one fail.
    pub fn close(&self) {
        self.pool.close();
    }
}

impl Transaction {
    /// Makes everything done in it durable and visible.
    ///
    /// # Errors
    /// When the database refuses; nothing was changed then, unless the connection broke in the
    /// very moment of the commit.
    pub async fn commit(mut self) -> anyhow::Result<()> {
        let Some(connection) = self.connection.take() else {
            return Ok(());
        };
        // After a failed statement COMMIT quietly rolls back; the SELECT fails instead.
        match connection.batch_execute("SELECT; COMMIT").await {
            Ok(()) => Ok(()),
            Err(error) => {
                // What state the connection is in is unknown: it does not go back to the pool.
                drop(Object::take(connection));
                Err(error).context("cannot commit")
            }
        }
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("only commit and drop take the connection")
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // A closed connection is rolled back by the server.
            drop(Object::take(connection));
            return;
        };
        runtime.spawn(async move {
            if connection.batch_execute("ROLLBACK").await.is_err() {
                drop(Object::take(connection));
            }
        });
    }
}

/// Does `error` say that PostgreSQL cannot be reached or was busy for too long, rather than that it
/// refused something?
#[must_use]
pub fn is_unavailable(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        if let Some(error) = cause.downcast_ref::<tokio_postgres::Error>() {
            let passing = [
                SqlState::ADMIN_SHUTDOWN,
                SqlState::LOCK_NOT_AVAILABLE,
                SqlState::QUERY_CANCELED,
                SqlState::T_R_DEADLOCK_DETECTED,
            ];
            return error.is_closed() || error.code().is_some_and(|code| passing.contains(code));
        }
        cause.is::<deadpool_postgres::PoolError>()
    })
}

/// What a write would have broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Something else has the same key or name.
    Unique,
    /// It names something that does not exist, or is still named by something.
    Reference,
}

/// What `error` says a write would have broken, if that is what it says.
#[must_use]
pub fn violation(error: &anyhow::Error) -> Option<Violation> {
    let code = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<tokio_postgres::Error>()?.code())?;
    match code {
        code if *code == SqlState::UNIQUE_VIOLATION => Some(Violation::Unique),
        code if *code == SqlState::FOREIGN_KEY_VIOLATION => Some(Violation::Reference),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::testing::{self, FreshDatabase};

    const SCHOOL_TABLES: &str = "SELECT DISTINCT c.relname::text FROM pg_class AS c \
        JOIN pg_attribute AS a ON a.attrelid = c.oid \
        WHERE a.attname = 'school_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p') \
            AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace";

    async fn two_schools() -> (FreshDatabase, SchoolId, SchoolId) {
        let database = testing::fresh_database().await;
        let ids = [1, 2].map(|n| SchoolId(Uuid::from_u128(n)));
        let transaction = database.db.begin_across_schools().await.unwrap();
        for id in ids {
            let sql = "INSERT INTO schools (school_id, name, time_zone, created_at) \
                VALUES ($1, 'A', 'UTC', now())";
            transaction.execute(sql, &[&id]).await.unwrap();
        }
        transaction.commit().await.unwrap();
        (database, ids[0], ids[1])
    }

    async fn schools_seen(connection: &Connection) -> Vec<SchoolId> {
        let sql = "SELECT school_id FROM schools ORDER BY school_id";
        let rows = connection.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    #[tokio::test]
    async fn a_query_sees_the_school_of_its_transaction_and_without_one_nothing() {
        let (database, one, two) = two_schools().await;
        let db = &database.db;
        let transaction = db.begin_in_school(one).await.unwrap();
        assert_eq!(schools_seen(&transaction).await, [one]);
        drop(transaction);
        let transaction = db.begin_across_schools().await.unwrap();
        assert_eq!(schools_seen(&transaction).await, [one, two]);
        transaction.commit().await.unwrap();
        // No connection keeps what a transaction saw.
        for _ in 0..3 {
            assert_eq!(schools_seen(&db.connection().await.unwrap()).await, []);
        }
    }

    #[tokio::test]
    async fn a_row_of_another_school_can_be_neither_written_nor_moved() {
        let (database, one, two) = two_schools().await;
        let transaction = database.db.begin_in_school(one).await.unwrap();
        let sql = "UPDATE schools SET name = 'B' WHERE school_id = $1";
        assert_eq!(transaction.execute(sql, &[&two]).await.unwrap(), 0);
        let sql = "INSERT INTO areas (school_id, name) VALUES ($1, 'Library')";
        let error = transaction.execute(sql, &[&two]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    }

    #[tokio::test]
    async fn every_table_of_a_school_forces_row_level_security_on_a_role_that_owns_nothing() {
        let database = testing::fresh_database().await;
        let connection = database.db.connection().await.unwrap();
        let tables = connection.query(SCHOOL_TABLES, &[]).await.unwrap();
        assert!(tables.len() > 10, "the query finds the tables");
        for row in tables {
            let table: String = row.get(0);
            let sql = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class \
                WHERE relname = $1 AND relnamespace = 'public'::regnamespace";
            let row = connection.query_one(sql, &[&table]).await.unwrap();
            assert!(row.get::<_, bool>(0), "{table}");
        }
        let sql = "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole";
        assert_eq!(
            connection
                .query_one(sql, &[])
                .await
                .unwrap()
                .get::<_, i64>(0),
            0
        );
        let sql = "SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles \
            WHERE rolname = current_user";
        assert!(
            !connection
                .query_one(sql, &[])
                .await
                .unwrap()
                .get::<_, bool>(0)
        );
    }

    #[tokio::test]
    async fn what_is_not_committed_is_undone_and_the_connection_serves_on() {
        let (database, one, _) = two_schools().await;
        let transaction = database.db.begin_in_school(one).await.unwrap();
        transaction
            .execute("UPDATE schools SET name = 'B'", &[])
            .await
            .unwrap();
        assert!(transaction.execute("SELECT broken", &[]).await.is_err());
        drop(transaction);
        let transaction = database.db.begin_in_school(one).await.unwrap();
        let row = transaction
            .query_one("SELECT name FROM schools", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), "A");
    }

    #[tokio::test]
    async fn a_commit_after_a_failed_statement_is_an_error() {
        let (database, one, _) = two_schools().await;
        let transaction = database.db.begin_in_school(one).await.unwrap();
        transaction
            .execute("UPDATE schools SET name = 'B'", &[])
            .await
            .unwrap();
        assert!(transaction.execute("SELECT broken", &[]).await.is_err());
        assert!(transaction.commit().await.is_err());
    }
}

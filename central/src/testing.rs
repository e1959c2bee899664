//! For tests alone, here and in other packages: a fresh database for each test, and a whole
//! central over one without a port.

use std::{sync::OnceLock, time::Duration};

use tokio_postgres::Config;

use crate::{
    cluster::{Cluster, TemporaryCluster},
    db::{self, Db, migrations},
};

/// Names the PostgreSQL that tests use, as `DATABASE_URL` would, by a user that may make
/// databases and roles. Without it each process starts one of its own.
pub const POSTGRES_VARIABLE: &str = "PORTCULLIS_TEST_POSTGRES";

/// Processes that make the same template wait for each other here.
const TEMPLATE_LOCK: i64 = 0x706f_7274_7465_7374;

/// A database that nobody used before; it is dropped with the value.
#[derive(Debug)]
pub struct FreshDatabase {
    /// Connects as the owner of the schema.
    pub owner: Config,
    /// Connects as the application does.
    pub db: Db,
    name: String,
}

/// A database with the whole schema and no rows.
///
/// # Panics
/// When there is no PostgreSQL to be had.
pub async fn fresh_database() -> FreshDatabase {
    let maintenance = maintenance().await;
    let template = format!(
        "template_{}",
        migrations::fingerprint(migrations::MIGRATIONS)
    );
    ensure_template(&maintenance, &template).await;
    make(&maintenance, &template).await
}

/// A database without any schema.
///
/// # Panics
/// When there is no PostgreSQL to be had.
pub async fn empty_database() -> FreshDatabase {
    make(&maintenance().await, "template1").await
}

async fn make(maintenance: &Config, template: &str) -> FreshDatabase {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("randomness");
    let name = format!("test_{:016x}", u64::from_be_bytes(random));
    let client = db::connect(maintenance)
        .await
        .expect("the tests' PostgreSQL answers");
    client
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
        .await
        .expect("a test's database can be made");
    let mut owner = maintenance.clone();
    owner.dbname(name.as_str());
    let db = Db::new(&owner).expect("a pool needs nothing but its settings");
    FreshDatabase { owner, db, name }
}

async fn ensure_template(maintenance: &Config, template: &str) {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_some() {
        return;
    }
    let client = db::connect(maintenance)
        .await
        .expect("the tests' PostgreSQL answers");
    // Held until this connection closes.
    client
        .execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK])
        .await
        .expect("lock");
    let exists = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&template])
        .await
        .expect("databases can be listed");
    if exists.is_none() {
        // Under another name until it is whole: a run cut short leaves no half-made template.
        let unfinished = format!("{template}_unfinished");
        for statement in [
            format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"),
            format!("CREATE DATABASE {unfinished} TEMPLATE template1"),
        ] {
            client
                .batch_execute(&statement)
                .await
                .expect("the template can be made");
        }
        let mut owner = maintenance.clone();
        owner.dbname(unfinished.as_str());
        migrations::apply(&owner, migrations::MIGRATIONS)
            .await
            .expect("the schema applies");
        rename(&client, &unfinished, template).await;
    }
    let _ = DONE.set(());
}

/// The connection that migrated takes a moment to leave.
async fn rename(client: &tokio_postgres::Client, from: &str, to: &str) {
    for _ in 0..200 {
        let statement = format!("ALTER DATABASE {from} RENAME TO {to}");
        if client.batch_execute(&statement).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the template database {from} stays in use");
}

/// Connects to the maintenance database of the tests' PostgreSQL.
async fn maintenance() -> Config {
    static TEMPORARY: tokio::sync::OnceCell<TemporaryCluster> = tokio::sync::OnceCell::const_new();
    if let Ok(url) = std::env::var(POSTGRES_VARIABLE) {
        return url
            .parse()
            .expect("PORTCULLIS_TEST_POSTGRES is a PostgreSQL address");
    }
    let cluster = TEMPORARY
        .get_or_init(|| async {
            Cluster::start_temporary()
                .await
                .expect("a PostgreSQL for the tests starts")
        })
        .await;
    cluster.connection()
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        self.db.close();
        let mut maintenance = self.owner.clone();
        maintenance.dbname("postgres");
        let name = std::mem::take(&mut self.name);
        // A thread of its own, since a test's runtime is busy with dropping this.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let Ok(client) = db::connect(&maintenance).await else {
                    return;
                };
                let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                let _ = client.batch_execute(&statement).await;
            });
        });
        let _ = dropped.join();
    }
}

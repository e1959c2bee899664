//! For tests alone, here and in other packages: a fresh database for each test, and a whole
//! central over one without a port.

mod documents;
mod gate;
pub mod keys;

pub use gate::{TestGate, build};

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, header},
};
use serde_json::{Value, json};
use tokio_postgres::Config;
use tower::ServiceExt;

use crate::{
    app::{App, SharedApp},
    auth::AdminToken,
    changes::Changes,
    claims::ClaimsKey,
    clock::{Clock, SimulatedClock},
    cluster::{Cluster, TemporaryCluster},
    configuration::{Configuration, DatabaseSource, LogFormat},
    db::{self, Db, admin_tokens, migrations},
    gate_api::Traffic,
    ids::{AdminTokenId, GateId, SchoolId},
    instant::UtcInstant,
    issuing::IssuingSigner,
    keys::sealing::KeyEncryptionKey,
    metrics::Metrics,
    publishing::RostersDue,
    randomness::{Randomness, SeededRandomness},
    router::router,
    shutdown::Shutdown,
    signers::StatementSigner,
};

/// 2026-09-01T08:00:00Z, when every test's central begins.
const START: u64 = 1_788_249_600;

const ISSUING_KEK: [u8; 32] = [1; 32];
const STATEMENTS_KEK: [u8; 32] = [2; 32];

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

/// A whole central over a fresh database, without a port: its clock stands still, its randomness
/// is the same each time, and it has one administrator.
#[derive(Debug)]
pub struct TestCentral {
    /// What its handlers work with.
    pub app: SharedApp,
    /// Moves its clock.
    pub clock: SimulatedClock,
    /// Its administrator's token.
    pub token: String,
    /// Where its rows are.
    pub database: Arc<FreshDatabase>,
    router: Router,
}

/// A school with one door, made by [`TestCentral::site`].
#[derive(Clone, Debug)]
pub struct Site {
    /// Path of the school.
    pub school: String,
    /// Its id.
    pub school_id: SchoolId,
    /// Where the door leads.
    pub area_id: i64,
    /// The gate, which is not enrolled.
    pub gate_id: GateId,
    /// Its turnstile.
    pub door_id: i64,
    /// From outside to the area.
    pub entry_id: i64,
    /// Back.
    pub exit_id: i64,
    /// Mondays from 07:00 to 17:00.
    pub schedule_id: i64,
    /// Admits at both access points by the schedule.
    pub level: i64,
}

/// An answer of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub bytes: Vec<u8>,
    /// The body as text, as far as it is.
    pub text: String,
    /// The body as JSON; `null` when it is none.
    pub json: Value,
}

/// Starts a [`TestCentral`].
///
/// # Panics
/// When there is no PostgreSQL to be had.
pub async fn central() -> TestCentral {
    let database = fresh_database().await;
    let clock = SimulatedClock::new(UtcInstant::from_unix_seconds(START));
    let randomness = Randomness::Seeded(SeededRandomness::new(1));
    let token = AdminToken::generate(&randomness);
    let id = AdminTokenId(randomness.uuid(clock.now()));
    let connection = database.db.connection().await.expect("a connection");
    let name = "Test".parse().expect("a name");
    admin_tokens::insert(&connection, id, &name, &token.sha256(), clock.now(), None)
        .await
        .expect("the administrator's token is stored");
    drop(connection);
    let app = app(&database, database.db.clone(), clock.clone(), randomness);
    TestCentral {
        router: router(app.clone()),
        app,
        clock,
        token: token.reveal().to_owned(),
        database: Arc::new(database),
    }
}

fn app(
    database: &FreshDatabase,
    db: Db,
    clock: SimulatedClock,
    randomness: Randomness,
) -> SharedApp {
    Arc::new(App {
        configuration: configuration(database),
        issuing: IssuingSigner::here(KeyEncryptionKey::new(&ISSUING_KEK), randomness.clone()),
        statements: StatementSigner::here(KeyEncryptionKey::new(&STATEMENTS_KEK), db.clone()),
        db,
        claims: ClaimsKey::new([3; 32]),
        public_url: "http://central.test".to_owned(),
        changes: Changes::new(),
        rosters: RostersDue::default(),
        gates: Traffic::default(),
        clock: Clock::Simulated(clock),
        randomness,
        metrics: Metrics::new(),
        shutdown: Shutdown::new(),
        started: Clock::System.stopwatch(),
    })
}

fn configuration(database: &FreshDatabase) -> Configuration {
    Configuration {
        file: None,
        data_directory: PathBuf::from("/nonexistent"),
        database: DatabaseSource::Url(Box::new(database.owner.clone())),
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        log_format: LogFormat::Text,
    }
}

impl TestCentral {
    /// A second process of the same central: the same database, signers and memory of its own.
    ///
    /// # Panics
    /// When the database's settings make no pool.
    #[must_use]
    pub fn another(&self) -> Self {
        let db = Db::new(&self.database.owner).expect("a pool needs nothing but its settings");
        let randomness = Randomness::Seeded(SeededRandomness::new(2));
        let app = app(&self.database, db, self.clock.clone(), randomness);
        Self {
            router: router(app.clone()),
            app,
            clock: self.clock.clone(),
            token: self.token.clone(),
            database: self.database.clone(),
        }
    }

    /// GET, as the administrator.
    pub async fn get(&self, path: &str) -> Answer {
        self.send_as(Some(&self.token), "GET", path, None).await
    }

    /// DELETE, as the administrator.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send_as(Some(&self.token), "DELETE", path, None).await
    }

    /// POST with a JSON body, as the administrator.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send_as(Some(&self.token), "POST", path, Some(body))
            .await
    }

    /// PATCH with a JSON body, as the administrator.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send_as(Some(&self.token), "PATCH", path, Some(body))
            .await
    }

    /// PUT with a JSON body, as the administrator.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send_as(Some(&self.token), "PUT", path, Some(body))
            .await
    }

    /// Makes a school and gives its path.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn school_path(&self) -> String {
        let body = json!({"name": "Northfield College", "time_zone": "Europe/London"});
        let made = self.post("/api/v1/schools", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        format!(
            "/api/v1/schools/{}",
            made.json["school_id"].as_str().expect("an id")
        )
    }

    /// Makes a school with an area, a gate, a turnstile, both ways through it, a schedule and an
    /// access level.
    ///
    /// # Panics
    /// When one of them cannot be made.
    pub async fn site(&self) -> Site {
        let school = self.school_path().await;
        let make = async |what: &str, id: &str, body: Value| {
            let made = self.post(&format!("{school}/{what}"), body).await;
            assert_eq!(made.status, 201, "{what}: {}", made.text);
            made.json[id].clone()
        };
        let area_id = make("areas", "area_id", json!({"name": "Campus"})).await;
        let gate_id = make("gates", "gate_id", json!({"name": "Main gate"})).await;
        let door = json!({
            "gate_id": gate_id, "name": "Turnstile", "kind": "turnstile", "lock_type": "fail_secure",
            "contact": "absent", "passage": "rotation",
        });
        let door_id = make("doors", "door_id", door).await;
        let entry = json!({"door_id": door_id, "name": "In", "to_area_id": area_id});
        let entry_id = make("access-points", "access_point_id", entry).await;
        let exit = json!({"door_id": door_id, "name": "Out", "from_area_id": area_id});
        let exit_id = make("access-points", "access_point_id", exit).await;
        let week = json!([{"weekday": "monday", "from": "07:00", "until": "17:00"}]);
        let schedule = json!({"name": "School hours", "weekly": week});
        let schedule_id = make("schedules", "schedule_id", schedule).await;
        let grant = |point: &Value| json!({"access_point_id": point, "schedule_id": schedule_id});
        let level = json!({"name": "Students", "grants": [grant(&entry_id), grant(&exit_id)]});
        let level = make("access-levels", "level", level).await;
        let number = |value: Value| value.as_i64().expect("a number");
        let school_id = school.rsplit('/').next().and_then(|id| id.parse().ok());
        Site {
            school_id: school_id.expect("a path that ends in an id"),
            area_id: number(area_id),
            gate_id: gate_id
                .as_str()
                .and_then(|id| id.parse().ok())
                .expect("an id"),
            door_id: number(door_id),
            entry_id: number(entry_id),
            exit_id: number(exit_id),
            schedule_id: number(schedule_id),
            level: number(level),
            school,
        }
    }

    /// Any method, with or without a token.
    pub async fn send_as(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).expect("a valid request"))
            .await
    }

    /// Any request, as it is.
    ///
    /// # Panics
    /// When the answer's body breaks off.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(self.router(), request).await
    }

    /// Its routes, for a request in a task of its own.
    pub fn router(&self) -> Router {
        self.router.clone()
    }
}

/// Sends a request to routes.
///
/// # Panics
/// When the answer's body breaks off.
pub async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.expect("a router never fails");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX)
        .await
        .expect("a whole body")
        .to_vec();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        bytes,
    }
}

impl Answer {
    /// A header's text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }
}

async fn make(maintenance: &Config, template: &str) -> FreshDatabase {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("randomness");
    let name = format!("test_{:016x}", u64::from_be_bytes(random));
    let client = db::connect(maintenance)
        .await
        .expect("the tests' PostgreSQL answers");
    client
        .batch_execute(&format!(
            // Copying files takes half the time of logging pages where nothing is synced.
            "CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
        ))
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

impl TestCentral {
    /// Sends bytes that are no JSON, as the administrator.
    pub async fn post_bytes(&self, path: &str, bytes: Vec<u8>) -> Answer {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Body::from(bytes));
        self.send(request.expect("a valid request")).await
    }
}

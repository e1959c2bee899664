//! Passes issued in batches by the real central over its web API, numbered, signed, stored
//! durably and listed for gates; against the bare signatures of as many passes.

use std::time::Duration;

use anyhow::{Context, ensure};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use shared::{
    cbor,
    cose::{Protected, Sign1, to_be_signed},
    document::SignedKind,
    ids::Serial,
    issued_list::IssuedList,
    keys::PublicKey,
    pass::{AccessLevels, Claims, HolderKind, PASS_EXTERNAL_DATA},
    time::UtcSeconds,
};
use tokio::runtime::Runtime;

use super::{
    Effort, Figure, Goal, Measured, Setting, Unit,
    timing::{Pair, alternate, timed},
};
use crate::{
    admin,
    central::{Central, Rows, Settings},
    clock::{self, Stopwatch},
    database::Database,
    school::{School, written},
    scratch::Scratch,
};

const ROUNDS: usize = 40;
const BATCH: usize = 1_000;
const SHARE_GOAL: Goal = Goal::AtLeast(30.0);

pub(super) fn run(setting: &Setting) -> anyhow::Result<Measured> {
    let runtime = Runtime::new().context("no runtime")?;
    let batch = match setting.effort {
        Effort::Full | Effort::Quick => BATCH,
        Effort::Glance => 20,
    };
    let mut office = runtime.block_on(Office::open(batch))?;
    let messages: Vec<Vec<u8>> = (0..batch).map(message).collect::<anyhow::Result<_>>()?;
    let key = SigningKey::from_bytes(&[7; 32]);
    let pair = alternate(
        setting.effort.rounds(ROUNDS),
        || runtime.block_on(office.issue()),
        || {
            timed(|| {
                for message in &messages {
                    std::hint::black_box(key.sign(message));
                }
                Ok(())
            })
        },
    )?;
    runtime.block_on(office.all_are_stored_and_listed())?;
    runtime.block_on(office.central.stop())?;
    Ok(figures(&pair, batch).into())
}

fn figures(pair: &Pair, batch: usize) -> Vec<Figure> {
    let unit = Unit::PerSecond;
    vec![
        Figure::with_goal(
            "Passes issued in batches of 1,000, stored and listed, as a share of bare signing",
            pair.share_percent(),
            Unit::Percent,
            SHARE_GOAL,
        ),
        Figure::for_reading(
            "  passes issued: one request after the other",
            pair.ours_per_second(batch),
            unit,
        ),
        Figure::for_reading(
            "  bare Ed25519 signatures on one core",
            pair.bare_per_second(batch),
            unit,
        ),
    ]
}

/// A central with a school, students and an issuer key.
struct Office {
    central: Central,
    database: Database,
    school: School,
    body: Value,
    batch: usize,
    issued: usize,
    _scratch: Scratch,
}

impl Office {
    async fn open(batch: usize) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let database = Database::fresh().await?;
        let settings = Settings {
            data_directory: scratch.directory("central")?,
            rows: Rows::Url(database.url.clone()),
            public_url: None,
            log: scratch.path().join("central.log"),
        };
        let central = Central::start(settings).await?;
        let school = School::found(&central, "Northfield College").await?;
        let names: Vec<String> = (0..batch).map(|n| format!("Student {n}")).collect();
        let students = school.students(&names).await?;
        let schedule = school.always().await?;
        let mut levels = Vec::new();
        for name in ["Gate", "Library", "Laboratory"] {
            levels.push(school.level(name, &[], schedule).await?);
        }
        let holders: Vec<Value> = students
            .iter()
            .map(|id| json!({"student_id": id}))
            .collect();
        let expires_at = written(clock::utc().plus(300 * 86_400))?;
        let body = json!({
            "holders": holders,
            "template": {"expires_at": expires_at, "levels": levels},
        });
        Ok(Self {
            central,
            database,
            school,
            body,
            batch,
            issued: 0,
            _scratch: scratch,
        })
    }

    /// One request; central answers once the issued list is signed and stored too.
    async fn issue(&mut self) -> anyhow::Result<Duration> {
        let stopwatch = Stopwatch::start();
        let made = self.school.make("passes/batch", &self.body).await?;
        let elapsed = stopwatch.elapsed();
        let passes = made["passes"].as_array().map_or(0, Vec::len);
        ensure!(passes == self.batch, "{passes} passes were issued");
        admin::text(&made, "kid")?;
        self.issued += passes;
        Ok(elapsed)
    }

    async fn all_are_stored_and_listed(&self) -> anyhow::Result<()> {
        let client = self.database.client().await?;
        let stored: i64 = client
            .query_one("SELECT count(*) FROM passes", &[])
            .await?
            .get(0);
        let row = client
            .query_one(
                "SELECT document FROM signed_documents WHERE kind = $1 ORDER BY epoch DESC, n DESC LIMIT 1",
                &[&IssuedList::EXTERNAL_DATA],
            )
            .await
            .context("central has no issued list")?;
        let envelope = Sign1::parse(row.get(0))?;
        let list: IssuedList = cbor::decode_strict(envelope.payload, IssuedList::LIMIT)?;
        let issued = self.issued;
        ensure!(
            usize::try_from(stored) == Ok(issued) && list.count as usize == issued,
            "{issued} passes were issued, {stored} are stored and {} listed",
            list.count
        );
        Ok(())
    }
}

/// What is signed of a pass.
fn message(serial: usize) -> anyhow::Result<Vec<u8>> {
    let now = UtcSeconds(1_800_000_000);
    let claims = Claims {
        not_before: now,
        expires_at: now.plus(300 * 86_400),
        serial: Serial(u32::try_from(serial)?),
        holder_key: None,
        kind: HolderKind::Student,
        uses_max: 0,
        levels: AccessLevels::new([1, 2, 3])?,
    };
    let protected = Protected::Key(PublicKey([7; 32]).kid());
    Ok(to_be_signed(
        protected,
        PASS_EXTERNAL_DATA,
        &claims.encode(),
    ))
}

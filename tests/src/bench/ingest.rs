//! Gates' journals taken in by central, requests, heads and chain checked, against a raw `COPY` of
//! the very same rows into the same table of another fresh database of the same PostgreSQL.

use std::{collections::VecDeque, pin::pin, time::Duration};

use anyhow::{Context, ensure};
use axum::{
    body::{Body, Bytes},
    http::Request,
};
use central::{
    db,
    instant::UtcInstant,
    testing::{self, FreshDatabase, TestCentral, TestGate},
};
use futures_util::{SinkExt as _, StreamExt as _, future::try_join_all};
use shared::{
    cbor,
    decision::{Decision, DenyReason},
    gate_api::path,
    ids::ScanId,
    journal::{BATCH_RECORDS_LIMIT, Event, PassageOutcome},
};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use super::{
    Effort, Figure, Goal, Measured, Setting, Unit,
    timing::{Pair, alternate, per_second},
};
use crate::clock::Stopwatch;

const ROUNDS: usize = 40;
/// Gates that send side by side, as after a night without a link.
const GATES: u8 = 4;
/// Batches that each of them sends in a turn.
const BATCHES: usize = 10;
const SHARE_GOAL: Goal = Goal::AtLeast(50.0);
/// One scan in fifty is denied.
const DENIED_EACH: u64 = 50;

/// Rows of one batch, as PostgreSQL's binary COPY has them.
type Rows = Vec<u8>;

pub(super) fn run(setting: &Setting) -> anyhow::Result<Measured> {
    let runtime = Runtime::new().context("no runtime")?;
    let batches = match setting.effort {
        Effort::Full | Effort::Quick => BATCHES,
        Effort::Glance => 1,
    };
    let mut ours = runtime.block_on(Ours::new(batches))?;
    let month = ours.central.app.clock.now();
    let bare = runtime.block_on(Bare::new(month))?;
    let whole = runtime.block_on(Bare::new(month))?;
    let mut in_one_copy = Vec::new();
    // Each turn of the bare side copies what our turn before it took in.
    let taken = std::cell::RefCell::new(VecDeque::new());
    let mut take_in = || {
        runtime.block_on(async {
            let elapsed = ours.take_in().await?;
            let rows = ours.last_rows().await?;
            taken.borrow_mut().push_back(rows);
            Ok(elapsed)
        })
    };
    take_in()?;
    let pair = alternate(setting.effort.rounds(ROUNDS), &mut take_in, || {
        let rows = taken
            .borrow_mut()
            .pop_front()
            .context("rows were taken in")?;
        runtime.block_on(async {
            let elapsed = bare.copy(&rows).await?;
            in_one_copy.push(whole.copy_in_one(&rows).await?);
            Ok(elapsed)
        })
    })?;
    let left = taken.borrow_mut().pop_front().context("one turn is left")?;
    let notes = runtime.block_on(async {
        bare.copy(&left).await?;
        let taken_in = held(&ours.client).await?;
        let copied = held(&bare.clients[0]).await?;
        ensure!(
            taken_in == copied,
            "{taken_in:?} were taken in and {copied:?} copied"
        );
        Ok(vec![bare.postgres().await?])
    })?;
    let rows = usize::from(GATES) * batches * BATCH_RECORDS_LIMIT;
    Ok(Measured {
        figures: figures(&pair, &in_one_copy, rows),
        notes,
    })
}

fn figures(pair: &Pair, in_one_copy: &[Duration], rows: usize) -> Vec<Figure> {
    let unit = Unit::PerSecond;
    vec![
        Figure::with_goal(
            "Journal records taken in, as a share of a raw COPY of the same rows",
            pair.share_percent(),
            Unit::Percent,
            SHARE_GOAL,
        ),
        Figure::for_reading(
            "  records taken in: four gates, 500 in a batch",
            pair.ours_per_second(rows),
            unit,
        ),
        Figure::for_reading(
            "  raw COPY: four connections, 500 rows in a transaction",
            pair.bare_per_second(rows),
            unit,
        ),
        Figure::for_reading(
            &format!("  raw COPY: one connection, {rows} rows in a transaction"),
            per_second(in_one_copy, rows),
            unit,
        ),
    ]
}

/// Central over a fresh database, and its gates.
struct Ours {
    central: TestCentral,
    gates: Vec<Sender>,
    batches: usize,
    client: Client,
}

/// A gate, and where its entry is.
struct Sender {
    gate: TestGate,
    entry_id: i64,
}

impl Ours {
    async fn new(batches: usize) -> anyhow::Result<Self> {
        let central = testing::central().await;
        central.keys().await;
        let mut gates = Vec::new();
        for seed in 0..GATES {
            let site = central.site().await;
            let gate = central.enrolled_with_configuration(&site, 31 + seed).await;
            let entry_id = site.entry_id;
            gates.push(Sender { gate, entry_id });
        }
        let client = db::connect(&central.database.owner).await?;
        Ok(Self {
            central,
            gates,
            batches,
            client,
        })
    }

    /// All gates send their next batches; each waits for its acknowledgement before the next one.
    async fn take_in(&mut self) -> anyhow::Result<Duration> {
        let mut requests = Vec::new();
        for sender in &mut self.gates {
            requests.push(sender.next_batches(&self.central, self.batches));
        }
        let central = &self.central;
        let sending = requests.into_iter().map(async |requests| {
            for request in requests {
                let answer = central.send(request).await;
                ensure!(answer.status == 200, "refused: {:?}", answer.refusal());
            }
            Ok(())
        });
        let stopwatch = Stopwatch::start();
        try_join_all(sending).await?;
        Ok(stopwatch.elapsed())
    }

    /// What the last turn left in the table, by gate and batch.
    async fn last_rows(&self) -> anyhow::Result<Vec<Vec<Rows>>> {
        let mut of_gates = Vec::new();
        for sender in &self.gates {
            let end = sender.gate.state.position.seq;
            let size = BATCH_RECORDS_LIMIT as u64;
            let mut batches = Vec::new();
            for batch in (0..self.batches as u64).rev() {
                let last = end - batch * size;
                let select = format!(
                    "COPY (SELECT * FROM journal_records WHERE gate_id = '{}' AND seq BETWEEN {} AND {last} \
                     ORDER BY seq) TO STDOUT (FORMAT binary)",
                    sender.gate.gate_id,
                    last - size + 1
                );
                let mut stream = pin!(self.client.copy_out(&select).await?);
                let mut rows = Rows::new();
                while let Some(part) = stream.next().await {
                    rows.extend_from_slice(&part?);
                }
                batches.push(rows);
            }
            of_gates.push(batches);
        }
        Ok(of_gates)
    }
}

impl Sender {
    /// Signed requests with this many batches of new records.
    fn next_batches(&mut self, central: &TestCentral, batches: usize) -> Vec<Request<Body>> {
        let gate = &mut self.gate;
        // Only what is sent next is kept: numbers begin behind it.
        gate.journal.clear();
        let records = batches * BATCH_RECORDS_LIMIT;
        for _ in 0..records / 2 {
            let scan = gate.state.position.seq + 1;
            let decision = if scan.is_multiple_of(DENIED_EACH) {
                Decision::Deny(DenyReason::OutsideSchedule)
            } else {
                Decision::Grant
            };
            gate.scan(central, self.entry_id, decision);
            let passage = Event::Passage {
                scan: ScanId(scan),
                outcome: PassageOutcome::Taken,
            };
            gate.record(central, passage, None);
        }
        let records = std::mem::take(&mut gate.journal);
        let end = gate.state.position.seq;
        let mut first = end - records.len() as u64 + 1;
        let mut requests = Vec::new();
        for records in records.chunks(BATCH_RECORDS_LIMIT) {
            let mut batch = gate.batch(1, 0);
            batch.first.seq = first;
            batch.records = records.to_vec();
            batch.head = gate.head(gate.state).into();
            first += records.len() as u64;
            requests.push(gate.request(central, path::JOURNAL, cbor::encode(&batch)));
        }
        requests
    }
}

/// A fresh database with the same schema, reached as its owner: nothing stands between.
struct Bare {
    _database: FreshDatabase,
    clients: Vec<Client>,
}

impl Bare {
    async fn new(month: UtcInstant) -> anyhow::Result<Self> {
        let database = testing::fresh_database().await;
        let mut clients = Vec::new();
        for _ in 0..GATES {
            clients.push(db::connect(&database.owner).await?);
        }
        clients[0]
            .execute("SELECT ensure_journal_partition($1)", &[&month])
            .await?;
        Ok(Self {
            _database: database,
            clients,
        })
    }

    /// Each connection copies what one gate sent, batch by batch.
    async fn copy(&self, rows: &[Vec<Rows>]) -> anyhow::Result<Duration> {
        let copies = self
            .clients
            .iter()
            .zip(rows)
            .map(async |(client, batches)| {
                for batch in batches {
                    copy_in(client, batch.clone()).await?;
                }
                anyhow::Ok(())
            });
        let stopwatch = Stopwatch::start();
        try_join_all(copies).await?;
        Ok(stopwatch.elapsed())
    }

    /// One connection copies everything in one statement.
    async fn copy_in_one(&self, rows: &[Vec<Rows>]) -> anyhow::Result<Duration> {
        let joined = join(rows.iter().flatten());
        let stopwatch = Stopwatch::start();
        copy_in(&self.clients[0], joined).await?;
        Ok(stopwatch.elapsed())
    }

    /// Its version, and what it does to keep what it commits.
    async fn postgres(&self) -> anyhow::Result<String> {
        let row = self.clients[0]
            .query_one(
                "SELECT current_setting('server_version'), current_setting('fsync'), \
                     current_setting('synchronous_commit'), current_setting('shared_buffers')",
                &[],
            )
            .await?;
        let setting = |index| row.get::<_, &str>(index);
        Ok(format!(
            "PostgreSQL {}, fsync {}, synchronous_commit {}, shared_buffers {}",
            setting(0),
            setting(1),
            setting(2),
            setting(3)
        ))
    }
}

async fn copy_in(client: &Client, rows: Rows) -> anyhow::Result<()> {
    let copy = "COPY journal_records FROM STDIN (FORMAT binary)";
    let mut sink = pin!(client.copy_in::<_, Bytes>(copy).await?);
    sink.send(rows.into()).await?;
    sink.finish().await?;
    Ok(())
}

/// How many rows there are, and the sum of their numbers.
async fn held(client: &Client) -> anyhow::Result<(i64, i64)> {
    let row = client
        .query_one(
            "SELECT count(*), sum(seq)::bigint FROM journal_records",
            &[],
        )
        .await?;
    Ok((row.get(0), row.get(1)))
}

/// Several COPY streams as one. Each has a header of 19 bytes and ends with two.
fn join<'a>(streams: impl Iterator<Item = &'a Rows>) -> Rows {
    const HEADER: usize = 19;
    const END: usize = 2;
    let mut joined = Rows::new();
    for stream in streams {
        let rows = HEADER..stream.len() - END;
        if joined.is_empty() {
            joined.extend_from_slice(&stream[..HEADER]);
        }
        joined.extend_from_slice(&stream[rows]);
    }
    joined.extend_from_slice(&(-1i16).to_be_bytes());
    joined
}

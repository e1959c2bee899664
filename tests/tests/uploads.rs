//! The journal on its way to central: the same batch again and again, answers that get lost, a
//! central that is killed while it takes a batch in, a fork, a head of another kind.

use serde_json::Value;
use shared::{
    cbor, cose, document,
    gate_api::{JournalBatch, RefusalCode},
    heads::Acknowledgement,
    ids::AccessPointId,
    journal::{JournalHead, Record},
};
use system_tests::{
    campus::Campus,
    link::Weather,
    paper_gate::{PaperGate, Reply},
};

/// What central holds of the gate's journal: numbers and hashes, oldest first.
async fn held(campus: &Campus) -> Vec<(u64, String)> {
    let entries = campus.school.journal(&campus.row).await.unwrap();
    let place = |entry: &Value| {
        let hash = entry["hash"].as_str().unwrap().to_owned();
        (entry["seq"].as_u64().unwrap(), hash)
    };
    entries.iter().map(place).collect()
}

fn seqs(held: &[(u64, String)]) -> Vec<u64> {
    held.iter().map(|(seq, _)| *seq).collect()
}

/// The acknowledgement in a good answer, checked.
fn acknowledged(gate: &PaperGate, reply: Reply) -> Acknowledgement {
    let bytes = reply.taken().unwrap();
    let keys = gate.statement_keys().unwrap();
    document::open::<Acknowledgement>(&bytes, &keys)
        .unwrap()
        .into_document()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_batch_sent_ten_times_counts_once() {
    let campus = Campus::open().await.unwrap();
    let mut gate = campus.paper_gate().await.unwrap();
    let records = gate.scans(100, campus.entry).unwrap();
    let batch = gate.batch(&records).unwrap();
    // Five of them get no answer, which is why a gate would send it again.
    campus.link.set(Weather::AnswersLost);
    for _ in 0..5 {
        assert!(gate.upload(&batch).await.is_err(), "the answer was lost");
    }
    campus.link.restore();
    for _ in 0..5 {
        let reply = gate.upload(&batch).await.unwrap();
        let acknowledged = acknowledged(&gate, reply);
        assert_eq!(acknowledged.position, gate.chain.position);
        assert_eq!(acknowledged.hash, gate.chain.hash);
    }
    let held = held(&campus).await;
    assert_eq!(seqs(&held), (1..=100).collect::<Vec<_>>());
    // And as rows, whatever the list makes of them.
    let client = campus.database.client().await.unwrap();
    client
        .batch_execute("SET portcullis.all_schools = 'on'")
        .await
        .unwrap();
    let row = client
        .query_one("SELECT count(*) FROM journal_records", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_overlap_are_taken_from_where_they_are_new() {
    let campus = Campus::open().await.unwrap();
    let mut gate = campus.paper_gate().await.unwrap();
    let first = gate.scans(10, campus.entry).unwrap();
    let batch = gate.batch(&first).unwrap();
    gate.upload(&batch).await.unwrap().taken().unwrap();
    let second = gate.scans(10, campus.entry).unwrap();
    let both: Vec<Record> = first.into_iter().skip(5).chain(second).collect();
    let batch = gate.batch(&both).unwrap();
    let reply = gate.upload(&batch).await.unwrap();
    assert_eq!(acknowledged(&gate, reply).hash, gate.chain.hash);
    assert_eq!(seqs(&held(&campus).await), (1..=20).collect::<Vec<_>>());
}

/// Central is killed at many moments around the upload of a batch; whatever it acknowledged it
/// must have, and what it has not the gate sends again.
#[tokio::test(flavor = "multi_thread")]
async fn central_killed_in_the_middle_of_an_upload_loses_nothing() {
    let mut campus = Campus::open().await.unwrap();
    let mut gate = campus.paper_gate().await.unwrap();
    let mut unsent: Vec<Record> = Vec::new();
    let (mut sure, mut cut_off) = (0, 0);
    for round in 0..8_u64 {
        unsent.extend(gate.scans(50, campus.entry).unwrap());
        let batch = gate.batch(&unsent).unwrap();
        let address = campus.central.address;
        let wait = std::time::Duration::from_millis(round * 4);
        let upload = gate.upload(&batch);
        let kill = async {
            tokio::time::sleep(wait).await;
            campus.central.kill().unwrap();
        };
        let (reply, ()) = tokio::join!(upload, kill);
        match reply {
            Ok(reply) => sure = acknowledged(&gate, reply).position.seq,
            Err(_) => cut_off += 1,
        }
        campus.central.start_again().await.unwrap();
        assert_eq!(campus.central.address, address);
        let held = held(&campus).await;
        let last = held.last().map_or(0, |(seq, _)| *seq);
        assert!(
            last >= sure,
            "acknowledged up to {sure}, and there is {last}"
        );
        assert_eq!(seqs(&held), (1..=last).collect::<Vec<_>>());
        unsent.retain(|record| record.public_part().unwrap().position.seq > last);
    }
    assert!(cut_off > 0, "no kill came before the answer");
    unsent.extend(gate.scans(50, campus.entry).unwrap());
    let batch = gate.batch(&unsent).unwrap();
    let reply = gate.upload(&batch).await.unwrap();
    assert_eq!(acknowledged(&gate, reply).hash, gate.chain.hash);
    let held = held(&campus).await;
    assert_eq!(seqs(&held), (1..=450).collect::<Vec<_>>());
    assert_eq!(held.last().unwrap().1, gate.chain.hash.to_string());
}

/// The worst moment of all: the acknowledgement has just left.
#[tokio::test(flavor = "multi_thread")]
async fn what_central_acknowledged_survives_its_being_killed_that_moment() {
    let mut campus = Campus::open().await.unwrap();
    let mut gate = campus.paper_gate().await.unwrap();
    let records = gate.scans(50, campus.entry).unwrap();
    let batch = gate.batch(&records).unwrap();
    let reply = gate.upload(&batch).await.unwrap();
    campus.central.kill().unwrap();
    assert_eq!(acknowledged(&gate, reply).position.seq, 50);
    campus.central.start_again().await.unwrap();
    assert_eq!(seqs(&held(&campus).await), (1..=50).collect::<Vec<_>>());
}

/// A gate's disk is cloned, or its key stolen: the same number with another hash.
#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_quarantined_and_never_overwrites() {
    let campus = Campus::open().await.unwrap();
    let mut gate = campus.paper_gate().await.unwrap();
    let first = gate.scans(10, campus.entry).unwrap();
    let batch = gate.batch(&first).unwrap();
    gate.upload(&batch).await.unwrap().taken().unwrap();
    let fork_from = gate.chain;
    let honest = gate.scans(5, campus.entry).unwrap();
    let batch = gate.batch(&honest).unwrap();
    gate.upload(&batch).await.unwrap().taken().unwrap();
    let before = held(&campus).await;

    gate.chain = fork_from;
    let elsewhere = AccessPointId(campus.entry.0 + 1);
    let other = gate.scans(7, elsewhere).unwrap();
    let forked = gate.batch(&other).unwrap();
    let refusal = gate.upload(&forked).await.unwrap().refused().unwrap();
    assert_eq!(refusal.code, RefusalCode::JournalForked, "{refusal:?}");
    assert_eq!(held(&campus).await, before, "what was there stays");
    let path = format!("{}/gates/{}", campus.school.path, campus.row.id);
    let row = campus.school.admin.get(&path).await.unwrap();
    assert!(row["quarantined_at"].is_string(), "{row}");

    // Nothing more is taken from it, the honest branch neither, until somebody has looked.
    let refusal = gate.upload(&batch).await.unwrap().refused().unwrap();
    assert_eq!(refusal.code, RefusalCode::JournalForked, "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_altered_on_the_way_is_refused() {
    let campus = Campus::open().await.unwrap();
    let mut gate = campus.paper_gate().await.unwrap();
    let mut records = gate.scans(10, campus.entry).unwrap();
    let honest = gate.batch(&records).unwrap();
    let mut altered = records[4].public.to_vec();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    records[4].public = altered.into();
    let refusal = upload_instead(&mut gate, &honest, records).await;
    assert!(
        matches!(refusal, RefusalCode::JournalBroken | RefusalCode::Malformed),
        "{refusal:?}"
    );
    assert_eq!(held(&campus).await, Vec::new());
    gate.upload(&honest).await.unwrap().taken().unwrap();
}

async fn upload_instead(
    gate: &mut PaperGate,
    batch: &JournalBatch,
    records: Vec<Record>,
) -> RefusalCode {
    let altered = JournalBatch {
        records,
        ..batch.clone()
    };
    gate.upload(&altered).await.unwrap().refused().unwrap().code
}

/// The gate's key did sign these very words, but as something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_head_signed_as_another_kind_is_none() {
    let campus = Campus::open().await.unwrap();
    let mut gate = campus.paper_gate().await.unwrap();
    let records = gate.scans(3, campus.entry).unwrap();
    let honest = gate.batch(&records).unwrap();
    let head = JournalHead {
        gate: gate.id,
        position: gate.chain.position,
        hash: gate.chain.hash,
        made_at: system_tests::clock::utc(),
    };
    let other_kind = "portcullis/acknowledgement/1";
    let forged = JournalBatch {
        head: cose::sign1(gate.key(), other_kind, &cbor::encode(&head)).into(),
        ..honest.clone()
    };
    let refusal = gate.upload(&forged).await.unwrap().refused().unwrap();
    assert_eq!(refusal.code, RefusalCode::JournalBroken, "{refusal:?}");
    assert_eq!(held(&campus).await, Vec::new());
    gate.upload(&honest).await.unwrap().taken().unwrap();
}

//! POST /api/v1/schools/{school_id}/gates/{gate_id}/carry

use axum::{body::Body, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::GatePath;
use crate::{
    app::SharedApp,
    carry::{self, Came},
    db::{gate_journals, gates::JournalMark},
    extract::{Json, Path},
    openapi::{Conflict, Invalid, NotFound},
    problem::Problem,
};

/// What came of a journal that a stick brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct CarriedJournal {
    /// Records that central did not hold before.
    new_records: u64,
    /// Records of the file that it held already.
    known_records: u64,
    /// Up to where the journal is held now; null when the file had no records.
    held: Option<JournalMark>,
    /// Null when the file was whole; else what was wrong with it and what to do. What was whole of
    /// it is held.
    cut_off: Option<String>,
}

/// Take in the journal that a stick brought from a gate
///
/// Send the file as it is. Each record counts once, however often it comes: a file may be sent
/// again, so this takes no Idempotency-Key. The acknowledgement goes to the gate with the next file
/// that is carried there.
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/gates/{gate_id}/carry", operation_id = "carry_journal",
    tag = "gates",
    params(GatePath),
    request_body(content = Vec<u8>, content_type = "application/cbor-seq",
        description = "The file portcullis-GATE.journal; at most 1 GiB"),
    responses(
        (status = 200, description = "What came of it", body = CarriedJournal), NotFound, Conflict, Invalid,
    ),
    security(("administrator" = [])),
)]
pub async fn carry_journal(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
    body: Body,
) -> Result<Json<CarriedJournal>, Problem> {
    let gate = carry::enrolled(&app, school_id, gate_id).await?;
    let Came {
        new,
        known,
        held,
        cut_off,
    } = carry::take_journal(&app, &gate, body).await?;
    let held = held.map(gate_journals::columns).transpose()?;
    Ok(Json(CarriedJournal {
        new_records: new,
        known_records: known,
        held: held.map(|(epoch, seq)| JournalMark { epoch, seq }),
        cut_off,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::{
        carry::{Direction, FileHeader, Item},
        cbor,
        decision::Decision,
        gate_api::{JournalBatch, path},
        ids::Digest,
        time::UtcSeconds,
    };

    use crate::testing::{self, Answer, Site, TestCentral, TestGate};

    async fn ready(records: usize) -> (TestCentral, Site, TestGate) {
        let central = testing::central().await;
        let site = central.site().await;
        let mut gate = central.enrolled(&site).await;
        for _ in 0..records {
            gate.scan(&central, site.entry_id, Decision::Grant);
        }
        (central, site, gate)
    }

    fn file(gate: &TestGate, batches: &[JournalBatch]) -> Vec<u8> {
        let header = FileHeader::new(Direction::ToCentral, gate.gate_id.into(), UtcSeconds(1));
        let batches = batches
            .iter()
            .map(|batch| Item::Batch(cbor::encode(batch).into()));
        let all = std::iter::once(Item::Header(header)).chain(batches);
        let mut bytes: Vec<u8> = all.flat_map(|item| item.to_bytes()).collect();
        bytes.extend(Item::End(9).to_bytes());
        bytes
    }

    async fn send(central: &TestCentral, site: &Site, file: Vec<u8>) -> Answer {
        let path = format!("{}/gates/{}/carry", site.school, site.gate_id);
        central.post_bytes(&path, file).await
    }

    async fn held(central: &TestCentral) -> i64 {
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let sql = "SELECT count(*) FROM journal_records";
        transaction.query_one(sql, &[]).await.unwrap().get(0)
    }

    fn code(answer: &Answer) -> (u16, &str) {
        let code = answer.json["code"].as_str().unwrap_or_default();
        (answer.status, code)
    }

    #[tokio::test]
    async fn a_journal_is_held_once_however_it_comes() {
        let (central, site, mut gate) = ready(9).await;
        let batch = gate.batch(1, 2);
        let pushed = gate.send(&central, path::JOURNAL, &batch).await;
        assert_eq!(pushed.status, 200);
        let whole = file(&gate, &[gate.batch(1, 4), gate.batch(5, 9)]);
        let answer = send(&central, &site, whole.clone()).await;
        assert_eq!(
            (answer.status, &answer.json),
            (
                200,
                &json!({"new_records": 7, "known_records": 2, "held": {"epoch": 1, "seq": 9}, "cut_off": null})
            )
        );
        let answer = send(&central, &site, whole).await;
        assert_eq!(answer.json["new_records"], 0);
        assert_eq!(answer.json["known_records"], 9);
        assert_eq!(held(&central).await, 9);
    }

    #[tokio::test]
    async fn of_a_file_that_is_cut_off_or_damaged_what_is_whole_counts_and_the_rest_is_said() {
        let (central, site, gate) = ready(9).await;
        let whole = file(&gate, &[gate.batch(1, 4), gate.batch(5, 9)]);
        let first = file(&gate, &[gate.batch(1, 4)]).len();
        let answer = send(&central, &site, whole[..first + 40].to_vec()).await;
        assert_eq!(
            (answer.status, &answer.json["new_records"]),
            (200, &json!(4))
        );
        let said = answer.json["cut_off"].as_str().unwrap();
        assert!(said.contains("cut off"), "{said}");
        assert_eq!(held(&central).await, 4);

        let mut damaged = whole.clone();
        let second = first - Item::End(9).to_bytes().len();
        damaged[second] = 0xff;
        let answer = send(&central, &site, damaged).await;
        let said = answer.json["cut_off"].as_str().unwrap();
        assert!(said.contains("damaged"), "{said}");
        assert_eq!(held(&central).await, 4);

        let answer = send(&central, &site, whole[..whole.len() - 1].to_vec()).await;
        assert_eq!(answer.json["new_records"], 5);
        assert!(answer.json["cut_off"].is_string());
        assert_eq!(held(&central).await, 9);
    }

    #[tokio::test]
    async fn another_gates_file_the_wrong_file_and_garbage_are_refused_by_name() {
        let (central, site, gate) = ready(3).await;
        let good = file(&gate, &[gate.batch(1, 3)]);
        let other = central.another_gate(&site).await;
        let claim = central.claim(&other).await;
        let stranger = central.enrol(&claim, 22).await;
        let answer = send(&central, &other, good.clone()).await;
        assert_eq!(code(&answer), (409, "journal_of_other_gate"));
        let id = shared::ids::GateId::from(gate.gate_id).to_string();
        assert!(answer.text.contains(&id), "{}", answer.text);
        assert!(answer.text.contains("Library"), "{}", answer.text);
        // Renamed, so to speak: the header says one thing and the signed heads another.
        let header = FileHeader::new(Direction::ToCentral, stranger.gate_id.into(), UtcSeconds(1));
        let mut renamed = Item::Header(header).to_bytes();
        renamed.extend(Item::Batch(cbor::encode(&gate.batch(1, 3)).into()).to_bytes());
        let answer = send(&central, &other, renamed).await;
        assert_eq!(code(&answer), (422, "journal_broken"));

        let header = FileHeader::new(Direction::ToGate, gate.gate_id.into(), UtcSeconds(1));
        for wrong in [
            Item::Header(header).to_bytes(),
            b"PK\x03\x04 and so on, as archives go".to_vec(),
            vec![],
            good[..30].to_vec(),
            Item::Batch(cbor::encode(&gate.batch(1, 3)).into()).to_bytes(),
        ] {
            let answer = send(&central, &site, wrong).await;
            assert_eq!(code(&answer), (422, "not_a_carried_journal"));
        }
        assert_eq!(held(&central).await, 0);
        assert_eq!(send(&central, &site, good).await.status, 200);
    }

    #[tokio::test]
    async fn whoever_holds_the_stick_cannot_write_the_journal_in_the_gates_place() {
        let (central, site, mut gate) = ready(9).await;
        // A genuine head that stands further on vouches for nothing before it.
        let mut invented = gate.batch(1, 8);
        invented.head = gate.batch(1, 9).head;
        invented.records[3].public = invented.records[2].public.clone();
        let answer = send(&central, &site, file(&gate, &[invented])).await;
        assert_eq!(code(&answer), (422, "journal_broken"));
        // Nor is a personal part taken out that nobody could bring back.
        let mut stripped = gate.batch(1, 9);
        assert!(stripped.records[4].personal.take().is_some());
        let answer = send(&central, &site, file(&gate, &[stripped])).await;
        assert_eq!(code(&answer), (422, "journal_broken"));
        assert!(answer.text.contains("record 5"), "{}", answer.text);
        assert_eq!(held(&central).await, 0);

        let whole = send(&central, &site, file(&gate, &[gate.batch(1, 9)])).await;
        assert_eq!(whole.status, 200, "{}", whole.text);
        // An edited record that is held already is no fork, for which the gate would be stopped.
        let mut edited = gate.batch(1, 9);
        edited.records[4].commitment = Digest([1; 32]);
        let answer = send(&central, &site, file(&gate, &[edited])).await;
        assert_eq!(code(&answer), (422, "journal_broken"));
        gate.scan(&central, site.entry_id, Decision::Grant);
        let answer = send(&central, &site, file(&gate, &[gate.batch(10, 10)])).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    #[tokio::test]
    async fn a_gap_an_edited_record_and_a_fork_are_refused_with_what_to_do() {
        let (central, site, mut gate) = ready(9).await;
        let answer = send(&central, &site, file(&gate, &[gate.batch(3, 9)])).await;
        assert_eq!(code(&answer), (409, "journal_gap"));
        assert!(answer.text.contains("1.0"), "{}", answer.text);

        let mut edited = gate.batch(5, 9);
        edited.records[1].commitment = Digest([1; 32]);
        let answer = send(&central, &site, file(&gate, &[gate.batch(1, 4), edited])).await;
        assert_eq!(code(&answer), (422, "journal_broken"));
        assert!(
            answer.text.contains("4 records of the file were new"),
            "{}",
            answer.text
        );
        assert_eq!(held(&central).await, 4);

        let mut copy = gate.clone();
        gate.scan(&central, site.entry_id, Decision::Grant);
        copy.scan(&central, site.exit_id, Decision::Grant);
        let answer = send(&central, &site, file(&gate, &[gate.batch(5, 10)])).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer = send(&central, &site, file(&copy, &[copy.batch(10, 10)])).await;
        assert_eq!(code(&answer), (409, "journal_forked"));
        assert_eq!(held(&central).await, 10);
    }
}

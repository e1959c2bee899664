//! POST /gate/v1/journal: a stretch of a gate's journal. The acknowledgement is signed after the
//! records were committed, and never before.

use axum::{extract::State, response::Response};
use shared::{
    gate_api::{JournalBatch, RefusalCode},
    heads::Acknowledgement,
    journal::ChainState,
    time::UtcSeconds,
};

use super::{
    Refused, answer,
    authentication::{EnrolledGate, Signed},
};
use crate::{
    app::{App, SharedApp},
    ingest::{self, Outcome, Vouched},
};

/// Answers a [`JournalBatch`] with a signed [`Acknowledgement`] of everything that is held.
///
/// # Errors
/// [`Refused`] when the batch does not continue what is held, or contradicts it.
pub async fn post(
    State(app): State<SharedApp>,
    request: Signed<JournalBatch>,
) -> Result<Response, Refused> {
    let Signed {
        gate,
        message,
        permit: _permit,
    } = request;
    let _turn = app.gates.bounds.ingest().await?;
    match ingest::take_in(&app, &gate, &message, Vouched::ByRequest).await? {
        Outcome::Held { state, .. } => Ok(answer(acknowledge(&app, &gate, state).await?)),
        Outcome::Gap(held) => Err(Refused {
            expected: Some(held),
            ..Refused::new(
                RefusalCode::JournalGap,
                format!(
                    "The batch begins at {}; central holds the journal up to {held}: send from there on.",
                    message.first
                ),
            )
        }),
        Outcome::Forked(reason) => Err(Refused::new(
            RefusalCode::JournalForked,
            format!(
                "The journal is in quarantine: {reason}. Keep the box and its records; an administrator lifts the \
                 quarantine, or enrols a gate anew."
            ),
        )),
        Outcome::Broken(problem) => Err(Refused::new(
            RefusalCode::JournalBroken,
            format!(
                "The batch does not hold together: {problem}. Check the journal with `gate-agent journal verify`."
            ),
        )),
        Outcome::KeyNotInForce => Err(Refused::new(
            RefusalCode::GateRetired,
            "This key was taken out of force just now: see central's page of the gate.",
        )),
    }
}

/// Signs that everything up to `state` is held; it was committed.
pub(crate) async fn acknowledge(
    app: &App,
    gate: &EnrolledGate,
    state: ChainState,
) -> anyhow::Result<Vec<u8>> {
    let acknowledgement = Acknowledgement {
        gate: gate.gate_id.into(),
        position: state.position,
        hash: state.hash,
        made_at: UtcSeconds(app.clock.now().unix_seconds()),
    };
    app.statements.sign(&acknowledgement).await
}

#[cfg(test)]
mod tests {
    use shared::{
        cbor,
        decision::{Decision, DenyReason},
        document,
        gate_api::{REQUEST_LIMIT, path},
        ids::{AccessPointId, Digest, JournalPosition},
        journal::{self, Event, JournalAnchor, RefusedCount},
    };

    use super::*;
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

    async fn send(central: &TestCentral, gate: &mut TestGate, first: u64, last: u64) -> Answer {
        let batch = gate.batch(first, last);
        gate.send(central, path::JOURNAL, &batch).await
    }

    fn acknowledged(answer: &Answer) -> Acknowledgement {
        assert_eq!(answer.status, 200, "{:?}", answer.refusal());
        document::open::<Acknowledgement>(&answer.bytes, &TestCentral::statement_ring())
            .expect("signed")
            .into_document()
    }

    async fn held(central: &TestCentral) -> i64 {
        count(central, "journal_records").await
    }

    async fn count(central: &TestCentral, table: &str) -> i64 {
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let sql = format!("SELECT count(*) FROM {table}");
        transaction.query_one(&sql, &[]).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn a_batch_is_held_and_acknowledged_with_its_place_and_hash() {
        let (central, _, mut gate) = ready(7).await;
        let acknowledgement = acknowledged(&send(&central, &mut gate, 1, 7).await);
        assert_eq!(acknowledgement.gate, gate.gate_id.into());
        assert_eq!(acknowledgement.position, gate.state.position);
        assert_eq!(acknowledgement.hash, gate.state.hash);
        assert_eq!(held(&central).await, 7);
    }

    #[tokio::test]
    async fn the_same_batch_ten_times_counts_once() {
        let (central, _, mut gate) = ready(5).await;
        for _ in 0..10 {
            let acknowledgement = acknowledged(&send(&central, &mut gate, 1, 5).await);
            assert_eq!(acknowledgement.position, gate.state.position);
        }
        assert_eq!(held(&central).await, 5);
        let text = central.get("/metrics").await.text;
        assert!(
            text.contains("portcullis_journal_records_total{event=\"scan\"} 5"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn the_same_batch_ten_times_side_by_side_counts_once() {
        let (central, _, mut gate) = ready(5).await;
        let body = cbor::encode(&gate.batch(1, 5));
        let mut answers = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let request = gate.request(&central, path::JOURNAL, body.clone());
            answers.spawn(testing::send(central.router(), request));
        }
        while let Some(answer) = answers.join_next().await {
            let acknowledgement = acknowledged(&answer.unwrap());
            assert_eq!(acknowledgement.hash, gate.state.hash);
        }
        assert_eq!(held(&central).await, 5);
    }

    #[tokio::test]
    async fn a_batch_that_overlaps_what_is_held_adds_what_is_new() {
        let (central, _, mut gate) = ready(9).await;
        send(&central, &mut gate, 1, 4).await;
        let acknowledgement = acknowledged(&send(&central, &mut gate, 3, 6).await);
        assert_eq!(acknowledgement.position.seq, 6);
        // What lies wholly within what is held is acknowledged as far as that goes.
        let acknowledgement = acknowledged(&send(&central, &mut gate, 2, 3).await);
        assert_eq!(acknowledgement.position.seq, 6);
        let acknowledgement = acknowledged(&send(&central, &mut gate, 1, 9).await);
        assert_eq!(acknowledgement.position, gate.state.position);
        assert_eq!(held(&central).await, 9);
    }

    #[tokio::test]
    async fn a_gap_is_refused_with_the_last_record_that_is_held() {
        let (central, _, mut gate) = ready(9).await;
        let refusal = send(&central, &mut gate, 2, 3).await.refusal();
        assert_eq!(refusal.code, RefusalCode::JournalGap);
        assert_eq!(refusal.expected.map(|held| held.seq), Some(0));
        send(&central, &mut gate, 1, 3).await;
        let refusal = send(&central, &mut gate, 5, 9).await.refusal();
        assert_eq!(refusal.code, RefusalCode::JournalGap);
        assert_eq!(refusal.expected.map(|held| held.seq), Some(3));
        assert_eq!(held(&central).await, 3);
    }

    #[tokio::test]
    async fn a_fork_is_kept_quarantined_and_written_over_nothing() {
        let (central, site, mut gate) = ready(3).await;
        let mut copy = gate.clone();
        send(&central, &mut gate, 1, 3).await;
        // The copy was put back to record 3 and went another way.
        gate.scan(&central, site.entry_id, Decision::Grant);
        let copy_before = copy.state;
        copy.scan(&central, site.exit_id, Decision::Grant);
        send(&central, &mut gate, 4, 4).await;
        copy.counter = gate.counter;
        for _ in 0..2 {
            let refusal = send(&central, &mut copy, 4, 4).await.refusal();
            assert_eq!(refusal.code, RefusalCode::JournalForked);
        }
        assert_eq!(
            (held(&central).await, count(&central, "journal_forks").await),
            (4, 1)
        );
        assert_eq!(central.app.metrics.gates.journal_forks.get(), 1);
        // What is kept proves the fork and names nobody, who could not be erased there.
        let kept = central.app.db.begin_across_schools().await.unwrap();
        let row = kept.query_one("SELECT offered_batch, offered_hash FROM journal_forks", &[]);
        let row = row.await.unwrap();
        let batch: JournalBatch =
            cbor::decode_message(row.get::<_, &[u8]>(0), REQUEST_LIMIT).unwrap();
        assert!(copy.batch(4, 4).records[0].personal.is_some());
        assert_eq!(batch.records[0].personal, None);
        let link = journal::link(copy_before.hash, &batch.records[0]);
        assert_eq!(row.get::<_, &[u8]>(1), link.0);
        // Nothing more is taken from either, until somebody has looked.
        gate.counter = copy.counter;
        gate.scan(&central, site.entry_id, Decision::Grant);
        let refusal = send(&central, &mut gate, 5, 5).await.refusal();
        assert_eq!(refusal.code, RefusalCode::JournalForked);
        let path = format!("{}/gates/{}", site.school, site.gate_id);
        let shown = central.get(&path).await.json;
        assert!(
            shown["quarantine_reason"].as_str().unwrap().contains("1.4"),
            "{shown}"
        );
        let lifted = central
            .post(&format!("{path}/quarantine/lift"), serde_json::json!(null))
            .await;
        assert_eq!(
            (lifted.status, &lifted.json["quarantined_at"]),
            (200, &serde_json::json!(null))
        );
        assert_eq!(
            acknowledged(&send(&central, &mut gate, 5, 5).await)
                .position
                .seq,
            5
        );
        assert_eq!(held(&central).await, 5);
    }

    #[tokio::test]
    async fn a_batch_that_does_not_hold_together_is_refused_and_nothing_of_it_held() {
        let (central, _, mut gate) = ready(6).await;
        let good = gate.batch(1, 6);
        let mut missing = good.clone();
        missing.records.remove(2);
        let mut doubled = good.clone();
        doubled.records.insert(2, doubled.records[2].clone());
        let mut changed = good.clone();
        changed.records[3].commitment = Digest([1; 32]);
        let mut garbage = good.clone();
        garbage.records[3].public = vec![0xff].into();
        let mut other_hash = good.clone();
        other_hash.head = gate
            .head(ChainState {
                hash: Digest([1; 32]),
                ..gate.state
            })
            .into();
        let mut early_head = good.clone();
        let position = JournalPosition {
            seq: 5,
            ..gate.state.position
        };
        early_head.head = gate
            .head(ChainState {
                position,
                ..gate.state
            })
            .into();
        let mut no_head = good.clone();
        no_head.head = vec![].into();
        let mut at_zero = good.clone();
        at_zero.first.seq = 0;
        let mut at_the_end = good.clone();
        at_the_end.first.seq = u64::MAX;
        for (name, batch) in [
            ("missing", missing),
            ("doubled", doubled),
            ("changed", changed),
            ("garbage", garbage),
            ("other hash", other_hash),
            ("early head", early_head),
            ("no head", no_head),
            ("at zero", at_zero),
            ("at the end", at_the_end),
        ] {
            let answer = gate.send(&central, path::JOURNAL, &batch).await;
            assert_eq!(answer.refusal().code, RefusalCode::JournalBroken, "{name}");
        }
        assert_eq!(held(&central).await, 0);
        assert_eq!(gate.send(&central, path::JOURNAL, &good).await.status, 200);
    }

    #[tokio::test]
    async fn a_journal_that_starts_over_begins_at_one_under_a_greater_epoch() {
        let (central, site, mut gate) = ready(2).await;
        send(&central, &mut gate, 1, 2).await;
        let mut next = gate.clone();
        next.journal.clear();
        next.state = ChainState::start(gate.gate_id.into(), shared::ids::JournalEpoch(5));
        for _ in 0..3 {
            next.scan(&central, site.entry_id, Decision::Grant);
        }
        let refusal = send(&central, &mut next, 2, 3).await.refusal();
        assert_eq!(refusal.code, RefusalCode::JournalGap);
        assert_eq!(
            refusal.expected,
            Some(JournalPosition {
                seq: 0,
                ..next.state.position
            })
        );
        assert_eq!(
            acknowledged(&send(&central, &mut next, 1, 3).await).position,
            next.state.position
        );
        // What is held of the earlier one is still recognised; more of it is not taken.
        gate.counter = next.counter;
        assert_eq!(
            acknowledged(&send(&central, &mut gate, 1, 2).await)
                .position
                .epoch
                .0,
            1
        );
        gate.scan(&central, site.entry_id, Decision::Grant);
        let refusal = send(&central, &mut gate, 3, 3).await.refusal();
        assert_eq!(refusal.expected, Some(next.state.position));
        assert_eq!(held(&central).await, 5);
    }

    #[tokio::test]
    async fn records_that_a_full_gate_had_to_drop_are_a_gap_that_is_recorded() {
        let (central, _, mut gate) = ready(9).await;
        send(&central, &mut gate, 1, 3).await;
        let mut batch = gate.batch(7, 9);
        let before = gate.journal[..6]
            .iter()
            .try_fold(
                ChainState::start(gate.gate_id.into(), gate.state.position.epoch),
                |state, record| state.append(record),
            )
            .unwrap();
        let sign = |state: ChainState| {
            let anchor = JournalAnchor {
                gate: gate.gate_id.into(),
                position: state.position,
                hash: state.hash,
            };
            document::sign(&anchor, &*gate.key).unwrap()
        };
        let (anchor, other) = (sign(before), sign(gate.state));
        batch.anchor = Some(other.into());
        let refusal = gate.send(&central, path::JOURNAL, &batch).await.refusal();
        assert_eq!(refusal.code, RefusalCode::JournalGap);
        batch.anchor = Some(anchor.into());
        // The second time it is recognised by the anchor, since the record before it is not held.
        for _ in 0..2 {
            let answer = gate.send(&central, path::JOURNAL, &batch).await;
            assert_eq!(acknowledged(&answer).position, gate.state.position);
        }
        assert_eq!(
            (held(&central).await, count(&central, "journal_gaps").await),
            (6, 1)
        );
        assert_eq!(central.app.metrics.gates.journal_gaps.get(), 1);
    }

    #[tokio::test]
    async fn decisions_are_counted_by_status_and_place_and_no_place_is_made_up() {
        let (central, site, mut gate) = ready(2).await;
        gate.scan(
            &central,
            site.exit_id,
            Decision::Deny(DenyReason::PassRevoked),
        );
        gate.scan(&central, 4_000_000, Decision::Grant);
        let place = AccessPointId(u32::try_from(site.entry_id).unwrap());
        let refused = Event::Refused {
            access_point: place,
            counts: vec![RefusedCount {
                reason: DenyReason::NotAPass,
                count: 40,
            }],
        };
        gate.record(&central, refused, None);
        send(&central, &mut gate, 1, 5).await;
        let text = central.get("/metrics").await.text;
        let (entry, exit) = (site.entry_id, site.exit_id);
        for line in [
            format!("{{status=\"granted\",location=\"{entry}\"}} 2"),
            format!("{{status=\"pass_revoked\",location=\"{exit}\"}} 1"),
            "{status=\"granted\",location=\"other\"} 1".to_owned(),
            format!("{{status=\"not_a_pass\",location=\"{entry}\"}} 40"),
        ] {
            let line = format!("student_pass_verifications_total{line}");
            assert!(text.contains(&line), "{line} is missing from\n{text}");
        }
    }

    #[tokio::test]
    async fn records_of_clocks_that_are_far_off_are_held_as_well() {
        let (central, site, mut gate) = ready(1).await;
        for at in [0, 253_402_207_200, u64::MAX] {
            gate.record_at(at, site.entry_id);
        }
        let last = gate.state.position.seq;
        acknowledged(&send(&central, &mut gate, 1, last).await);
        assert_eq!(held(&central).await, 4);
    }
}

//! POST /gate/v1/heartbeat: how a gate is. Its signed head is compared with what is held, so that
//! a fork is found, and records that a restored central lacks are asked for.

use axum::{extract::State, response::Response};
use serde_json::json;
use shared::{
    cbor, document,
    gate_api::{API_VERSION, Heartbeat, HeartbeatAnswer, RefusalCode},
    ids::JournalPosition,
    journal::{ChainState, JournalHead},
};

use super::{
    Refused, answer,
    authentication::{Gate, Signed},
};
use crate::{
    app::{App, SharedApp},
    db::{Transaction, gate_health, gate_journals, journal_records},
    ingest::{self, Offer},
    journal_json,
};

/// Answers a [`Heartbeat`] with a [`HeartbeatAnswer`].
///
/// # Errors
/// [`Refused`] when its head is not the gate's, or contradicts what is held.
pub async fn post(
    State(app): State<SharedApp>,
    request: Signed<Heartbeat>,
) -> Result<Response, Refused> {
    let Signed { gate, message, .. } = &request;
    let head = document::open::<JournalHead>(&message.head, &ingest::ring(gate))
        .map_err(|problem| broken(format!("The journal's head does not hold: {problem}.")))?
        .into_document();
    if head.gate != gate.gate_id.into() {
        return Err(broken(
            "The journal's head is that of another gate.".to_owned(),
        ));
    }
    let transaction = app.db.begin_in_school(gate.school_id).await?;
    let Some(mark) = gate_journals::lock(&transaction, gate.gate_id, gate.key.kid()).await? else {
        return Err(Refused::new(
            RefusalCode::GateRetired,
            "This key was taken out of force just now: see central's page of the gate.",
        ));
    };
    let now = app.clock.now();
    let health = health(message, &head);
    gate_health::note(
        &transaction,
        gate.gate_id,
        &message.agent_version,
        &health,
        now,
    )
    .await?;
    let held = mark.state;
    if mark.quarantine.is_none()
        && let Some(contradicted) = contradicted(&transaction, gate, &head, held).await?
    {
        let offer = Offer {
            held: contradicted,
            offered: head.hash,
            bytes: &message.head,
        };
        let reason = ingest::keep_fork(&app, gate, transaction, &offer).await?;
        return Err(Refused::new(
            RefusalCode::JournalForked,
            format!(
                "The journal is in quarantine: {reason}. Keep the box and its records; an administrator lifts the \
                 quarantine, or enrols a gate anew."
            ),
        ));
    }
    transaction.commit().await?;
    note_step(&app, gate, message);
    Ok(answer(cbor::encode(&HeartbeatAnswer {
        version: API_VERSION,
        resend_from: resend_from(head.position, held.position),
    })))
}

fn broken(detail: String) -> Refused {
    Refused::new(RefusalCode::JournalBroken, detail)
}

/// The record that is held where the head stands, if it has another hash.
async fn contradicted(
    transaction: &Transaction,
    gate: &Gate,
    head: &JournalHead,
    held: ChainState,
) -> anyhow::Result<Option<ChainState>> {
    let position = head.position;
    let hash = if position.seq == 0 {
        Some(ChainState::start(gate.gate_id.into(), position.epoch).hash)
    } else if position == held.position {
        Some(held.hash)
    } else if position > held.position {
        None
    } else {
        let range = (position.seq, position.seq);
        let hashes =
            journal_records::held_hashes(transaction, gate.gate_id, position.epoch, range).await?;
        hashes.first().map(|(_, hash)| *hash)
    };
    Ok(hash
        .filter(|hash| *hash != head.hash)
        .map(|hash| ChainState { position, hash }))
}

/// What the gate has and central lacks. In ordinary times that is what is on its way; after a
/// restore it is what the gate believes to be acknowledged. Twice is recognised.
fn resend_from(head: JournalPosition, held: JournalPosition) -> Option<JournalPosition> {
    if head.epoch > held.epoch && head.seq > 0 {
        return Some(JournalPosition { seq: 1, ..head });
    }
    (head.epoch == held.epoch && head.seq > held.seq).then(|| JournalPosition {
        seq: held.seq + 1,
        ..held
    })
}

/// As the web API shows it.
fn health(message: &Heartbeat, head: &JournalHead) -> serde_json::Value {
    json!({
        "freshness": journal_json::freshness(message.freshness),
        "heads": message.heads.map(|number| number.to_string()),
        "configuration": message.configuration.map(|newest| newest.number.to_string()),
        "uptime_ms": message.uptime_ms,
        "problems": message.problems,
        "journal": {"epoch": head.position.epoch.0, "seq": head.position.seq},
    })
}

fn note_step(app: &App, gate: &Gate, message: &Heartbeat) {
    app.metrics.gates.heartbeats.inc();
    if message.problems.is_empty() {
        return;
    }
    tracing::debug!(
        gate.id = %gate.gate_id, problems = message.problems.len(),
        "gate {} has {} problems: {}", gate.gate_id, message.problems.len(), message.problems.join("; ")
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::{
        decision::{Decision, FreshnessStep},
        gate_api::{path, read},
        ids::{Digest, JournalEpoch},
    };

    use super::*;
    use crate::testing::{self, Answer, Site, TestCentral, TestGate};

    async fn ready() -> (TestCentral, Site, TestGate) {
        let central = testing::central().await;
        let site = central.site().await;
        let mut gate = central.enrolled(&site).await;
        for _ in 0..5 {
            gate.scan(&central, site.entry_id, Decision::Grant);
        }
        let batch = gate.batch(1, 5);
        assert_eq!(gate.send(&central, path::JOURNAL, &batch).await.status, 200);
        (central, site, gate)
    }

    async fn beat(central: &TestCentral, gate: &mut TestGate, head: Vec<u8>) -> Answer {
        let message = Heartbeat {
            version: API_VERSION,
            agent_version: "0.2.0".to_owned(),
            head: head.into(),
            freshness: FreshnessStep::Warn,
            heads: None,
            configuration: None,
            uptime_ms: 90_000,
            problems: vec!["the reader at In sees nothing".to_owned()],
        };
        gate.send(central, path::HEARTBEAT, &message).await
    }

    fn resend(answer: &Answer) -> Option<JournalPosition> {
        read::<HeartbeatAnswer>(&answer.bytes).unwrap().resend_from
    }

    async fn shown(central: &TestCentral, site: &Site) -> serde_json::Value {
        let path = format!("{}/gates/{}", site.school, site.gate_id);
        central.get(&path).await.json
    }

    #[tokio::test]
    async fn how_a_gate_is_can_be_seen() {
        let (central, site, mut gate) = ready().await;
        central.clock.advance(std::time::Duration::from_secs(60));
        let head = gate.head(gate.state);
        assert_eq!(resend(&beat(&central, &mut gate, head).await), None);
        let gate = shown(&central, &site).await;
        assert_eq!(gate["agent_version"], "0.2.0");
        assert_eq!(gate["last_seen_at"], "2026-09-01T08:01:00Z");
        let health = json!({
            "freshness": "warn", "heads": null, "configuration": null, "uptime_ms": 90_000,
            "problems": ["the reader at In sees nothing"], "journal": {"epoch": 1, "seq": 5},
        });
        assert_eq!(gate["health"], health);
    }

    #[tokio::test]
    async fn a_central_that_lost_records_asks_for_them_again() {
        let (central, site, mut gate) = ready().await;
        // As after a restore from a backup that was taken at record 2.
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction
            .batch_execute(
                "DELETE FROM journal_records WHERE seq > 2; \
                 UPDATE gates SET journal_seq = 2, \
                     journal_hash = (SELECT hash FROM journal_records WHERE seq = 2)",
            )
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let head = gate.head(gate.state);
        let from = resend(&beat(&central, &mut gate, head).await).unwrap();
        assert_eq!(from, at(1, 3));
        let batch = gate.batch(from.seq, 5);
        assert_eq!(gate.send(&central, path::JOURNAL, &batch).await.status, 200);
        let journal = &shown(&central, &site).await["journal"];
        assert_eq!(journal, &json!({"epoch": 1, "seq": 5}));
    }

    #[tokio::test]
    async fn a_head_that_contradicts_what_is_held_is_a_fork() {
        for seq in [0, 3, 5] {
            let (central, site, mut gate) = ready().await;
            let head = gate.head(ChainState {
                position: at(1, seq),
                hash: Digest([7; 32]),
            });
            let refusal = beat(&central, &mut gate, head).await.refusal();
            assert_eq!(refusal.code, RefusalCode::JournalForked);
            let gate = shown(&central, &site).await;
            assert!(gate["quarantined_at"].is_string(), "{seq}: {gate}");
            assert_eq!(central.app.metrics.gates.journal_forks.get(), 1);
        }
    }

    #[tokio::test]
    async fn a_head_of_another_gate_or_key_is_refused() {
        let (central, _, mut gate) = ready().await;
        let mut other = gate.clone();
        other.gate_id = crate::ids::GateId(uuid::Uuid::from_u128(7));
        let of_another_gate = other.head(gate.state);
        other.key = crate::keys::PrivateKey::from_seed(&[77; 32]).into();
        other.gate_id = gate.gate_id;
        let by_another_key = other.head(gate.state);
        for head in [of_another_gate, by_another_key, vec![]] {
            let refusal = beat(&central, &mut gate, head).await.refusal();
            assert_eq!(refusal.code, RefusalCode::JournalBroken);
        }
    }

    fn at(epoch: u32, seq: u64) -> JournalPosition {
        JournalPosition {
            epoch: JournalEpoch(epoch),
            seq,
        }
    }

    #[test]
    fn a_gate_is_asked_for_what_central_lacks_and_nothing_else() {
        for (head, held, asked) in [
            (at(1, 5), at(1, 5), None),
            (at(1, 4), at(1, 5), None),
            (at(1, 9), at(1, 5), Some(at(1, 6))),
            (at(2, 3), at(1, 5), Some(at(2, 1))),
            (at(2, 0), at(1, 5), None),
            (at(1, 9), at(2, 0), None),
        ] {
            assert_eq!(resend_from(head, held), asked, "{head} {held}");
        }
    }
}

//! GET /api/v1/schools/{school_id}/scans

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{DecisionFilter, range};
use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::journal_search::{self, JournalEntry, ScanFilter},
    extract::{Json, Path, Query},
    ids::GateId,
    instant::UtcInstant,
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// The parameters of this list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScanQuery {
    /// Only at this gate.
    #[param(value_type = Option<uuid::Uuid>)]
    gate_id: Option<GateId>,
    /// Only from this instant on, by the gates' clocks.
    #[param(value_type = Option<String>, example = "2026-09-01T08:00:00Z")]
    from: Option<UtcInstant>,
    /// Only before this instant.
    #[param(value_type = Option<String>, example = "2026-09-02T08:00:00Z")]
    until: Option<UtcInstant>,
    /// Only with this decision: `granted`, `denied`, or the code of a reason.
    #[param(value_type = Option<String>, example = "denied")]
    decision: Option<DecisionFilter>,
    /// How many items, 1 to 500 (50 unless said).
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A school's scans, newest first
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/scans", operation_id = "search_scans", tag = "scans",
    params(SchoolPath, ScanQuery),
    responses((status = 200, description = "A page of them", body = Page<JournalEntry>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn search(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<ScanQuery>,
) -> Result<Json<Page<JournalEntry>>, Problem> {
    let filter = ScanFilter {
        gate_id: query.gate_id,
        from: query.from,
        until: query.until,
        decision: range(query.decision.as_ref())?,
    };
    let page = PageQuery::new(query.limit, query.cursor).request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let entries = journal_search::scans(&transaction, school_id, &filter, &page).await?;
    Ok(Json(page.page(entries, JournalEntry::scan_key)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;
    use shared::{
        decision::{Decision, DenyReason},
        gate_api::path,
    };

    use crate::testing::{self, Site, TestCentral, TestGate};

    /// Two gates of a school, whose four scans stand an hour apart.
    async fn ready() -> (TestCentral, Site, [TestGate; 2]) {
        let central = testing::central().await;
        let site = central.site().await;
        let mut one = central.enrolled(&site).await;
        let second = central.another_gate(&site).await;
        let claim = central.claim(&second).await;
        let mut two = central.enrol(&claim, 22).await;
        for decision in [Decision::Grant, Decision::Deny(DenyReason::PassRevoked)] {
            for gate in [&mut one, &mut two] {
                gate.scan(&central, site.entry_id, decision);
                central.clock.advance(Duration::from_secs(3600));
            }
        }
        for gate in [&mut one, &mut two] {
            let batch = gate.batch(1, 2);
            assert_eq!(gate.send(&central, path::JOURNAL, &batch).await.status, 200);
        }
        (central, site, [one, two])
    }

    async fn found(central: &TestCentral, site: &Site, query: &str) -> Vec<Value> {
        let page = central.get(&format!("{}/scans?{query}", site.school)).await;
        assert_eq!(page.status, 200, "{}", page.text);
        page.json["items"].as_array().unwrap().clone()
    }

    #[tokio::test]
    async fn scans_are_found_by_time_gate_and_decision_newest_first() {
        let (central, site, [one, _]) = ready().await;
        let one = format!("gate_id={}", one.gate_id);
        for (query, hours) in [
            ("", vec![11, 10, 9, 8]),
            (one.as_str(), vec![10, 8]),
            (
                "from=2026-09-01T09:00:00Z&until=2026-09-01T11:00:00Z",
                vec![10, 9],
            ),
            ("decision=granted", vec![9, 8]),
            ("decision=denied", vec![11, 10]),
            ("decision=pass_revoked", vec![11, 10]),
            ("decision=pass_suspended", vec![]),
        ] {
            let expected: Vec<_> = hours
                .iter()
                .map(|hour| format!("2026-09-01T{hour:02}:00:00Z"))
                .collect();
            let scans = found(&central, &site, query).await;
            let at: Vec<_> = scans
                .iter()
                .map(|scan| scan["recorded_at"].as_str().unwrap())
                .collect();
            assert_eq!(at, expected, "{query}");
        }
    }

    #[tokio::test]
    async fn pages_of_scans_meet_without_a_gap_or_an_overlap() {
        let (central, site, _) = ready().await;
        let mut seen = Vec::new();
        let mut query = "limit=1".to_owned();
        loop {
            let page = central
                .get(&format!("{}/scans?{query}", site.school))
                .await
                .json;
            seen.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            query = format!("limit=1&cursor={cursor}");
        }
        assert_eq!(seen, found(&central, &site, "").await);
    }

    #[tokio::test]
    async fn a_scan_shows_what_happened_and_whose_pass_it_was() {
        let (central, site, _) = ready().await;
        let scan = &found(&central, &site, "limit=1").await[0];
        assert_eq!(scan["event"]["event"], "scan");
        assert_eq!(scan["event"]["decision"], "pass_revoked");
        assert_eq!(scan["event"]["access_point_id"], site.entry_id);
        assert_eq!(scan["personal_state"], "present");
        assert_eq!(scan["personal"]["pass"]["kid"], "0101010101010101");
        assert_eq!(scan["personal"]["pass"]["serial"], 2);
    }

    #[tokio::test]
    async fn another_schools_scans_are_not_seen_and_bad_parameters_are_refused() {
        let (central, site, _) = ready().await;
        let other = Site {
            school: central.school_path().await,
            ..site.clone()
        };
        assert!(found(&central, &other, "").await.is_empty());
        for query in [
            "decision=maybe",
            "from=yesterday",
            "gate_id=7",
            "cursor=AAAA",
            "limt=1",
        ] {
            let answer = central.get(&format!("{}/scans?{query}", site.school)).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (400, &"invalid_query".into()),
                "{query}"
            );
        }
    }
}

//! GET /api/v1/schools/{school_id}/gates/{gate_id}/journal

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{DecisionFilter, range};
use crate::{
    admin_api::{gates::GatePath, schools},
    app::SharedApp,
    db::{
        gates,
        journal_search::{self, JournalEntry},
    },
    extract::{Json, Path, Query},
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// The parameters of this list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JournalQuery {
    /// Only scans with this decision: `granted`, `denied`, or the code of a reason.
    #[param(value_type = Option<String>, example = "denied")]
    decision: Option<DecisionFilter>,
    /// How many items, 1 to 500 (50 unless said).
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A gate's journal as it arrived, oldest first
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/gates/{gate_id}/journal", operation_id = "list_journal",
    tag = "scans",
    params(GatePath, JournalQuery),
    responses((status = 200, description = "A page of it", body = Page<JournalEntry>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
    Query(query): Query<JournalQuery>,
) -> Result<Json<Page<JournalEntry>>, Problem> {
    let decision = range(query.decision.as_ref())?;
    let page = PageQuery::new(query.limit, query.cursor).request()?;
    let transaction = schools::begin_in(&app, school_id).await?;
    if gates::get(&transaction, gate_id).await?.is_none() {
        return Err(crate::admin_api::gates::not_found(gate_id));
    }
    let entries = journal_search::of_gate(&transaction, gate_id, decision, &page).await?;
    Ok(Json(page.page(entries, JournalEntry::journal_key)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::{
        decision::{Decision, DenyReason},
        gate_api::path,
        journal::Event,
    };

    use crate::testing::{self, Site, TestCentral};

    async fn ready() -> (TestCentral, Site) {
        let central = testing::central().await;
        let site = central.site().await;
        let mut gate = central.enrolled(&site).await;
        let started = Event::Started {
            version: "0.1.0".to_owned(),
        };
        gate.record(&central, started, None);
        gate.scan(&central, site.entry_id, Decision::Grant);
        gate.scan(
            &central,
            site.entry_id,
            Decision::Deny(DenyReason::PassExpired),
        );
        let batch = gate.batch(1, 3);
        assert_eq!(gate.send(&central, path::JOURNAL, &batch).await.status, 200);
        (central, site)
    }

    fn journal(site: &Site) -> String {
        format!("{}/gates/{}/journal", site.school, site.gate_id)
    }

    #[tokio::test]
    async fn a_journal_is_read_page_by_page_and_by_decision() {
        let (central, site) = ready().await;
        let first = central
            .get(&format!("{}?limit=2", journal(&site)))
            .await
            .json;
        let items = first["items"].as_array().unwrap();
        assert_eq!(
            items[0]["event"],
            json!({"event": "started", "version": "0.1.0"})
        );
        assert_eq!(
            (&items[0]["epoch"], &items[0]["seq"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(items[0]["personal_state"], "none");
        assert_eq!(items[1]["event"]["decision"], "granted");
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = central
            .get(&format!("{}?cursor={cursor}", journal(&site)))
            .await
            .json;
        assert_eq!(rest["items"][0]["seq"], 3);
        assert_eq!(rest["next_cursor"], json!(null));
        let denied = central
            .get(&format!("{}?decision=denied", journal(&site)))
            .await
            .json;
        let seqs: Vec<_> = denied["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["seq"])
            .collect();
        assert_eq!(seqs, [3]);
    }

    #[tokio::test]
    async fn an_erased_person_leaves_the_record_without_their_part() {
        let (central, site) = ready().await;
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let erase = "UPDATE journal_records SET salt = NULL, personal_part = NULL";
        transaction.batch_execute(erase).await.unwrap();
        transaction.commit().await.unwrap();
        let page = central.get(&journal(&site)).await.json;
        let states: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["personal_state"])
            .collect();
        assert_eq!(states, ["none", "erased", "erased"]);
        assert_eq!(page["items"][1]["personal"], json!(null));
    }

    #[tokio::test]
    async fn the_journal_of_another_schools_gate_is_not_found() {
        let (central, site) = ready().await;
        let other = Site {
            school: central.school_path().await,
            ..site
        };
        let answer = central.get(&journal(&other)).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (404, &json!("gate_not_found"))
        );
    }
}

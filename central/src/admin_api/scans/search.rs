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

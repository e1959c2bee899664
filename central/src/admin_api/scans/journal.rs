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

//! GET /api/v1/schools/{school_id}/passes

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    admin_api::schools::{self, SchoolPath},
    app::SharedApp,
    db::passes::{self, Pass, PassFilter, PassState},
    extract::{Json, Path, Query},
    ids::StudentId,
    openapi::{BadRequest, NotFound},
    paging::{Page, PageQuery},
    problem::Problem,
};

/// The parameters of this list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PassQuery {
    /// Only passes of this holder.
    student_id: Option<StudentId>,
    /// Only passes in this state.
    state: Option<PassState>,
    /// How many items, 1 to 500 (50 unless said).
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A school's passes, by issuer key and serial
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/passes", operation_id = "list_passes", tag = "passes",
    params(SchoolPath, PassQuery),
    responses((status = 200, description = "A page of them", body = Page<Pass>), BadRequest, NotFound),
    security(("administrator" = [])),
)]
pub async fn list(
    State(app): State<SharedApp>,
    Path(SchoolPath { school_id }): Path<SchoolPath>,
    Query(query): Query<PassQuery>,
) -> Result<Json<Page<Pass>>, Problem> {
    let page = PageQuery::new(query.limit, query.cursor).request()?;
    let filter = PassFilter {
        student_id: query.student_id,
        state: query.state,
    };
    let transaction = schools::begin_in(&app, school_id).await?;
    let passes = passes::list(&transaction, school_id, &filter, &page).await?;
    Ok(Json(page.page(passes, Pass::id)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::keys::central_with_keys;

    #[tokio::test]
    async fn passes_are_found_by_holder_and_by_state_page_by_page() {
        let (central, keys) = central_with_keys().await;
        let school = central.school_path().await;
        let kid = keys.issuer(&central, &school).await;
        let student = json!({"student_number": "1", "name": "Amara Nwosu"});
        let student = central.post(&format!("{school}/students"), student).await;
        let student = &student.json["student_id"];
        let passes = format!("{school}/passes");
        for holder in [student, &json!(null), student] {
            let body =
                json!({"student_id": holder, "expires_at": "2027-07-31T00:00:00Z", "levels": []});
            assert_eq!(central.post(&passes, body).await.status, 201);
        }
        let revoke = format!("{passes}/{kid}/2/revoke");
        assert_eq!(central.post(&revoke, json!({})).await.status, 200);
        let student = student.as_str().unwrap();
        for (query, serials) in [
            (String::new(), vec![0, 1, 2]),
            (format!("student_id={student}"), vec![0, 2]),
            (format!("student_id={student}&state=valid"), vec![0]),
            ("state=revoked".into(), vec![2]),
            ("state=suspended".into(), vec![]),
        ] {
            let mut found = Vec::new();
            let mut cursor = String::new();
            loop {
                let page = central
                    .get(&format!("{passes}?limit=1&{query}{cursor}"))
                    .await
                    .json;
                let items = page["items"].as_array().unwrap();
                found.extend(items.iter().map(|pass| pass["serial"].as_i64().unwrap()));
                let Some(next) = page["next_cursor"].as_str() else {
                    break;
                };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, serials, "{query}");
        }
        assert_eq!(
            central.get(&format!("{passes}?state=lost")).await.status,
            400
        );
    }
}

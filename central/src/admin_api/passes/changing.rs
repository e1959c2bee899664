//! What all routes that change the state of passes have in common: one transaction, then the
//! status lists of the keys concerned. The answer means that the new list is in the database.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::not_found;
use crate::{
    admin_api::schools,
    app::App,
    db::{
        behind,
        passes::{self, Pass, PassId, PassState},
        signing_keys,
    },
    ids::SchoolId,
    problem::{Kind, PUBLICATION_DELAYED, Problem},
    text::Name,
};

/// A revoked pass never comes back.
pub const PASS_IS_REVOKED: Kind = Kind::new(
    StatusCode::CONFLICT,
    "pass_is_revoked",
    "The pass is revoked for ever",
);

/// Passes in one request.
const PASSES_MAX: usize = 10_000;

/// Why a pass's state changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// For whoever looks later; gates never hear it.
    #[schema(value_type = Option<String>, example = "lost on the bus")]
    pub reason: Option<Name>,
}

/// Many passes whose state changes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManyChange {
    /// Which, 1 to 10,000.
    #[schema(min_items = 1, max_items = 10_000)]
    pub passes: Vec<PassId>,
    /// For whoever looks later; gates never hear it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "left the school")]
    pub reason: Option<Name>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ManyChanged {
    /// How many passes changed; the others were in this state already.
    pub changed: usize,
}

/// Changes one pass.
pub(super) async fn change_one(
    app: &App,
    school_id: SchoolId,
    id: PassId,
    state: PassState,
    change: &Change,
) -> Result<Pass, Problem> {
    let many = ManyChange {
        passes: vec![id],
        reason: change.reason.clone(),
    };
    match change_all(app, school_id, &many, state).await? {
        Changed::All { .. } => {}
        Changed::Missing(id) => return Err(not_found(id)),
    }
    let transaction = schools::begin_in(app, school_id).await?;
    let pass = passes::get(&transaction, school_id, id).await?;
    pass.ok_or_else(|| not_found(id))
}

/// Changes many passes: all of them or none.
pub(super) async fn change_many(
    app: &App,
    school_id: SchoolId,
    many: &ManyChange,
    state: PassState,
) -> Result<ManyChanged, Problem> {
    if many.passes.is_empty() || many.passes.len() > PASSES_MAX {
        return Err(Problem::invalid_field(
            "passes",
            format!("must be 1 to {PASSES_MAX}: send more in several requests"),
        ));
    }
    match change_all(app, school_id, many, state).await? {
        Changed::All { changed } => Ok(ManyChanged { changed }),
        Changed::Missing(id) => Err(Problem::invalid_field(
            "passes",
            format!("the school has no pass {id}"),
        )),
    }
}

enum Changed {
    All { changed: usize },
    Missing(PassId),
}

async fn change_all(
    app: &App,
    school_id: SchoolId,
    many: &ManyChange,
    state: PassState,
) -> Result<Changed, Problem> {
    let transaction = schools::begin_in(app, school_id).await?;
    let found = passes::lock(&transaction, school_id, &many.passes).await?;
    let there: BTreeSet<PassId> = found.iter().map(Pass::id).collect();
    if let Some(missing) = many.passes.iter().find(|id| !there.contains(id)) {
        return Ok(Changed::Missing(*missing));
    }
    let to_change: Vec<PassId> = found
        .iter()
        .filter(|pass| pass.state != state)
        .map(Pass::id)
        .collect();
    let revoked = found
        .iter()
        .find(|pass| pass.state == PassState::Revoked && state != PassState::Revoked);
    if let Some(pass) = revoked {
        return Err(PASS_IS_REVOKED.because(format!(
            "The pass {} was revoked, which cannot be undone: issue a new pass.",
            pass.id()
        )));
    }
    let reason = many.reason.as_ref().map(Name::as_str);
    let now = app.clock.now();
    passes::set_state(&transaction, school_id, &to_change, state, reason, now).await?;
    let changed_kids: BTreeSet<_> = to_change.iter().map(|id| id.kid).collect();
    for kid in &changed_kids {
        signing_keys::count_status_change(&transaction, *kid).await?;
    }
    if !changed_kids.is_empty() {
        behind::count_roster_change(&transaction, school_id).await?;
    }
    transaction.commit().await?;
    // Those too that did not change: the request may repeat one whose publication failed.
    let kids: BTreeSet<_> = there.iter().map(|id| id.kid).collect();
    for kid in kids {
        if let Err(error) = app.publisher().status_list(kid).await {
            return Err(Problem {
                cause: Some(error),
                ..PUBLICATION_DELAYED.because(
                    "The passes have their new state, and gates hear of it as soon as the list can be signed.",
                )
            });
        }
    }
    Ok(Changed::All {
        changed: to_change.len(),
    })
}

//! Scans and journals: what the gates reported.

pub mod journal;
pub mod search;

use serde::Deserialize;
use shared::decision::{Decision, DenyReason};

use crate::{
    db::journal_search::DecisionRange,
    ingest::facts,
    problem::{INVALID_QUERY, Problem},
};

/// Which decisions are looked for: `granted`, `denied`, or the stable code of a reason.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct DecisionFilter(String);

impl DecisionFilter {
    fn range(&self) -> Result<DecisionRange, Problem> {
        let granted = facts::column(Decision::Grant);
        Ok(Some(match self.0.as_str() {
            "granted" => (granted, granted),
            "denied" => (granted + 1, i16::MAX),
            code => {
                let Some(reason) = DenyReason::from_code(code) else {
                    return Err(INVALID_QUERY.because(
                        "decision must be granted, denied, or the code of a reason such as pass_revoked",
                    ));
                };
                let column = facts::column(Decision::Deny(reason));
                (column, column)
            }
        }))
    }
}

fn range(filter: Option<&DecisionFilter>) -> Result<DecisionRange, Problem> {
    filter.map_or(Ok(None), DecisionFilter::range)
}

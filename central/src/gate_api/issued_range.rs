//! POST /gate/v1/issued-range: digests of issued passes. Unsigned: the gate checks them against
//! the issued list's chain.

use axum::{extract::State, response::Response};
use shared::{
    cbor,
    gate_api::{IssuedRangeRequest, RefusalCode},
    issued_list::IssuedRange,
};

use super::{Refused, answer, authentication::Signed};
use crate::{app::SharedApp, db::issued_digests};

/// Answers an [`IssuedRangeRequest`] with an [`IssuedRange`], which ends where no more were
/// issued.
///
/// # Errors
/// [`Refused`] when none of the range was issued, or not by the gate's school.
pub async fn post(
    State(app): State<SharedApp>,
    request: Signed<IssuedRangeRequest>,
) -> Result<Response, Refused> {
    let Signed { gate, message, .. } = &request;
    let transaction = app.db.begin_in_school(gate.school_id).await?;
    let range = (message.first, message.count);
    let digests = issued_digests::read(&transaction, message.kid, range).await?;
    transaction.commit().await?;
    let Some(digests) = digests else {
        return Err(Refused::new(
            RefusalCode::NotFound,
            format!(
                "Central has issued no pass {}/{}.",
                message.kid, message.first
            ),
        ));
    };
    Ok(answer(cbor::encode(&IssuedRange {
        kid: message.kid,
        first: message.first,
        digests: digests.into(),
    })))
}

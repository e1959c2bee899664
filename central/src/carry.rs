//! What a stick carries between central and a gate without a network (`shared::carry`): the file
//! of everything that the gate would have pulled just now, and the journal that it brings back.

mod documents;
mod journal;
mod streamed;

pub use documents::documents;
pub use journal::{Came, take_journal};

use anyhow::Context as _;

use crate::{
    admin_api::gates::not_found,
    app::App,
    db::{gate_keys, gates},
    gate_api::{Refused, authentication::EnrolledGate},
    ids::{GateId, SchoolId},
    problem::{Kind, Problem},
};
use axum::http::StatusCode;
use shared::gate_api::RefusalCode;

/// Nobody can carry anything to it.
pub const GATE_NOT_ENROLLED: Kind = Kind::new(
    StatusCode::CONFLICT,
    "gate_not_enrolled",
    "No box has the gate's identity",
);
/// Central lacks something that every gate needs.
pub const NOT_PUBLISHED: Kind = Kind::new(
    StatusCode::CONFLICT,
    "not_published",
    "Central has not published everything that a gate needs",
);
/// Too much at once.
pub const BUSY: Kind = Kind::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "busy",
    "Central has more to do than it can",
);

/// A gate of a school, with the key that is in force for it.
///
/// # Errors
/// [`Problem`] when there is none, or it is not enrolled.
pub async fn enrolled(
    app: &App,
    school_id: SchoolId,
    gate_id: GateId,
) -> Result<EnrolledGate, Problem> {
    let transaction = crate::admin_api::schools::begin_in(app, school_id).await?;
    if gates::get(&transaction, gate_id).await?.is_none() {
        return Err(not_found(gate_id));
    }
    let Some(owner) = gate_keys::in_force(&transaction, gate_id).await? else {
        return Err(GATE_NOT_ENROLLED.because(
            "Enrol a box as this gate first, where it has a network: the handbook says how a gate without one is set up.",
        ));
    };
    let key = owner
        .public_key
        .decompress()
        .with_context(|| format!("the key of gate {gate_id} in the database"))?;
    Ok(EnrolledGate {
        gate_id: owner.gate_id,
        school_id: owner.school_id,
        name: owner.name,
        key,
    })
}

/// What a gate would be told, told to an administrator.
fn as_problem(refused: Refused) -> Problem {
    let kind = match refused.code {
        RefusalCode::NotFound => NOT_PUBLISHED,
        RefusalCode::GateRetired | RefusalCode::GateUnknown => GATE_NOT_ENROLLED,
        RefusalCode::Malformed
        | RefusalCode::SignatureInvalid
        | RefusalCode::CounterUsed
        | RefusalCode::ClockWrong
        | RefusalCode::ClaimRefused
        | RefusalCode::JournalGap
        | RefusalCode::JournalForked
        | RefusalCode::JournalBroken
        | RefusalCode::Busy => BUSY,
    };
    match refused.cause {
        Some(cause) => Problem::from(cause),
        None => kind.because(refused.detail),
    }
}

//! POST /gate/v1/journal: a stretch of a gate's journal. The acknowledgement is signed after the
//! records were committed, and never before.

use axum::{extract::State, response::Response};
use shared::{
    gate_api::{JournalBatch, RefusalCode},
    heads::Acknowledgement,
    journal::ChainState,
    time::UtcSeconds,
};

use super::{
    Refused, answer,
    authentication::{Gate, Signed},
};
use crate::{
    app::{App, SharedApp},
    ingest::{self, Outcome},
};

/// Answers a [`JournalBatch`] with a signed [`Acknowledgement`] of everything that is held.
///
/// # Errors
/// [`Refused`] when the batch does not continue what is held, or contradicts it.
pub async fn post(
    State(app): State<SharedApp>,
    request: Signed<JournalBatch>,
) -> Result<Response, Refused> {
    let Signed {
        gate,
        message,
        body,
        permit: _permit,
    } = request;
    let _turn = app.gates.bounds.ingest().await?;
    match ingest::take_in(&app, &gate, &message, &body).await? {
        Outcome::Held(state) => Ok(answer(acknowledge(&app, &gate, state).await?)),
        Outcome::Gap(held) => Err(Refused {
            expected: Some(held),
            ..Refused::new(
                RefusalCode::JournalGap,
                format!(
                    "The batch begins at {}; central holds the journal up to {held}: send from there on.",
                    message.first
                ),
            )
        }),
        Outcome::Forked(reason) => Err(Refused::new(
            RefusalCode::JournalForked,
            format!(
                "The journal is in quarantine: {reason}. Keep the box and its records; an administrator lifts the \
                 quarantine, or enrols a gate anew."
            ),
        )),
        Outcome::Broken(problem) => Err(Refused::new(
            RefusalCode::JournalBroken,
            format!(
                "The batch does not hold together: {problem}. Check the journal with `gate-agent journal verify`."
            ),
        )),
        Outcome::KeyNotInForce => Err(Refused::new(
            RefusalCode::GateRetired,
            "This key was taken out of force just now: see central's page of the gate.",
        )),
    }
}

async fn acknowledge(app: &App, gate: &Gate, state: ChainState) -> anyhow::Result<Vec<u8>> {
    let acknowledgement = Acknowledgement {
        gate: gate.gate_id.into(),
        position: state.position,
        hash: state.hash,
        made_at: UtcSeconds(app.clock.now().unix_seconds()),
    };
    app.statements.sign(&acknowledgement).await
}

//! POST /gate/v1/document: a signed document, whole or, for a status list, as what changed since
//! the one that the gate holds.

use anyhow::Context;
use axum::{body::Bytes, extract::State, response::Response};
use shared::{
    cbor::{self, Malformed},
    configuration::Configuration,
    cose::Sign1,
    document::SignedKind as _,
    gate_api::{DocumentAnswer, DocumentName, DocumentRequest, RefusalCode},
    ids::DocumentNumber,
    issued_list::IssuedList,
    root_set::RootSet,
    roster::Roster,
    status_list::{StatusDelta, StatusList},
    trust_list::TrustList,
};

use super::{
    Refused, answer,
    answers::Key,
    authentication::{Gate, Signed},
};
use crate::{
    app::{App, SharedApp},
    db::{
        Scope,
        signed_documents::{self, Stored, Subject},
    },
};

/// Answers a [`DocumentRequest`] with a [`DocumentAnswer`].
///
/// # Errors
/// [`Refused`] when there is no such document for this gate.
pub async fn post(
    State(app): State<SharedApp>,
    request: Signed<DocumentRequest>,
) -> Result<Response, Refused> {
    let Signed { gate, message, .. } = &request;
    let (kind, subject) = name(message.name, gate);
    let Some(number) = next(&app, gate, message, (kind, subject)).await? else {
        return Err(Refused::new(
            RefusalCode::NotFound,
            "Central has published no such document for this gate.",
        ));
    };
    if let Some(have) = message.have.filter(|have| *have >= number) {
        if have > number {
            tracing::warn!(
                gate.id = %gate.gate_id,
                "gate {} holds {kind} {have}, newer than {number}, which is central's newest: was central restored \
                 without starting a new epoch?",
                gate.gate_id
            );
        }
        return Ok(answer(cbor::encode(&DocumentAnswer::NothingNewer)));
    }
    let from = match message.name {
        DocumentName::StatusList(_) => message.have,
        DocumentName::RootSet
        | DocumentName::TrustList
        | DocumentName::Configuration
        | DocumentName::Roster
        | DocumentName::IssuedList(_) => None,
    };
    let key = Key {
        kind,
        subject,
        from,
        to: number,
    };
    find(&app, gate, key).await.map(answer)
}

fn name(name: DocumentName, gate: &Gate) -> (&'static str, Subject) {
    match name {
        DocumentName::RootSet => (RootSet::EXTERNAL_DATA, Subject::Central),
        DocumentName::TrustList => (TrustList::EXTERNAL_DATA, Subject::Central),
        DocumentName::Configuration => (Configuration::EXTERNAL_DATA, Subject::Gate(gate.gate_id)),
        DocumentName::Roster => (Roster::EXTERNAL_DATA, Subject::Gate(gate.gate_id)),
        DocumentName::StatusList(kid) => (StatusList::EXTERNAL_DATA, Subject::Issuer(kid)),
        DocumentName::IssuedList(kid) => (IssuedList::EXTERNAL_DATA, Subject::Issuer(kid)),
    }
}

/// A school's documents are read as that school sees them: of another school there is none.
fn scope(subject: Subject, gate: &Gate) -> Scope {
    match subject {
        Subject::Central => Scope::AllSchools,
        Subject::Issuer(_) | Subject::Gate(_) => Scope::School(gate.school_id),
    }
}

/// The number of the document to give: the newest; of root sets the one that follows the gate's,
/// because each is checked by the one before it.
async fn next(
    app: &App,
    gate: &Gate,
    request: &DocumentRequest,
    (kind, subject): (&str, Subject),
) -> anyhow::Result<Option<DocumentNumber>> {
    let transaction = app.db.begin(scope(subject, gate)).await?;
    if let DocumentName::RootSet = request.name {
        let next = signed_documents::after(&transaction, kind, subject, request.have, 1).await?;
        if let Some(next) = next.first() {
            return Ok(Some(next.newest.number));
        }
    }
    let newest = signed_documents::newest_name(&transaction, kind, subject).await?;
    Ok(newest.map(|newest| newest.number))
}

/// The answer of this key, from memory or made anew. Its number was found as the gate's school
/// sees documents, so what is kept is the gate's to have.
async fn find(app: &App, gate: &Gate, key: Key) -> Result<Bytes, Refused> {
    if let Some(kept) = app.gates.answers.get(&key) {
        return Ok(kept);
    }
    let _permit = app.gates.bounds.document().await?;
    // Whoever held the permit before may have made it.
    if let Some(kept) = app.gates.answers.get(&key) {
        return Ok(kept);
    }
    let transaction = app.db.begin(scope(key.subject, gate)).await?;
    let read =
        async |number| signed_documents::at(&transaction, key.kind, key.subject, number).await;
    let newest = read(key.to)
        .await?
        .context("a document is gone that was there just now")?;
    let older = match key.from {
        Some(from) => read(from).await?,
        None => None,
    };
    transaction.commit().await?;
    let made = tokio::task::spawn_blocking(move || make(older.as_ref(), newest))
        .await
        .context("making an answer failed")?;
    let made = Bytes::from(made.context("a status list in the database cannot be read")?);
    match key.subject {
        Subject::Central | Subject::Issuer(_) => app.gates.answers.keep(key, made.clone()),
        // One gate asks for it, once.
        Subject::Gate(_) => {}
    }
    Ok(made)
}

/// The smaller of delta and whole list.
fn make(older: Option<&Stored>, newest: Stored) -> Result<Vec<u8>, Malformed> {
    let delta = older
        .map(|older| {
            let envelope = Sign1::parse(&older.document)?;
            let list: StatusList = cbor::decode_strict(envelope.payload, StatusList::LIMIT)?;
            let delta = StatusDelta::between(&list, &newest.document)?;
            Ok::<_, Malformed>(cbor::encode(&DocumentAnswer::Delta(delta)))
        })
        .transpose()?;
    let whole = cbor::encode(&DocumentAnswer::Whole(newest.document.into()));
    Ok(delta
        .filter(|delta| delta.len() < whole.len())
        .unwrap_or(whole))
}

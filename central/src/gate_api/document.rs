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

#[cfg(test)]
mod tests {
    use shared::{
        document,
        document::Header,
        gate_api::{API_VERSION, path, read},
        ids::{CentralEpoch, Kid},
        keys::KeyRing,
        status_list::StatusSets,
        time::UtcSeconds,
    };

    use super::*;
    use crate::{
        keys::PrivateKey,
        testing::{self, Answer, Site, TestCentral, TestGate},
    };

    const KID: Kid = Kid([1; 8]);

    async fn ready() -> (TestCentral, Site, TestGate) {
        let central = testing::central().await;
        let site = central.site().await;
        let gate = central.enrolled(&site).await;
        central.issuer_key(&site, KID).await;
        (central, site, gate)
    }

    fn number(n: u64) -> DocumentNumber {
        DocumentNumber {
            epoch: CentralEpoch(1),
            n,
        }
    }

    async fn ask(
        central: &TestCentral,
        gate: &mut TestGate,
        name: DocumentName,
        have: Option<u64>,
    ) -> Answer {
        let request = DocumentRequest {
            version: API_VERSION,
            name,
            have: have.map(number),
        };
        gate.send(central, path::DOCUMENT, &request).await
    }

    fn whole(bytes: &[u8]) -> DocumentAnswer {
        DocumentAnswer::Whole(bytes.to_vec().into())
    }

    fn status_list(n: u64, revoked: &[u32]) -> (StatusList, Vec<u8>) {
        let header = Header {
            number: number(n),
            made_at: UtcSeconds(1_788_249_600),
            expires_at: UtcSeconds(1_788_249_600 + 86_400),
        };
        let sets = StatusSets {
            revoked: revoked.to_vec(),
            suspended: vec![],
        };
        let list = sets.to_list(header, KID);
        let signed = document::sign(&list, &PrivateKey::from_seed(&[13; 32])).unwrap();
        (list, signed)
    }

    #[tokio::test]
    async fn a_list_that_changed_a_little_comes_as_a_delta_and_else_whole() {
        let (central, _, mut gate) = ready().await;
        let many: Vec<u32> = (0..5_000).map(|i| i * 3).collect();
        let (older, older_signed) = status_list(1, &many);
        let (_, newer) = status_list(2, &[&many[..], &[20_000]].concat());
        let subject = Subject::Issuer(KID);
        for (n, bytes) in [(1, &older_signed), (2, &newer)] {
            central
                .store(StatusList::EXTERNAL_DATA, subject, n, bytes)
                .await;
        }
        let name = DocumentName::StatusList(KID);
        for have in [None, Some(0)] {
            let answer = ask(&central, &mut gate, name, have).await;
            assert_eq!(read(&answer.bytes), Ok(whole(&newer)));
        }
        // The second comes from memory.
        for _ in 0..2 {
            let answer = ask(&central, &mut gate, name, Some(1)).await;
            let Ok(DocumentAnswer::Delta(delta)) = read(&answer.bytes) else {
                panic!("no delta, status {}", answer.status);
            };
            assert!(
                answer.bytes.len() < newer.len() / 4,
                "{}",
                answer.bytes.len()
            );
            assert_eq!(delta.apply(&older).unwrap(), newer);
        }
        let ring = KeyRing::new(&[PrivateKey::from_seed(&[13; 32]).public()]).unwrap();
        assert!(document::open::<StatusList>(&newer, &ring).is_ok());
        for have in [2, 3] {
            let answer = ask(&central, &mut gate, name, Some(have)).await;
            assert_eq!(read(&answer.bytes), Ok(DocumentAnswer::NothingNewer));
        }
    }

    #[tokio::test]
    async fn a_delta_that_would_be_larger_than_the_list_is_not_sent() {
        let (central, _, mut gate) = ready().await;
        let many: Vec<u32> = (0..5_000).map(|i| i * 3).collect();
        let subject = Subject::Issuer(KID);
        let (_, older) = status_list(1, &many);
        let (_, newer) = status_list(2, &[7]);
        for (n, bytes) in [(1, &older), (2, &newer)] {
            central
                .store(StatusList::EXTERNAL_DATA, subject, n, bytes)
                .await;
        }
        let answer = ask(&central, &mut gate, DocumentName::StatusList(KID), Some(1)).await;
        assert_eq!(read(&answer.bytes), Ok(whole(&newer)));
    }

    #[tokio::test]
    async fn root_sets_come_one_after_the_other_and_everything_else_as_the_newest() {
        let (central, site, mut gate) = ready().await;
        let own = Subject::Gate(site.gate_id);
        for n in [2, 3] {
            let bytes = format!("root set {n}");
            central
                .store(
                    RootSet::EXTERNAL_DATA,
                    Subject::Central,
                    n,
                    bytes.as_bytes(),
                )
                .await;
            let bytes = format!("configuration {n}");
            central
                .store(Configuration::EXTERNAL_DATA, own, 10 + n, bytes.as_bytes())
                .await;
            let bytes = format!("roster {n}");
            central
                .store(Roster::EXTERNAL_DATA, own, 10 + n, bytes.as_bytes())
                .await;
        }
        for (name, have, expected) in [
            (DocumentName::RootSet, Some(1), whole(b"root set 2")),
            (DocumentName::RootSet, Some(2), whole(b"root set 3")),
            (DocumentName::RootSet, Some(3), DocumentAnswer::NothingNewer),
            (DocumentName::Roster, None, whole(b"roster 3")),
            (DocumentName::Roster, Some(11), whole(b"roster 3")),
            (DocumentName::Roster, Some(13), DocumentAnswer::NothingNewer),
            (DocumentName::Configuration, None, whole(b"configuration 3")),
        ] {
            let answer = ask(&central, &mut gate, name, have).await;
            assert_eq!(read(&answer.bytes), Ok(expected), "{name:?} after {have:?}");
        }
    }

    #[tokio::test]
    async fn lists_of_another_school_are_not_found_even_when_they_are_kept_in_memory() {
        let (central, _, mut gate) = ready().await;
        let (_, signed) = status_list(1, &[1]);
        let subject = Subject::Issuer(KID);
        central
            .store(StatusList::EXTERNAL_DATA, subject, 1, &signed)
            .await;
        let name = DocumentName::StatusList(KID);
        assert_eq!(ask(&central, &mut gate, name, None).await.status, 200);
        let other = central.site().await;
        let claim = central.claim(&other).await;
        let mut stranger = central.enrol(&claim, 99).await;
        let refusal = ask(&central, &mut stranger, name, None).await.refusal();
        assert_eq!(refusal.code, RefusalCode::NotFound);
        let unknown = DocumentName::IssuedList(Kid([9; 8]));
        let refusal = ask(&central, &mut gate, unknown, None).await.refusal();
        assert_eq!(refusal.code, RefusalCode::NotFound);
    }
}

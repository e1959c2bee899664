//! POST /gate/v1/heads: what is newest for a gate, freshly signed. A gate that knows it all waits
//! here, and hears of a change as soon as it is published.

use std::time::Duration;

use axum::{extract::State, response::Response};
use shared::{
    cbor,
    document::Header,
    gate_api::{HeadsRequest, RefusalCode},
    heads::Heads,
    ids::{CentralEpoch, DocumentNumber},
    keys::sha256,
    time::UtcSeconds,
};

use super::{
    Refused, answer,
    authentication::{Gate, Signed},
};
use crate::{
    app::{App, SharedApp},
    changes::Woken,
    db::{
        gate_heads::{self, NewestDocuments},
        signed_documents,
    },
};

/// Longest wait for news: proxies close what is silent for longer.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Heads are renewed by every answer; a gate that has not heard for so long is *expired* by the
/// ladder's standard as well.
const LIFETIME_S: u64 = 30 * Header::DAY_S;

/// When heads are to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// In any case.
    Now,
    /// If they name anything that the heads of this number do not.
    Newer(DocumentNumber),
}

/// Answers a [`HeadsRequest`] with signed [`Heads`]: at once when the gate does not hold the last
/// that it was given or anything changed since, else after its wait.
///
/// # Errors
/// [`Refused`] when the gate is not to be answered, or central cannot.
pub async fn post(
    State(app): State<SharedApp>,
    request: Signed<HeadsRequest>,
) -> Result<Response, Refused> {
    let Signed {
        gate,
        message,
        permit,
        ..
    } = request;
    // Whoever waits is not counted among those who are worked for.
    drop(permit);
    let wait = Duration::from_secs(message.wait_s).min(WAIT_MAX);
    let Some(known) = message.known.filter(|_| !wait.is_zero()) else {
        return finished(make(&app, &gate, When::Now).await?);
    };
    let waiting = app
        .changes
        .wait_for(gate.gate_id, gate.school_id)
        .map_err(|_| {
            Refused::busy("Too many gates wait for news: ask again later, without waiting.")
        })?;
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        if let Some(heads) = make(&app, &gate, When::Newer(known)).await? {
            return Ok(answer(heads));
        }
        tokio::select! {
            woken = waiting.woken() => match woken {
                Woken::ByChange => {}
                Woken::ByLaterWait => break,
            },
            () = tokio::time::sleep_until(deadline) => break,
            () = app.shutdown.requested() => break,
        }
    }
    finished(make(&app, &gate, When::Now).await?)
}

fn finished(heads: Option<Vec<u8>>) -> Result<Response, Refused> {
    heads.map(answer).ok_or_else(|| {
        Refused::busy("Heads were to be made in any case and were not: try again later.")
    })
}

/// Makes and signs heads under the gate's locked row, so that a later number never names older
/// documents; `None` when the gate knows it all.
async fn make(app: &App, gate: &Gate, when: When) -> Result<Option<Vec<u8>>, Refused> {
    let _permit = app.gates.bounds.heads().await?;
    let transaction = app.db.begin_across_schools().await?;
    let Some(last) = gate_heads::lock(&transaction, gate.gate_id).await? else {
        return Err(Refused::new(
            RefusalCode::GateRetired,
            "This gate was retired just now: create another gate and enrol the box as that.",
        ));
    };
    let epoch = signed_documents::epoch(&transaction).await?;
    let now = app.clock.now();
    let newest = gate_heads::newest(&transaction, gate.gate_id, gate.school_id, now).await?;
    let now = UtcSeconds(now.unix_seconds());
    let mut heads = unnumbered(gate, newest)?;
    let content = sha256(&cbor::encode(&heads));
    let knows = |known: DocumentNumber| {
        known.epoch == epoch && known.n == last.n && last.content == Some(content)
    };
    match when {
        When::Newer(known) if knows(known) => return Ok(None),
        When::Newer(_) | When::Now => {}
    }
    let n = last.n + 1;
    heads.header = Header {
        number: DocumentNumber { epoch, n },
        made_at: now,
        expires_at: now.plus(LIFETIME_S),
    };
    let signed = app.statements.sign(&heads).await?;
    gate_heads::note(&transaction, gate.gate_id, n, content).await?;
    transaction.commit().await?;
    Ok(Some(signed))
}

/// Heads that lack number and dates: what they have to say.
fn unnumbered(gate: &Gate, newest: NewestDocuments) -> Result<Heads, Refused> {
    let missing = |what: &str| {
        Refused::new(
            RefusalCode::NotFound,
            format!(
                "Central has not published {what} yet: see `central doctor` or central's log, then try again."
            ),
        )
    };
    let zero = UtcSeconds(0);
    Ok(Heads {
        header: Header {
            number: DocumentNumber {
                epoch: CentralEpoch(0),
                n: 0,
            },
            made_at: zero,
            expires_at: zero,
        },
        gate: gate.gate_id.into(),
        root_set: newest.root_set.ok_or_else(|| missing("a root set"))?,
        trust_list: newest.trust_list.ok_or_else(|| missing("a trust list"))?,
        configuration: newest
            .configuration
            .ok_or_else(|| missing("a configuration for this gate"))?,
        roster: newest.roster,
        order: newest.order,
        issuers: newest.issuers,
    })
}

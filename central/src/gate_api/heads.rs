//! POST /gate/v1/heads: what is newest for a gate, freshly signed. A gate that knows it all waits
//! here, and hears of a change as soon as it is published.

use std::{pin::pin, time::Duration};

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
    authentication::{EnrolledGate, Gate, Signed},
};
use crate::{
    app::{App, SharedApp},
    changes::{Waiting, Woken},
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
    note_waiters(&app);
    let outcome = wait_for_news(&app, &gate, &waiting, known, wait).await;
    drop(waiting);
    note_waiters(&app);
    match outcome? {
        Some(heads) => Ok(answer(heads)),
        None => finished(make(&app, &gate, When::Now).await?),
    }
}

fn note_waiters(app: &App) {
    let waiters = i64::try_from(app.changes.waiters()).unwrap_or(i64::MAX);
    app.metrics.gates.long_polls.set(waiters);
}

/// Heads that say more than those of number `known`; `None` when the wait ends before there are
/// any.
async fn wait_for_news(
    app: &App,
    gate: &Gate,
    waiting: &Waiting,
    known: DocumentNumber,
    wait: Duration,
) -> Result<Option<Vec<u8>>, Refused> {
    let mut end_of_wait = pin!(tokio::time::sleep(wait));
    loop {
        if let Some(heads) = make(app, gate, When::Newer(known)).await? {
            return Ok(Some(heads));
        }
        tokio::select! {
            woken = waiting.woken() => match woken {
                Woken::ByChange => {}
                Woken::ByLaterWait => {
                    return Err(Refused::busy("A later request for heads took this one's place."));
                }
            },
            () = &mut end_of_wait => return Ok(None),
            () = app.shutdown.requested() => return Ok(None),
        }
    }
}

/// Makes and signs heads for a gate that does not ask itself.
pub(crate) async fn make_now(app: &App, gate: &EnrolledGate) -> Result<Vec<u8>, Refused> {
    make(app, gate, When::Now).await?.ok_or_else(not_made)
}

fn finished(heads: Option<Vec<u8>>) -> Result<Response, Refused> {
    heads.map(answer).ok_or_else(not_made)
}

fn not_made() -> Refused {
    Refused::busy("Heads were to be made in any case and were not: try again later.")
}

/// Makes and signs heads under the gate's locked row, so that a later number never names older
/// documents; `None` when the gate knows it all.
async fn make(app: &App, gate: &EnrolledGate, when: When) -> Result<Option<Vec<u8>>, Refused> {
    let _permit = app.gates.bounds.heads().await?;
    let transaction = app.db.begin_across_schools().await?;
    let Some(last) = gate_heads::lock(&transaction, gate.gate_id, gate.key.kid()).await? else {
        return Err(Refused::new(
            RefusalCode::GateRetired,
            "This gate was retired or replaced just now: create another gate and enrol the box as that.",
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
fn unnumbered(gate: &EnrolledGate, newest: NewestDocuments) -> Result<Heads, Refused> {
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

#[cfg(test)]
mod tests {
    use shared::{
        configuration::Configuration,
        document::{self, SignedKind as _},
        gate_api::path,
        ids::Kid,
        issued_list::IssuedList,
        order::Order,
        roster::Roster,
        status_list::StatusList,
    };

    use super::*;
    use crate::{
        changes::{self, Change},
        db::signed_documents::Subject,
        testing::{self, Answer, Site, TestCentral, TestGate},
    };

    async fn ready() -> (TestCentral, Site, TestGate) {
        let central = testing::central().await;
        let site = central.site().await;
        let gate = central.enrolled(&site).await;
        (central, site, gate)
    }

    fn opened(answer: &Answer) -> Heads {
        assert_eq!(answer.status, 200, "{}", answer.refusal().detail);
        document::open::<Heads>(&answer.bytes, &TestCentral::statement_ring())
            .expect("signed heads")
            .into_document()
    }

    async fn ask(
        central: &TestCentral,
        gate: &mut TestGate,
        known: Option<DocumentNumber>,
    ) -> Heads {
        let message = gate.heads_request(known);
        opened(&gate.send(central, path::HEADS, &message).await)
    }

    /// A long poll that is under way, in a task of its own.
    fn poll(
        central: &TestCentral,
        gate: &mut TestGate,
        known: DocumentNumber,
        wait_s: u64,
    ) -> tokio::task::JoinHandle<(Answer, Duration)> {
        let message = HeadsRequest {
            wait_s,
            ..gate.heads_request(Some(known))
        };
        let request = gate.request(central, path::HEADS, cbor::encode(&message));
        let (app, router) = (central.app.clone(), central.router());
        tokio::spawn(async move {
            let stopwatch = app.clock.stopwatch();
            let answer = testing::send(router, request).await;
            (answer, stopwatch.elapsed())
        })
    }

    async fn until_waiting(central: &TestCentral, count: usize) {
        while central.app.changes.waiters() != count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // It looks once more after it has begun to wait.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }

    async fn publish(central: &TestCentral, kind: &str, subject: Subject, n: i64) {
        let bytes = format!("{kind} {n}");
        central.store(kind, subject, n, bytes.as_bytes()).await;
    }

    #[tokio::test]
    async fn heads_name_the_newest_of_everything_and_their_number_counts_up() {
        let (central, site, mut gate) = ready().await;
        let own = Subject::Gate(site.gate_id);
        let first = ask(&central, &mut gate, None).await;
        assert_eq!(first.header.number.n, 1);
        assert_eq!(first.order, None);
        assert!(first.issuers.is_empty());
        let [full, half] = [Kid([1; 8]), Kid([2; 8])];
        for kid in [full, half] {
            central.issuer_key(&site, kid).await;
        }
        for (kind, subject, n) in [
            (Configuration::EXTERNAL_DATA, own, 12),
            (Roster::EXTERNAL_DATA, own, 11),
            (Order::EXTERNAL_DATA, own, 7),
            (StatusList::EXTERNAL_DATA, Subject::Issuer(full), 3),
            (IssuedList::EXTERNAL_DATA, Subject::Issuer(full), 4),
            (StatusList::EXTERNAL_DATA, Subject::Issuer(half), 1),
        ] {
            publish(&central, kind, subject, n).await;
        }
        let heads = ask(&central, &mut gate, None).await;
        assert_eq!(heads.header.number.n, 2);
        assert_eq!(heads.configuration.number.n, 12);
        assert_eq!(heads.roster.map(|newest| newest.number.n), Some(11));
        assert_eq!(heads.order.map(|newest| newest.number.n), Some(7));
        let issuers: Vec<_> = heads
            .issuers
            .iter()
            .map(|key| (key.kid, key.status_list.number.n, key.issued_list.number.n))
            .collect();
        assert_eq!(issuers, [(full, 3, 4)]);
        let bytes = format!("{} 3", StatusList::EXTERNAL_DATA);
        assert_eq!(
            heads.issuers[0].status_list.digest,
            sha256(bytes.as_bytes())
        );
    }

    #[tokio::test]
    async fn a_gate_is_told_at_once_when_it_does_not_hold_the_last_heads() {
        let (central, site, mut gate) = ready().await;
        let first = ask(&central, &mut gate, None).await.header.number;
        let second = ask(&central, &mut gate, None).await.header.number;
        // It holds the first, whose content is the same: but the second is what it was given.
        let (answer, _) = poll(&central, &mut gate, first, 60).await.unwrap();
        let heads = opened(&answer);
        assert_eq!(heads.header.number.n, second.n + 1);
        publish(
            &central,
            Roster::EXTERNAL_DATA,
            Subject::Gate(site.gate_id),
            11,
        )
        .await;
        let (answer, _) = poll(&central, &mut gate, heads.header.number, 60)
            .await
            .unwrap();
        assert_eq!(
            opened(&answer).roster.map(|newest| newest.number.n),
            Some(11)
        );
    }

    #[tokio::test]
    async fn a_gate_that_waits_hears_of_a_change_within_moments() {
        let (central, site, mut gate) = ready().await;
        let shutdown = central.app.shutdown.clone();
        let pass_on = central.app.changes.clone();
        let listener = tokio::spawn(pass_on.pass_on(central.database.owner.clone(), shutdown));
        let known = ask(&central, &mut gate, None).await.header.number;
        let under_way = poll(&central, &mut gate, known, 60);
        until_waiting(&central, 1).await;
        publish(
            &central,
            Roster::EXTERNAL_DATA,
            Subject::Gate(site.gate_id),
            11,
        )
        .await;
        assert!(!under_way.is_finished(), "nobody has announced it yet");
        let stopwatch = central.app.clock.stopwatch();
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        changes::announce(&transaction, Change::School(site.school_id))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let (answer, _) = under_way.await.unwrap();
        let waited = stopwatch.elapsed();
        assert_eq!(
            opened(&answer).roster.map(|newest| newest.number.n),
            Some(11)
        );
        assert!(waited < Duration::from_millis(500), "{waited:?}");
        assert_eq!(central.app.changes.waiters(), 0);
        central.app.shutdown.request();
        listener.await.unwrap();
    }

    #[tokio::test]
    async fn word_that_changes_nothing_for_a_gate_leaves_it_waiting() {
        let (central, _, mut gate) = ready().await;
        let known = ask(&central, &mut gate, None).await.header.number;
        let under_way = poll(&central, &mut gate, known, 1);
        until_waiting(&central, 1).await;
        central.app.changes.wake(Change::Everything);
        let (answer, waited) = under_way.await.unwrap();
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
        // What it is given after the wait renews its freshness all the same.
        assert_eq!(opened(&answer).header.number.n, known.n + 1);
    }

    #[tokio::test]
    async fn a_later_poll_ends_the_earlier_one_and_so_does_a_shutdown() {
        let (central, _, mut gate) = ready().await;
        let known = ask(&central, &mut gate, None).await.header.number;
        let earlier = poll(&central, &mut gate, known, 60);
        until_waiting(&central, 1).await;
        let later = poll(&central, &mut gate, known, 60);
        assert_eq!(earlier.await.unwrap().0.refusal().code, RefusalCode::Busy);
        until_waiting(&central, 1).await;
        central.app.shutdown.request();
        let heads = opened(&later.await.unwrap().0);
        assert_eq!(heads.header.number.n, known.n + 1);
    }

    #[tokio::test]
    async fn numbers_of_heads_made_side_by_side_are_all_different() {
        let (central, _, mut gate) = ready().await;
        let requests: Vec<_> = (0..8)
            .map(|_| {
                let message = cbor::encode(&gate.heads_request(None));
                gate.request(&central, path::HEADS, message)
            })
            .collect();
        let mut answers = tokio::task::JoinSet::new();
        for request in requests {
            answers.spawn(testing::send(central.router(), request));
        }
        let mut numbers = std::collections::BTreeSet::new();
        while let Some(answer) = answers.join_next().await {
            numbers.insert(opened(&answer.unwrap()).header.number.n);
        }
        assert_eq!(numbers, (1..=8).collect());
    }

    #[tokio::test]
    async fn what_is_not_published_yet_is_named() {
        let (central, _, mut gate) = ready().await;
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let delete = "DELETE FROM signed_documents WHERE kind = 'portcullis/configuration/1'";
        transaction.batch_execute(delete).await.unwrap();
        transaction.commit().await.unwrap();
        let message = gate.heads_request(None);
        let refusal = gate.send(&central, path::HEADS, &message).await.refusal();
        assert_eq!(refusal.code, RefusalCode::NotFound);
        assert!(
            refusal.detail.contains("configuration"),
            "{}",
            refusal.detail
        );
    }
}

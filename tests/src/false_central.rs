//! A central in the hands of whoever writes the test: it holds every private key there is and says
//! to gates what it is told to, true or not. What a gate makes of that is the test.

mod desk;
mod place;
mod shelf;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::post,
};
use minicbor::{Decode, Encode};
use shared::{
    cbor,
    enrolment::{self, CLAIM_LIFETIME_S, Claim, EnrolAnswer, Proven},
    gate_api::{
        API_VERSION, DocumentAnswer, DocumentRequest, HeadsRequest, HeartbeatAnswer,
        IssuedRangeRequest, JournalBatch, MEDIA_TYPE, OrdersAnswer, OrdersRequest, Refusal,
        RefusalCode, TimeRequest, path,
    },
    heads::{Acknowledgement, SignedTime},
    ids::JournalEpoch,
    issued_list::IssuedRange,
    keys::sha256,
    request_signature::Parameters,
    time::UtcSeconds,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub use desk::{Desk, ENTRY, EXIT, LEVEL};
pub use shelf::{Acknowledging, Filed, Renewal, Shelf, TimeBinding};

use crate::link::Link;

/// How far the date of a request may be off, as at a true central.
const DATE_TOLERANCE_S: u64 = 300;

/// The false central.
pub struct FalseCentral {
    link: Link,
    counter: Arc<Counter>,
    task: JoinHandle<()>,
}

/// What its handlers share: the desk signs, the shelf is served.
struct Counter {
    papers: Mutex<Papers>,
    /// Changes with every change of the papers: long polls wait for it.
    changed: watch::Sender<u64>,
}

/// What can be signed, and what is served.
pub struct Papers {
    /// Signs.
    pub desk: Desk,
    /// Is served.
    pub shelf: Shelf,
}

impl FalseCentral {
    /// Begins as an honest central would: with one set of everything.
    ///
    /// # Errors
    /// When the loopback has no port left.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("cannot listen on the loopback")?;
        let address = listener.local_addr().context("a listener has an address")?;
        let mut desk = Desk::new();
        let shelf = Shelf::first(&mut desk);
        let counter = Arc::new(Counter {
            papers: Mutex::new(Papers { desk, shelf }),
            changed: watch::Sender::new(0),
        });
        let router = router(Arc::clone(&counter));
        let task = tokio::spawn(async move {
            // It ends with the test.
            let _ = axum::serve(listener, router).await;
        });
        let link = Link::open().await?;
        link.lead_to(address);
        Ok(Self {
            link,
            counter,
            task,
        })
    }

    /// Cuts the link to it.
    pub fn vanish(&self) {
        self.link.cut();
    }

    /// Brings the link back.
    pub fn come_back(&self) {
        self.link.restore();
    }

    /// Changes what is signed and served; gates that wait are woken.
    pub fn change<T>(&self, change: impl FnOnce(&mut Papers) -> T) -> T {
        let result = change(&mut self.counter.papers());
        self.counter.changed.send_modify(|changes| *changes += 1);
        result
    }

    /// Looks at what is signed and served.
    pub fn look<T>(&self, look: impl FnOnce(&Papers) -> T) -> T {
        look(&self.counter.papers())
    }

    /// The text of a claim for its one gate, good now and for an hour.
    #[must_use]
    pub fn claim(&self) -> String {
        let papers = self.counter.papers();
        let claim = Claim {
            address: self.link.url(),
            gate: papers.desk.gate,
            secret: papers.desk.claim_secret,
            expires_at: papers.desk.utc().plus(CLAIM_LIFETIME_S),
            root_set: sha256(&papers.shelf.root_set.bytes),
            tls_key: None,
        };
        claim.to_text()
    }
}

impl Drop for FalseCentral {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Counter {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers
            .lock()
            .expect("no handler panics with the papers in hand")
    }
}

fn router(counter: Arc<Counter>) -> Router {
    let signed = Router::new()
        .route(path::HEADS, post(heads))
        .route(path::DOCUMENT, post(document))
        .route(path::ISSUED_RANGE, post(issued_range))
        .route(path::ORDERS, post(orders))
        .route(path::JOURNAL, post(journal))
        .route(path::HEARTBEAT, post(heartbeat))
        .layer(from_fn_with_state(Arc::clone(&counter), refuse_wrong_dates));
    Router::new()
        .route(path::ENROL, post(enrol))
        .route(path::TIME, post(time))
        .merge(signed)
        .with_state(counter)
}

/// As a true central does: a request whose date is far off is refused, with the time.
async fn refuse_wrong_dates(
    State(counter): State<Arc<Counter>>,
    request: Request,
    next: Next,
) -> Response {
    let input = request.headers().get("signature-input");
    let parameters = input
        .and_then(|value| value.to_str().ok())
        .and_then(|value| Parameters::parse(value).ok());
    let Some(parameters) = parameters else {
        return NotThisMessage.into_response();
    };
    let refusal = {
        let papers = &mut *counter.papers();
        let utc = papers.desk.utc();
        (utc.0.abs_diff(parameters.created.0) > DATE_TOLERANCE_S).then(|| {
            papers.shelf.dates_refused += 1;
            let nonce = match papers.shelf.time {
                TimeBinding::ThisRequest => parameters.nonce,
                TimeBinding::OtherRequest => [9; 16],
            };
            Refusal {
                version: API_VERSION,
                code: RefusalCode::ClockWrong,
                detail: "the date of the request is far off".into(),
                time: Some(papers.desk.statement(&SignedTime { nonce, utc }).into()),
                expected: None,
                counter_floor: None,
            }
        })
    };
    match refusal {
        Some(refusal) => {
            let body = cbor_response(cbor::encode(&refusal));
            (StatusCode::UNAUTHORIZED, body).into_response()
        }
        None => next.run(request).await,
    }
}

/// The sender's bytes were not the message that belongs here.
struct NotThisMessage;

impl IntoResponse for NotThisMessage {
    fn into_response(self) -> Response {
        StatusCode::BAD_REQUEST.into_response()
    }
}

type Answer = Result<Response, NotThisMessage>;

fn read<T: for<'b> Decode<'b, ()>>(body: &Bytes) -> Result<T, NotThisMessage> {
    minicbor::decode(body).map_err(|_| NotThisMessage)
}

fn cbor_response(bytes: Vec<u8>) -> Response {
    ([("content-type", MEDIA_TYPE)], bytes).into_response()
}

fn message(message: &impl Encode<()>) -> Answer {
    Ok(cbor_response(cbor::encode(message)))
}

async fn enrol(State(counter): State<Arc<Counter>>, body: Bytes) -> Answer {
    let papers = &mut *counter.papers();
    let proven: Proven = read(&body)?;
    let secret = papers.desk.claim_secret;
    let request = enrolment::check_request(&proven, &secret).map_err(|_| NotThisMessage)?;
    papers.desk.gate_key = Some(request.gate_key);
    let answer = EnrolAnswer {
        gate: papers.desk.gate,
        root_set: papers.shelf.root_set.bytes.clone().into(),
        trust_list: papers.shelf.trust_list.bytes.clone().into(),
        utc: papers.desk.utc(),
        nonce: [7; 16],
        journal_epoch: JournalEpoch(1),
    };
    message(&enrolment::prove_answer(&answer, &proven, &secret))
}

async fn heads(State(counter): State<Arc<Counter>>, body: Bytes) -> Answer {
    let request: HeadsRequest = read(&body)?;
    let mut changed = counter.changed.subscribe();
    let unchanged = request.known == Some(counter.papers().shelf.heads.number);
    if unchanged && request.wait_s > 0 {
        let wait = Duration::from_secs(request.wait_s);
        let _ = tokio::time::timeout(wait, changed.changed()).await;
    }
    let papers = &mut *counter.papers();
    if papers.shelf.renewal == Renewal::Honest {
        papers.shelf.heads = papers.desk.heads(&papers.shelf);
    }
    Ok(cbor_response(papers.shelf.heads.bytes.clone()))
}

async fn document(State(counter): State<Arc<Counter>>, body: Bytes) -> Answer {
    let request: DocumentRequest = read(&body)?;
    let papers = &mut *counter.papers();
    papers.shelf.asked.push(request.name);
    match papers.shelf.named(request.name) {
        Some(filed) => message(&DocumentAnswer::Whole(filed.bytes.clone().into())),
        None => message(&DocumentAnswer::NothingNewer),
    }
}

async fn issued_range(State(counter): State<Arc<Counter>>, body: Bytes) -> Answer {
    let request: IssuedRangeRequest = read(&body)?;
    let papers = counter.papers();
    let first = request.first.0 as usize;
    let digests = papers
        .desk
        .issued
        .iter()
        .skip(first)
        .take(request.count as usize);
    message(&IssuedRange {
        kid: request.kid,
        first: request.first,
        digests: digests
            .flat_map(|digest| digest.0)
            .collect::<Vec<u8>>()
            .into(),
    })
}

async fn orders(State(counter): State<Arc<Counter>>, body: Bytes) -> Answer {
    let request: OrdersRequest = read(&body)?;
    let papers = counter.papers();
    let newer = |order: &&Filed| request.after.is_none_or(|after| order.number > after);
    message(&OrdersAnswer {
        version: API_VERSION,
        orders: papers
            .shelf
            .orders
            .iter()
            .filter(newer)
            .map(|order| order.bytes.clone().into())
            .collect(),
    })
}

async fn journal(State(counter): State<Arc<Counter>>, body: Bytes) -> Answer {
    let batch: JournalBatch = read(&body)?;
    let papers = &mut *counter.papers();
    let Papers { desk, shelf } = papers;
    for record in batch.records {
        let position = record.public_part().map_err(|_| NotThisMessage)?.position;
        if position.seq == shelf.received.len() as u64 + 1 {
            let chain = shelf
                .chain
                .unwrap_or_else(|| desk.journal_start(position.epoch));
            shelf.chain = Some(chain.append(&record).map_err(|_| NotThisMessage)?);
            shelf.received.push(record);
        }
    }
    let chain = shelf.chain.ok_or(NotThisMessage)?;
    let acknowledgement = Acknowledgement {
        gate: desk.gate,
        position: chain.position,
        hash: chain.hash,
        made_at: desk.utc(),
    };
    let signed = desk.statement(&acknowledgement);
    shelf.acknowledgement = Some(signed.clone());
    match &mut shelf.acknowledging {
        Acknowledging::Truly => Ok(cbor_response(signed)),
        Acknowledging::Replayed { bytes, times } => {
            *times += 1;
            Ok(cbor_response(bytes.clone()))
        }
    }
}

async fn heartbeat(State(_): State<Arc<Counter>>, _body: Bytes) -> Answer {
    message(&HeartbeatAnswer {
        version: API_VERSION,
        resend_from: None,
    })
}

async fn time(State(counter): State<Arc<Counter>>, body: Bytes) -> Answer {
    let request: TimeRequest = read(&body)?;
    let papers = counter.papers();
    let time = SignedTime {
        nonce: request.nonce,
        utc: papers.desk.utc(),
    };
    Ok(cbor_response(papers.desk.statement(&time)))
}

/// Where a false central's clock stands against this machine's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockOffset {
    /// Seconds ahead; behind when negative.
    pub ahead_s: i64,
}

impl ClockOffset {
    fn apply(self, utc: UtcSeconds) -> UtcSeconds {
        UtcSeconds(utc.0.saturating_add_signed(self.ahead_s))
    }
}

#[cfg(test)]
mod tests {
    use shared::{document, gate_api::DocumentName, heads::Heads, status_list::StatusList};

    use super::*;
    use crate::paper_gate::PaperGate;

    #[tokio::test]
    async fn what_it_signs_holds() {
        let central = FalseCentral::start().await.unwrap();
        let mut gate = PaperGate::enrol(&central.claim()).await.unwrap();
        let keys = gate.statement_keys().unwrap();
        let ask = HeadsRequest {
            version: API_VERSION,
            known: None,
            wait_s: 0,
        };
        let bytes = gate.ask(path::HEADS, &ask).await.unwrap().taken().unwrap();
        let heads = document::open::<Heads>(&bytes, &keys).unwrap();
        let lists = heads.document().issuers[0];
        let ask = DocumentRequest {
            version: API_VERSION,
            name: DocumentName::StatusList(lists.kid),
            have: None,
        };
        let bytes = gate
            .ask(path::DOCUMENT, &ask)
            .await
            .unwrap()
            .taken()
            .unwrap();
        let DocumentAnswer::Whole(bytes) = minicbor::decode(&bytes).unwrap() else {
            panic!("a whole document");
        };
        let list = document::open::<StatusList>(&bytes, &keys).unwrap();
        assert_eq!(list.digest(), lists.status_list.digest);

        let records = gate.scans(3, ENTRY).unwrap();
        let batch = gate.batch(&records).unwrap();
        let bytes = gate.upload(&batch).await.unwrap().taken().unwrap();
        let acknowledged = document::open::<Acknowledgement>(&bytes, &keys).unwrap();
        assert_eq!(acknowledged.document().hash, gate.chain.hash);
        assert_eq!(central.look(|papers| papers.shelf.received.len()), 3);
    }
}

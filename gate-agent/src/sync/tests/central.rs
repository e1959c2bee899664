//! A central that a test holds in its hand: honest unless told otherwise.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use shared::{
    cbor,
    cose::Sign1,
    gate_api::{
        API_VERSION, DocumentAnswer, DocumentName, DocumentRequest, HeadsRequest, Heartbeat,
        HeartbeatAnswer, IssuedRangeRequest, JournalBatch, OrdersAnswer, OrdersRequest, Refusal,
        RefusalCode, path, read,
    },
    heads::Heads,
    ids::{DocumentNumber, JournalEpoch, JournalPosition},
    issued_list::IssuedRange,
    journal::ChainState,
    keys::CheckedKey,
    request_signature::{
        COUNTER_HEADER, CoveredRequest, SignedHeaders, check_request, parse_counter,
    },
    status_list::{StatusDelta, StatusList},
};
use tokio::sync::Notify;

use crate::event_loop::tests::rig::Authority;

pub(super) struct Papers {
    pub(super) authority: Authority,
    pub(super) documents: Vec<(DocumentName, Vec<u8>)>,
    /// Status lists of earlier numbers, to make deltas from.
    pub(super) older_lists: Vec<StatusList>,
    heads: (Vec<u8>, Heads),
    pub(super) orders: Vec<Vec<u8>>,
    pub(super) held: ChainState,
    pub(super) records: u64,
    /// Refusals of the next requests to a path.
    pub(super) refusals: VecDeque<(&'static str, Refuse)>,
    pub(super) counters: BTreeSet<u64>,
    pub(super) asked: Vec<String>,
    pub(super) deltas_served: u32,
    pub(super) digests: Digests,
    gate_key: CheckedKey,
}

/// How to refuse a request.
pub(super) enum Refuse {
    /// Like this.
    With(RefusalCode, Option<u64>),
    /// With the time, bound to the request's nonce, or to another one.
    Clock(Binding),
    /// As a proxy does whose server is gone.
    BadGateway,
    /// With what nobody understands.
    Garbage,
}

#[derive(Clone, Copy)]
pub(super) enum Binding {
    ThisNonce,
    OtherNonce,
}

/// What is served as digests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Digests {
    True,
    False,
}

#[derive(Clone)]
pub(super) struct Central {
    papers: Arc<Mutex<Papers>>,
    changed: Arc<Notify>,
    pub(super) address: String,
}

impl Central {
    pub(super) async fn start(authority: Authority, gate_key: CheckedKey) -> Self {
        let mut authority = authority;
        let documents = authority.everything();
        let heads = authority.heads();
        let held = ChainState::start(authority.gate, JournalEpoch(1));
        let papers = Papers {
            heads: (authority.sign_heads(&heads), heads),
            authority,
            documents,
            older_lists: Vec::new(),
            orders: Vec::new(),
            held,
            records: 0,
            refusals: VecDeque::new(),
            counters: BTreeSet::new(),
            asked: Vec::new(),
            deltas_served: 0,
            digests: Digests::True,
            gate_key,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let central = Self {
            papers: Arc::new(Mutex::new(papers)),
            changed: Arc::new(Notify::new()),
            address: format!("http://{}", listener.local_addr().unwrap()),
        };
        let router = Router::new().fallback(answer).with_state(central.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        central
    }

    pub(super) fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap()
    }

    /// Changes something and publishes it.
    pub(super) fn publish(&self, change: impl FnOnce(&mut Papers)) {
        let mut papers = self.papers();
        change(&mut papers);
        papers.renew_heads();
        self.changed.notify_waiters();
    }

    pub(super) fn refuse(&self, path: &'static str, refuse: Refuse) {
        self.papers().refusals.push_back((path, refuse));
    }
}

impl Papers {
    fn renew_heads(&mut self) {
        let heads = self.authority.heads();
        self.heads = (self.authority.sign_heads(&heads), heads);
    }

    pub(super) fn heads_number(&self) -> DocumentNumber {
        self.heads.1.header.number
    }

    pub(super) fn replace(&mut self, name: DocumentName, bytes: Vec<u8>) {
        for (held, old) in &mut self.documents {
            if *held == name {
                *old = bytes.clone();
            }
        }
    }

    pub(super) fn sign_status_list(&mut self) {
        let name = DocumentName::StatusList(self.authority.kid());
        let old = self
            .documents
            .iter()
            .find(|(held, _)| *held == name)
            .unwrap();
        let envelope = Sign1::parse(&old.1).unwrap();
        self.older_lists
            .push(cbor::decode_strict(envelope.payload, 1 << 20).unwrap());
        let list = self.authority.sign_status_list();
        self.replace(name, list);
    }

    pub(super) fn sign_issued_list(&mut self) {
        let name = DocumentName::IssuedList(self.authority.kid());
        let list = self.authority.issued_list();
        let list = self.authority.sign_issued_list(&list);
        self.replace(name, list);
    }

    fn check(&mut self, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> [u8; 16] {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let signed = SignedHeaders {
            content_digest: text("content-digest"),
            counter: text(COUNTER_HEADER),
            signature_input: text("signature-input"),
            signature: text("signature"),
        };
        let counter = parse_counter(&signed.counter).unwrap();
        assert!(
            self.counters.insert(counter),
            "counter {counter} was used before"
        );
        let covered = CoveredRequest {
            method: "POST",
            path: uri.path(),
            query: "?",
            body,
            counter,
        };
        let parameters = check_request(&covered, &signed, &self.gate_key).unwrap();
        assert!(parameters.created.since(self.authority.now) < 600);
        parameters.nonce
    }

    fn refusal(&mut self, path: &str, nonce: [u8; 16]) -> Option<Response> {
        let at = self
            .refusals
            .iter()
            .position(|(refused, _)| *refused == path)?;
        let (_, refuse) = self.refusals.remove(at)?;
        let (code, time, counter_floor) = match refuse {
            Refuse::BadGateway => {
                return Some((StatusCode::BAD_GATEWAY, "<html>bad gateway").into_response());
            }
            Refuse::Garbage => return Some((StatusCode::OK, vec![0xff; 100]).into_response()),
            Refuse::With(code, floor) => (code, None, floor),
            Refuse::Clock(binding) => {
                let nonce = match binding {
                    Binding::ThisNonce => nonce,
                    Binding::OtherNonce => [9; 16],
                };
                let time = self.authority.sign_time(nonce);
                (RefusalCode::ClockWrong, Some(time.into()), None)
            }
        };
        let refusal = Refusal {
            version: API_VERSION,
            code,
            detail: "as the test wants it".into(),
            time,
            expected: None,
            counter_floor,
        };
        Some((StatusCode::CONFLICT, cbor::encode(&refusal)).into_response())
    }

    fn document(&mut self, request: &DocumentRequest) -> DocumentAnswer {
        let found = self
            .documents
            .iter()
            .find(|(name, _)| *name == request.name);
        let bytes = found.expect("a document that exists").1.clone();
        let older = self
            .older_lists
            .iter()
            .find(|list| Some(list.header.number) == request.have);
        if let (DocumentName::StatusList(_), Some(older)) = (request.name, older) {
            self.deltas_served += 1;
            return DocumentAnswer::Delta(StatusDelta::between(older, &bytes).unwrap());
        }
        DocumentAnswer::Whole(bytes.into())
    }

    fn range(&self, request: &IssuedRangeRequest) -> IssuedRange {
        let first = request.first.0 as usize;
        // Less than was asked: a gate asks on.
        let last = (first + request.count as usize).min(first + 3);
        let digests: Vec<u8> = self.authority.issued[first..last]
            .iter()
            .flat_map(|digest| match self.digests {
                Digests::True => digest.0,
                Digests::False => [7; 8],
            })
            .collect();
        IssuedRange {
            kid: request.kid,
            first: request.first,
            digests: digests.into(),
        }
    }

    fn journal(&mut self, batch: &JournalBatch) -> Response {
        let next = JournalPosition {
            seq: self.held.position.seq + 1,
            ..self.held.position
        };
        if batch.first != next {
            let refusal = Refusal {
                version: API_VERSION,
                code: RefusalCode::JournalGap,
                detail: "a gap".into(),
                time: None,
                expected: Some(self.held.position),
                counter_floor: None,
            };
            return (StatusCode::CONFLICT, cbor::encode(&refusal)).into_response();
        }
        for record in &batch.records {
            self.held = self.held.append(record).unwrap();
            self.records += 1;
        }
        self.authority
            .sign_acknowledgement(self.held.position, self.held.hash)
            .into_response()
    }
}

async fn answer(
    State(central): State<Central>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    {
        let mut papers = central.papers();
        let nonce = papers.check(&uri, &headers, &body);
        papers.asked.push(uri.path().to_owned());
        if let Some(refusal) = papers.refusal(uri.path(), nonce) {
            return refusal;
        }
    }
    match uri.path() {
        path::HEADS => heads(&central, &read(&body).unwrap()).await,
        path::DOCUMENT => {
            let request = read(&body).unwrap();
            cbor::encode(&central.papers().document(&request)).into_response()
        }
        path::ISSUED_RANGE => {
            let request = read(&body).unwrap();
            cbor::encode(&central.papers().range(&request)).into_response()
        }
        path::ORDERS => {
            let _: OrdersRequest = read(&body).unwrap();
            let orders = central.papers().orders.clone().into_iter().map(Into::into);
            let answer = OrdersAnswer {
                version: API_VERSION,
                orders: orders.collect(),
            };
            cbor::encode(&answer).into_response()
        }
        path::JOURNAL => {
            let batch: JournalBatch = read(&body).unwrap();
            central.papers().journal(&batch)
        }
        path::HEARTBEAT => {
            let _: Heartbeat = read(&body).unwrap();
            let answer = HeartbeatAnswer {
                version: API_VERSION,
                resend_from: None,
            };
            cbor::encode(&answer).into_response()
        }
        other => panic!("{other}"),
    }
}

async fn heads(central: &Central, request: &HeadsRequest) -> Response {
    let is_known = central.papers().heads.1.header.number;
    if request.known == Some(is_known) {
        let wait = Duration::from_secs(request.wait_s);
        let _ = tokio::time::timeout(wait, central.changed.notified()).await;
    }
    central.papers().heads.0.clone().into_response()
}

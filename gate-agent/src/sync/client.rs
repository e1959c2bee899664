//! One HTTP client for all requests to central, each signed (RFC 9421) under a counter that is
//! never used twice.

use std::{ops::Range, sync::Arc, time::Duration};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use shared::{
    gate_api::{self, MEDIA_TYPE, Message, Refusal, RefusalCode},
    panel_api::Link,
    request_signature::{COUNTER_HEADER, CoveredRequest, sign_request},
};
use tokio::sync::Mutex;

use super::{
    LoopHandle, NotTaken,
    address::CentralAddress,
    time as signed_time,
    tls::{self, PinnedKeys},
    trusted_time::TrustedTime,
};
use crate::{
    gate_key::GateKey,
    store::{
        problem::StoreProblem,
        thread::{StoreHandle, SyncRequest},
    },
};

/// Longest time to reach central's socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Refusals that one call recovers from before it gives up: a clock, then a counter.
const RECOVERIES_MAX: u32 = 2;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallFailed {
    /// Central cannot be reached, or something else answers in its place.
    #[error("central does not answer: {0}")]
    Unreachable(String),
    /// Central refuses.
    #[error("central refuses ({:?}): {}", .0.code, .0.detail)]
    Refused(Box<Refusal>),
    /// The answer is not what it should be.
    #[error("central's answer to {path} is unreadable: {problem}")]
    Garbled {
        /// What was asked.
        path: &'static str,
        /// Why.
        problem: String,
    },
    /// The command that reads a stick for the agent is gone, or says what makes no sense.
    #[error("the stick cannot be read any more: {0}")]
    StickGone(String),
    /// The stick's file lacks it.
    #[error("the stick's file has {0}")]
    StickLacks(String),
    /// No counter value could be reserved.
    #[error("no request counter: {0}")]
    Counter(StoreProblem),
    /// The agent is ending.
    #[error("the agent is ending")]
    Ending,
}

/// Talks to central.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    address: CentralAddress,
    key: Arc<GateKey>,
    counters: Mutex<Range<u64>>,
    store: StoreHandle,
    time: TrustedTime,
    to_loop: LoopHandle,
    timeout: Duration,
    told: Mutex<Told>,
}

/// What the event loop was told last.
#[derive(Debug, Default)]
struct Told {
    link: Option<Link>,
    problem: Option<String>,
}

/// What a client needs.
#[derive(Debug)]
pub struct ClientParts {
    /// Where central is.
    pub address: CentralAddress,
    /// By which keys it is known.
    pub pinned: PinnedKeys,
    /// The gate's key.
    pub key: Arc<GateKey>,
    /// Reserves counters.
    pub store: StoreHandle,
    /// The time that the core believes.
    pub time: TrustedTime,
    /// Hears of the link.
    pub to_loop: LoopHandle,
    /// Longest time for one request, in ms.
    pub timeout_ms: u64,
}

/// The HTTP client of this program: no redirects, no proxies, TLS by key.
///
/// # Errors
/// When the cryptography library cannot be used.
pub fn http_client(pinned: PinnedKeys, time: TrustedTime) -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config(pinned, time)?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Duration::from_secs(30))
        .user_agent(concat!("gate-agent/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

impl Client {
    /// Puts a client together.
    ///
    /// # Errors
    /// When the cryptography library cannot be used.
    pub fn new(parts: ClientParts) -> anyhow::Result<Self> {
        Ok(Self {
            http: http_client(parts.pinned, parts.time.clone())?,
            address: parts.address,
            key: parts.key,
            counters: Mutex::new(0..0),
            store: parts.store,
            time: parts.time,
            to_loop: parts.to_loop,
            timeout: Duration::from_millis(parts.timeout_ms),
            told: Mutex::default(),
        })
    }

    /// Sends a signed request and gives the answer's bytes, at most `limit` of them. `wait` is
    /// how long central may take beyond an ordinary answer.
    ///
    /// # Errors
    /// [`CallFailed`].
    pub async fn call(
        &self,
        path: &'static str,
        body: Vec<u8>,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<u8>, CallFailed> {
        let mut recoveries = 0;
        let result = loop {
            let nonce = random_nonce()?;
            let sent = self.send(path, &body, nonce, limit, wait).await;
            let Err(CallFailed::Refused(refusal)) = &sent else {
                break sent;
            };
            if recoveries == RECOVERIES_MAX || !self.recover(refusal, nonce).await? {
                break sent;
            }
            recoveries += 1;
        };
        self.tell(&result).await;
        result
    }

    async fn send(
        &self,
        path: &'static str,
        body: &[u8],
        nonce: [u8; 16],
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<u8>, CallFailed> {
        let covered = CoveredRequest {
            method: "POST",
            path,
            query: "?",
            body,
            counter: self.next_counter().await?,
        };
        let signed = sign_request(&covered, self.time.now(), nonce, &*self.key);
        let request = self
            .http
            .post(self.address.join(path))
            .timeout(self.timeout + wait)
            .header(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))
            .header("content-digest", signed.content_digest)
            .header(COUNTER_HEADER, signed.counter)
            .header("signature-input", signed.signature_input)
            .header("signature", signed.signature)
            .body(body.to_vec());
        exchange(request, path, limit).await
    }

    /// Is the reason for a refusal gone now?
    async fn recover(&self, refusal: &Refusal, nonce: [u8; 16]) -> Result<bool, CallFailed> {
        match refusal.code {
            RefusalCode::ClockWrong => {
                let Some(time) = &refusal.time else {
                    return Ok(false);
                };
                match signed_time::take(&self.to_loop, time.to_vec(), nonce).await {
                    Ok(()) => Ok(true),
                    Err(NotTaken::Ending) => Err(CallFailed::Ending),
                    Err(NotTaken::Refused(_) | NotTaken::NotStored(_)) => Ok(false),
                }
            }
            RefusalCode::CounterUsed => {
                let mut counters = self.counters.lock().await;
                *counters = self.reserve(refusal.counter_floor.unwrap_or(0)).await?;
                Ok(true)
            }
            RefusalCode::Malformed
            | RefusalCode::GateUnknown
            | RefusalCode::GateRetired
            | RefusalCode::SignatureInvalid
            | RefusalCode::ClaimRefused
            | RefusalCode::NotFound
            | RefusalCode::JournalGap
            | RefusalCode::JournalForked
            | RefusalCode::JournalBroken
            | RefusalCode::Busy => Ok(false),
        }
    }

    async fn next_counter(&self) -> Result<u64, CallFailed> {
        let mut counters = self.counters.lock().await;
        if counters.is_empty() {
            *counters = self.reserve(0).await?;
        }
        counters
            .next()
            .ok_or(CallFailed::Counter(StoreProblem::Overloaded))
    }

    async fn reserve(&self, floor: u64) -> Result<Range<u64>, CallFailed> {
        let reserved = self
            .store
            .ask(|answer| SyncRequest::ReserveCounters { floor, answer })
            .await;
        reserved.map_err(|problem| match problem {
            StoreProblem::Stopped => CallFailed::Ending,
            other => CallFailed::Counter(other),
        })
    }

    /// Tells the loop when the link changed, or what central thinks of this gate.
    async fn tell(&self, result: &Result<Vec<u8>, CallFailed>) {
        let (link, problem) = match result {
            Ok(_) => (Link::Up, None),
            Err(CallFailed::Refused(refusal)) => (Link::Up, lasting_problem(refusal)),
            Err(CallFailed::Unreachable(_) | CallFailed::Garbled { .. }) => (Link::Down, None),
            Err(
                CallFailed::Counter(_)
                | CallFailed::Ending
                | CallFailed::StickGone(_)
                | CallFailed::StickLacks(_),
            ) => return,
        };
        let mut told = self.told.lock().await;
        if told.link != Some(link) {
            told.link = Some(link);
            self.to_loop.tell_link(link).await;
        }
        if told.problem != problem && link == Link::Up {
            told.problem.clone_from(&problem);
            self.to_loop.tell_fault("central", problem).await;
        }
    }
}

/// Sends any request to central and gives the answer's bytes, at most `limit` of them.
///
/// # Errors
/// [`CallFailed`].
pub async fn exchange(
    request: reqwest::RequestBuilder,
    path: &'static str,
    limit: usize,
) -> Result<Vec<u8>, CallFailed> {
    let mut response = request.send().await.map_err(unreachable)?;
    let is_success = response.status().is_success();
    let limit = if is_success { limit } else { Refusal::LIMIT };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > limit {
            return Err(CallFailed::Garbled {
                path,
                problem: format!("it is longer than {limit} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    if is_success {
        return Ok(body);
    }
    match gate_api::read::<Refusal>(&body) {
        Ok(refusal) => Err(CallFailed::Refused(Box::new(refusal))),
        Err(_) => Err(CallFailed::Unreachable(format!(
            "the server at its address answers HTTP {}",
            response.status()
        ))),
    }
}

fn unreachable(error: reqwest::Error) -> CallFailed {
    use std::error::Error as _;
    // The outer errors only say that sending failed; the innermost says why.
    let mut source = error.source();
    let mut reason = error.to_string();
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    if error.is_timeout() {
        reason = "it took too long".into();
    }
    CallFailed::Unreachable(reason)
}

/// What a guard should know: it does not go away by itself.
fn lasting_problem(refusal: &Refusal) -> Option<String> {
    match refusal.code {
        RefusalCode::GateUnknown | RefusalCode::GateRetired | RefusalCode::SignatureInvalid => {
            Some(refusal.detail.clone())
        }
        RefusalCode::Malformed
        | RefusalCode::CounterUsed
        | RefusalCode::ClockWrong
        | RefusalCode::ClaimRefused
        | RefusalCode::NotFound
        | RefusalCode::JournalGap
        | RefusalCode::JournalForked
        | RefusalCode::JournalBroken
        | RefusalCode::Busy => None,
    }
}

fn random_nonce() -> Result<[u8; 16], CallFailed> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|error| CallFailed::Unreachable(format!("no random bytes: {error}")))?;
    Ok(nonce)
}

//! What a gate is told when its request is not done: CBOR, with a code for the program and words
//! that say what to do for whoever reads the gate's log.

use std::borrow::Cow;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use shared::{
    cbor::{self, Malformed},
    gate_api::{API_VERSION, MEDIA_TYPE, Refusal, RefusalCode},
    ids::JournalPosition,
};

/// Seconds after which a gate may come again when central was only busy; it adds jitter.
const RETRY_AFTER_S: &str = "5";

/// A request that is not done.
#[derive(Debug)]
pub struct Refused {
    /// For the gate's program.
    pub code: RefusalCode,
    /// What to do.
    pub detail: Cow<'static, str>,
    /// The time, signed and bound to the request's nonce.
    pub time: Option<Vec<u8>>,
    /// The last journal record that central holds.
    pub expected: Option<JournalPosition>,
    /// The smallest counter that may still be new.
    pub counter_floor: Option<u64>,
    /// For central's log alone.
    pub cause: Option<anyhow::Error>,
}

/// Left on a response, for the layer that counts and logs.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) code: RefusalCode,
    pub(super) detail: String,
    pub(super) cause: Option<String>,
}

impl Refused {
    /// A refusal with words alone.
    #[must_use]
    pub fn new(code: RefusalCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            time: None,
            expected: None,
            counter_floor: None,
            cause: None,
        }
    }

    /// The message cannot be read.
    #[must_use]
    pub fn malformed(problem: Malformed) -> Self {
        Self::new(
            RefusalCode::Malformed,
            format!(
                "The body is not the expected message: {problem}. Are gate and central of versions that fit?"
            ),
        )
    }

    /// Too many at once.
    #[must_use]
    pub fn busy(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RefusalCode::Busy, detail)
    }

    fn status(&self) -> StatusCode {
        match self.code {
            RefusalCode::Malformed => StatusCode::BAD_REQUEST,
            RefusalCode::GateUnknown
            | RefusalCode::SignatureInvalid
            | RefusalCode::CounterUsed
            | RefusalCode::ClockWrong => StatusCode::UNAUTHORIZED,
            RefusalCode::GateRetired | RefusalCode::ClaimRefused => StatusCode::FORBIDDEN,
            RefusalCode::NotFound => StatusCode::NOT_FOUND,
            RefusalCode::JournalGap | RefusalCode::JournalForked => StatusCode::CONFLICT,
            RefusalCode::JournalBroken => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalCode::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The name of a code in metrics and logs.
#[must_use]
pub(super) const fn name(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::Malformed => "malformed",
        RefusalCode::GateUnknown => "gate_unknown",
        RefusalCode::GateRetired => "gate_retired",
        RefusalCode::SignatureInvalid => "signature_invalid",
        RefusalCode::CounterUsed => "counter_used",
        RefusalCode::ClockWrong => "clock_wrong",
        RefusalCode::ClaimRefused => "claim_refused",
        RefusalCode::NotFound => "not_found",
        RefusalCode::JournalGap => "journal_gap",
        RefusalCode::JournalForked => "journal_forked",
        RefusalCode::JournalBroken => "journal_broken",
        RefusalCode::Busy => "busy",
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.status();
        let trace = Trace {
            code: self.code,
            detail: self.detail.to_string(),
            cause: self.cause.map(|cause| format!("{cause:#}")),
        };
        let body = cbor::encode(&Refusal {
            version: API_VERSION,
            code: self.code,
            detail: self.detail.into_owned(),
            time: self.time.map(Into::into),
            expected: self.expected,
            counter_floor: self.counter_floor,
        });
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let value = header::HeaderValue::from_static(RETRY_AFTER_S);
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response.extensions_mut().insert(trace);
        response
    }
}

/// What went wrong within central is for its log; the gate keeps what it has and comes again.
impl From<anyhow::Error> for Refused {
    fn from(cause: anyhow::Error) -> Self {
        let detail = if crate::db::is_unavailable(&cause) {
            "Central cannot reach its database at the moment: try again later."
        } else {
            "Central failed over this request; its log says why. Try again later."
        };
        Self {
            cause: Some(cause),
            ..Self::busy(detail)
        }
    }
}

//! What `/metrics` shows. Names that operators' dashboards rely on are kept for ever.

pub mod gates;

pub use gates::GateMetrics;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{app::SharedApp, db::Db, ids::AdminTokenId, instant::UtcInstant, problem::Problem};

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a cached answer to a bulk issue.
const DURATION_BUCKETS_S: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Someone who did something within this time is active.
const ACTIVE_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Every number central counts.
pub struct Metrics {
    registry: Registry,
    http_requests: Family<HttpLabels, Counter>,
    http_duration: Family<RouteLabels, Histogram>,
    /// Passes asked for.
    pub pass_requests: Family<PassRequestLabels, Counter>,
    /// Scans that gates reported.
    pub verifications: Family<VerificationLabels, Counter>,
    /// Gates and their journals.
    pub gates: GateMetrics,
    active_users: Family<ActiveUserLabels, Gauge>,
    /// When each administrator's token was last used here; there are few tokens.
    administrators_seen: Mutex<BTreeMap<AdminTokenId, UtcInstant>>,
}

/// One sort of HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HttpLabels {
    /// HTTP method.
    pub method: String,
    /// The route's pattern, never the path itself.
    pub route: String,
    /// HTTP status.
    pub status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

/// What was asked for, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PassRequestLabels {
    /// `issue`, `reissue`.
    pub r#type: String,
    /// `issued`, `refused`.
    pub status: String,
    /// The school.
    pub school_id: String,
}

/// What a gate decided, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VerificationLabels {
    /// `granted`, or the stable code of the reason for the denial.
    pub status: String,
    /// The access point's number.
    pub location: String,
}

/// Whose activity is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActiveUserLabels {
    user_type: &'static str,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let http_requests = Family::default();
        let http_duration = Family::new_with_constructor(
            (|| Histogram::new(DURATION_BUCKETS_S)) as fn() -> Histogram,
        );
        let pass_requests = Family::default();
        let verifications = Family::default();
        let active_users = Family::<ActiveUserLabels, Gauge>::default();
        // Counters get `_total` appended.
        registry.register(
            "http_requests",
            "HTTP requests answered",
            http_requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time to answer an HTTP request",
            http_duration.clone(),
        );
        registry.register(
            "student_pass_requests",
            "Passes asked for",
            pass_requests.clone(),
        );
        registry.register(
            "student_pass_verifications",
            "Scans that gates reported",
            verifications.clone(),
        );
        registry.register(
            "student_pass_active_users",
            "Active in the last 15 minutes",
            active_users.clone(),
        );
        let gates = GateMetrics::register(&mut registry);
        Self {
            registry,
            http_requests,
            http_duration,
            pass_requests,
            verifications,
            gates,
            active_users,
            administrators_seen: Mutex::default(),
        }
    }

    pub(crate) fn observe_request(&self, labels: HttpLabels, duration: Duration) {
        let route = RouteLabels {
            method: labels.method.clone(),
            route: labels.route.clone(),
        };
        self.http_duration
            .get_or_create(&route)
            .observe(duration.as_secs_f64());
        self.http_requests.get_or_create(&labels).inc();
    }

    pub(crate) fn administrator_seen(&self, token: AdminTokenId, now: UtcInstant) {
        let mut seen = self
            .administrators_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.insert(token, now);
    }

    fn set_active(&self, since: UtcInstant, gates: i64) {
        let mut seen = self
            .administrators_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, at| *at >= since);
        let administrators = i64::try_from(seen.len()).unwrap_or(i64::MAX);
        drop(seen);
        for (user_type, count) in [("administrator", administrators), ("gate", gates)] {
            self.active_users
                .get_or_create(&ActiveUserLabels { user_type })
                .set(count);
        }
    }

    /// In the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

async fn count_gates_seen(db: &Db, since: UtcInstant) -> anyhow::Result<i64> {
    let transaction = db.begin_across_schools().await?;
    let sql = "SELECT count(*) FROM gates WHERE last_seen_at >= $1";
    Ok(transaction.query_one(sql, &[&since]).await?.get(0))
}

/// Counters and times, for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "monitoring",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = MEDIA_TYPE)),
)]
pub async fn get(State(app): State<SharedApp>) -> Result<Response, Problem> {
    let since = app.clock.now().minus(ACTIVE_WINDOW);
    // What is counted in this process is worth having even while the database is away.
    match count_gates_seen(&app.db, since).await {
        Ok(gates) => app.metrics.set_active(since, gates),
        Err(error) => tracing::warn!("cannot count the active gates: {error:#}"),
    }
    let text = app.metrics.text().map_err(anyhow::Error::from)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

//! Is central well? For load balancers, Kubernetes and people; the paths are promised.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::{App, SharedApp},
    db::migrations::{self, MIGRATIONS},
    extract::Json,
    instant::UtcInstant,
};

/// How central is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// The worst of the checks.
    status: HealthStatus,
    /// Central's clock.
    timestamp: UtcInstant,
    /// Central's version.
    version: &'static str,
    /// Seconds since it started.
    uptime: f64,
    /// What was looked at.
    checks: Checks,
}

/// What was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    /// PostgreSQL answers, and has the schema of this version.
    database: Check,
}

/// One check.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// How it went.
    status: HealthStatus,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// As it should be.
    Healthy,
    /// It does not work.
    Unhealthy,
}

/// Is the process alive?
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    #[schema(example = "alive")]
    status: &'static str,
    timestamp: UtcInstant,
}

/// Can it take requests?
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    #[schema(example = "ready")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How central and what it needs are
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "monitoring",
    responses(
        (status = 200, description = "All is well", body = Health),
        (status = 503, description = "Something it cannot work without is missing", body = Health),
    ),
)]
pub async fn get(State(app): State<SharedApp>) -> Response {
    let error = database_error(&app).await;
    let status = if error.is_none() {
        HealthStatus::Healthy
    } else {
        HealthStatus::Unhealthy
    };
    let health = Health {
        status,
        timestamp: app.clock.now(),
        version: env!("CARGO_PKG_VERSION"),
        uptime: app.started.elapsed().as_secs_f64(),
        checks: Checks {
            database: Check { status, error },
        },
    };
    let code = match status {
        HealthStatus::Healthy => StatusCode::OK,
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(health)).into_response()
}

/// Can it take requests? Not while it shuts down
#[utoipa::path(
    get, path = "/health/ready", operation_id = "health_ready", tag = "monitoring",
    responses(
        (status = 200, description = "Send requests", body = Ready),
        (status = 503, description = "Send requests elsewhere for now", body = Ready),
    ),
)]
pub async fn ready(State(app): State<SharedApp>) -> Response {
    let error = if app.shutdown.is_requested() {
        Some("central is shutting down".to_owned())
    } else {
        database_error(&app).await
    };
    if error.is_some() {
        let ready = Ready {
            status: "not ready",
            error,
        };
        return (StatusCode::SERVICE_UNAVAILABLE, Json(ready)).into_response();
    }
    Json(Ready {
        status: "ready",
        error,
    })
    .into_response()
}

/// Is the process alive? Looks at nothing else
#[utoipa::path(
    get, path = "/health/live", operation_id = "health_live", tag = "monitoring",
    responses((status = 200, description = "It is", body = Alive)),
)]
pub async fn live(State(app): State<SharedApp>) -> Json<Alive> {
    Json(Alive {
        status: "alive",
        timestamp: app.clock.now(),
    })
}

/// Anyone may ask for health: the answer names no host and no cause, the log does.
async fn database_error(app: &App) -> Option<String> {
    let check = async {
        let connection = app.db.connection().await?;
        migrations::check(&connection, MIGRATIONS).await
    };
    let error = check.await.err()?;
    tracing::warn!("the database is not usable: {error:#}");
    Some(if crate::db::is_unavailable(&error) {
        "the database cannot be reached".to_owned()
    } else {
        "the database does not have this version's schema".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use crate::{metrics::VerificationLabels, testing};

    #[tokio::test]
    async fn a_central_with_its_database_is_healthy_ready_and_alive() {
        let central = testing::central().await;
        for (path, status) in [
            ("/health", "healthy"),
            ("/health/ready", "ready"),
            ("/health/live", "alive"),
        ] {
            let answer = central.get(path).await;
            assert_eq!(
                (answer.status, &answer.json["status"]),
                (200, &status.into()),
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn a_central_without_its_database_is_alive_but_neither_healthy_nor_ready() {
        let central = testing::central().await;
        central.app.db.close();
        for path in ["/health", "/health/ready"] {
            assert_eq!(central.get(path).await.status, 503, "{path}");
        }
        assert_eq!(central.get("/health/live").await.status, 200);
    }

    #[tokio::test]
    async fn a_central_that_shuts_down_is_not_ready() {
        let central = testing::central().await;
        central.app.shutdown.request();
        assert_eq!(central.get("/health/ready").await.status, 503);
    }

    #[tokio::test]
    async fn the_promised_metrics_are_there() {
        let central = testing::central().await;
        central.get("/health/live").await;
        let metrics = &central.app.metrics;
        let labels = VerificationLabels {
            status: "granted".into(),
            location: "1".into(),
        };
        metrics.verifications.get_or_create(&labels).inc();
        let text = central.get("/metrics").await.text;
        for name in [
            "http_requests_total{method=\"GET\",route=\"/health/live\",status=\"200\"} 1",
            "http_request_duration_seconds_count",
            "student_pass_verifications_total{status=\"granted\",location=\"1\"} 1",
            "student_pass_active_users{user_type=\"gate\"} 0",
        ] {
            assert!(text.contains(name), "{name} is missing from\n{text}");
        }
    }
}

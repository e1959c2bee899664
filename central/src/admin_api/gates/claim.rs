//! POST /api/v1/schools/{school_id}/gates/{gate_id}/claim

use std::{net::IpAddr, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared::{
    document::SignedKind as _,
    enrolment::{CLAIM_LIFETIME_S, Claim},
    ids::Digest,
    root_set::RootSet,
    time::UtcSeconds,
};
use utoipa::ToSchema;

use super::{GatePath, not_found};
use crate::{
    admin_api::schools,
    app::{App, SharedApp},
    db::{
        Transaction, gate_claims, gates,
        signed_documents::{self, Subject},
    },
    extract::{Json, Path},
    instant::UtcInstant,
    openapi::{Conflict, NotFound},
    problem::{Kind, Problem},
    qr,
};

const ROOT_SET_MISSING: Kind = Kind::new(
    StatusCode::CONFLICT,
    "root_set_missing",
    "Central has no keys yet",
);
const ADDRESS_UNKNOWN: Kind = Kind::new(
    StatusCode::CONFLICT,
    "public_url_missing",
    "Central does not know under which address gates reach it",
);
const GATE_RETIRED: Kind = Kind::new(StatusCode::CONFLICT, "gate_retired", "The gate is retired");

/// What a technician carries to a gate. It is shown this once, is good for an hour and for one
/// enrolment, and whoever has it can become the gate.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedClaim {
    /// To be typed, or shown as the QR code.
    #[schema(example = "PC1:6BF…")]
    text: String,
    /// The text as a QR code, for the gate's own camera.
    qr_svg: String,
    /// The file `claim.toml`, for `gate-agent enrol --claim-file`.
    claim_toml: String,
    /// The address that the gate will call.
    address: String,
    /// First instant at which it is no longer good.
    expires_at: UtcInstant,
    /// SHA-256 of the signed root set that the gate will pin.
    root_set_sha256: String,
}

/// Make a claim, by which a box becomes this gate
///
/// An earlier claim of the gate is void. For a gate that is enrolled already the new box takes the
/// old one's place when it proves the claim: from then on the old one is told that it was replaced.
/// Answers are not stored, so this takes no Idempotency-Key: ask again for another claim.
#[utoipa::path(
    post, path = "/api/v1/schools/{school_id}/gates/{gate_id}/claim", operation_id = "claim_gate",
    tag = "gates",
    params(GatePath),
    responses((status = 201, description = "The claim", body = IssuedClaim), NotFound, Conflict),
    security(("administrator" = [])),
)]
pub async fn claim(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
) -> Result<Response, Problem> {
    check_address(&app.public_url)?;
    let root_set = newest_root_set(&app).await?;
    let transaction = schools::begin_in(&app, school_id).await?;
    let issued = make(&app, &transaction, gate_id, root_set).await?;
    transaction.commit().await?;
    tracing::info!(
        gate.id = %gate_id,
        "a claim for the gate {gate_id} was made; it is good until {}", issued.expires_at
    );
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(issued)).into_response())
}

async fn make(
    app: &App,
    transaction: &Transaction,
    gate_id: crate::ids::GateId,
    root_set: Digest,
) -> Result<IssuedClaim, Problem> {
    let nonce = app.randomness.bytes();
    let expires_at = app.clock.now().plus(Duration::from_secs(CLAIM_LIFETIME_S));
    let name = gate_claims::put(transaction, gate_id, &nonce, expires_at, root_set).await?;
    let Some(name) = name else {
        return Err(match gates::get(transaction, gate_id).await? {
            Some(_) => GATE_RETIRED.because("Create another gate and claim that."),
            None => not_found(gate_id),
        });
    };
    let claim = Claim {
        address: app.public_url.clone(),
        gate: gate_id.into(),
        secret: *app.claims.secret(gate_id, &nonce),
        expires_at: UtcSeconds(expires_at.unix_seconds()),
        root_set,
        tls_key: None,
    };
    let text = claim.to_text();
    Ok(IssuedClaim {
        qr_svg: qr::svg(&text)?,
        claim_toml: toml_file(&name, &text, expires_at),
        text,
        address: claim.address.clone(),
        expires_at,
        root_set_sha256: root_set.to_string(),
    })
}

/// A comment for people and the one key that programs read.
fn toml_file(name: &str, text: &str, expires_at: UtcInstant) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    format!(
        "# Claim for the gate \"{name}\", good until {expires_at} and for one enrolment.\n\
         # Whoever has this file can become the gate: delete it afterwards.\n\
         claim = \"{text}\"\n"
    )
}

/// A claim that names an address nobody can call is worse than none.
fn check_address(public_url: &str) -> Result<(), Problem> {
    let host = public_url.split("://").nth(1).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let is_unspecified = host
        .trim_matches(['[', ']'])
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified());
    if is_unspecified {
        return Err(ADDRESS_UNKNOWN.because(
            "Central listens on every address of its machine. Start it with --public-url, such as \
             --public-url https://passes.example.org, and make the claim again.",
        ));
    }
    Ok(())
}

async fn newest_root_set(app: &App) -> Result<Digest, Problem> {
    let transaction = app.db.begin_across_schools().await?;
    let kind = RootSet::EXTERNAL_DATA;
    let newest = signed_documents::newest_name(&transaction, kind, Subject::Central).await?;
    newest.map(|newest| newest.digest).ok_or_else(|| {
        ROOT_SET_MISSING.because(
            "Run `central keys init --small-school`, or publish a root set, and try again.",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_claim_is_text_code_and_file_alike_and_no_secret_is_stored() {
        let central = testing::central().await;
        central.keys().await;
        let site = central.site().await;
        let path = format!("{}/gates/{}/claim", site.school, site.gate_id);
        let answer = central.post(&path, json!(null)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.header("cache-control"), "no-store");
        let text = answer.json["text"].as_str().unwrap();
        let claim = Claim::from_text(text).unwrap();
        assert_eq!(claim.address, "http://central.test");
        assert_eq!(claim.gate, site.gate_id.into());
        assert_eq!(answer.json["expires_at"], "2026-09-01T09:00:00Z");
        let file = answer.json["claim_toml"].as_str().unwrap();
        let file: toml::Table = file.parse().unwrap();
        assert_eq!(file["claim"].as_str(), Some(text));
        assert_eq!(answer.json["qr_svg"], Value::String(qr::svg(text).unwrap()));
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let row = transaction
            .query_one("SELECT row_to_json(gates)::text FROM gates", &[])
            .await
            .unwrap();
        let secret = Digest(claim.secret).to_string();
        assert!(!row.get::<_, &str>(0).contains(&secret));
    }

    #[tokio::test]
    async fn a_claim_that_could_not_work_is_not_made() {
        let central = testing::central().await;
        let site = central.site().await;
        let path = format!("{}/gates/{}", site.school, site.gate_id);
        let code = async |path: &str| {
            let answer = central.post(&format!("{path}/claim"), json!(null)).await;
            (answer.status, answer.json["code"].clone())
        };
        assert_eq!(code(&path).await, (409, json!("root_set_missing")));
        central.keys().await;
        let other = central.school_path().await;
        let elsewhere = format!("{other}/gates/{}", site.gate_id);
        assert_eq!(code(&elsewhere).await, (404, json!("gate_not_found")));
        central.post(&format!("{path}/retire"), json!(null)).await;
        assert_eq!(code(&path).await, (409, json!("gate_retired")));
    }

    #[test]
    fn an_address_that_nobody_can_call_is_refused_with_the_flag_to_set() {
        for (address, is_usable) in [
            ("http://0.0.0.0:8480", false),
            ("http://[::]:8480", false),
            ("http://127.0.0.1:8480", true),
            ("https://passes.example.org", true),
        ] {
            assert_eq!(check_address(address).is_ok(), is_usable, "{address}");
        }
    }
}

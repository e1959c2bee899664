//! POST /gate/v1/time: central's time, signed and bound to a nonce. Anyone may ask: a gate that
//! cannot sign an acceptable request yet must be able to.

use axum::{extract::State, http::Request, response::Response};
use shared::{
    gate_api::{TimeRequest, read},
    heads::SignedTime,
    time::UtcSeconds,
};

use super::{Refused, answer, authentication};
use crate::app::{App, SharedApp};

/// A version and a nonce.
const BODY_LIMIT: usize = 256;

/// Answers a [`TimeRequest`] with a signed [`SignedTime`].
///
/// # Errors
/// [`Refused`] when it cannot be read, or the signer does not run.
pub async fn post(
    State(app): State<SharedApp>,
    request: Request<axum::body::Body>,
) -> Result<Response, Refused> {
    let body = authentication::read_strangers_body(request.into_body(), BODY_LIMIT).await?;
    let _permit = app.gates.bounds.stranger().await?;
    let request: TimeRequest = read(&body).map_err(Refused::malformed)?;
    Ok(answer(sign(&app, request.nonce).await?))
}

/// The time, bound to `nonce`.
pub(super) async fn sign(app: &App, nonce: [u8; 16]) -> anyhow::Result<Vec<u8>> {
    let utc = UtcSeconds(app.clock.now().unix_seconds());
    app.statements.sign(&SignedTime { nonce, utc }).await
}

#[cfg(test)]
mod tests {
    use shared::{
        cbor, document,
        gate_api::{API_VERSION, path},
    };

    use super::*;
    use crate::testing::{self, TestCentral};

    #[tokio::test]
    async fn anyone_is_told_the_time_bound_to_their_nonce() {
        let central = testing::central().await;
        central.keys().await;
        let request = TimeRequest {
            version: API_VERSION,
            nonce: [7; 16],
        };
        let answer = central
            .send_unsigned(path::TIME, cbor::encode(&request))
            .await;
        let time =
            document::open::<SignedTime>(&answer.bytes, &TestCentral::statement_ring()).unwrap();
        assert_eq!(time.document().nonce, [7; 16]);
        assert_eq!(
            time.document().utc.0,
            central.app.clock.now().unix_seconds()
        );
    }
}

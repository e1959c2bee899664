//! POST /gate/v1/issued-range: digests of issued passes. Unsigned: the gate checks them against
//! the issued list's chain.

use axum::{extract::State, response::Response};
use shared::{
    cbor,
    gate_api::{IssuedRangeRequest, RefusalCode},
    issued_list::IssuedRange,
};

use super::{Refused, answer, authentication::Signed};
use crate::{app::SharedApp, db::issued_digests};

/// Answers an [`IssuedRangeRequest`] with an [`IssuedRange`], which ends where no more were
/// issued.
///
/// # Errors
/// [`Refused`] when none of the range was issued, or not by the gate's school.
pub async fn post(
    State(app): State<SharedApp>,
    request: Signed<IssuedRangeRequest>,
) -> Result<Response, Refused> {
    let Signed { gate, message, .. } = &request;
    let transaction = app.db.begin_in_school(gate.school_id).await?;
    let range = (message.first, message.count);
    let digests = issued_digests::read(&transaction, message.kid, range).await?;
    transaction.commit().await?;
    let Some(digests) = digests else {
        return Err(Refused::new(
            RefusalCode::NotFound,
            format!(
                "Central has issued no pass {}/{}.",
                message.kid, message.first
            ),
        ));
    };
    Ok(answer(cbor::encode(&IssuedRange {
        kid: message.kid,
        first: message.first,
        digests: digests.into(),
    })))
}

#[cfg(test)]
mod tests {
    use shared::{
        gate_api::{API_VERSION, path, read},
        ids::{Kid, PassDigest, Serial},
    };

    use super::*;
    use crate::testing::{self, Answer, Site, TestCentral, TestGate};

    const KID: Kid = Kid([1; 8]);

    async fn ready() -> (TestCentral, Site, TestGate) {
        let central = testing::central().await;
        let site = central.site().await;
        let gate = central.enrolled(&site).await;
        central.issuer_key(&site, KID).await;
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction
            .execute(
                "INSERT INTO passes (kid, serial, school_id, holder_kind, not_before, expires_at, uses_max, levels, \
                     pass_bytes, digest, created_at) \
                 SELECT $1, serial, $2, 0, now(), now(), 0, '{}', '', int8send(serial), now() \
                 FROM generate_series(0, 9) AS serial",
                &[&KID.0.as_slice(), &site.school_id],
            )
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        (central, site, gate)
    }

    async fn ask(
        central: &TestCentral,
        gate: &mut TestGate,
        kid: Kid,
        first: u32,
        count: u32,
    ) -> Answer {
        let request = IssuedRangeRequest {
            version: API_VERSION,
            kid,
            first: Serial(first),
            count,
        };
        gate.send(central, path::ISSUED_RANGE, &request).await
    }

    #[tokio::test]
    async fn digests_come_by_serial_as_far_as_passes_were_issued() {
        let (central, _, mut gate) = ready().await;
        for (first, count, expected) in [(0, 10, 0..10), (3, 2, 3..5), (8, 65_536, 8..10)] {
            let answer = ask(&central, &mut gate, KID, first, count).await;
            let range: IssuedRange = read(&answer.bytes).unwrap();
            let expected = expected.map(|serial: u64| PassDigest(serial.to_be_bytes()));
            assert_eq!(range.digests(), Some(expected.collect()));
            assert_eq!((range.kid, range.first), (KID, Serial(first)));
        }
    }

    #[tokio::test]
    async fn what_was_not_issued_or_by_another_school_is_not_found() {
        let (central, _, mut gate) = ready().await;
        for (kid, first) in [(KID, 10), (Kid([2; 8]), 0)] {
            let refusal = ask(&central, &mut gate, kid, first, 1).await.refusal();
            assert_eq!(refusal.code, RefusalCode::NotFound);
        }
        let other = central.site().await;
        let claim = central.claim(&other).await;
        let mut stranger = central.enrol(&claim, 99).await;
        let refusal = ask(&central, &mut stranger, KID, 0, 1).await.refusal();
        assert_eq!(refusal.code, RefusalCode::NotFound);
        for (first, count) in [(0, 0), (0, 65_537), (u32::MAX, 1)] {
            let refusal = ask(&central, &mut gate, KID, first, count).await.refusal();
            assert_eq!(refusal.code, RefusalCode::Malformed);
        }
    }

    #[tokio::test]
    async fn a_hole_among_the_serials_is_never_papered_over() {
        let (central, _, mut gate) = ready().await;
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let delete = "DELETE FROM passes WHERE serial = 4";
        transaction.batch_execute(delete).await.unwrap();
        transaction.commit().await.unwrap();
        for (first, status) in [(0, 503), (4, 503), (5, 200)] {
            assert_eq!(
                ask(&central, &mut gate, KID, first, 10).await.status,
                status
            );
        }
    }
}

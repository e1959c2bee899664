//! GET /api/v1/schools/{school_id}/gates/{gate_id}/carry

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use shared::carry::{MEDIA_TYPE, documents_file_name};

use super::GatePath;
use crate::{
    app::SharedApp,
    carry,
    extract::Path,
    openapi::{Conflict, NotFound},
    problem::Problem,
};

/// The file that a stick carries to a gate without a network
///
/// Everything signed that the gate would have pulled just now: save it on a stick under the name
/// that the answer gives, and run `gate-agent carry` at the gate. The gate believes nothing because
/// it came by stick, and takes its age from the signed date of this moment. The file holds the
/// names of the people whom the gate recognises: keep it so.
#[utoipa::path(
    get, path = "/api/v1/schools/{school_id}/gates/{gate_id}/carry", operation_id = "carry_documents",
    tag = "gates",
    params(GatePath),
    responses(
        (status = 200, description = "The file (`docs/formats.md`), as long as it is", body = Vec<u8>,
            content_type = "application/cbor-seq"),
        NotFound, Conflict,
    ),
    security(("administrator" = [])),
)]
pub async fn carry_documents(
    State(app): State<SharedApp>,
    Path(GatePath { school_id, gate_id }): Path<GatePath>,
) -> Result<Response, Problem> {
    let gate = carry::enrolled(&app, school_id, gate_id).await?;
    let name = documents_file_name(gate_id.into());
    let body = carry::documents(&app, gate).await?;
    tracing::info!(gate.id = %gate_id, "a file for a stick to the gate {gate_id} is made");
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, body).into_response())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::{
        carry::{Direction, Item, Splitter},
        configuration::Configuration,
        decision::Decision,
        document::{self, Header, SignedKind as _},
        gate_api::{DocumentName, path},
        heads::{Acknowledgement, Heads},
        ids::{CentralEpoch, Digest, DocumentNumber, Kid, Serial},
        issued_list::{Growth, IssuedList},
        order::Order,
        roster::Roster,
        status_list::StatusList,
        time::UtcSeconds,
    };

    use crate::{
        db::signed_documents::Subject,
        keys::PrivateKey,
        testing::{self, Answer, Site, TestCentral},
    };

    const KID: Kid = Kid([1; 8]);

    fn items(answer: &Answer) -> Vec<Item> {
        let mut splitter = Splitter::default();
        splitter.push(&answer.bytes);
        let mut items = Vec::new();
        while let Some((_, bytes)) = splitter.next_item().unwrap() {
            items.push(Item::read(bytes).unwrap().unwrap());
        }
        assert_eq!(splitter.left(), 0);
        items
    }

    fn carry_path(site: &Site) -> String {
        format!("{}/gates/{}/carry", site.school, site.gate_id)
    }

    /// An issued list of two ranges, a status list, a roster, and orders of two epochs.
    async fn publish(central: &TestCentral, site: &Site) {
        central.issuer_key(site, KID).await;
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        transaction
            .execute(
                "INSERT INTO passes (kid, serial, school_id, holder_kind, not_before, expires_at, uses_max, levels, \
                     pass_bytes, digest, created_at) \
                 SELECT $1, serial, $2, 0, now(), now(), 0, '{}', '', int8send(serial), now() \
                 FROM generate_series(0, 65540) AS serial",
                &[&KID.0.as_slice(), &site.school_id],
            )
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let list = IssuedList {
            header: Header {
                number: DocumentNumber {
                    epoch: CentralEpoch(1),
                    n: 4,
                },
                made_at: UtcSeconds(1_788_249_600),
                expires_at: UtcSeconds(1_788_336_000),
            },
            kid: KID,
            count: 65_540,
            growth: Growth::Open,
            chain: Digest([7; 32]),
        };
        let list = document::sign(&list, &PrivateKey::from_seed(&[13; 32])).unwrap();
        let own = Subject::Gate(site.gate_id);
        let of_key = Subject::Issuer(KID);
        central
            .store(IssuedList::EXTERNAL_DATA, of_key, 4, &list)
            .await;
        for (kind, subject, n) in [
            (StatusList::EXTERNAL_DATA, of_key, 3),
            (Roster::EXTERNAL_DATA, own, 11),
            (Configuration::EXTERNAL_DATA, own, 12),
        ] {
            let bytes = format!("{kind} {n}");
            central.store(kind, subject, n, bytes.as_bytes()).await;
        }
        for n in 1..=103 {
            let bytes = format!("order {n}");
            central
                .store(Order::EXTERNAL_DATA, own, n, bytes.as_bytes())
                .await;
        }
    }

    #[tokio::test]
    async fn the_file_holds_everything_that_the_gate_would_have_pulled_and_an_end() {
        let central = testing::central().await;
        let site = central.site().await;
        let mut gate = central.enrolled(&site).await;
        publish(&central, &site).await;
        for _ in 0..3 {
            gate.scan(&central, site.entry_id, Decision::Grant);
        }
        let batch = gate.batch(1, 3);
        let pushed = gate.send(&central, path::JOURNAL, &batch).await;
        assert_eq!(pushed.status, 200);

        let answer = central.get(&carry_path(&site)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/cbor-seq");
        assert_eq!(answer.header("cache-control"), "no-store");
        let id = shared::ids::GateId::from(site.gate_id);
        assert_eq!(
            answer.header("content-disposition"),
            format!("attachment; filename=\"portcullis-{id}.carry\"")
        );
        let items = items(&answer);
        let Some(Item::Header(header)) = items.first() else {
            panic!("no header");
        };
        assert_eq!(header.check(Direction::ToGate, id), Ok(()));
        let before_end = items.len() as u64 - 1;
        assert_eq!(items.last(), Some(&Item::End(before_end)));
        let ring = TestCentral::statement_ring();
        let Item::Heads(heads) = &items[1] else {
            panic!("no heads");
        };
        let heads = document::open::<Heads>(heads, &ring).unwrap();
        assert_eq!(heads.document().gate, id);
        assert_eq!(heads.document().issuers.len(), 1);
        let Item::Acknowledgement(acknowledgement) = &items[2] else {
            panic!("no acknowledgement");
        };
        let acknowledgement = document::open::<Acknowledgement>(acknowledgement, &ring).unwrap();
        assert_eq!(acknowledgement.document().position, gate.state.position);
        assert_eq!(acknowledgement.document().hash, gate.state.hash);

        let named: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Document(name, number, _) => Some((*name, number.n)),
                _ => None,
            })
            .collect();
        assert_eq!(
            named,
            [
                (DocumentName::RootSet, 1),
                (DocumentName::TrustList, 1),
                (DocumentName::Configuration, 12),
                (DocumentName::StatusList(KID), 3),
                (DocumentName::IssuedList(KID), 4),
                (DocumentName::Roster, 11),
            ]
        );
        let orders = items.iter().filter_map(|item| match item {
            Item::Order(number, bytes) => Some((number.n, bytes.to_vec())),
            _ => None,
        });
        let expected = (1..=103).map(|n: u64| (n, format!("order {n}").into_bytes()));
        assert!(orders.eq(expected));
        let ranges: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::IssuedRange(range) => Some((range.first, range.digests.len() / 8)),
                _ => None,
            })
            .collect();
        assert_eq!(
            ranges,
            [(Serial(0), 65_536), (Serial(65_536), 4)],
            "no further than the list goes, though another pass was issued"
        );
    }

    #[tokio::test]
    async fn each_file_has_heads_of_a_later_number() {
        let central = testing::central().await;
        let site = central.site().await;
        central.enrolled(&site).await;
        let mut numbers = Vec::new();
        for _ in 0..2 {
            let items = items(&central.get(&carry_path(&site)).await);
            let Item::Heads(heads) = &items[1] else {
                panic!("no heads");
            };
            let ring = TestCentral::statement_ring();
            let heads = document::open::<Heads>(heads, &ring).unwrap();
            numbers.push(heads.document().header.number.n);
        }
        assert!(numbers[0] < numbers[1], "{numbers:?}");
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_has_no_end() {
        let central = testing::central().await;
        let site = central.site().await;
        central.enrolled(&site).await;
        publish(&central, &site).await;
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let delete = "DELETE FROM passes WHERE serial = 70";
        transaction.batch_execute(delete).await.unwrap();
        transaction.commit().await.unwrap();
        let request = axum::http::Request::get(carry_path(&site))
            .header("authorization", format!("Bearer {}", central.token))
            .body(axum::body::Body::empty())
            .unwrap();
        let response = tower::ServiceExt::oneshot(central.router(), request)
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let whole = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        assert!(whole.is_err(), "a client must see that it broke off");
    }

    #[tokio::test]
    async fn a_gate_without_a_box_and_one_of_another_school_get_no_file() {
        let central = testing::central().await;
        let site = central.site().await;
        let code = async |path: &str| {
            let answer = central.get(path).await;
            (answer.status, answer.json["code"].clone())
        };
        let path = carry_path(&site);
        assert_eq!(code(&path).await, (409, json!("gate_not_enrolled")));
        central.enrolled(&site).await;
        let other = central.school_path().await;
        let elsewhere = format!("{other}/gates/{}/carry", site.gate_id);
        assert_eq!(code(&elsewhere).await, (404, json!("gate_not_found")));
        assert_eq!(central.get(&path).await.status, 200);
        let anonymous = central.send_as(None, "GET", &path, None).await;
        assert_eq!(anonymous.status, 401);
        let retire = format!("{}/gates/{}/retire", site.school, site.gate_id);
        central.post(&retire, json!(null)).await;
        assert_eq!(code(&path).await, (409, json!("gate_not_enrolled")));
    }
}

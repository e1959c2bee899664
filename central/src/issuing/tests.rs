//! Issuing beside everything else that happens to an issuer key, in one process and in two.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};
use shared::{
    ids::{PassDigest, Serial},
    issued_list::{CHAIN_START, Growth, IssuedList, extend_chain},
    status_list::{StatusList, StatusSets},
};
use tokio::task::JoinHandle;

use crate::{
    db::{self, Transaction, issued_digests, signed_documents::Subject},
    ids::Kid,
    testing::{self, Answer, TestCentral, keys::central_with_keys},
};

/// Of passes in the test's bulk issue: the second batch is held up.
const MANY: i32 = 1_100;
/// Far less than a statement waits for a lock.
const AT_ONCE: Duration = Duration::from_secs(5);

struct School {
    path: String,
    kid: String,
    holders: Vec<Value>,
}

impl School {
    fn kid(&self) -> Kid {
        self.kid.parse().unwrap()
    }

    fn pass(&self, serial: i32, verb: &str) -> String {
        format!("{}/passes/{}/{serial}/{verb}", self.path, self.kid)
    }

    fn body(&self, holders: &[Value]) -> Value {
        let template = json!({"expires_at": "2027-07-31T00:00:00Z", "levels": []});
        json!({"holders": holders, "template": template})
    }

    async fn issue(&self, central: &TestCentral, count: usize) -> Answer {
        let body = self.body(&self.holders[..count]);
        let path = format!("{}/passes/batch", self.path);
        central.post(&path, body).await
    }
}

/// A school with students and an issuer key, under which three passes are issued.
async fn ready() -> (TestCentral, School) {
    let (central, keys) = central_with_keys().await;
    let path = central.school_path().await;
    let kid = keys.issuer(&central, &path).await;
    let school_id = path.rsplit('/').next().unwrap();
    let transaction = central.app.db.begin_across_schools().await.unwrap();
    let sql = format!(
        "INSERT INTO students (student_id, school_id, holder_number, student_number, name, created_at) \
         SELECT gen_random_uuid(), '{school_id}', n, 'S' || n, 'Student ' || n, now() \
         FROM generate_series(1, {MANY}) AS n RETURNING student_id"
    );
    let rows = transaction.query(&sql, &[]).await.unwrap();
    transaction.commit().await.unwrap();
    let holders = rows
        .iter()
        .map(|row| json!({"student_id": row.get::<_, uuid::Uuid>(0)}))
        .collect();
    let school = School { path, kid, holders };
    assert_eq!(school.issue(&central, 3).await.status, 201);
    (central, school)
}

/// Stands where a pass with this serial would be stored.
async fn stray(central: &TestCentral, serial: i32) -> Transaction {
    let transaction = central.app.db.begin_across_schools().await.unwrap();
    let stray = "INSERT INTO passes (kid, serial, school_id, holder_kind, not_before, expires_at, uses_max, \
            levels, pass_bytes, digest, created_at) \
        SELECT kid, $1, school_id, 0, now(), now(), 0, '{}', '', '\\x0000000000000000', now() \
        FROM signing_keys WHERE state = 'open' AND purpose = 'issuer'";
    assert_eq!(transaction.execute(stray, &[&serial]).await.unwrap(), 1);
    transaction
}

/// A bulk issue that is held up in the middle of its transaction, until what is returned with it is
/// dropped.
async fn held_issue(central: &TestCentral, school: &School) -> (JoinHandle<Answer>, Transaction) {
    let stray = stray(central, MANY - 50).await;
    let request = Request::post(format!("{}/passes/batch", school.path))
        .header(header::AUTHORIZATION, format!("Bearer {}", central.token))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(school.body(&school.holders).to_string()))
        .unwrap();
    let issue = tokio::spawn(testing::send(central.router(), request));
    let owner = db::connect(&central.database.owner).await.unwrap();
    let is_held = "SELECT FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let held = async {
        while owner.query_opt(is_held, &[]).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let held = tokio::time::timeout(Duration::from_secs(30), held).await;
    held.expect("the bulk issue meets the stray row");
    (issue, stray)
}

async fn at_once(central: &TestCentral, path: &str) -> Answer {
    let answer = tokio::time::timeout(AT_ONCE, central.post(path, json!({}))).await;
    let answer = answer.unwrap_or_else(|_| panic!("{path} waits for the bulk issue"));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

async fn status(central: &TestCentral, kid: Kid) -> (Vec<u32>, Vec<u32>) {
    let list = central.newest::<StatusList>(Subject::Issuer(kid.0)).await;
    let sets = StatusSets::decode(list.document()).unwrap();
    (sets.revoked, sets.suspended)
}

async fn issued_list(central: &TestCentral, kid: Kid) -> IssuedList {
    central.newest(Subject::Issuer(kid.0)).await.into_document()
}

/// The issued list is that of the stored passes, whose serials are dense.
async fn assert_listed(central: &TestCentral, kid: Kid, count: u32) {
    let transaction = central.app.db.begin_across_schools().await.unwrap();
    let digests = issued_digests::read(&transaction, kid.0, (Serial(0), 10_000))
        .await
        .unwrap()
        .unwrap();
    let digests = digests
        .chunks(8)
        .map(|digest| PassDigest(digest.try_into().unwrap()));
    let list = issued_list(central, kid).await;
    assert_eq!((list.count, digests.len()), (count, count as usize));
    assert_eq!(list.chain, extend_chain(CHAIN_START, digests));
}

#[tokio::test]
async fn a_state_changes_and_is_published_while_thousands_are_issued_under_the_key() {
    let (central, school) = ready().await;
    let other = central.another();
    let (issue, stray) = held_issue(&central, &school).await;

    at_once(&central, &school.pass(0, "revoke")).await;
    assert_eq!(status(&central, school.kid()).await, (vec![0], vec![]));
    at_once(&other, &school.pass(2, "revoke")).await;
    at_once(&central, &school.pass(1, "suspend")).await;
    assert_eq!(status(&central, school.kid()).await, (vec![0, 2], vec![1]));
    at_once(&other, &school.pass(1, "reinstate")).await;
    assert_eq!(status(&central, school.kid()).await, (vec![0, 2], vec![]));
    // What is not issued is not revoked: no list names it.
    let unborn = central.post(&school.pass(3, "revoke"), json!({})).await;
    assert_eq!(unborn.json["code"], "pass_not_found");
    assert!(!issue.is_finished());

    drop(stray);
    let issued = issue.await.unwrap();
    assert_eq!(issued.status, 201, "{}", issued.text);
    at_once(&other, &school.pass(MANY, "revoke")).await;
    let last = MANY.unsigned_abs();
    assert_eq!(
        status(&central, school.kid()).await,
        (vec![0, 2, last], vec![])
    );
    assert_listed(&central, school.kid(), last + 3).await;
}

#[tokio::test]
async fn a_key_that_is_frozen_while_thousands_are_issued_gets_none_of_them() {
    let (central, school) = ready().await;
    let (issue, stray) = held_issue(&central, &school).await;

    let freeze = format!("{}/issuer-keys/{}/freeze", school.path, school.kid);
    let frozen = at_once(&central, &freeze).await;
    assert_eq!(frozen.json["state"], "frozen");
    let list = issued_list(&central, school.kid()).await;
    assert_eq!((list.count, list.growth), (3, Growth::Frozen));
    // Under the key that took its place, at once as well.
    let next = tokio::time::timeout(AT_ONCE, school.issue(&central, 1)).await;
    let next = next.expect("another key is numbered by itself");
    assert_eq!(next.status, 201, "{}", next.text);
    assert_ne!(next.json["kid"], json!(school.kid));

    drop(stray);
    let refused = issue.await.unwrap();
    assert_eq!(
        (refused.status, &refused.json["code"]),
        (409, &json!("issuer_key_withdrawn"))
    );
    assert_eq!(issued_list(&central, school.kid()).await, list);
    let transaction = central.app.db.begin_across_schools().await.unwrap();
    let stored = "SELECT count(*) FROM passes WHERE kid = $1";
    let stored = transaction.query_one(stored, &[&school.kid()]).await;
    assert_eq!(stored.unwrap().get::<_, i64>(0), 3);
    let again = school.issue(&central, 2).await;
    assert_eq!(
        (&again.json["kid"], &again.json["passes"][0]["serial"]),
        (&next.json["kid"], &json!(1))
    );
}

#[tokio::test]
async fn serials_that_were_signed_and_not_stored_are_issued_by_whichever_central_comes_next() {
    let (central, school) = ready().await;
    let other = central.another();
    let first = async |central: &TestCentral, count: usize| {
        let issued = school.issue(central, count).await;
        assert_eq!(issued.status, 201, "{}", issued.text);
        issued.json["passes"][0]["serial"].as_i64().unwrap()
    };
    for goes_on in [&central, &other] {
        // Signs up to ten serials, and stores none of them.
        let taken = first(&central, 1).await + 1;
        let taken = i32::try_from(taken).unwrap();
        stray(&central, taken + 5).await.commit().await.unwrap();
        assert_eq!(school.issue(&central, 10).await.status, 500);
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let clear = "DELETE FROM passes WHERE octet_length(pass_bytes) = 0";
        assert_eq!(transaction.execute(clear, &[]).await.unwrap(), 1);
        transaction.commit().await.unwrap();

        let taken = i64::from(taken);
        assert_eq!(first(goes_on, 2).await, taken);
        assert_eq!(first(&central, 2).await, taken + 2);
        assert_eq!(first(&other, 10).await, taken + 4);
        assert_eq!(first(&central, 1).await, taken + 14);
    }
    assert_listed(&central, school.kid(), 3 + 2 * 16).await;
}

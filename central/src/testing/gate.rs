//! A gate for tests: it is enrolled with a claim, signs its requests, and keeps a journal.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use serde_json::json;
use shared::{
    cbor,
    configuration::Configuration,
    decision::{Decision, FreshnessStep, GuardOffer},
    document::{self, Header, SignedKind as _},
    enrolment::{Claim, EnrolAnswer, EnrolRequest, check_answer, fingerprint, prove_request},
    gate_api::{API_VERSION, HeadsRequest, JournalBatch, Refusal, path, read},
    ids::{
        AccessPointId, CentralEpoch, DocumentNumber, JournalPosition, Kid, PassId, ScanId, Serial,
    },
    journal::{
        ChainState, ClockTrust, Event, JournalHead, PersonalPart, PublicPart, Record, ScanOutcome,
    },
    keys::{KeyRing, PublicKey, Sign as _, sha256},
    request_signature::{CoveredRequest, SignedHeaders, sign_request},
    root_set::{RootSet, sign_by_roots},
    time::{Uptime, UtcSeconds},
    trust_list::TrustList,
};

use super::{Answer, STATEMENTS_KEK, Site, TestCentral};
use crate::{
    db::signed_documents::Subject,
    ids::GateId,
    keys::{PrivateKey, Purpose, sealing::KeyEncryptionKey},
};

/// The seed of every test's statement key.
const STATEMENT_SEED: [u8; 32] = [13; 32];

/// A gate that is enrolled.
#[derive(Clone, Debug)]
pub struct TestGate {
    /// Its id.
    pub gate_id: GateId,
    /// Its key.
    pub key: Arc<PrivateKey>,
    /// The next counter.
    pub counter: u64,
    /// What its screen shows.
    pub fingerprint: String,
    /// Its journal so far.
    pub journal: Vec<Record>,
    /// Where the chain stands.
    pub state: ChainState,
    /// Seconds by which its clock is ahead.
    pub clock_ahead_s: i64,
}

impl TestCentral {
    /// Makes a root set, a trust list and the statement key that it names.
    ///
    /// # Panics
    /// When they cannot be stored.
    pub async fn keys(&self) {
        let [root, registrar] = [11, 12].map(|seed| PrivateKey::from_seed(&[seed; 32]));
        let statement = PrivateKey::from_seed(&STATEMENT_SEED);
        let root_set = RootSet {
            header: self.header(1),
            threshold: 1,
            roots: vec![root.public()],
            registrars: vec![registrar.public()],
        };
        let root_set = sign_by_roots(&root_set, &[&root]).expect("a root set of the right form");
        let trust_list = TrustList {
            header: self.header(1),
            issuer_keys: vec![],
            statement_keys: vec![statement.public()],
        };
        let trust_list = document::sign(&trust_list, &registrar).expect("a list of the right form");
        self.store(RootSet::EXTERNAL_DATA, Subject::Central, 1, &root_set)
            .await;
        self.store(TrustList::EXTERNAL_DATA, Subject::Central, 1, &trust_list)
            .await;
        let sealed = KeyEncryptionKey::new(&STATEMENTS_KEK).seal(
            Purpose::Statement,
            &statement.public(),
            &statement.seed(),
            &self.app.randomness,
        );
        let transaction = self
            .app
            .db
            .begin_across_schools()
            .await
            .expect("a database");
        let now = self.app.clock.now();
        transaction
            .execute(
                "INSERT INTO signing_keys (kid, purpose, public_key, sealed_private, state, created_at, trusted_at) \
                 VALUES ($1, 'statement', $2, $3, 'open', $4, $4)",
                &[
                    &statement.kid().0.as_slice(),
                    &statement.public().0.as_slice(),
                    &sealed,
                    &now,
                ],
            )
            .await
            .expect("the key is stored");
        transaction.commit().await.expect("committed");
    }

    /// What checks central's statements.
    #[must_use]
    pub fn statement_ring() -> KeyRing {
        let key: PublicKey = PrivateKey::from_seed(&STATEMENT_SEED).public();
        KeyRing::new(&[key]).expect("a usable key")
    }

    fn header(&self, n: u64) -> Header {
        let now = UtcSeconds(self.app.clock.now().unix_seconds());
        Header {
            number: DocumentNumber {
                epoch: CentralEpoch(1),
                n,
            },
            made_at: now,
            expires_at: now.plus(300 * Header::DAY_S),
        }
    }

    /// Stores bytes as a signed document of this number.
    ///
    /// # Panics
    /// When they cannot be stored.
    pub async fn store(&self, kind: &str, subject: Subject, n: i64, bytes: &[u8]) {
        let transaction = self
            .app
            .db
            .begin_across_schools()
            .await
            .expect("a database");
        let now = self.app.clock.now();
        transaction
            .execute(
                "INSERT INTO signed_documents (kind, subject, epoch, n, school_id, made_at, expires_at, digest, \
                     document) \
                 SELECT $1, $2, (SELECT epoch FROM central_state), $3, \
                     COALESCE((SELECT school_id FROM gates WHERE uuid_send(gate_id) = $2), \
                         (SELECT school_id FROM signing_keys WHERE kid = $2)), $4, $4, $5, $6",
                &[
                    &kind,
                    &subject.bytes(),
                    &n,
                    &now,
                    &sha256(bytes).0.as_slice(),
                    &bytes,
                ],
            )
            .await
            .expect("the document is stored");
        transaction.commit().await.expect("committed");
    }

    /// Makes an open issuer key of a site's school, of which nobody has the private half.
    ///
    /// # Panics
    /// When it cannot be stored.
    pub async fn issuer_key(&self, site: &Site, kid: Kid) {
        let transaction = self
            .app
            .db
            .begin_across_schools()
            .await
            .expect("a database");
        let now = self.app.clock.now();
        let later = now.plus(std::time::Duration::from_secs(86_400));
        let public_key = [kid.0, kid.0, kid.0, kid.0].concat();
        transaction
            .execute(
                "INSERT INTO signing_keys (kid, purpose, school_id, public_key, sealed_private, state, signing_from,                      signing_until, verification_from, verification_until, created_at)                  VALUES ($1, 'issuer', $2, $3, '', CASE WHEN EXISTS (SELECT FROM signing_keys                      WHERE school_id = $2 AND state = 'open') THEN 'closed' ELSE 'open' END, $4, $5, $4, $5, $4)",
                &[&kid.0.as_slice(), &site.school_id, &public_key, &now, &later],
            )
            .await
            .expect("the key is stored");
        transaction.commit().await.expect("committed");
    }

    /// The same site at another gate of the school, which has no doors.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn another_gate(&self, site: &Site) -> Site {
        let made = self
            .post(
                &format!("{}/gates", site.school),
                json!({"name": "Library"}),
            )
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        let gate_id = made.json["gate_id"].as_str().and_then(|id| id.parse().ok());
        Site {
            gate_id: gate_id.expect("an id"),
            ..site.clone()
        }
    }

    /// Makes a claim for a site's gate.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn claim(&self, site: &Site) -> Claim {
        let path = format!("{}/gates/{}/claim", site.school, site.gate_id);
        let made = self.post(&path, json!(null)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        Claim::from_text(made.json["text"].as_str().expect("a text")).expect("a claim")
    }

    /// Sends a message that is not signed.
    pub async fn send_unsigned(&self, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::post(path).body(Body::from(body));
        self.send(request.expect("a valid request")).await
    }

    /// Enrols a site's gate, with keys and a configuration for it.
    ///
    /// # Panics
    /// When it cannot be enrolled.
    pub async fn enrolled(&self, site: &Site) -> TestGate {
        self.keys().await;
        self.enrolled_with_configuration(site, 21).await
    }

    /// The same when there are keys; the gate's key is that of the seed.
    ///
    /// # Panics
    /// When it cannot be enrolled.
    pub async fn enrolled_with_configuration(&self, site: &Site, seed: u8) -> TestGate {
        let subject = Subject::Gate(site.gate_id);
        self.store(Configuration::EXTERNAL_DATA, subject, 1, b"a configuration")
            .await;
        let claim = self.claim(site).await;
        self.enrol(&claim, seed).await
    }

    /// Proves a claim with the key of this seed.
    ///
    /// # Panics
    /// When central does not take it.
    pub async fn enrol(&self, claim: &Claim, seed: u8) -> TestGate {
        let key = PrivateKey::from_seed(&[seed; 32]);
        let request = EnrolRequest {
            gate: claim.gate,
            gate_key: key.public(),
            nonce: [seed; 16],
            version: "0.1.0".to_owned(),
        };
        let proven = prove_request(&request, &claim.secret);
        let answer = self.send_unsigned(path::ENROL, cbor::encode(&proven)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.refusal());
        let answer = cbor::decode_strict(&answer.bytes, usize::MAX).expect("a proven answer");
        let opened: EnrolAnswer = check_answer(&answer, &proven, &claim.secret).expect("proof");
        TestGate {
            gate_id: claim.gate.into(),
            key: Arc::new(key),
            counter: 1,
            fingerprint: fingerprint(&proven, &answer),
            journal: Vec::new(),
            state: ChainState::start(claim.gate, opened.journal_epoch),
            clock_ahead_s: 0,
        }
    }
}

impl Answer {
    /// The refusal that it is.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        read(&self.bytes).unwrap_or_else(|_| panic!("status {}, no refusal", self.status))
    }
}

impl TestGate {
    /// Sends a signed message.
    pub async fn send(
        &mut self,
        central: &TestCentral,
        path: &str,
        message: &impl minicbor::Encode<()>,
    ) -> Answer {
        let request = self.request(central, path, cbor::encode(message));
        central.send(request).await
    }

    /// Makes a signed request with the next counter.
    pub fn request(&mut self, central: &TestCentral, path: &str, body: Vec<u8>) -> Request<Body> {
        let headers = self.sign(central, path, &body);
        self.counter += 1;
        build(path, &headers, body)
    }

    /// Signs a request; the counter stays.
    #[must_use]
    pub fn sign(&self, central: &TestCentral, path: &str, body: &[u8]) -> SignedHeaders {
        let now = central.app.clock.now().unix_seconds();
        let covered = CoveredRequest {
            method: "POST",
            path,
            query: "?",
            body,
            counter: self.counter,
        };
        let created = UtcSeconds(now.saturating_add_signed(self.clock_ahead_s));
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.counter.to_be_bytes());
        sign_request(&covered, created, nonce, &*self.key)
    }

    /// Asks for heads without waiting.
    #[must_use]
    pub fn heads_request(&self, known: Option<DocumentNumber>) -> HeadsRequest {
        HeadsRequest {
            version: API_VERSION,
            known,
            wait_s: 0,
        }
    }

    /// Adds a record of a granted scan, made at this second by the gate's clock.
    pub fn record_at(&mut self, at: u64, place: i64) {
        let (event, personal) = self.scanned(place, Decision::Grant);
        self.append(UtcSeconds(at), event, Some(&personal));
    }

    /// Adds a record of a scan to the journal.
    pub fn scan(&mut self, central: &TestCentral, place: i64, decision: Decision) {
        let (event, personal) = self.scanned(place, decision);
        self.record(central, event, Some(&personal));
    }

    fn scanned(&self, place: i64, decision: Decision) -> (Event, PersonalPart) {
        let number = self.state.position.seq + 1;
        let outcome = ScanOutcome {
            scan: ScanId(number),
            access_point: AccessPointId(u32::try_from(place).expect("an id")),
            decision,
            also: vec![],
            offer: GuardOffer::None,
            alerts: vec![],
            freshness: FreshnessStep::Fresh,
            status_list: None,
            uses: None,
            proof_made_at: None,
        };
        let personal = PersonalPart {
            pass: Some(PassId {
                kid: Kid([1; 8]),
                serial: Serial(u32::try_from(number).expect("a short journal")),
            }),
            ..PersonalPart::default()
        };
        (Event::Scan(outcome), personal)
    }

    /// Adds a record to the journal.
    ///
    /// # Panics
    /// When the chain does not hold.
    pub fn record(&mut self, central: &TestCentral, event: Event, personal: Option<&PersonalPart>) {
        let now = central.app.clock.now().unix_seconds();
        self.append(UtcSeconds(now), event, personal);
    }

    fn append(&mut self, utc: UtcSeconds, event: Event, personal: Option<&PersonalPart>) {
        let position = JournalPosition {
            seq: self.state.position.seq + 1,
            ..self.state.position
        };
        let public = PublicPart {
            position,
            utc,
            uptime: Uptime(position.seq),
            clock: ClockTrust::Trusted,
            event,
        };
        let record = Record::new(&public, personal.map(|part| (part, [9; 16])));
        self.state = self.state.append(&record).expect("the next record");
        self.journal.push(record);
    }

    /// The chain's state after a record.
    fn state_at(&self, seq: u64) -> ChainState {
        let start = ChainState::start(self.gate_id.into(), self.state.position.epoch);
        let index = usize::try_from(seq).expect("a short journal");
        self.journal[..index].iter().fold(start, |state, record| {
            state.append(record).expect("the next record")
        })
    }

    /// Records of the journal by their numbers, first and last, with the head at the last.
    #[must_use]
    pub fn batch(&self, first: u64, last: u64) -> JournalBatch {
        let index = |seq: u64| usize::try_from(seq).expect("a short journal");
        JournalBatch {
            version: API_VERSION,
            first: JournalPosition {
                seq: first,
                ..self.state.position
            },
            records: self.journal[index(first - 1)..index(last)].to_vec(),
            head: self.head(self.state_at(last)).into(),
            anchor: None,
        }
    }

    /// A signed head.
    ///
    /// # Panics
    /// Never for a head of the right form.
    #[must_use]
    pub fn head(&self, state: ChainState) -> Vec<u8> {
        let head = JournalHead {
            gate: self.gate_id.into(),
            position: state.position,
            hash: state.hash,
            made_at: UtcSeconds(1_788_249_600),
        };
        document::sign(&head, &*self.key).expect("a head of the right form")
    }
}

/// A request with these headers.
///
/// # Panics
/// When they are none that a request may have.
#[must_use]
pub fn build(path: &str, headers: &SignedHeaders, body: Vec<u8>) -> Request<Body> {
    Request::post(path)
        .header("content-digest", &headers.content_digest)
        .header("portcullis-counter", &headers.counter)
        .header("signature-input", &headers.signature_input)
        .header("signature", &headers.signature)
        .body(Body::from(body))
        .expect("a valid request")
}

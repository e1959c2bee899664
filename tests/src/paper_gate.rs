//! A gate that exists on paper alone: a key, a journal and signed requests, without doors and
//! decisions. It can say what no real gate would, to see what central makes of it.

use anyhow::{Context, bail};
use minicbor::{Decode, Encode};
use reqwest::{Client, StatusCode};
use shared::{
    cbor, document,
    enrolment::{self, Claim, EnrolAnswer, EnrolRequest, Proven},
    gate_api::{API_VERSION, JournalBatch, MEDIA_TYPE, Refusal, path},
    ids::{AccessPointId, GateId, PassId, ScanId},
    journal::{
        ChainState, ClockTrust, Event, JournalHead, PersonalPart, PublicPart, Record, SALT_LENGTH,
    },
    keys::KeyRing,
    request_signature::{COUNTER_HEADER, CoveredRequest, sign_request},
    root_set::open_first_root_set,
    time::Uptime,
    trust_list::open_trust_list,
};

use crate::{clock, phone::TestKey};

/// The gate.
pub struct PaperGate {
    client: Client,
    address: String,
    key: TestKey,
    counter: u64,
    /// Who it is.
    pub id: GateId,
    /// What central answered to its enrolment.
    pub enrolled: EnrolAnswer,
    /// Where its journal stands.
    pub chain: ChainState,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The body of a good answer.
    Taken(Vec<u8>),
    /// Central said why not.
    Refused(Box<Refusal>),
}

impl Reply {
    /// The body of a good answer.
    ///
    /// # Errors
    /// When it was refused.
    pub fn taken(self) -> anyhow::Result<Vec<u8>> {
        match self {
            Reply::Taken(body) => Ok(body),
            Reply::Refused(refusal) => bail!("refused: {refusal:?}"),
        }
    }

    /// Why it was refused.
    ///
    /// # Errors
    /// When it was not.
    pub fn refused(self) -> anyhow::Result<Refusal> {
        match self {
            Reply::Taken(_) => bail!("it was not refused"),
            Reply::Refused(refusal) => Ok(*refusal),
        }
    }
}

impl PaperGate {
    /// Enrols with the text of a claim.
    ///
    /// # Errors
    /// When central refuses, or its answer does not prove the secret.
    pub async fn enrol(claim: &str) -> anyhow::Result<Self> {
        let claim = Claim::from_text(claim).context("the claim is no claim")?;
        let key = TestKey::random();
        let request = EnrolRequest {
            gate: claim.gate,
            gate_key: key.public(),
            nonce: random(),
            version: "paper".into(),
        };
        let sent = enrolment::prove_request(&request, &claim.secret);
        let client = Client::new();
        let answer = client
            .post(format!("{}{}", claim.address, path::ENROL))
            .header("content-type", MEDIA_TYPE)
            .body(cbor::encode(&sent))
            .send()
            .await
            .context("central does not answer an enrolment")?;
        let status = answer.status();
        let body = answer.bytes().await.context("the answer broke off")?;
        if status != StatusCode::OK {
            let refusal: Result<Refusal, _> = minicbor::decode(&body);
            bail!("central refuses to enrol: {status} {refusal:?}");
        }
        let proven: Proven = minicbor::decode(&body).context("the answer is no proof")?;
        let enrolled = enrolment::check_answer(&proven, &sent, &claim.secret)?;
        Ok(Self {
            client,
            address: claim.address.clone(),
            key,
            counter: 0,
            id: claim.gate,
            chain: ChainState::start(claim.gate, enrolled.journal_epoch),
            enrolled,
        })
    }

    /// The keys that may sign statements, as the trust list from the enrolment says.
    ///
    /// # Errors
    /// When root set or trust list do not hold.
    pub fn statement_keys(&self) -> anyhow::Result<KeyRing> {
        let root_set = open_first_root_set(&self.enrolled.root_set)?;
        let trust_list = open_trust_list(&self.enrolled.trust_list, root_set.document())?;
        Ok(trust_list.document().statement_ring()?)
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &TestKey {
        &self.key
    }

    /// Makes the next record of its journal.
    ///
    /// # Errors
    /// Never for records that continue the chain.
    pub fn record(&mut self, event: Event, pass: Option<PassId>) -> anyhow::Result<Record> {
        let mut position = self.chain.position;
        position.seq += 1;
        let public = PublicPart {
            position,
            utc: clock::utc(),
            uptime: Uptime(position.seq * 1_000),
            clock: ClockTrust::Trusted,
            event,
        };
        let personal = PersonalPart {
            pass,
            ..PersonalPart::default()
        };
        let salt: [u8; SALT_LENGTH] = random();
        let record = Record::new(&public, pass.map(|_| (&personal, salt)));
        self.chain = self.chain.append(&record)?;
        Ok(record)
    }

    /// Makes `count` records of granted scans.
    ///
    /// # Errors
    /// As [`PaperGate::record`].
    pub fn scans(
        &mut self,
        count: u64,
        access_point: AccessPointId,
    ) -> anyhow::Result<Vec<Record>> {
        (0..count)
            .map(|_| {
                let scan = ScanId(self.chain.position.seq + 1);
                self.record(granted(scan, access_point), None)
            })
            .collect()
    }

    /// Puts records into a batch, with the head that its journal has now.
    ///
    /// # Errors
    /// When there are none.
    pub fn batch(&self, records: &[Record]) -> anyhow::Result<JournalBatch> {
        let first = records.first().context("a batch has records")?;
        let head = JournalHead {
            gate: self.id,
            position: self.chain.position,
            hash: self.chain.hash,
            made_at: clock::utc(),
        };
        Ok(JournalBatch {
            version: API_VERSION,
            first: first.public_part()?.position,
            records: records.to_vec(),
            anchor: None,
            head: document::sign(&head, &self.key)?.into(),
        })
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// When central does not answer.
    pub async fn upload(&mut self, batch: &JournalBatch) -> anyhow::Result<Reply> {
        self.ask(path::JOURNAL, batch).await
    }

    /// Sends a signed request.
    ///
    /// # Errors
    /// When central does not answer.
    pub async fn ask(&mut self, path: &str, message: &impl Encode<()>) -> anyhow::Result<Reply> {
        let body = cbor::encode(message);
        self.counter += 1;
        let covered = CoveredRequest {
            method: "POST",
            path,
            query: "?",
            body: &body,
            counter: self.counter,
        };
        let headers = sign_request(&covered, clock::utc(), random(), &self.key);
        let answer = self
            .client
            .post(format!("{}{path}", self.address))
            .header("content-type", MEDIA_TYPE)
            .header("content-digest", headers.content_digest)
            .header(COUNTER_HEADER, headers.counter)
            .header("signature-input", headers.signature_input)
            .header("signature", headers.signature)
            .body(body)
            .send()
            .await
            .with_context(|| format!("{path}: central does not answer"))?;
        let status = answer.status();
        let body = answer
            .bytes()
            .await
            .with_context(|| format!("{path}: the answer broke off"))?;
        if status == StatusCode::OK {
            return Ok(Reply::Taken(body.to_vec()));
        }
        let refusal =
            decode(&body).with_context(|| format!("{path}: {status} without a reason"))?;
        Ok(Reply::Refused(Box::new(refusal)))
    }
}

/// A granted scan.
fn granted(scan: ScanId, access_point: AccessPointId) -> Event {
    use shared::{
        decision::{Decision, FreshnessStep, GuardOffer},
        journal::ScanOutcome,
    };
    Event::Scan(ScanOutcome {
        scan,
        access_point,
        decision: Decision::Grant,
        also: Vec::new(),
        offer: GuardOffer::None,
        alerts: Vec::new(),
        freshness: FreshnessStep::Fresh,
        status_list: None,
        uses: None,
        proof_made_at: None,
    })
}

fn decode<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> anyhow::Result<T> {
    minicbor::decode(body).context("not the message that was expected")
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the machine has randomness");
    bytes
}

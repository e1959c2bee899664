//! Messages: gate API, panel API, enrolment, request signatures.

use serde_json::{Value, json};
use shared::{
    cbor,
    decision::{Decision, DenyReason, FreshnessStep, GuardOffer, HolderMessage},
    document,
    enrolment::{
        Claim, EnrolAnswer, EnrolRequest, Proven, fingerprint, prove_answer, prove_request,
    },
    gate_api::{
        API_VERSION, DocumentAnswer, DocumentName, DocumentRequest, HeadsRequest, Heartbeat,
        HeartbeatAnswer, IssuedRangeRequest, JournalBatch, OrdersAnswer, OrdersRequest, Refusal,
        RefusalCode, TimeRequest,
    },
    heads::Newest,
    ids::{
        AccessPointId, AreaId, Digest, DoorId, HolderNumber, JournalEpoch, PassId, ScanId, Serial,
        StaffNumber,
    },
    journal::{ClockTrust, DoorAlarm, PassageOutcome},
    keys::{Sign as _, sha256},
    order::{DoorMode, Subject},
    panel_api::{
        Decided, DoorPosition, Link, LockState, PANEL_API_VERSION, PanelAccessPoint, PanelAnswer,
        PanelArea, PanelAsk, PanelDoor, PanelMessage, PanelRequest, PanelState, to_frame,
    },
    request_signature::{CoveredRequest, Parameters, sign_request, signature_base},
};

use crate::{
    cast::{GATE, MADE_AT, hex, key, number},
    documents::{self, encoded, position},
    journal,
};

/// `gate_api.json`.
pub(crate) fn gate_api() -> Value {
    let version = API_VERSION;
    let kid = key("issuer").kid();
    let status_list = document::sign(&documents::newer_status(), &key("statement")).unwrap();
    let order = document::sign(&documents::orders()[0], &key("statement")).unwrap();
    json!({
        "messages": [
            encoded("heads request, first", &HeadsRequest { version, known: None, wait_s: 0 }),
            encoded("heads request", &HeadsRequest { version, known: Some(number(90)), wait_s: 55 }),
            encoded("document request: trust list", &DocumentRequest {
                version,
                name: DocumentName::TrustList,
                have: None,
            }),
            encoded("document request: status list", &DocumentRequest {
                version,
                name: DocumentName::StatusList(kid),
                have: Some(number(7)),
            }),
            encoded("document answer: whole", &DocumentAnswer::Whole(status_list.into())),
            encoded("document answer: delta", &DocumentAnswer::Delta(documents::delta())),
            encoded("document answer: nothing newer", &DocumentAnswer::NothingNewer),
            encoded("issued range request", &IssuedRangeRequest {
                version,
                kid,
                first: Serial(3),
                count: 2,
            }),
            encoded("issued range", &documents::range(3, 2)),
            encoded("orders request", &OrdersRequest { version, after: Some(number(5)) }),
            encoded("orders answer", &OrdersAnswer { version, orders: vec![order.into()] }),
            encoded("journal batch", &batch()),
            encoded("journal batch behind an anchor", &batch_behind_anchor()),
            encoded("heartbeat", &heartbeat()),
            encoded("heartbeat answer", &HeartbeatAnswer {
                version,
                resend_from: Some(position(12)),
            }),
            encoded("time request", &TimeRequest { version, nonce: [0xa5; 16] }),
            encoded("refusal", &refusal()),
        ],
    })
}

/// The first two records and a head.
pub(crate) fn batch() -> JournalBatch {
    JournalBatch {
        version: API_VERSION,
        first: position(1),
        records: journal::records()[..2].to_vec(),
        head: document::sign(&journal::head(), &key("gate"))
            .unwrap()
            .into(),
        anchor: None,
    }
}

/// The records behind an anchor.
pub(crate) fn batch_behind_anchor() -> JournalBatch {
    JournalBatch {
        first: position(6),
        records: journal::records()[5..7].to_vec(),
        anchor: Some(
            document::sign(&journal::anchor(5), &key("gate"))
                .unwrap()
                .into(),
        ),
        ..batch()
    }
}

/// A heartbeat with a problem.
pub(crate) fn heartbeat() -> Heartbeat {
    Heartbeat {
        version: API_VERSION,
        agent_version: "0.1.0".into(),
        head: document::sign(&journal::head(), &key("gate"))
            .unwrap()
            .into(),
        freshness: FreshnessStep::Normal,
        heads: Some(number(90)),
        configuration: Some(Newest {
            number: number(5),
            digest: Digest([3; 32]),
        }),
        uptime_ms: 86_400_000,
        problems: vec!["reader: no frame for 5 s".into()],
    }
}

/// A refusal with everything.
pub(crate) fn refusal() -> Refusal {
    Refusal {
        version: API_VERSION,
        code: RefusalCode::ClockWrong,
        detail: "the gate's clock is off by 1,000 s; take the signed time".into(),
        time: Some(
            document::sign(&documents::time(), &key("statement"))
                .unwrap()
                .into(),
        ),
        expected: None,
        counter_floor: Some(1_001),
    }
}

/// One of every question.
pub(crate) fn asks() -> Vec<PanelAsk> {
    vec![
        PanelAsk::State,
        PanelAsk::Subscribe,
        PanelAsk::SignIn {
            staff: StaffNumber(3),
            pin: "4711".into(),
        },
        PanelAsk::SignOut,
        PanelAsk::LetIn {
            access_point: AccessPointId(1),
            scan: None,
            reason: "forgot the card".into(),
            name: Some("Li Wei".into()),
        },
        PanelAsk::Forgive {
            subject: Subject::Holder(HolderNumber(12)),
        },
        PanelAsk::SetDoorMode {
            door: DoorId(1),
            mode: DoorMode::Unlocked,
        },
        PanelAsk::LockDown,
        PanelAsk::EndLockdown,
        PanelAsk::SilenceAlarm { door: DoorId(1) },
    ]
}

/// One of every message.
pub(crate) fn panel_messages() -> Vec<PanelMessage> {
    vec![
        PanelMessage::Answer {
            request: 1,
            answer: PanelAnswer::Done,
        },
        PanelMessage::Answer {
            request: 2,
            answer: PanelAnswer::Refused {
                why: "sign in first".into(),
            },
        },
        PanelMessage::Answer {
            request: 3,
            answer: PanelAnswer::State(panel_state()),
        },
        PanelMessage::State(panel_state()),
        PanelMessage::Decided(decided()),
        PanelMessage::Passage {
            scan: ScanId(2),
            outcome: PassageOutcome::NotTaken,
        },
        PanelMessage::Refused {
            access_point: AccessPointId(1),
            reason: DenyReason::PassMalformed,
            elapsed_ms: 12,
            source: None,
        },
        PanelMessage::Unreadable {
            access_point: AccessPointId(1),
            problem: "not an image".into(),
            source: Some("broken.png".into()),
        },
    ]
}

fn decided() -> Decided {
    Decided {
        scan: ScanId(2),
        access_point: AccessPointId(1),
        decision: Decision::Deny(DenyReason::ProofStale),
        also: vec![],
        alerts: vec![],
        offer: GuardOffer::AskGuard,
        holder_message: Some(HolderMessage::ShowLivePass),
        pass: PassId {
            kid: key("issuer").kid(),
            serial: Serial(70_000),
        },
        holder: Some(HolderNumber(12)),
        name: Some("Zoë Ångström".into()),
        freshness: FreshnessStep::Fresh,
        at: MADE_AT,
        elapsed_ms: 31,
        source: None,
        phone_clock_off_s: Some(-3_600),
    }
}

fn panel_state() -> PanelState {
    PanelState {
        version: PANEL_API_VERSION,
        gate_name: "Main gate".into(),
        link: Link::Up,
        freshness: FreshnessStep::Fresh,
        heads_age_s: Some(20),
        clock: ClockTrust::Trusted,
        doors: vec![PanelDoor {
            door: DoorId(1),
            name: "Turnstile".into(),
            mode: DoorMode::Locked,
            position: DoorPosition::Unknown,
            lock: LockState::Locked,
            alarms: vec![DoorAlarm::Tamper],
        }],
        areas: vec![PanelArea {
            area: AreaId(1),
            name: "Campus".into(),
            inside: 812,
            capacity: Some(2_000),
        }],
        staff: None,
        unacknowledged_records: 4,
        faults: vec![],
        access_points: vec![PanelAccessPoint {
            access_point: AccessPointId(1),
            name: "Entry".into(),
            door: DoorId(1),
            hint: None,
        }],
        utc: MADE_AT,
    }
}

/// `panel_api.json`.
pub(crate) fn panel_api() -> Value {
    let request = |(number, ask)| PanelRequest {
        version: PANEL_API_VERSION,
        request: number,
        ask,
    };
    let requests: Vec<PanelRequest> = (1..).zip(asks()).map(request).collect();
    json!({
        "requests": requests.iter().map(|r| encoded("request", r)).collect::<Vec<_>>(),
        "messages": panel_messages().iter().map(|m| encoded("message", m)).collect::<Vec<_>>(),
        "frame_of_first_request": hex(&to_frame(&requests[0]).unwrap()),
    })
}

/// A claim for the gate.
pub(crate) fn claim() -> Claim {
    Claim {
        address: "https://gates.example.org".into(),
        gate: GATE,
        secret: [0x99; 32],
        expires_at: MADE_AT.plus(3_600),
        root_set: Digest([0x77; 32]),
        tls_key: None,
    }
}

/// Request and answer, proven.
pub(crate) fn exchange() -> [Proven; 2] {
    let secret = [0x99; 32];
    let request = prove_request(
        &EnrolRequest {
            gate: GATE,
            gate_key: key("gate").public(),
            nonce: [1; 16],
            version: "0.1.0".into(),
        },
        &secret,
    );
    let answer = prove_answer(
        &EnrolAnswer {
            gate: GATE,
            root_set: b"root set".to_vec().into(),
            trust_list: b"trust list".to_vec().into(),
            utc: MADE_AT,
            nonce: [2; 16],
            journal_epoch: JournalEpoch(1),
        },
        &request,
        &secret,
    );
    [request, answer]
}

/// `enrolment.json`.
pub(crate) fn enrolment() -> Value {
    let [request, answer] = exchange();
    json!({
        "claim": encoded("claim", &claim()),
        "claim_text": claim().to_text(),
        "request": encoded("proven request", &request),
        "answer": encoded("proven answer", &answer),
        "fingerprint": fingerprint(&request, &answer),
    })
}

/// `request_signature.json`.
pub(crate) fn request_signature() -> Value {
    let body = cbor::encode(&heartbeat());
    let request = CoveredRequest {
        method: "POST",
        path: "/gate/v1/heartbeat",
        query: "?",
        body: &body,
        counter: 1_234,
    };
    let gate = key("gate");
    let headers = sign_request(&request, MADE_AT, [7; 16], &gate);
    let parameters = Parameters::parse(&headers.signature_input).unwrap();
    json!({
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": hex(&body),
        "body_sha256": hex(&sha256(&body).0),
        "signed_by": "gate",
        "signature_base": signature_base(&request, &parameters),
        "headers": {
            "content-digest": headers.content_digest,
            "portcullis-counter": headers.counter,
            "signature-input": headers.signature_input,
            "signature": headers.signature,
        },
    })
}

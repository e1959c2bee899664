//! One plain function for each decoder of outside bytes: it must return for any input, and it
//! asserts what must hold of whatever was accepted. Included by the fuzz targets, by the replay of
//! the corpus and by the property tests of `shared`.

use minicbor::{Decode, Encode};
use shared::{
    base45,
    carry::{Direction, Item, Splitter},
    cbor,
    configuration::Configuration,
    cose::Sign1,
    document::{self, Header, SignedKind},
    enrolment::{self, Claim, EnrolAnswer, Proven},
    gate_api::{
        self, DocumentAnswer, DocumentRequest, HeadsRequest, Heartbeat, HeartbeatAnswer,
        IssuedRangeRequest, JournalBatch, Message, OrdersAnswer, OrdersRequest, Refusal,
        TimeRequest,
    },
    heads::{Acknowledgement, Heads, SignedTime},
    ids::{CentralEpoch, Digest, DocumentNumber, GateId, JournalEpoch, SchoolId},
    issued_list::{IssuedList, IssuedRange},
    journal::{ChainState, JournalAnchor, JournalHead, PersonalPart, PublicPart, Record},
    keys::{KeyRing, PublicKey},
    movement::Movement,
    order::Order,
    panel_api::{self, PanelMessage, PanelRequest},
    pass::{Claims, Presentation, TEXT_LIMIT, verify_pass},
    request_signature::{self, CoveredRequest, Parameters, SignedHeaders},
    root_set::{ClockReset, RootSet, open_by_roots, open_first_root_set, open_next_root_set},
    roster::Roster,
    schedule::{LocalTime, OffsetTable},
    status_list::{StatusBitmaps, StatusDelta, StatusList, StatusSets},
    time::{UtcSeconds, Window},
    trust_list::{IssuerKey, IssuerKeyState, TrustList, TrustedIssuers},
};

/// A decoder under test.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them; each has a fuzz target and a corpus of this name.
pub(crate) const TARGETS: &[Target] = &[
    ("pass_text", pass_text),
    ("base45", base45_text),
    ("cose", cose),
    ("claims", claims),
    ("root_set", payload::<RootSet>),
    ("clock_reset", payload::<ClockReset>),
    ("trust_list", trust_list),
    ("configuration", configuration),
    ("roster", payload::<Roster>),
    ("status_list", status_list),
    ("issued_list", payload::<IssuedList>),
    ("order", payload::<Order>),
    ("heads", payload::<Heads>),
    ("time", payload::<SignedTime>),
    ("acknowledgement", payload::<Acknowledgement>),
    ("journal_head", payload::<JournalHead>),
    ("journal_anchor", payload::<JournalAnchor>),
    ("movement", payload::<Movement>),
    ("signed_document", signed_document),
    ("envelope", envelope),
    ("delta", delta),
    ("issued_range", message::<IssuedRange>),
    ("journal_record", journal_record),
    ("gate_request", gate_request),
    ("gate_answer", gate_answer),
    ("carry_file", carry_file),
    ("enrolment", enrolment_message),
    ("claim_text", claim_text),
    ("request_signature", signature_headers),
    ("panel_frames", panel_frames),
];

const ALWAYS: Window = Window {
    from: UtcSeconds(0),
    until: UtcSeconds(u64::MAX),
};

// Keys of the vectors (`shared/tests/vectors/keys.json`), so that their texts and documents are
// seeds that verify.
const ISSUER: &str = "db995fe25169d141cab9bbba92baa01f9f2e1ece7df4cb2ac05190f37fcc1f9d";
const REGISTRAR: &str = "884b8857f4eaa1613c61504db34d4beaf346517a0e31de3cddd4d9b4201d9d0b";
const STATEMENT: &str = "48075a597e721a156e2e0799de5cc0c5324dc6e7eaf1cdd46250868ec53215dd";
const GATE: &str = "c050c5637a44fa8629fff3cccce2300cb362a63d99d95fc54145266f4332445a";

fn key(hex: &str) -> PublicKey {
    PublicKey(Digest::from_hex(hex).expect("64 digits").0)
}

/// A text that a camera read.
fn pass_text(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else {
        return;
    };
    let issuers = TrustedIssuers::new(&[IssuerKey {
        public_key: key(ISSUER),
        school: SchoolId([0; 16]),
        signing: ALWAYS,
        verification: ALWAYS,
        standby: None,
        state: IssuerKeyState::Active,
    }])
    .expect("a usable key");
    if let Ok(pass) = verify_pass(text, &issuers) {
        assert!(text.len() <= TEXT_LIMIT);
        let is_live = pass.presentation() != Presentation::Static;
        assert_eq!(text.starts_with("SL1:"), is_live);
        assert!(pass.claims().not_before < pass.claims().expires_at);
    }
}

/// Base45.
fn base45_text(input: &[u8]) {
    if let Ok(text) = core::str::from_utf8(input)
        && let Some(bytes) = base45::decode(text)
    {
        assert_eq!(base45::encode(&bytes), text);
    }
    let encoded = base45::encode(input);
    assert_eq!(base45::decode(&encoded).as_deref(), Some(input));
}

/// A COSE_Sign1.
fn cose(input: &[u8]) {
    if let Ok(parsed) = Sign1::parse(input) {
        assert_eq!(parsed.encode(), input);
    }
}

/// The claims set of a pass.
fn claims(input: &[u8]) {
    if let Ok(claims) = Claims::decode(input) {
        assert_eq!(claims.encode(), input);
    }
}

fn strict<T: for<'b> Decode<'b, ()> + Encode<()>>(input: &[u8], limit: usize) -> Option<T> {
    let value: T = cbor::decode_strict(input, limit).ok()?;
    assert_eq!(cbor::encode(&value), input);
    assert_eq!(cbor::profile::check(input), Ok(()));
    Some(value)
}

/// The payload of a signed document, as if its signature held.
fn payload<T: SignedKind>(input: &[u8]) {
    sound::<T>(input);
}

fn sound<T: SignedKind>(input: &[u8]) -> Option<T> {
    let document: T = strict(input, T::LIMIT)?;
    document::check(&document).ok()?;
    if let Some(header) = document.header() {
        assert!(header.number.n > 0 && header.made_at < header.expires_at);
    }
    Some(document)
}

/// A trust list: whatever is accepted can be used.
fn trust_list(input: &[u8]) {
    if let Some(list) = sound::<TrustList>(input) {
        assert!(list.statement_ring().is_ok());
        assert!(TrustedIssuers::new(&list.issuer_keys).is_ok());
    }
}

/// A configuration: its schedules answer for any instant.
fn configuration(input: &[u8]) {
    let Some(configuration) = sound::<Configuration>(input) else {
        return;
    };
    for utc in [0, 1_800_000_000, u64::MAX - 1] {
        any_instant(&configuration.offsets, UtcSeconds(utc));
    }
    let end = LocalTime {
        date: u32::MAX,
        minute: 1_439,
    };
    for schedule in &configuration.schedules {
        let _ = schedule.admits(end);
    }
}

fn any_instant(offsets: &OffsetTable, utc: UtcSeconds) {
    if let Some(local) = offsets.local(utc) {
        assert!(local.minute < 1_440 && local.weekday() < 7);
    }
}

/// A status list: both sets decode, and bitmaps say what the sets say.
fn status_list(input: &[u8]) {
    let Some(list) = sound::<StatusList>(input) else {
        return;
    };
    let sets = StatusSets::decode(&list).expect("a list that was accepted");
    assert_eq!(sets.to_list(list.header, list.kid), list);
    assert!(StatusBitmaps::new(&sets).size_bytes() <= 4 << 20);
}

/// Signed bytes of any kind, under the keys of the vectors.
fn signed_document(input: &[u8]) {
    let ring = KeyRing::new(&[REGISTRAR, STATEMENT, GATE].map(key)).expect("usable keys");
    let kinds = [
        opens::<TrustList>(input, &ring),
        opens::<Configuration>(input, &ring),
        opens::<Roster>(input, &ring),
        opens::<StatusList>(input, &ring),
        opens::<IssuedList>(input, &ring),
        opens::<Order>(input, &ring),
        opens::<Heads>(input, &ring),
        opens::<SignedTime>(input, &ring),
        opens::<Acknowledgement>(input, &ring),
        opens::<JournalHead>(input, &ring),
        opens::<JournalAnchor>(input, &ring),
        opens::<Movement>(input, &ring),
    ];
    let count = kinds.into_iter().filter(|opened| *opened).count();
    assert!(count <= 1, "a signature of one kind verified as another");
}

fn opens<T: SignedKind>(input: &[u8], ring: &KeyRing) -> bool {
    let opened = document::open::<T>(input, ring);
    opened.is_ok_and(|opened| {
        assert_eq!(opened.bytes(), input);
        document::check(opened.document()).is_ok()
    })
}

/// An envelope of roots.
fn envelope(input: &[u8]) {
    let Ok(set) = open_first_root_set(input) else {
        return;
    };
    let set = set.into_document();
    assert!(set.registrar_ring().is_ok());
    assert!(open_by_roots::<RootSet>(input, &set).is_ok());
    assert!(open_by_roots::<ClockReset>(input, &set).is_err());
    assert!(open_next_root_set(input, &set).is_ok());
}

/// A delta, applied to a small list.
fn delta(input: &[u8]) {
    let Ok(delta) = StatusDelta::decode(input) else {
        return;
    };
    assert_eq!(cbor::encode(&delta), input);
    let header = Header {
        number: DocumentNumber {
            epoch: CentralEpoch(1),
            n: 7,
        },
        made_at: UtcSeconds(1_800_000_000),
        expires_at: UtcSeconds(1_800_000_001),
    };
    let older = StatusSets {
        revoked: [5, 17, 300, 65_536].to_vec(),
        suspended: [0, 16_777_215].to_vec(),
    }
    .to_list(header, delta.kid);
    let older = StatusList {
        header: Header {
            number: delta.from,
            ..older.header
        },
        ..older
    };
    if let Ok(newer) = delta.apply(&older) {
        let parsed = Sign1::parse(&newer).expect("a COSE_Sign1");
        assert_eq!(parsed.signature, delta.signature);
    }
}

/// A record, its parts, and its place in a chain.
fn journal_record(input: &[u8]) {
    let _ = strict::<PublicPart>(input, shared::journal::PUBLIC_LIMIT);
    let _ = strict::<PersonalPart>(input, shared::journal::PERSONAL_LIMIT);
    let Some(record) = strict::<Record>(input, 4_096) else {
        return;
    };
    let _ = record.personal_part();
    let Ok(public) = record.public_part() else {
        return;
    };
    let mut before = ChainState::start(GateId([0; 16]), JournalEpoch(1));
    before.position = public.position;
    before.position.seq = public.position.seq.saturating_sub(1);
    if let Ok(after) = before.append(&record) {
        assert_eq!(after.position, public.position);
        assert!(after.append(&record).is_err(), "no record follows itself");
    }
}

/// A message: what is read can be written and read again.
fn message<T: Message>(input: &[u8]) {
    let Ok(message) = gate_api::read::<T>(input) else {
        return;
    };
    let written = cbor::encode(&message);
    assert!(
        written.len() <= input.len(),
        "unknown members only make it shorter"
    );
    let again: T = gate_api::read(&written).expect("its own encoding");
    assert_eq!(cbor::encode(&again), written);
}

/// What gates send.
fn gate_request(input: &[u8]) {
    message::<HeadsRequest>(input);
    message::<DocumentRequest>(input);
    message::<IssuedRangeRequest>(input);
    message::<OrdersRequest>(input);
    message::<JournalBatch>(input);
    message::<Heartbeat>(input);
    message::<TimeRequest>(input);
}

/// What central answers.
fn gate_answer(input: &[u8]) {
    message::<DocumentAnswer>(input);
    message::<IssuedRange>(input);
    message::<OrdersAnswer>(input);
    message::<HeartbeatAnswer>(input);
    message::<Refusal>(input);
}

/// A file that a stick carries, read at once and byte by byte.
fn carry_file(input: &[u8]) {
    let at_once = carry_items(input, input.len().max(1));
    assert_eq!(carry_items(input, 1), at_once);
    assert!(at_once.iter().sum::<usize>() <= input.len());
}

/// Lengths of the items that come out of a file.
fn carry_items(input: &[u8], read_at_once: usize) -> Vec<usize> {
    let mut splitter = Splitter::default();
    let mut lengths = Vec::new();
    for read in input.chunks(read_at_once) {
        splitter.push(read);
        loop {
            let (place, bytes) = match splitter.next_item() {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(_) => return lengths,
            };
            let start = usize::try_from(place.offset).expect("within the input");
            assert_eq!(&input[start..start + place.length], bytes);
            lengths.push(bytes.len());
            match Item::read(bytes) {
                Ok(Some(Item::Header(header))) => {
                    let _ = header.check(Direction::ToGate, GateId([0; 16]));
                }
                Ok(Some(Item::Batch(batch))) => message::<JournalBatch>(&batch),
                Ok(Some(Item::IssuedRange(range))) => {
                    assert!(range.digests().is_some());
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    lengths
}

/// Enrolment, both ways, with a secret that is known.
fn enrolment_message(input: &[u8]) {
    let Some(proven) = strict::<Proven>(input, Proven::LIMIT) else {
        return;
    };
    let secret = [0x99; 32];
    if let Ok(request) = enrolment::check_request(&proven, &secret) {
        assert_eq!(cbor::encode(&request)[..], proven.message[..]);
    }
    let _ = enrolment::unproven_request(&proven);
    let _ = enrolment::check_answer(&proven, &proven, &secret);
    let _ = strict::<EnrolAnswer>(&proven.message, Proven::LIMIT);
    assert_eq!(enrolment::fingerprint(&proven, &proven).len(), 19);
}

/// The text of a claim.
fn claim_text(input: &[u8]) {
    if let Ok(text) = core::str::from_utf8(input)
        && let Ok(claim) = Claim::from_text(text)
    {
        assert_eq!(claim.to_text(), text.trim());
    }
}

/// The four headers of a signed request, one a line, and the body behind an empty line.
fn signature_headers(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.splitn(5, '\n').map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    let headers = SignedHeaders {
        signature_input: next(),
        content_digest: next(),
        counter: next(),
        signature: next(),
    };
    let body = next();
    let counter = request_signature::parse_counter(&headers.counter);
    let request = CoveredRequest {
        method: "POST",
        path: "/gate/v1/heartbeat",
        query: "?",
        body: body.as_bytes(),
        counter: counter.unwrap_or_default(),
    };
    let gate = key(GATE).decompress().expect("a usable key");
    let parameters = Parameters::parse(&headers.signature_input);
    if let Ok(found) = request_signature::check_request(&request, &headers, &gate) {
        assert_eq!(parameters, Ok(found));
    }
    if let Ok(found) = parameters {
        let base = request_signature::signature_base(&request, &found);
        assert!(base.contains(headers.signature_input.trim_start_matches("gate=")));
    }
}

/// A stream of frames on the panel's socket.
fn panel_frames(input: &[u8]) {
    let mut received = input;
    while let Ok(Some(frame)) = panel_api::split_frame(received) {
        received = frame.rest;
        if let Ok(request) = panel_api::read::<PanelRequest>(frame.message) {
            let again = cbor::encode(&request);
            assert_eq!(panel_api::read(&again), Ok(request));
        }
        if let Ok(message) = panel_api::read::<PanelMessage>(frame.message) {
            let again = cbor::encode(&message);
            assert_eq!(panel_api::read(&again), Ok(message));
        }
    }
}

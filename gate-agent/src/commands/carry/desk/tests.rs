use shared::{carry::FileHeader, gate_api::HeadsRequest, ids::CentralEpoch};

use super::*;

const GATE: GateId = GateId([7; 16]);
const KID: Kid = Kid([1; 8]);

fn number(n: u64) -> DocumentNumber {
    DocumentNumber {
        epoch: CentralEpoch(1),
        n,
    }
}

fn header() -> Item {
    Item::Header(FileHeader::new(Direction::ToGate, GATE, UtcSeconds(9)))
}

fn range(first: u32, count: u8) -> Item {
    let digests = (0..count).flat_map(|one| [one; 8]).collect::<Vec<_>>();
    Item::IssuedRange(IssuedRange {
        kid: KID,
        first: Serial(first),
        digests: digests.into(),
    })
}

fn whole() -> Vec<Item> {
    let set = |n: u8| Item::Document(DocumentName::RootSet, number(n.into()), vec![n].into());
    let list = DocumentName::StatusList(KID);
    vec![
        header(),
        Item::Heads(vec![1].into()),
        set(1),
        set(2),
        set(3),
        Item::Document(list, number(4), vec![44].into()),
        Item::Order(number(1), vec![51].into()),
        Item::Order(number(2), vec![52].into()),
        range(0, 10),
        range(10, 3),
        Item::End(10),
    ]
}

fn bytes(items: &[Item]) -> Vec<u8> {
    items.iter().flat_map(Item::to_bytes).collect()
}

fn open(file: &[u8]) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, file).unwrap();
    Desk::open(&path, GATE).unwrap()
}

fn desk(file: &[u8]) -> Box<Desk> {
    match open(file) {
        Opened::Desk(desk) => desk,
        Opened::Missing => panic!("it is there"),
        Opened::Refused(why) => panic!("{why}"),
    }
}

fn found<A: Message>(desk: &mut Desk, path: &str, question: &impl Encode<()>) -> Option<A> {
    match desk.answer(path, &cbor::encode(question)) {
        StickAnswer::Found(bytes) => Some(read(&bytes).unwrap()),
        StickAnswer::Lacks(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn documents_are_found_as_central_would_give_them() {
    let mut desk = desk(&bytes(&whole()));
    assert_eq!(desk.problem, None);
    let mut document = |name, have: Option<u64>| {
        let question = DocumentRequest {
            version: API_VERSION,
            name,
            have: have.map(number),
        };
        found::<DocumentAnswer>(&mut desk, path::DOCUMENT, &question)
    };
    let answer = |byte: u8| Some(DocumentAnswer::Whole(vec![byte].into()));
    let nothing_newer = Some(DocumentAnswer::NothingNewer);
    assert_eq!(document(DocumentName::RootSet, None), answer(1));
    assert_eq!(document(DocumentName::RootSet, Some(1)), answer(2));
    assert_eq!(document(DocumentName::RootSet, Some(3)), None);
    let list = DocumentName::StatusList(KID);
    assert_eq!(document(list, Some(3)), answer(44));
    assert_eq!(document(list, Some(4)), nothing_newer);
    assert_eq!(document(DocumentName::StatusList(Kid([2; 8])), None), None);
    assert_eq!(document(DocumentName::Roster, None), None);
}

#[test]
fn orders_come_behind_the_gates_own_and_digests_from_the_middle_of_a_range() {
    let mut desk = desk(&bytes(&whole()));
    let mut orders = |after: Option<u64>| {
        let question = OrdersRequest {
            version: API_VERSION,
            after: after.map(number),
        };
        let answer: OrdersAnswer = found(&mut desk, path::ORDERS, &question).unwrap();
        answer
            .orders
            .iter()
            .map(|order| order[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(orders(None), [51, 52]);
    assert_eq!(orders(Some(1)), [52]);
    assert_eq!(orders(Some(2)), [0_u8; 0]);

    let mut digests = |kid, first, count| {
        let question = IssuedRangeRequest {
            version: API_VERSION,
            kid,
            first: Serial(first),
            count,
        };
        let answer: IssuedRange = found(&mut desk, path::ISSUED_RANGE, &question)?;
        assert_eq!((answer.kid, answer.first), (kid, Serial(first)));
        let first_bytes = answer.digests.iter().step_by(8).copied();
        Some(first_bytes.collect::<Vec<u8>>())
    };
    assert_eq!(digests(KID, 0, 13), Some((0..10).collect()));
    assert_eq!(digests(KID, 7, 13), Some(vec![7, 8, 9]));
    assert_eq!(digests(KID, 10, 2), Some(vec![0, 1]));
    assert_eq!(digests(KID, 13, 1), None);
    assert_eq!(digests(Kid([2; 8]), 0, 1), None);
    assert_eq!(digests(Kid([0; 8]), 0, 1), None);
}

#[test]
fn heads_and_an_acknowledgement_are_given_as_they_are_or_missed() {
    let mut desk = desk(&bytes(&whole()));
    let question = HeadsRequest {
        version: API_VERSION,
        known: None,
        wait_s: 0,
    };
    let heads = desk.answer(path::HEADS, &cbor::encode(&question));
    assert_eq!(heads, StickAnswer::Found(vec![1].into()));
    assert!(matches!(desk.acknowledgement(), StickAnswer::Lacks(_)));
    assert!(matches!(
        desk.answer(path::ENROL, &[0x80]),
        StickAnswer::Lacks(_)
    ));
    assert!(matches!(
        desk.answer(path::ORDERS, &[0xff]),
        StickAnswer::Lacks(_)
    ));
}

#[test]
fn of_a_file_that_is_cut_off_or_damaged_the_rest_is_used() {
    let items = whole();
    let end = items.last().unwrap().to_bytes().len();
    let file = bytes(&items);
    let cut = desk(&file[..file.len() - end]);
    assert!(cut.problem.unwrap().contains("cut off"));
    assert_eq!(cut.documents.len(), 2);
    assert_eq!(cut.ranges.len(), 2);

    let mut torn = bytes(&items[..6]);
    torn.extend([0xff; 9]);
    let torn = desk(&torn);
    assert!(torn.problem.unwrap().contains("damaged"));
    assert_eq!(torn.documents.len(), 2);

    let mut odd = bytes(&items[..2]);
    odd.extend([0x42, 0x82, 0x02]);
    odd.extend(bytes(&items[2..]));
    let odd = desk(&odd);
    assert!(odd.problem.unwrap().contains("a part of the file"));
    assert_eq!(odd.documents.len(), 2);
}

#[test]
fn a_file_of_another_gate_or_kind_is_refused_in_words() {
    let refused = |file: &[u8]| match open(file) {
        Opened::Refused(why) => why,
        Opened::Desk(_) | Opened::Missing => panic!("not refused"),
    };
    let other = GateId([8; 16]);
    let header = |direction, gate| {
        let header = FileHeader::new(direction, gate, UtcSeconds(9));
        Item::Header(header).to_bytes()
    };
    let why = refused(&header(Direction::ToGate, other));
    assert!(why.contains(&other.to_string()), "{why}");
    assert!(why.contains(&GATE.to_string()), "{why}");
    let why = refused(&header(Direction::ToCentral, GATE));
    assert!(why.contains("the other way"), "{why}");
    for garbage in [&b""[..], b"PK\x03\x04", b"\x89PNG", &[0x40]] {
        let why = refused(garbage);
        assert!(why.contains("no file of Portcullis"), "{why}");
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = Desk::open(&folder.path().join("file"), GATE).unwrap();
    assert!(matches!(missing, Opened::Missing));
}

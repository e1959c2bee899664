//! One of each signed document, and what stands beside them: the root set's envelope, the delta,
//! the issued range.

use minicbor::Encode;
use serde_json::{Value, json};
use shared::{
    cbor,
    cose::{Protected, to_be_signed},
    document::{self, Header, SignedKind},
    heads::{Acknowledgement, Heads, IssuerHeads, Newest, SignedTime},
    ids::{
        AreaId, Digest, DoorId, HolderNumber, JournalEpoch, JournalPosition, PassDigest, PassId,
        Serial,
    },
    issued_list::{CHAIN_START, Growth, IssuedList, IssuedRange, extend_chain},
    keys::{Sign, sha256},
    movement::{Movement, MovementKind},
    order::{DoorMode, Order, OrderAction, Subject},
    root_set::{ClockReset, RootSet, sign_by_roots},
    roster::{DoorNeed, Roster, RosterEntry},
    status_list::{StatusDelta, StatusList, StatusSets},
    time::Window,
    trust_list::{IssuerKey, IssuerKeyState, TrustList},
};

use crate::{
    cast::{GATE, MADE_AT, SCHOOL, diagnostic, header, hex, key, number},
    passes,
};

/// A signed document as the vectors show it.
pub(crate) fn signed<T: SignedKind>(what: &str, document: &T, signer: &str) -> Value {
    let key = key(signer);
    let payload = cbor::encode(document);
    let bytes = document::sign(document, &key).expect("a document that readers take");
    json!({
        "what": what,
        "external_data": T::EXTERNAL_DATA,
        "signed_by": signer,
        "payload": hex(&payload),
        "payload_diagnostic": diagnostic(&payload),
        "sig_structure": hex(&to_be_signed(
            Protected::Key(key.kid()),
            T::EXTERNAL_DATA,
            &payload,
        )),
        "signed": hex(&bytes),
        "digest": hex(&sha256(&bytes).0),
    })
}

fn by_roots<T: SignedKind>(what: &str, document: &T, signers: &[&str]) -> Value {
    let keys: Vec<_> = signers.iter().map(|name| key(name)).collect();
    let keys: Vec<&dyn Sign> = keys.iter().map(|key| key as &dyn Sign).collect();
    let payload = cbor::encode(document);
    let bytes = sign_by_roots(document, &keys).expect("a document that readers take");
    json!({
        "what": what,
        "external_data": T::EXTERNAL_DATA,
        "signed_by": signers,
        "payload": hex(&payload),
        "payload_diagnostic": diagnostic(&payload),
        "envelope": hex(&bytes),
        "envelope_diagnostic": diagnostic(&bytes),
        "digest": hex(&sha256(&bytes).0),
    })
}

/// An encoded value as the vectors show it.
pub(crate) fn encoded<T: Encode<()>>(what: &str, value: &T) -> Value {
    let bytes = cbor::encode(value);
    json!({ "what": what, "bytes": hex(&bytes), "diagnostic": diagnostic(&bytes) })
}

/// Two of three roots.
pub(crate) fn root_set(n: u64, names: [&str; 3]) -> RootSet {
    let mut roots = names.map(|name| key(name).public()).to_vec();
    roots.sort_unstable();
    RootSet {
        header: Header {
            expires_at: MADE_AT.plus(3_650 * Header::DAY_S),
            ..header(n, 1)
        },
        threshold: 2,
        roots,
        registrars: vec![key("registrar").public()],
    }
}

/// `root_set.json`.
pub(crate) fn root_sets() -> Value {
    let reset = ClockReset {
        header: header(1, 7),
        gate: GATE,
        mark: MADE_AT.minus(1_000),
    };
    let first = root_set(1, ["root_1", "root_2", "root_3"]);
    let next = root_set(2, ["root_2", "root_3", "root_4"]);
    json!({
        "first": by_roots("the first root set", &first, &["root_1", "root_3"]),
        "next": by_roots("root_1 leaves, root_4 comes", &next, &["root_2", "root_3"]),
        "below_threshold": by_roots("one of two", &next, &["root_4"]),
        "clock_reset": by_roots("a clock reset", &reset, &["root_1", "root_2"]),
    })
}

/// One issuer key with a standby, one that is revoked.
pub(crate) fn trust_list() -> TrustList {
    let window = |days| Window {
        from: MADE_AT.minus(86_400),
        until: MADE_AT.plus(days * Header::DAY_S),
    };
    let issuer = |name: &str, standby: Option<&str>, state| IssuerKey {
        public_key: key(name).public(),
        school: SCHOOL,
        signing: window(400),
        verification: window(800),
        standby: standby.map(|name| key(name).public()),
        state,
    };
    let mut issuer_keys = vec![
        issuer("issuer", Some("standby"), IssuerKeyState::Active),
        issuer("peer", None, IssuerKeyState::Revoked),
    ];
    issuer_keys.sort_unstable_by_key(|issuer| issuer.public_key);
    TrustList {
        header: header(3, 400),
        issuer_keys,
        statement_keys: vec![key("statement").public()],
    }
}

fn status(n: u64, revoked: Vec<u32>, suspended: Vec<u32>) -> StatusList {
    StatusSets { revoked, suspended }.to_list(header(n, 30), key("issuer").kid())
}

fn older_status() -> StatusList {
    status(7, vec![5, 17, 300, 65_536], vec![0, 16_777_215])
}

/// The newer of two lists.
pub(crate) fn newer_status() -> StatusList {
    status(8, vec![5, 17, 300, 301, 65_536], vec![16_777_215])
}

/// The delta between the two.
pub(crate) fn delta() -> StatusDelta {
    let newer = document::sign(&newer_status(), &key("statement")).unwrap();
    StatusDelta::between(&older_status(), &newer).unwrap()
}

/// `status_list.json`.
pub(crate) fn status_lists() -> Value {
    let case = |what: &str, revoked: Vec<u32>, suspended: Vec<u32>| {
        let list = status(7, revoked.clone(), suspended.clone());
        let mut value = signed(what, &list, "statement");
        let members = value.as_object_mut().unwrap();
        members.insert("revoked".into(), json!(revoked));
        members.insert("suspended".into(), json!(suspended));
        for (name, set) in [("revoked", &list.revoked), ("suspended", &list.suspended)] {
            members.insert(format!("{name}_rice_bits"), json!(set.rice_bits));
            members.insert(format!("{name}_code"), json!(hex(&set.code)));
        }
        value
    };
    let spread = (0..200u32).map(|i| i * 83 + i * i % 61).collect();
    json!({
        "lists": [
            case("nothing", vec![], vec![]),
            case("the first serial", vec![0], vec![]),
            case("a run", (10..30).collect(), vec![]),
            case("small", vec![5, 17, 300, 65_536], vec![0, 16_777_215]),
            case("spread", spread, (1_000..1_000_064).step_by(33_333).collect()),
        ],
    })
}

/// `status_delta.json`.
pub(crate) fn deltas() -> Value {
    json!({
        "from": signed("number 7", &older_status(), "statement"),
        "delta": encoded("300 stays, 301 is revoked, 0 is reinstated", &delta()),
        "to": signed("number 8, rebuilt byte for byte", &newer_status(), "statement"),
    })
}

/// Digests of serials 0 to 4: of the vectors' pass with serial 0, then of made-up bytes.
pub(crate) fn digests() -> Vec<PassDigest> {
    let [_, serial_0, _] = passes::issued();
    let digest = |bytes: &[u8]| PassDigest(sha256(bytes).0[..8].try_into().unwrap());
    (0..5u8)
        .map(|serial| match serial {
            0 => digest(&serial_0),
            _ => digest(&[serial]),
        })
        .collect()
}

/// The issued list of the first `count` digests.
pub(crate) fn issued_list(n: u64, count: usize, growth: Growth) -> IssuedList {
    IssuedList {
        header: header(n, 30),
        kid: key("issuer").kid(),
        count: u32::try_from(count).unwrap(),
        growth,
        chain: extend_chain(CHAIN_START, digests().into_iter().take(count)),
    }
}

/// A range of the issued list.
pub(crate) fn range(first: usize, count: usize) -> IssuedRange {
    IssuedRange {
        kid: key("issuer").kid(),
        first: Serial(u32::try_from(first).unwrap()),
        digests: digests()[first..first + count]
            .iter()
            .flat_map(|digest| digest.0)
            .collect::<Vec<u8>>()
            .into(),
    }
}

/// `issued_list.json`.
pub(crate) fn issued_lists() -> Value {
    let chain: Vec<String> = (0..=5)
        .map(|count| hex(&extend_chain(CHAIN_START, digests().into_iter().take(count)).0))
        .collect();
    json!({
        "digests": digests().iter().map(|digest| hex(&digest.0)).collect::<Vec<_>>(),
        "chain": chain,
        "empty": signed("empty", &issued_list(1, 0, Growth::Open), "statement"),
        "open": signed("three passes", &issued_list(2, 3, Growth::Open), "statement"),
        "frozen": signed("frozen at five", &issued_list(3, 5, Growth::Frozen), "statement"),
        "ranges": [
            encoded("serials 0 to 2", &range(0, 3)),
            encoded("serials 3 and 4", &range(3, 2)),
        ],
    })
}

fn pass_id(serial: u32) -> PassId {
    PassId {
        kid: key("issuer").kid(),
        serial: Serial(serial),
    }
}

/// Two holders.
pub(crate) fn roster() -> Roster {
    let entry = |holder, serials: &[u32], name: &str, photo, need| RosterEntry {
        holder: HolderNumber(holder),
        passes: serials.iter().map(|serial| pass_id(*serial)).collect(),
        name: name.into(),
        student_number: format!("S-{holder}"),
        language: "en".into(),
        photo,
        need,
    };
    Roster {
        header: header(4, 30),
        gate: GATE,
        holders: vec![
            entry(12, &[300, 70_000], "Zoë Ångström", None, None),
            entry(40, &[], "Li Wei", Some(Digest([0xf0; 32])), None),
            entry(41, &[71_000], "Ada", None, Some(DoorNeed::ExtendedRelease)),
        ],
    }
}

/// Every order.
pub(crate) fn orders() -> Vec<Order> {
    let door = DoorId(1);
    let actions = [
        OrderAction::LockDown,
        OrderAction::EndLockdown,
        OrderAction::SetDoorMode {
            door,
            mode: DoorMode::Blocked,
        },
        OrderAction::Release { door },
        OrderAction::Forgive {
            subject: Subject::Holder(HolderNumber(12)),
        },
        OrderAction::Forgive {
            subject: Subject::Pass(pass_id(300)),
        },
    ];
    let order = |(n, action)| Order {
        header: header(n, 1),
        gate: GATE,
        action,
    };
    (1..).zip(actions).map(order).collect()
}

/// Heads that name everything.
pub(crate) fn heads() -> Heads {
    let newest = |n: u64, byte: u8| Newest {
        number: number(n),
        digest: Digest([byte; 32]),
    };
    Heads {
        header: header(90, 30),
        gate: GATE,
        root_set: newest(1, 1),
        trust_list: newest(3, 2),
        configuration: newest(5, 3),
        roster: None,
        order: Some(newest(6, 4)),
        issuers: vec![IssuerHeads {
            kid: key("issuer").kid(),
            status_list: newest(8, 5),
            issued_list: newest(2, 6),
        }],
    }
}

/// Both movements.
pub(crate) fn movements() -> [Movement; 2] {
    let taken = Movement {
        gate: GATE,
        position: position(41),
        subject: Subject::Holder(HolderNumber(12)),
        area: AreaId(1),
        kind: MovementKind::Taken,
        uses: 3,
        at: MADE_AT.plus(30),
    };
    let undone = Movement {
        position: position(42),
        subject: Subject::Pass(pass_id(300)),
        area: AreaId::OUTSIDE,
        kind: MovementKind::Undone,
        ..taken
    };
    [taken, undone]
}

/// A place in the journal.
pub(crate) fn position(seq: u64) -> JournalPosition {
    JournalPosition {
        epoch: JournalEpoch(1),
        seq,
    }
}

/// A signed time.
pub(crate) fn time() -> SignedTime {
    SignedTime {
        nonce: [0xa5; 16],
        utc: MADE_AT.plus(77),
    }
}

/// An acknowledgement.
pub(crate) fn acknowledgement() -> Acknowledgement {
    Acknowledgement {
        gate: GATE,
        position: position(25),
        hash: Digest([0xcc; 32]),
        made_at: MADE_AT.plus(78),
    }
}

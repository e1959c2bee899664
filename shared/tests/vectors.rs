//! Golden files: bytes never change by accident. `PORTCULLIS_WRITE_VECTORS=1 cargo test -p shared
//! --test vectors` writes them anew; the difference is then for a person to judge.
#![allow(missing_docs)]

#[path = "golden/cast.rs"]
mod cast;
#[path = "golden/configuration.rs"]
mod configuration;
#[path = "golden/documents.rs"]
mod documents;
#[path = "golden/journal.rs"]
mod journal;
#[path = "golden/messages.rs"]
mod messages;
#[path = "golden/passes.rs"]
mod passes;

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use serde_json::{Value, json};
use shared::{
    configuration::Configuration,
    decision::DenyReason,
    document::SignedKind,
    enrolment::Proven,
    gate_api::{ANSWER_LIMIT, REQUEST_LIMIT, path},
    heads::{Acknowledgement, Heads, SignedTime},
    issued_list::{Growth, IssuedList, IssuedRange},
    journal::{JournalAnchor, JournalHead, PERSONAL_LIMIT, PUBLIC_LIMIT},
    movement::Movement,
    order::Order,
    panel_api::FRAME_LIMIT,
    pass::{Presentation, verify_pass},
    root_set::{ClockReset, RootSet},
    roster::Roster,
    status_list::{StatusDelta, StatusList},
    trust_list::{TrustList, TrustedIssuers},
};

fn place(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(file)
}

fn golden(file: &str, value: &Value) {
    let path = place(file);
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if env::var_os("PORTCULLIS_WRITE_VECTORS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "{} differs from what this build writes; see the head of this test",
        path.display()
    );
}

fn documents_file(name: &str, documents: Vec<Value>) {
    golden(name, &json!({ "documents": documents }));
}

#[test]
fn keys_keep_their_bytes() {
    golden("keys.json", &cast::keys());
}

#[test]
fn passes_keep_their_bytes() {
    golden("pass.json", &passes::static_passes());
    golden("live_pass.json", &passes::live_passes());
}

#[test]
fn documents_of_roots_and_registrar_keep_their_bytes() {
    golden("root_set.json", &documents::root_sets());
    let list = documents::trust_list();
    documents_file(
        "trust_list.json",
        vec![documents::signed("trust list", &list, "registrar")],
    );
}

#[test]
fn lists_keep_their_bytes() {
    golden("status_list.json", &documents::status_lists());
    golden("status_delta.json", &documents::deltas());
    golden("issued_list.json", &documents::issued_lists());
    assert_eq!(documents::issued_list(9, 2, Growth::Open).count, 2);
}

#[test]
fn statements_keep_their_bytes() {
    fn one<T: SignedKind>(what: &str, document: &T) {
        let value = documents::signed(what, document, "statement");
        documents_file(&format!("{what}.json"), vec![value]);
    }
    let configurations = [configuration::configuration(), configuration::vestibule()];
    documents_file(
        "configuration.json",
        configurations
            .iter()
            .map(|it| documents::signed("configuration", it, "statement"))
            .collect(),
    );
    one("roster", &documents::roster());
    one("heads", &documents::heads());
    one("time", &documents::time());
    one("acknowledgement", &documents::acknowledgement());
    let orders = documents::orders();
    documents_file(
        "order.json",
        orders
            .iter()
            .map(|order| documents::signed("order", order, "statement"))
            .collect(),
    );
    documents_file(
        "movement.json",
        documents::movements()
            .iter()
            .map(|movement| documents::signed("movement", movement, "gate"))
            .collect(),
    );
}

#[test]
fn journals_keep_their_bytes() {
    golden("journal.json", &journal::journal());
}

#[test]
fn messages_keep_their_bytes() {
    golden("gate_api.json", &messages::gate_api());
    golden("panel_api.json", &messages::panel_api());
    golden("enrolment.json", &messages::enrolment());
    golden("request_signature.json", &messages::request_signature());
}

#[test]
fn every_altered_text_in_the_vectors_has_the_reason_that_stands_there() {
    let issuers = TrustedIssuers::new(&documents::trust_list().issuer_keys).unwrap();
    let reason = |text: &str| match verify_pass(text, &issuers) {
        Err(refused) => Some(refused.reason),
        Ok(pass) => match pass.presentation() {
            Presentation::LiveProofInvalid => Some(DenyReason::ProofInvalid),
            Presentation::Static | Presentation::Live { .. } => None,
        },
    };
    let mut seen = BTreeSet::new();
    for file in [passes::static_passes(), passes::live_passes()] {
        for case in file["refused"].as_array().unwrap() {
            let expected = case["reason"].as_str().unwrap();
            let found = reason(case["text"].as_str().unwrap()).map(DenyReason::code);
            assert_eq!(found, Some(expected), "{}", case["what"]);
            seen.insert(expected.to_owned());
        }
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert_eq!(reason(&passes::live()), None);
}

fn with_separators(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

/// Does a kind have a header with an expiry?
enum Life {
    Ends,
    HasNone,
}

#[test]
fn the_written_specification_has_every_kind_limit_reason_and_path() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/formats.md");
    let text = fs::read_to_string(path).unwrap();
    let has_row = |cells: &[String]| {
        text.lines().any(|line| {
            cells
                .iter()
                .all(|cell| line.contains(&format!(" {cell} |")))
        })
    };
    fn kind<T: SignedKind>(life: Life) -> [String; 3] {
        let days = with_separators(usize::try_from(T::LIFETIME_LIMIT_S / 86_400).unwrap());
        [
            format!("`{}`", T::EXTERNAL_DATA),
            with_separators(T::LIMIT),
            match life {
                Life::Ends => format!("{days} days"),
                Life::HasNone => "–".into(),
            },
        ]
    }
    let kinds = [
        kind::<RootSet>(Life::Ends),
        kind::<ClockReset>(Life::Ends),
        kind::<TrustList>(Life::Ends),
        kind::<Configuration>(Life::Ends),
        kind::<Roster>(Life::Ends),
        kind::<StatusList>(Life::Ends),
        kind::<IssuedList>(Life::Ends),
        kind::<Order>(Life::Ends),
        kind::<Heads>(Life::Ends),
        kind::<SignedTime>(Life::HasNone),
        kind::<Acknowledgement>(Life::HasNone),
        kind::<JournalHead>(Life::HasNone),
        kind::<JournalAnchor>(Life::HasNone),
        kind::<Movement>(Life::HasNone),
    ];
    for cells in kinds {
        assert!(has_row(&cells), "{cells:?}");
    }
    for (number, reason) in DenyReason::ALL.iter().enumerate() {
        assert!(text.contains(&format!("| {number} | `{}` |", reason.code())));
    }
    for path in [
        path::ENROL,
        path::HEADS,
        path::DOCUMENT,
        path::ISSUED_RANGE,
        path::ORDERS,
        path::JOURNAL,
        path::HEARTBEAT,
        path::TIME,
    ] {
        assert!(text.contains(&format!("| `{path}` |")), "{path}");
    }
    let limits = [
        PUBLIC_LIMIT,
        PERSONAL_LIMIT,
        REQUEST_LIMIT,
        ANSWER_LIMIT,
        FRAME_LIMIT,
        Proven::LIMIT,
        StatusDelta::LIMIT,
        IssuedRange::LIMIT,
    ];
    for limit in limits {
        assert!(text.contains(&with_separators(limit)), "{limit}");
    }
}

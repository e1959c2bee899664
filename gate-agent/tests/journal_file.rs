//! The exported journal: golden files, and what its verifier refuses.
#![allow(
    dead_code,
    reason = "the cast of the vectors is larger than what is needed here"
)]

#[path = "../../shared/tests/golden/cast.rs"]
mod cast;
#[path = "../../shared/tests/golden/documents.rs"]
mod documents;
#[path = "../../shared/tests/golden/journal.rs"]
mod journal;
#[path = "../../shared/tests/golden/passes.rs"]
mod passes;

use std::{env, fs, path::PathBuf};

use cast::{GATE, PEER, key};
use gate_agent::journal_file::{
    Beginning, ExportRefused, KeyTrust, Opening, verify_export, write_export,
};
use shared::{
    document,
    ids::{Digest, JournalEpoch},
    journal::{ChainState, JournalAnchor, JournalHead, Record},
};

fn opening() -> Opening {
    Opening {
        gate: GATE,
        gate_key: key("gate").public(),
        start: ChainState::start(GATE, JournalEpoch(1)),
        anchor: None,
    }
}

fn opening_behind(count: usize) -> Opening {
    Opening {
        start: journal::state_after(count),
        anchor: Some(document::sign(&journal::anchor(count), &key("gate")).unwrap()),
        ..opening()
    }
}

fn export(opening: &Opening, records: &[Record]) -> String {
    let mut out = Vec::new();
    let records = records.iter().cloned().map(Ok);
    write_export(&mut out, opening, records, |state| {
        let head = JournalHead {
            gate: opening.gate,
            position: state.position,
            hash: state.hash,
            made_at: cast::MADE_AT,
        };
        Ok(document::sign(&head, &key("gate")).unwrap())
    })
    .unwrap();
    String::from_utf8(out).unwrap()
}

fn refused(text: &str) -> ExportRefused {
    verify_export(text.as_bytes(), Some(key("gate").public())).expect_err("refused")
}

fn golden(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/tests/vectors")
        .join(file);
    if env::var_os("PORTCULLIS_WRITE_VECTORS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "{} differs from what this build writes; see shared/tests/vectors.rs",
        path.display()
    );
}

fn with_erasure() -> Vec<Record> {
    let mut records = journal::records();
    records[8].personal = None;
    records
}

#[test]
fn exports_keep_their_bytes_and_verify() {
    let whole = export(&opening(), &with_erasure());
    golden("journal_export.jsonl", &whole);
    let report = verify_export(whole.as_bytes(), Some(key("gate").public())).unwrap();
    assert_eq!(report.records, 36);
    assert_eq!(report.erased, 1);
    assert_eq!(report.beginning, Beginning::Epoch);
    assert_eq!(report.key_trust, KeyTrust::Given);
    assert_eq!(report.hash, journal::state_after(36).hash);

    let pruned = export(&opening_behind(5), &journal::records()[5..]);
    golden("journal_export_pruned.jsonl", &pruned);
    let report = verify_export(pruned.as_bytes(), None).unwrap();
    assert_eq!(report.records, 31);
    assert_eq!(report.erased, 0);
    assert_eq!(report.beginning, Beginning::Anchor);
    assert_eq!(report.key_trust, KeyTrust::FromFile);

    let empty = export(&opening(), &[]);
    assert_eq!(verify_export(empty.as_bytes(), None).unwrap().records, 0);
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let text = export(&opening(), &[]);
    let short = export(&opening(), &journal::records()[..3]);
    for good in [text, short] {
        let trusted = Some(key("gate").public());
        assert!(verify_export(good.as_bytes(), trusted).is_ok());
        for at in 0..good.len() {
            for bit in [0x01, 0x20, 0x80] {
                let mut changed = good.clone().into_bytes();
                changed[at] ^= bit;
                assert!(
                    verify_export(&changed[..], trusted).is_err(),
                    "byte {at}: {}",
                    String::from_utf8_lossy(&changed)
                );
            }
        }
        for end in 0..good.len() {
            assert!(verify_export(&good.as_bytes()[..end], trusted).is_err());
        }
    }
}

#[test]
fn records_that_are_missing_doubled_or_moved_are_noticed() {
    let good = export(&opening(), &journal::records());
    let lines: Vec<&str> = good.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let mut missing = lines.clone();
    missing.remove(4);
    assert!(matches!(
        refused(&joined(&missing)),
        ExportRefused::Chain { line: 5, .. }
    ));
    let mut last_missing = lines.clone();
    last_missing.remove(36);
    assert!(matches!(
        refused(&joined(&last_missing)),
        ExportRefused::OtherEnd { .. }
    ));
    let mut doubled = lines.clone();
    doubled.insert(4, lines[4]);
    assert!(matches!(
        refused(&joined(&doubled)),
        ExportRefused::Chain { line: 6, .. }
    ));
    let mut moved = lines.clone();
    moved.swap(4, 5);
    assert!(matches!(
        refused(&joined(&moved)),
        ExportRefused::Chain { line: 5, .. }
    ));
    assert_eq!(refused(&joined(&lines[..37])), ExportRefused::NoHead);
    let mut after = lines.clone();
    after.push(lines[37]);
    assert_eq!(
        refused(&joined(&after)),
        ExportRefused::AfterHead { line: 39 }
    );
    let crlf = good.replace('\n', "\r\n");
    assert!(
        verify_export(crlf.as_bytes(), None).is_ok(),
        "white space is JSON's to ignore"
    );
}

#[test]
fn a_start_must_be_known_or_signed() {
    let records = journal::records();
    let without_anchor = Opening {
        anchor: None,
        ..opening_behind(5)
    };
    assert_eq!(
        refused(&export(&without_anchor, &records[5..])),
        ExportRefused::StartUnfounded
    );
    let other_anchor = Opening {
        anchor: opening_behind(4).anchor,
        ..opening_behind(5)
    };
    assert_eq!(
        refused(&export(&other_anchor, &records[5..])),
        ExportRefused::StartUnfounded
    );
    let made_up = Opening {
        start: ChainState {
            hash: Digest([1; 32]),
            ..opening().start
        },
        ..opening()
    };
    assert_eq!(
        refused(&export(&made_up, &records)),
        ExportRefused::StartUnfounded
    );
    let peers = JournalAnchor {
        gate: PEER,
        ..journal::anchor(5)
    };
    let of_another_gate = Opening {
        anchor: Some(document::sign(&peers, &key("gate")).unwrap()),
        ..opening_behind(5)
    };
    assert_eq!(
        refused(&export(&of_another_gate, &records[5..])),
        ExportRefused::StartUnfounded
    );
    let by_stranger = Opening {
        anchor: Some(document::sign(&journal::anchor(5), &key("stranger")).unwrap()),
        ..opening_behind(5)
    };
    assert!(matches!(
        refused(&export(&by_stranger, &records[5..])),
        ExportRefused::Anchor(_)
    ));
}

#[test]
fn the_key_of_another_gate_is_noticed() {
    let good = export(&opening(), &journal::records());
    assert_eq!(
        verify_export(good.as_bytes(), Some(key("stranger").public())),
        Err(ExportRefused::OtherGateKey)
    );
    let own_word = Opening {
        gate_key: key("stranger").public(),
        ..opening()
    };
    let text = export(&own_word, &journal::records());
    assert!(matches!(
        verify_export(text.as_bytes(), None),
        Err(ExportRefused::Head(_))
    ));
}

#[test]
fn lines_have_a_limit_and_members_are_all_known() {
    assert_eq!(refused(""), ExportRefused::NotALine { line: 1 });
    assert_eq!(
        refused(&"x".repeat(1 << 20)),
        ExportRefused::NotALine { line: 1 }
    );
    let good = export(&opening(), &journal::records());
    for (from, to) in [
        (",\"anchor\":null}", "}"),
        ("\"anchor\":null}", "\"anchor\":null,\"more\":1}"),
        (",\"salt\":null", ""),
        ("\"personal\":null", "\"personal\":\"\""),
    ] {
        let changed = good.replacen(from, to, 1);
        assert!(
            matches!(refused(&changed), ExportRefused::Malformed { .. }),
            "{from} to {to}"
        );
    }
    let version = good.replacen("\"portcullis_journal\":1", "\"portcullis_journal\":2", 1);
    assert_eq!(refused(&version), ExportRefused::Version(2));
}

//! Replays the corpus of every fuzz target on the stable toolchain, and small changes to it. The
//! seeds come from the vectors: `PORTCULLIS_WRITE_VECTORS=1 cargo test -p system-tests --test
//! fuzz_corpus` writes those that are missing or changed.
#![allow(missing_docs)]

#[path = "../../fuzz/src/appliance.rs"]
mod appliance;
#[path = "../../fuzz/src/decoders.rs"]
mod decoders;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use decoders::Target;
use gate_agent::{
    decoder::{Effort, check_answer},
    door_io::check_message,
};
use serde_json::Value;
use shared::{
    carry::{Direction, FileHeader, Item},
    gate_api::DocumentName,
    ids::{CentralEpoch, DocumentNumber, GateId, Kid, Serial},
    issued_list::IssuedRange,
    time::UtcSeconds,
};

/// Changes tried on each file of the corpus.
const CHANGES_PER_FILE: u64 = 40;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn targets() -> impl Iterator<Item = &'static Target> {
    decoders::TARGETS.iter().chain(appliance::TARGETS)
}

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = repository().join("fuzz/corpus").join(target);
    let Ok(entries) = fs::read_dir(&folder) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn every_target_replays_its_corpus() {
    for (name, target) in targets() {
        let files = corpus(name);
        assert!(files.len() >= 2, "fuzz/corpus/{name} has too few files");
        for (file, input) in files {
            println!("{name}/{file}");
            target(&input);
        }
    }
}

#[test]
fn every_target_withstands_small_changes_to_its_corpus() {
    for (name, target) in targets() {
        for (file, input) in corpus(name) {
            for change in 0..CHANGES_PER_FILE {
                println!("{name}/{file} change {change}");
                target(&changed(&input, change));
            }
        }
    }
}

/// The input with one to three bytes set, put in, taken out or cut off; the same for the same
/// `change`.
fn changed(input: &[u8], change: u64) -> Vec<u8> {
    let mut state = change.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ input.len() as u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    let mut bytes = input.to_vec();
    for _ in 0..=next(3) {
        let at = next(bytes.len());
        let byte = u8::try_from(next(256)).unwrap();
        match next(8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, byte),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            _ if !bytes.is_empty() => bytes[at] = byte,
            _ => bytes.push(byte),
        }
    }
    bytes
}

#[test]
fn every_target_has_a_program_and_every_program_a_target() {
    let programs: BTreeSet<String> = fs::read_dir(repository().join("fuzz/fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let names: BTreeSet<String> = targets().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(programs, names);
    let manifest = fs::read_to_string(repository().join("fuzz/Cargo.toml")).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let program = repository().join(format!("fuzz/fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(program).unwrap();
        assert!(
            program.contains(&format!("run(\"{name}\", input)")),
            "{name}"
        );
    }
}

#[test]
fn the_corpus_has_the_seeds_of_the_vectors() {
    for ((target, file), bytes) in seeds() {
        let path = repository().join("fuzz/corpus").join(&target).join(&file);
        if env::var_os("PORTCULLIS_WRITE_VECTORS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        let stored = fs::read(&path).unwrap_or_default();
        assert!(stored == bytes, "{} is missing or differs", path.display());
    }
}

type Seeds = BTreeMap<(String, String), Vec<u8>>;

fn vector(file: &str) -> Value {
    let path = repository().join("shared/tests/vectors").join(file);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hexadecimal");
    (0..text.len() / 2)
        .map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
        .collect()
}

fn text(value: &Value) -> Vec<u8> {
    value.as_str().expect("text").as_bytes().to_vec()
}

fn items<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    value[member].as_array().expect("a list").iter().enumerate()
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    pass_seeds(&mut seeds);
    document_seeds(&mut seeds);
    message_seeds(&mut seeds);
    appliance_seeds(&mut seeds);
    carry_seeds(&mut seeds);
    seeds
}

fn put(seeds: &mut Seeds, target: &str, file: impl Into<String>, bytes: Vec<u8>) {
    let before = seeds.insert((target.into(), file.into()), bytes);
    assert_eq!(before, None, "two seeds of one name for {target}");
}

fn pass_seeds(seeds: &mut Seeds) {
    let (passes, live) = (vector("pass.json"), vector("live_pass.json"));
    for (index, pass) in items(&passes, "passes") {
        put(
            seeds,
            "pass_text",
            format!("static_{index}"),
            text(&pass["text"]),
        );
        put(
            seeds,
            "claims",
            format!("pass_{index}"),
            bytes(&pass["payload"]),
        );
        put(seeds, "cose", format!("pass_{index}"), bytes(&pass["pass"]));
        let base45 = text(&pass["text"])[4..].to_vec();
        put(seeds, "base45", format!("pass_{index}"), base45);
    }
    put(seeds, "pass_text", "live", text(&live["text"]));
    put(seeds, "cose", "proof", bytes(&live["proof"]));
    for (kind, file) in [("static", &passes), ("live", &live)] {
        for (index, refused) in items(file, "refused") {
            let name = format!("refused_{kind}_{index}");
            put(seeds, "pass_text", name, text(&refused["text"]));
        }
    }
}

fn document_seeds(seeds: &mut Seeds) {
    for target in [
        "trust_list",
        "configuration",
        "roster",
        "order",
        "heads",
        "time",
        "acknowledgement",
        "movement",
    ] {
        let file = vector(&format!("{target}.json"));
        for (index, document) in items(&file, "documents") {
            document_seed(seeds, target, &index.to_string(), document);
        }
    }
    for (index, list) in items(&vector("status_list.json"), "lists") {
        document_seed(seeds, "status_list", &index.to_string(), list);
    }
    let issued = vector("issued_list.json");
    for name in ["empty", "open", "frozen"] {
        document_seed(seeds, "issued_list", name, &issued[name]);
    }
    for (index, range) in items(&issued, "ranges") {
        put(
            seeds,
            "issued_range",
            format!("range_{index}"),
            bytes(&range["bytes"]),
        );
    }
    let roots = vector("root_set.json");
    for name in ["first", "next", "below_threshold", "clock_reset"] {
        let kind = if name == "clock_reset" {
            name
        } else {
            "root_set"
        };
        put(seeds, kind, name, bytes(&roots[name]["payload"]));
        put(seeds, "envelope", name, bytes(&roots[name]["envelope"]));
    }
    let delta = vector("status_delta.json");
    put(seeds, "delta", "delta", bytes(&delta["delta"]["bytes"]));
    let journal = vector("journal.json");
    document_seed(seeds, "journal_head", "head", &journal["head"]);
    document_seed(seeds, "journal_anchor", "anchor", &journal["anchor"]);
    for (index, record) in items(&journal, "records").step_by(5) {
        put(
            seeds,
            "journal_record",
            format!("record_{index}"),
            bytes(&record["record"]),
        );
        put(
            seeds,
            "journal_record",
            format!("public_{index}"),
            bytes(&record["public"]),
        );
    }
    put(
        seeds,
        "journal_record",
        "erased",
        bytes(&journal["erased_record_9"]),
    );
    // Kinds of which the vectors hold one document: another seed for the mutations to start from.
    for target in [
        "trust_list",
        "configuration",
        "roster",
        "heads",
        "time",
        "acknowledgement",
        "journal_head",
        "journal_anchor",
        "clock_reset",
        "delta",
    ] {
        put(seeds, target, "empty_array", vec![0x80]);
    }
}

fn document_seed(seeds: &mut Seeds, target: &str, name: &str, document: &Value) {
    put(
        seeds,
        target,
        format!("document_{name}"),
        bytes(&document["payload"]),
    );
    let file = format!("{target}_{name}");
    put(seeds, "signed_document", file, bytes(&document["signed"]));
}

/// Files that a stick carries, of what the vectors hold.
fn carry_seeds(seeds: &mut Seeds) {
    let signed = |file: &str| bytes(&vector(file)["documents"][0]["signed"]).into();
    let number = DocumentNumber {
        epoch: CentralEpoch(1),
        n: 1,
    };
    let gate = GateId([0; 16]);
    let header = |direction| Item::Header(FileHeader::new(direction, gate, UtcSeconds(1)));
    let range = IssuedRange {
        kid: Kid([1; 8]),
        first: Serial(0),
        digests: vec![2; 16].into(),
    };
    let to_gate = [
        header(Direction::ToGate),
        Item::Heads(signed("heads.json")),
        Item::Document(DocumentName::TrustList, number, signed("trust_list.json")),
        Item::Order(number, signed("order.json")),
        Item::IssuedRange(range),
        Item::Acknowledgement(signed("acknowledgement.json")),
        Item::End(6),
    ];
    let messages = vector("gate_api.json");
    let batch = items(&messages, "messages")
        .find(|(_, message)| message["what"] == "journal batch")
        .map(|(_, message)| bytes(&message["bytes"]))
        .expect("a journal batch");
    let to_central = [
        header(Direction::ToCentral),
        Item::Batch(batch.into()),
        Item::End(2),
    ];
    for (name, items) in [("to_gate", &to_gate[..]), ("to_central", &to_central[..])] {
        let file = items.iter().flat_map(Item::to_bytes).collect();
        put(seeds, "carry_file", name, file);
    }
}

fn message_seeds(seeds: &mut Seeds) {
    for (index, message) in items(&vector("gate_api.json"), "messages") {
        let what = message["what"].as_str().unwrap();
        let is_answer = ["answer", "refusal", "issued range"]
            .iter()
            .any(|word| what.contains(word) && !what.contains("request"));
        let target = if is_answer {
            "gate_answer"
        } else {
            "gate_request"
        };
        put(
            seeds,
            target,
            format!("message_{index}"),
            bytes(&message["bytes"]),
        );
    }
    let panel = vector("panel_api.json");
    for list in ["requests", "messages"] {
        for (index, message) in items(&panel, list) {
            let message = bytes(&message["bytes"]);
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let frame = [&length[..], &message].concat();
            put(seeds, "panel_frames", format!("{list}_{index}"), frame);
        }
    }
    let enrolment = vector("enrolment.json");
    for name in ["request", "answer"] {
        put(seeds, "enrolment", name, bytes(&enrolment[name]["bytes"]));
    }
    put(seeds, "claim_text", "claim", text(&enrolment["claim_text"]));
    put(seeds, "claim_text", "prefix", b"PC1:".to_vec());
    let signed = vector("request_signature.json");
    let header = |name: &str| signed["headers"][name].as_str().unwrap().to_owned();
    let lines = [
        header("signature-input"),
        header("content-digest"),
        header("portcullis-counter"),
        header("signature"),
    ];
    put(
        seeds,
        "request_signature",
        "heartbeat",
        lines.join("\n").into_bytes(),
    );
    put(seeds, "request_signature", "empty", b"\n\n\n\n".to_vec());
}

fn appliance_seeds(seeds: &mut Seeds) {
    for name in ["journal_export", "journal_export_pruned"] {
        let path = repository().join(format!("shared/tests/vectors/{name}.jsonl"));
        put(seeds, "exported_journal", name, fs::read(path).unwrap());
    }
    // Kind, then: version; time; time, step, hints, count and texts; reason.
    let answers: [(&str, &[u8]); 4] = [
        ("ready", &[16, 1, 0, 0, 0]),
        ("unpacked", &[17, 9, 0, 0, 0, 0, 0, 0, 0]),
        (
            "texts",
            b"\x12\x09\0\0\0\0\0\0\0\x01\x05\x02\x03\0\0\0abc\x02\0\0\0\xc3\xbc",
        ),
        ("not_a_picture", b"\x13why"),
    ];
    for (name, answer) in answers {
        assert!(check_answer(answer, Effort::Gate).is_ok(), "{name}");
        put(seeds, "decoder_answer", name, answer.to_vec());
    }
    // Kind, then: version and wiring; door, time and command; door and input; door and problem.
    let messages: [(&str, &[u8]); 7] = [
        (
            "begin",
            b"\x01\x02\0\0\0{\"hold\":\"/h\",\"doors\":[{\"door\":1,\"levels\":{\"lock\":\"fail_secure\",\
              \"at_start\":\"locked\",\"at_stop\":\"as_commanded\",\"at_crash\":\"locked\",\
              \"longest_release_ms\":9000},\"io\":{\"simulated\":{}}}]}",
        ),
        (
            "release",
            b"\x02\x01\0\0\0\x10\0\0\0\0\0\0\0\x02\x88\x13\0\0",
        ),
        ("signal", b"\x02\x01\0\0\0\x10\0\0\0\0\0\0\0\x03\x04"),
        ("heartbeat", b"\x03\x07\0\0\0"),
        ("input", b"\x11\x01\0\0\0\x06"),
        ("fault", b"\x12\x01\0\0\0\x01no chip"),
        ("holding", b"\x15"),
    ];
    for (name, message) in messages {
        assert_eq!(check_message(message), Ok(()), "{name}");
        put(seeds, "door_message", name, message.to_vec());
    }
    picture_seeds(seeds);
}

fn picture_seeds(seeds: &mut Seeds) {
    for (name, format) in [
        ("png", image::ImageFormat::Png),
        ("jpeg", image::ImageFormat::Jpeg),
        ("webp", image::ImageFormat::WebP),
    ] {
        let picture = image::GrayImage::from_fn(16, 12, |x, y| image::Luma([(x * y) as u8]));
        let mut file = std::io::Cursor::new(Vec::new());
        let picture = image::DynamicImage::ImageLuma8(picture).to_rgb8();
        picture.write_to(&mut file, format).unwrap();
        let file = file.into_inner();
        if format == image::ImageFormat::Jpeg {
            // As cameras send them: without the tables of Huffman's codes.
            put(seeds, "motion_jpeg", "whole", file.clone());
            put(
                seeds,
                "motion_jpeg",
                "without_tables",
                without_tables(&file),
            );
        }
        put(seeds, "picture_file", name, file);
    }
    for (name, text) in [("pass", "SP1:SEED"), ("foreign", "https://example.org")] {
        let code = fast_qr::QRBuilder::new(text)
            .ecl(fast_qr::ECL::M)
            .build()
            .expect("a short text fits");
        let side = code.size + 8;
        let mut frame = vec![230; 1 + side * side];
        frame[0] = u8::try_from(side).expect("a small code");
        for y in 0..code.size {
            for x in 0..code.size {
                if code[y][x].value() {
                    frame[1 + (y + 4) * side + x + 4] = 20;
                }
            }
        }
        put(seeds, "camera_frame", name, frame);
    }
}

/// A JPEG without its segments of Huffman tables (DHT, `FF C4`).
fn without_tables(file: &[u8]) -> Vec<u8> {
    let mut kept = file[..2].to_vec();
    let mut at = 2;
    while file[at + 1] != 0xda {
        let length = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        let end = at + 2 + length;
        if file[at + 1] != 0xc4 {
            kept.extend(&file[at..end]);
        }
        at = end;
    }
    kept.extend(&file[at..]);
    kept
}

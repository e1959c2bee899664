//! The implementation in another language, written from `docs/formats.md` alone
//! (`tests/independent/verify.py`): it takes what the product makes and refuses what was altered.
#![allow(missing_docs)]

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use shared::{
    document::{self, Header},
    ids::{CentralEpoch, DocumentNumber, Kid, Serial},
    keys::{PublicKey, Sign, Signature},
    pass::{AccessLevels, Claims, HolderKind, issue, live_text, prove, static_text},
    status_list::StatusSets,
    time::UtcSeconds,
};
use tempfile::TempDir;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn vector(file: &str) -> Value {
    let path = repository().join("shared/tests/vectors").join(file);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn public_key(name: &str) -> String {
    let keys = vector("keys.json");
    let keys = keys["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["name"] == name).unwrap();
    key["public_key"].as_str().unwrap().to_owned()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hexadecimal");
    (0..text.len() / 2)
        .map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
        .collect()
}

/// What the other implementation says: its answer, or why it refuses.
fn verify(arguments: &[&str]) -> Result<Value, String> {
    let output = match Command::new("python3")
        .arg("-B")
        .arg(repository().join("tests/independent/verify.py"))
        .args(arguments)
        .output()
    {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("python3 is not installed: apt-get install python3")
        }
        Err(error) => panic!("python3 cannot be started: {error}"),
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).expect("an answer in JSON")),
        Some(1) => {
            let said = text(&output.stderr);
            let reason = said.trim_end().strip_prefix("refused: ");
            Err(reason
                .unwrap_or_else(|| panic!("it broke: {said}"))
                .to_owned())
        }
        _ => panic!("it broke: {}", text(&output.stderr)),
    }
}

/// Asks about a file with these bytes.
fn verify_file(command: &str, content: &[u8], key: &[&str]) -> Result<Value, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, content).unwrap();
    verify(&[&[command, path.to_str().unwrap()], key].concat())
}

struct Key(SigningKey);

impl Key {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn hex(&self) -> String {
        shared::ids::Digest(self.public().0).to_string()
    }
}

impl Sign for Key {
    fn kid(&self) -> Kid {
        self.public().kid()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

#[test]
fn it_verifies_the_passes_of_the_vectors_and_gives_the_same_reasons() {
    let issuer = public_key("issuer");
    let (passes, live) = (vector("pass.json"), vector("live_pass.json"));
    for case in passes["passes"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let said = verify(&["pass", text, "--issuer-key", &issuer]).unwrap();
        for (member, value) in case["claims"].as_object().unwrap() {
            assert_eq!(&said[member], value, "{member}");
        }
        assert_eq!(said["issued_digest"], case["issued_digest"]);
    }
    let text = live["text"].as_str().unwrap();
    let said = verify(&["live-pass", text, "--issuer-key", &issuer]).unwrap();
    assert_eq!(said["made_at"], live["made_at"]);

    for file in [&passes, &live] {
        for case in file["refused"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let command = if text.starts_with("SL") {
                "live-pass"
            } else {
                "pass"
            };
            let refused = verify(&[command, text, "--issuer-key", &issuer]);
            let reason = case["reason"].as_str().unwrap().to_owned();
            assert_eq!(refused, Err(reason), "{}", case["what"]);
        }
    }
}

#[test]
fn it_verifies_passes_that_stand_in_no_vector() {
    let (issuer, holder) = (Key::new(0xa1), Key::new(0xa2));
    let largest = Claims {
        not_before: UtcSeconds(5_000_000_000),
        expires_at: UtcSeconds(6_000_000_000),
        serial: Serial((1 << 24) - 1),
        holder_key: Some(holder.public()),
        kind: HolderKind::Visitor,
        uses_max: u32::MAX,
        levels: AccessLevels::new(240..=255).unwrap(),
    };
    let pass = issue(&largest, &issuer);
    let said = verify(&["pass", &static_text(&pass), "--issuer-key", &issuer.hex()]).unwrap();
    assert_eq!(said["levels"], json!((240..=255).collect::<Vec<u8>>()));
    assert_eq!(said["uses_max"], json!(u32::MAX));
    let text = live_text(&prove(&pass, UtcSeconds(5_500_000_000), &holder));
    let said = verify(&["live-pass", &text, "--issuer-key", &issuer.hex()]).unwrap();
    assert_eq!(said["made_at"], json!(5_500_000_000_u64));
    let stolen = live_text(&prove(&pass, UtcSeconds(5_500_000_000), &Key::new(0xa3)));
    assert_eq!(
        verify(&["live-pass", &stolen, "--issuer-key", &issuer.hex()]),
        Err("proof_invalid".into())
    );
}

#[test]
fn it_lists_the_revoked_serials_of_status_lists() {
    let statement = public_key("statement");
    let key = ["--statement-key", &statement];
    for list in vector("status_list.json")["lists"].as_array().unwrap() {
        let said = verify_file("status-list", &bytes(&list["signed"]), &key).unwrap();
        assert_eq!(said["revoked"], list["revoked"], "{}", list["what"]);
        assert_eq!(said["suspended"], list["suspended"], "{}", list["what"]);
    }
    let (signer, mut serials, mut x) = (Key::new(0xb1), BTreeSet::new(), 1u64);
    while serials.len() < 3_000 {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        serials.insert(u32::try_from(x >> 40).unwrap() % 300_000);
    }
    let revoked: Vec<u32> = serials.into_iter().collect();
    let header = Header {
        number: DocumentNumber {
            epoch: CentralEpoch(4),
            n: 1_000_000,
        },
        made_at: UtcSeconds(1_800_000_000),
        expires_at: UtcSeconds(1_800_000_060),
    };
    let sets = StatusSets {
        revoked: revoked.clone(),
        suspended: vec![],
    };
    let signed = document::sign(&sets.to_list(header, Kid([1; 8])), &signer).unwrap();
    let said = verify_file("status-list", &signed, &["--statement-key", &signer.hex()]).unwrap();
    assert_eq!(said["revoked"], json!(revoked));
}

#[test]
fn it_refuses_altered_status_lists() {
    let statement = public_key("statement");
    let lists = vector("status_list.json");
    let list = bytes(&lists["lists"][3]["signed"]);
    let refused = |content: &[u8], key: &str| {
        verify_file("status-list", content, &["--statement-key", key]).expect_err("refused")
    };
    for at in (0..list.len()).step_by(23) {
        let mut altered = list.clone();
        altered[at] ^= 1;
        refused(&altered, &statement);
    }
    refused(&list[..list.len() - 1], &statement);
    refused(&[&list[..], &[0]].concat(), &statement);
    assert_eq!(
        refused(&list, &public_key("stranger")),
        "signed by another key"
    );
    let order = bytes(&vector("order.json")["documents"][0]["signed"]);
    assert_eq!(refused(&order, &statement), "signature does not hold");
}

#[test]
fn it_refuses_a_status_list_in_another_coding_though_it_is_signed() {
    let signer = Key::new(0xb2);
    let set = |count: u8, rice_bits: u8, code: u8| vec![0x83, count, rice_bits, 0x41, code];
    let header = [0x83, 0x82, 1, 1, 5, 6];
    let payload = |revoked: &[u8]| {
        [
            &[0x84][..],
            &header,
            &[0x48, 1, 1, 1, 1, 1, 1, 1, 1],
            revoked,
            &[0x83, 0, 0, 0x40],
        ]
        .concat()
    };
    let ask = |revoked: &[u8]| {
        let kind = "portcullis/status-list/1";
        let signed = shared::cose::sign1(&signer, kind, &payload(revoked));
        verify_file("status-list", &signed, &["--statement-key", &signer.hex()])
    };
    // The set {0}: parameter 0 and one zero bit is its one coding.
    assert_eq!(ask(&set(1, 0, 0b0000_0000)).unwrap()["revoked"], json!([0]));
    for (what, other) in [
        ("larger parameter", set(1, 1, 0b0000_0000)),
        ("padding that is not zero", set(1, 0, 0b0100_0000)),
        ("a count beyond the code", set(9, 0, 0b0000_0000)),
        ("a code that never ends", set(1, 0, 0b1111_1111)),
        ("no code", vec![0x83, 1, 0, 0x40]),
        ("a long integer", vec![0x83, 0x18, 1, 0, 0x41, 0]),
    ] {
        assert!(ask(&other).is_err(), "{what}");
    }
}

#[test]
fn it_verifies_issued_lists_and_their_ranges() {
    let statement = public_key("statement");
    let file = vector("issued_list.json");
    let folder = TempDir::new().unwrap();
    let put = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let list = put("list", &bytes(&file["frozen"]["signed"]));
    let first = put("first", &bytes(&file["ranges"][0]["bytes"]));
    let second = put("second", &bytes(&file["ranges"][1]["bytes"]));
    let ask = |list: &str, ranges: &[&str]| {
        let mut arguments = vec!["issued-list", list, "--statement-key", &statement];
        for range in ranges {
            arguments.extend(["--range", range]);
        }
        verify(&arguments)
    };
    for (name, growth) in [("empty", "open"), ("open", "open"), ("frozen", "frozen")] {
        let list = put(name, &bytes(&file[name]["signed"]));
        assert_eq!(ask(&list, &[]).unwrap()["growth"], growth);
    }
    let said = ask(&list, &[&first, &second]).unwrap();
    assert_eq!(said["digests"], file["digests"]);

    assert!(ask(&list, &[&first]).is_err(), "a range is missing");
    assert!(
        ask(&list, &[&second, &first]).is_err(),
        "ranges in another order"
    );
    let mut other = bytes(&file["ranges"][1]["bytes"]);
    *other.last_mut().unwrap() ^= 1;
    let other = put("other", &other);
    assert_eq!(
        ask(&list, &[&first, &other]),
        Err("ranges do not give the signed chain".into())
    );
    let mut altered = bytes(&file["frozen"]["signed"]);
    altered[60] ^= 1;
    assert!(ask(&put("altered", &altered), &[]).is_err());
}

#[test]
fn it_verifies_exported_journals_and_refuses_altered_ones() {
    let gate = public_key("gate");
    let key = ["--gate-key", gate.as_str()];
    let folder = repository().join("shared/tests/vectors");
    let whole = fs::read_to_string(folder.join("journal_export.jsonl")).unwrap();
    let pruned = fs::read_to_string(folder.join("journal_export_pruned.jsonl")).unwrap();
    let said = verify_file("journal", whole.as_bytes(), &key).unwrap();
    assert_eq!((&said["records"], &said["erased"]), (&json!(36), &json!(1)));
    let said = verify_file("journal", pruned.as_bytes(), &[]).unwrap();
    assert_eq!(said["records"], 31);
    assert_eq!(said["key_trust"], "from file");

    let stranger = ["--gate-key", &public_key("stranger")];
    assert!(verify_file("journal", whole.as_bytes(), &stranger).is_err());
    let lines: Vec<&str> = whole.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let mut cases = vec![
        ("no head", joined(&lines[..37])),
        ("cut off", whole[..whole.len() - 1].to_owned()),
        (
            "a line behind the head",
            joined(&[&lines[..], &lines[37..]].concat()),
        ),
        (
            "records left out at the end",
            joined(&[&lines[..30], &lines[37..]].concat()),
        ),
        (
            "a record left out",
            joined(&[&lines[..5], &lines[6..]].concat()),
        ),
        (
            "a record doubled",
            joined(&[&lines[..5], &lines[4..]].concat()),
        ),
        ("anchor taken away", {
            let at = pruned.find("\"anchor\":").unwrap();
            let end = pruned.find("}\n").unwrap();
            format!("{}\"anchor\":null{}", &pruned[..at], &pruned[end..])
        }),
        (
            "another member",
            whole.replacen("{\"public\"", "{\"more\":1,\"public\"", 1),
        ),
    ];
    let with_personal = lines
        .iter()
        .position(|line| line.contains("\"salt\":\""))
        .unwrap();
    for at in (0..lines[with_personal].len()).step_by(61) {
        let mut altered = lines[with_personal].to_owned().into_bytes();
        altered[at] ^= 1;
        let altered = String::from_utf8(altered).unwrap();
        let mut lines = lines.clone();
        lines[with_personal] = &altered;
        cases.push(("one bit", joined(&lines)));
    }
    for (what, text) in cases {
        let refused = verify_file("journal", text.as_bytes(), &key);
        assert!(refused.is_err(), "{what}");
    }
}

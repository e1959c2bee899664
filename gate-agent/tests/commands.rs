//! The program as somebody at a shell meets it: exit codes that mean something, messages that say
//! what to do, help with examples.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use gate_agent::{
    gate_key::{GATE_KEY_FILE, GateKey, random_secret, write_secret},
    store::{Enrolled, Identity, Store, StorePlaces},
};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = "state = \"state\"\npanel_socket = \"panel.sock\"\n";
        fs::write(folder.path().join("gate.toml"), configuration).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_gate-agent"))
            .args(arguments)
            .env("PORTCULLIS_GATE_CONFIG", self.path("gate.toml"))
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
    }

    fn fails(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let output = self.run(arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        for word in words {
            assert!(
                said.contains(word),
                "{arguments:?} does not say {word:?}: {said}"
            );
        }
        assert!(!said.contains("panicked"), "{said}");
    }
}

fn said(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{stdout}{stderr}")
}

#[test]
fn every_command_explains_itself_with_examples() {
    let place = Place::new();
    let commands: [&[&str]; 10] = [
        &["run"],
        &["enrol"],
        &["status"],
        &["verify"],
        &["journal", "export"],
        &["journal", "verify"],
        &["scan-image"],
        &["config", "check"],
        &["doctor"],
        &["selftest"],
    ];
    for command in commands {
        let output = place.run(&[command, &["--help"]].concat());
        assert!(output.status.success(), "{command:?}");
        let help = said(&output);
        assert!(
            help.contains("Examples:") && help.contains("Exit code:"),
            "{command:?}: {help}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_told_from_what_cannot_be_done() {
    let place = Place::new();
    for wrong in [
        &["open-the-door"][..],
        &["enrol"],
        &["verify"],
        &["status", "--color"],
        &[],
    ] {
        place.fails(wrong, 2, &["Usage"]);
    }
    place.fails(
        &["enrol", "PC1:A", "--claim", "PC1:B"],
        2,
        &["cannot be used with"],
    );
    place.fails(
        &["scan-image", "a.png", "--store", "x", "--config", "y"],
        2,
        &["cannot be used with"],
    );
}

#[test]
fn a_box_that_is_no_gate_yet_says_what_to_do() {
    let place = Place::new();
    place.fails(&["run"], 3, &["not enrolled", "gate-agent enrol"]);
    place.fails(&["status"], 3, &["no gate-agent answers"]);
    place.fails(&["verify", "SP1:ABC"], 3, &["not enrolled"]);
    place.fails(&["journal", "export"], 3, &["not enrolled"]);
    let nowhere = place.path("nowhere").display().to_string();
    place.fails(
        &["journal", "export", "--state", &nowhere],
        3,
        &["no gate's database"],
    );
    place.fails(
        &["scan-image", "x.png", "--store", &nowhere],
        3,
        &["no gate's database"],
    );
    place.fails(
        &["scan-image", "x.png", "--access-point", "1"],
        3,
        &["--store"],
    );
    place.fails(
        &["run", "--config", &nowhere],
        3,
        &["cannot read the configuration"],
    );
}

#[test]
fn a_claim_that_is_none_is_refused_before_anything_is_made() {
    let place = Place::new();
    place.fails(&["enrol", "garbage"], 3, &["not the text of a claim"]);
    place.fails(&["enrol", "PC1:!!!!"], 3, &["not the text of a claim"]);
    let file = place.path("claim.toml");
    place.fails(
        &["enrol", "--claim-file", &file.display().to_string()],
        3,
        &["claim file"],
    );
    for garbage in ["", "claim = 3", "claim = \"x\"\ncolour = 1", "\u{0}\u{1}"] {
        fs::write(&file, garbage).unwrap();
        place.fails(
            &["enrol", "--claim-file", &file.display().to_string()],
            3,
            &["claim"],
        );
    }
    assert!(!place.path("state/keys/gate.key").exists());
}

#[test]
fn configurations_are_checked_without_starting_anything() {
    let place = Place::new();
    let output = place.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("is sound"));
    assert!(!place.path("state").exists());
    fs::write(
        place.path("gate.toml"),
        "state = \"s\"\npanel_socket = \"p\"\nspeed = 9\n",
    )
    .unwrap();
    place.fails(&["config", "check"], 1, &["line 3", "speed"]);
    place.fails(&["run"], 3, &["line 3", "speed"]);
}

#[test]
fn any_file_in_the_place_of_a_journal_is_answered_with_no() {
    let place = Place::new();
    let file = place.path("journal.jsonl");
    let name = file.display().to_string();
    for garbage in [
        &b""[..],
        b"garbage",
        b"{}\n",
        &[0xff; 5_000],
        b"{\"portcullis\":1}\n",
    ] {
        fs::write(&file, garbage).unwrap();
        place.fails(&["journal", "verify", &name], 1, &["does not hold"]);
    }
    place.fails(
        &["journal", "verify", &name, "--gate-key", "12"],
        2,
        &["64 hexadecimal"],
    );
    let nowhere = place.path("nowhere").display().to_string();
    place.fails(&["journal", "verify", &nowhere], 3, &["cannot read"]);
}

#[test]
fn a_database_that_is_none_is_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.path("state")).unwrap();
    fs::write(place.path("state/gate.db"), "my letters").unwrap();
    place.fails(&["run"], 3, &["not a gate's database"]);
    place.fails(&["enrol", &claim()], 3, &["not a gate's database"]);
    assert_eq!(
        fs::read(place.path("state/gate.db")).unwrap(),
        b"my letters"
    );
}

/// A claim for a central that does not answer.
fn claim() -> String {
    shared::enrolment::Claim {
        address: "http://127.0.0.1:1".into(),
        gate: shared::ids::GateId([1; 16]),
        secret: [2; 32],
        expires_at: shared::time::UtcSeconds(1_800_000_000),
        root_set: shared::ids::Digest([3; 32]),
        tls_key: None,
    }
    .to_text()
}

#[test]
fn a_box_that_lost_its_key_can_be_enrolled_anew() {
    let place = Place::new();
    enrol(&place);
    place.fails(&["enrol", &claim()], 3, &["--replace"]);
    let key = place.path("state/keys/gate.key");
    for text in [Some("my letters"), None] {
        match text {
            Some(text) => fs::write(&key, text).unwrap(),
            None => fs::remove_file(&key).unwrap(),
        }
        // As far as the claim's central, which does not answer; the box stays what it was.
        place.fails(
            &["enrol", &claim(), "--replace"],
            3,
            &["127.0.0.1:1", "check the network"],
        );
        assert!(place.path("state/gate.db").exists());
    }
}

fn enrol(place: &Place) {
    let places = StorePlaces {
        state: place.path("state"),
        keys: place.path("state/keys"),
    };
    let mut store = Store::open(&places).unwrap();
    let secret = random_secret().unwrap();
    write_secret(&places.keys.join(GATE_KEY_FILE), &secret).unwrap();
    let enrolled = Enrolled {
        identity: Identity {
            gate: shared::ids::GateId([1; 16]),
            gate_key: GateKey::new(&secret).public(),
            pinned_root_set: shared::ids::Digest([3; 32]),
            central_address: "http://127.0.0.1:1".into(),
            tls_key: None,
            journal_epoch: shared::ids::JournalEpoch(1),
            enrolled_at: shared::time::UtcSeconds(1_800_000_000),
        },
        documents: Vec::new(),
        mark: shared::time::UtcSeconds(1_800_000_000),
    };
    store.enrol(&places, &enrolled).unwrap();
}

#[test]
fn a_central_that_does_not_answer_or_may_not_be_talked_to_is_named() {
    let place = Place::new();
    place.fails(
        &["enrol", &claim()],
        3,
        &["127.0.0.1:1", "check the network"],
    );
    let mut open = shared::enrolment::Claim::from_text(&claim()).unwrap();
    open.address = "http://gates.example.org".into();
    place.fails(&["enrol", &open.to_text()], 3, &["not encrypted"]);
    open.address = "https://gates.example.org".into();
    place.fails(&["enrol", &open.to_text()], 3, &["no TLS key"]);
    assert!(!place.path("state/keys/gate.key").exists());
}

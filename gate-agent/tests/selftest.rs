//! The self-test as a technician meets it: the real program, a door process of its own, a reader with
//! real frames, answers on standard input.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "shared with the unit tests"
)]
#[path = "../src/decoder/drawing.rs"]
mod drawing;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, chown},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use gate_agent::{
    gate_key::{GATE_KEY_FILE, GateKey, random_secret, write_secret},
    store::{Enrolled, Identity, Store, StorePlaces, StoreReader},
};
use serde_json::Value;
use tempfile::TempDir;

use drawing::{Drawing, pass_text};

const DOOR: &str = r#"
[[doors]]
door = 1
lock = "fail_secure"
[doors.io.simulated]
opens_after_ms = 50
open_for_ms = 100
"#;

struct Place(TempDir);

/// What a walk found: part, verdict, words.
type Found = Vec<(String, String, String)>;

impl Place {
    fn new(parts: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("state = \"state\"\npanel_socket = \"panel.sock\"\n{parts}");
        fs::write(folder.path().join("gate.toml"), text).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn places(&self) -> StorePlaces {
        StorePlaces {
            state: self.path("state"),
            keys: self.path("state/keys"),
        }
    }

    fn run(&self, arguments: &[&str], answers: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gate-agent"))
            .args(["selftest", "--json"])
            .args(arguments)
            .env("PORTCULLIS_GATE_CONFIG", self.path("gate.toml"))
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(answers.as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    }

    fn walk(&self, arguments: &[&str], answers: &str) -> (i32, Found) {
        let output = self.run(arguments, answers);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let words = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        let found = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| {
                (
                    words(&line, "part"),
                    words(&line, "verdict"),
                    words(&line, "said"),
                )
            })
            .collect();
        let code = output.status.code();
        (code.unwrap_or_else(|| panic!("{said}")), found)
    }

    fn enrol(&self) {
        let places = self.places();
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

    fn records(&self) -> u64 {
        let reader = StoreReader::open(&self.places()).unwrap();
        reader.tail().unwrap().last.position.seq
    }
}

fn verdicts(found: &Found) -> Vec<(&str, &str)> {
    found
        .iter()
        .map(|(part, verdict, _)| (part.as_str(), verdict.as_str()))
        .collect()
}

#[test]
fn a_door_is_walked_through_and_its_releases_are_on_record() {
    let place = Place::new(DOOR);
    place.enrol();
    let before = place.records();
    let (code, found) = place.walk(&["--part", "doors", "--within", "10"], "y\nwhat\ny\n");
    assert_eq!(
        verdicts(&found),
        [("door 1: lock", "good"), ("door 1: contact", "good")]
    );
    assert_eq!(code, 0);
    assert_eq!(place.records() - before, 2, "a release for each of both");
}

#[test]
fn a_lock_that_does_not_follow_and_a_contact_that_says_nothing_are_bad_and_say_what_to_do() {
    let place = Place::new(&format!("{DOOR}turns = false\n"));
    let arguments = ["--part", "doors", "--within", "1", "--yes"];
    let (code, found) = place.walk(&arguments, "n\n");
    assert_eq!(
        verdicts(&found),
        [("door 1: lock", "bad"), ("door 1: contact", "bad")]
    );
    assert!(found[0].2.contains("supply"), "{found:?}");
    assert!(found[1].2.contains("magnet"), "{found:?}");
    assert_eq!(code, 1);
}

#[test]
fn no_door_is_released_unless_somebody_says_so() {
    let trace = format!("{DOOR}trace = \"trace.jsonl\"\n");
    let place = Place::new(&trace);
    place.enrol();
    let before = place.records();
    for answers in ["", "n\n"] {
        let (code, found) = place.walk(&["--part", "doors"], answers);
        assert_eq!(verdicts(&found), [("doors", "doubtful")]);
        assert_eq!(code, 0);
    }
    assert_eq!(place.records(), before);
    assert!(!place.path("trace.jsonl").exists());
}

#[test]
fn a_reader_is_told_by_what_it_read_and_how_sharp_it_was() {
    let code = Drawing::camera_frame(&pass_text(1));
    let mut frame = code.luma.clone();
    let colours = 2 * (code.width as usize).div_ceil(2) * (code.height as usize).div_ceil(2);
    frame.extend(vec![128; colours]);
    let reader = |script: &str| {
        format!(
            "[[readers]]\naccess_point = 3\n[readers.source.command]\nprogram = \"/bin/sh\"\n\
             arguments = [\"-c\", \"{script}\"]\nwidth = {w}\nheight = {h}\nstride = {w}\n",
            w = code.width,
            h = code.height,
        )
    };
    let place = Place::new(&reader("while cat frame; do sleep 0.1; done"));
    fs::write(place.path("frame"), &frame).unwrap();
    // The program runs where the test does.
    let text = fs::read_to_string(place.path("gate.toml")).unwrap();
    let text = text.replace(
        "cat frame",
        &format!("cat {}", place.path("frame").display()),
    );
    fs::write(place.path("gate.toml"), text).unwrap();
    let (exit, found) = place.walk(&["--part", "readers", "--within", "20"], "");
    assert_eq!(
        verdicts(&found),
        [("reader at access point 3", "good")],
        "{found:?}"
    );
    assert!(found[0].2.contains("sharpness up to"), "{found:?}");
    assert_eq!(exit, 0);

    // The same with nothing in the picture.
    fs::write(place.path("frame"), vec![128; frame.len()]).unwrap();
    let (exit, found) = place.walk(&["--part", "readers", "--within", "1"], "");
    assert_eq!(verdicts(&found), [("reader at access point 3", "bad")]);
    assert!(found[0].2.contains("lens"), "{found:?}");
    assert_eq!(exit, 1);
}

#[test]
fn nothing_is_tried_beside_a_store_that_is_in_use() {
    let place = Place::new(DOOR);
    place.enrol();
    let store = Store::open(&place.places()).unwrap();
    let output = place.run(&["--yes"], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("systemctl stop gate-agent"), "{said}");
    drop(store);
}

#[test]
fn what_root_leaves_behind_belongs_to_whom_the_state_belongs() {
    let place = Place::new(DOOR);
    let state = place.path("state");
    if fs::metadata(&state).unwrap().uid() != 0 {
        // Only root can become somebody else.
        return;
    }
    const SOMEBODY: u32 = 65_534;
    chown(&state, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    chown(place.0.path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let arguments = [
        "--part", "storage", "--part", "doors", "--yes", "--within", "1",
    ];
    let (_, found) = place.walk(&arguments, "y\n");
    assert_eq!(
        verdicts(&found),
        [
            ("storage", "good"),
            ("door 1: lock", "good"),
            ("door 1: contact", "good")
        ],
        "{found:?}"
    );
    let left: Vec<_> = fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    assert!(!left.is_empty());
    for entry in left {
        assert_eq!(entry.metadata().unwrap().uid(), SOMEBODY, "{entry:?}");
    }
}

//! A claim that is shown to the gate's own readers, as a technician does it.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "shared with the unit tests"
)]
#[path = "../src/decoder/drawing.rs"]
mod drawing;

use std::fs;
use std::process::Command;

use shared::enrolment::Claim;
use shared::ids::{Digest, GateId};
use shared::time::UtcSeconds;
use tempfile::TempDir;

use drawing::{Drawing, pass_text};

/// A claim for a central that does not answer: how far it came shows in what is said.
fn claim() -> String {
    Claim {
        address: "http://127.0.0.1:1".into(),
        gate: GateId([1; 16]),
        secret: [2; 32],
        expires_at: UtcSeconds(1_800_000_000),
        root_set: Digest([3; 32]),
        tls_key: None,
    }
    .to_text()
}

fn place(readers: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let configuration = format!("state = \"state\"\npanel_socket = \"panel.sock\"\n{readers}");
    fs::write(folder.path().join("gate.toml"), configuration).unwrap();
    folder
}

fn draw(place: &TempDir, name: &str, text: &str) -> Drawing {
    let drawing = Drawing::of_code(&drawing::code(text), 6);
    fs::write(place.path().join(name), drawing.png()).unwrap();
    drawing
}

/// Runs it, which must fail, and returns what it says.
fn enrol(place: &TempDir, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gate-agent"))
        .arg("enrol")
        .args(arguments)
        .env("PORTCULLIS_GATE_CONFIG", place.path().join("gate.toml"))
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = format!("{stdout}{stderr}");
    assert_eq!(output.status.code(), Some(3), "{said}");
    said
}

const PICTURES: &str = "[[readers]]\naccess_point = 2\nsource = { pictures = { files = [\"foreign.png\", \"claim.png\"] } }\n";

#[test]
fn a_claim_in_a_picture_is_taken_and_a_pass_beside_it_is_not() {
    let place = place(PICTURES);
    draw(&place, "foreign.png", &pass_text(1));
    draw(&place, "claim.png", &claim());
    for arguments in [&["--camera"][..], &["--camera=2", "--within", "60"]] {
        let said = enrol(&place, arguments);
        for words in [
            "Show the claim at access point 2: 2 pictures.",
            "That code is no claim",
            "The claim is for gate 01010101010101010101010101010101 of http://127.0.0.1:1",
            "check the network",
        ] {
            assert!(said.contains(words), "{words:?} is missing: {said}");
        }
        for secret in [pass_text(1), claim()] {
            assert!(!said.contains(&secret[4..]), "{said}");
        }
    }
    assert!(!place.path().join("state/keys/gate.key").exists());
}

#[test]
fn a_claim_is_read_from_live_frames() {
    let place = place("");
    let drawing = draw(&place, "claim.png", &claim());
    let (width, height) = (drawing.width, drawing.height);
    let colours = 2 * (width as usize).div_ceil(2) * (height as usize).div_ceil(2);
    let frame = [drawing.luma, vec![128; colours]].concat();
    fs::write(place.path().join("frame"), frame).unwrap();
    let frame = place.path().join("frame");
    let configuration = format!(
        "state = \"state\"\npanel_socket = \"panel.sock\"\n[[readers]]\naccess_point = 1\n\
         [readers.source.command]\nprogram = \"sh\"\nwidth = {width}\nheight = {height}\n\
         arguments = [\"-c\", \"while :; do cat {}; sleep 0.1; done\"]\n",
        frame.display()
    );
    fs::write(place.path().join("gate.toml"), configuration).unwrap();
    let said = enrol(&place, &["--camera"]);
    assert!(said.contains("check the network"), "{said}");
}

#[test]
fn without_a_claim_to_see_it_is_said_what_to_do() {
    let place = place(PICTURES);
    draw(&place, "foreign.png", &pass_text(1));
    draw(&place, "claim.png", "https://example.org");
    let said = enrol(&place, &["--camera"]);
    assert!(
        said.contains("none of the pictures shows a claim"),
        "{said}"
    );
    let said = enrol(&place, &["--camera=9"]);
    assert!(said.contains("no reader of this box stands at access point 9"));
    let bare = self::place("");
    let said = enrol(&bare, &["--camera"]);
    assert!(said.contains("configure one as [[readers]]"), "{said}");
    let waits = self::place(
        "[[readers]]\naccess_point = 1\nsource = { texts = { socket = \"texts.sock\" } }\n",
    );
    let said = enrol(&waits, &["--camera", "--within", "0"]);
    assert!(said.contains("no claim was shown within 0 s"), "{said}");
}

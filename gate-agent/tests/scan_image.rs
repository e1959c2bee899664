//! `gate-agent scan-image` from the outside.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "shared with the unit tests"
)]
#[path = "../src/decoder/drawing.rs"]
mod drawing;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use gate_agent::clock::Clock;
use gate_agent::commands::scan_image::scan_pictures;
use gate_agent::decoder::{Decoder, DecoderSettings};
use image::ImageFormat;
use serde_json::Value;

use drawing::{Drawing, pass_text};

fn scan(arguments: &[&OsStr]) -> (Output, Vec<Value>) {
    let output = Command::new(env!("CARGO_BIN_EXE_gate-agent"))
        .arg("scan-image")
        .args(arguments)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output, lines)
}

#[test]
fn a_json_line_stands_for_each_picture_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let text = pass_text(1);
    let drawing = Drawing::camera_frame(&text);
    let mut files = Vec::new();
    for (name, format) in [
        ("a.png", ImageFormat::Png),
        ("b.jpg", ImageFormat::Jpeg),
        // Told by its content, not by its name.
        ("c.txt", ImageFormat::WebP),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, drawing.encoded(format)).unwrap();
        files.push(file);
    }
    let empty = folder.path().join("d.png");
    fs::write(&empty, Drawing::blank(300, 300, 200).png()).unwrap();
    files.push(empty);

    let arguments: Vec<&OsStr> = files.iter().map(|file| file.as_os_str()).collect();
    let (output, lines) = scan(&arguments);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(lines.len(), 4);
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(line["file"], files[place].to_str().unwrap());
        assert_eq!(line["error"], Value::Null);
        assert!(line["ms"].as_f64().unwrap() > 0.0);
        assert!(line.get("decision").is_none());
        let expected = if place < 3 {
            vec![text.as_str()]
        } else {
            vec![]
        };
        assert_eq!(line["texts"], serde_json::json!(expected));
    }
    // The folder stands for its files.
    let (output, by_folder) = scan(&[folder.path().as_os_str()]);
    assert!(output.status.success());
    let names = |lines: &[Value]| {
        lines
            .iter()
            .map(|line| line["file"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&by_folder), names(&lines));
}

#[test]
fn a_file_that_is_no_picture_has_an_error_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let png = Drawing::camera_frame(&pass_text(2)).png();
    write("1-poem.png", b"Tyger Tyger, burning bright");
    write("2-empty.png", b"");
    write("3-cut.png", &png[..png.len() / 2]);
    write("4-good.png", &png);
    let missing = folder.path().join("missing.png");
    let (output, lines) = scan(&[
        folder.path().as_os_str(),
        missing.as_os_str(),
        OsStr::new("/dev/zero"),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines.len(), 6);
    for (place, line) in lines.iter().enumerate() {
        let is_good = place == 3;
        assert_eq!(line["error"].is_null(), is_good, "{line}");
        assert_eq!(
            line["texts"].as_array().unwrap().len(),
            usize::from(is_good),
            "{line}"
        );
    }
    assert!(
        lines[4]["error"].as_str().unwrap().contains("No such file"),
        "{}",
        lines[4]
    );
    assert!(
        lines[5]["error"]
            .as_str()
            .unwrap()
            .contains("not a regular file"),
        "{}",
        lines[5]
    );
}

#[test]
fn a_pipe_in_the_place_of_a_picture_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.png");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let (output, lines) = scan(&[pipe.as_os_str()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        lines[0]["error"]
            .as_str()
            .unwrap()
            .contains("not a regular file")
    );
}

#[test]
fn the_help_shows_examples_and_a_wrong_command_line_is_two() {
    let output = Command::new(env!("CARGO_BIN_EXE_gate-agent"))
        .args(["scan-image", "--help"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("Examples:")
    );
    let (output, lines) = scan(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(lines.is_empty());
}

#[tokio::test]
async fn a_decision_is_added_to_every_picture_that_could_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = pass_text(3);
    let good = folder.path().join("good.png");
    let poem = folder.path().join("poem.png");
    fs::write(&good, Drawing::camera_frame(&text).png()).unwrap();
    fs::write(&poem, b"Tyger Tyger, burning bright").unwrap();
    let settings = DecoderSettings::program(PathBuf::from(env!("CARGO_BIN_EXE_gate-agent")));
    let mut decoder = Decoder::start(settings, Clock::system()).await.unwrap();
    let mut asked = Vec::new();
    let mut decide = |texts: &[String]| {
        asked.extend_from_slice(texts);
        Ok(serde_json::json!({ "codes": texts.len() }))
    };
    let mut output = Vec::new();
    let errors = scan_pictures(&[good, poem], &mut decoder, Some(&mut decide), &mut output)
        .await
        .unwrap();
    assert_eq!(errors, 1);
    assert_eq!(asked, [text]);
    let lines: Vec<Value> = String::from_utf8(output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["decision"]["codes"], 1);
    assert!(lines[1].get("decision").is_none());
}

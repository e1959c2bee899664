//! The decoder process against hostile pictures, sudden death and nonsense.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "shared with the unit tests"
)]
#[path = "../src/decoder/drawing.rs"]
mod drawing;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gate_agent::clock::Clock;
use gate_agent::decoder::{
    DecodeError, Decoder, DecoderSettings, Effort, Frame, Garbled, Request, Step,
};
use image::ImageFormat;
use rustix::process::{Pid, Signal, kill_process};

use drawing::{Drawing, code, next_random, pass_text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gate-agent");

fn settings() -> DecoderSettings {
    DecoderSettings::program(PathBuf::from(PROGRAM))
}

async fn decoder() -> Decoder {
    Decoder::start(settings(), Clock::system()).await.unwrap()
}

fn frame_of(drawing: &Drawing) -> Frame {
    Frame::new(drawing.width, drawing.height, drawing.luma.clone()).unwrap()
}

async fn read_frame(decoder: &mut Decoder, drawing: &Drawing) -> Result<Vec<String>, DecodeError> {
    let frame = frame_of(drawing);
    let request = Request::Frame {
        frame: &frame,
        effort: Effort::Gate,
    };
    decoder.decode(request).await.map(|decoded| decoded.texts)
}

async fn read_file(
    decoder: &mut Decoder,
    file: &[u8],
    effort: Effort,
) -> Result<Vec<String>, DecodeError> {
    decoder
        .decode(Request::Picture { file, effort })
        .await
        .map(|decoded| decoded.texts)
}

async fn assert_still_reads(decoder: &mut Decoder) {
    let text = pass_text(77);
    let texts = read_frame(decoder, &Drawing::camera_frame(&text))
        .await
        .unwrap();
    assert_eq!(texts, [text]);
}

fn kill(process_id: u32) {
    let pid = Pid::from_raw(process_id.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Gone, or dead and waiting for somebody to take note of it.
fn is_dead(process_id: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{process_id}/stat")) {
        Ok(stat) => stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => true,
    }
}

fn wait_until_dead(process_id: u32) -> bool {
    (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_dead(process_id)
    })
}

#[tokio::test]
async fn one_process_reads_frames_and_files_of_every_format() {
    let mut decoder = decoder().await;
    for number in 0..20 {
        let text = pass_text(number);
        let drawing = Drawing::camera_frame(&text);
        assert_eq!(
            read_frame(&mut decoder, &drawing).await.unwrap(),
            std::slice::from_ref(&text)
        );
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            for effort in [Effort::Gate, Effort::Thorough] {
                let texts = read_file(&mut decoder, &drawing.encoded(format), effort)
                    .await
                    .unwrap();
                assert_eq!(texts, std::slice::from_ref(&text), "{format:?} {effort:?}");
            }
        }
    }
    assert_eq!(decoder.starts(), 1);
}

#[tokio::test]
async fn a_large_photograph_is_shrunk_for_a_gate_and_read() {
    let text = pass_text(5);
    let mut photo = Drawing::blank(4000, 3000, 150);
    photo.stamp(
        &code(&text),
        drawing::Stamp {
            x: 900,
            y: 500,
            module: 30,
            ink: 30,
            paper: 220,
        },
    );
    let file = photo.encoded(ImageFormat::Jpeg);
    let mut decoder = decoder().await;
    for effort in [Effort::Gate, Effort::Thorough] {
        assert_eq!(
            read_file(&mut decoder, &file, effort).await.unwrap(),
            std::slice::from_ref(&text)
        );
    }
    assert_eq!(decoder.starts(), 1);
}

#[tokio::test]
async fn what_is_no_picture_is_said_so_and_the_process_goes_on() {
    let mut decoder = decoder().await;
    let png = Drawing::camera_frame(&pass_text(1)).png();
    for file in [
        &b""[..],
        b"poem",
        &[0; 5_000],
        &png[..png.len() / 2],
        &png[..9],
    ] {
        for effort in [Effort::Gate, Effort::Thorough] {
            let error = read_file(&mut decoder, file, effort).await.unwrap_err();
            assert!(matches!(error, DecodeError::NotAPicture { .. }), "{error}");
            assert!(!error.to_string().is_empty());
        }
    }
    let too_large = vec![0; gate_agent::decoder::FILE_BYTES_MAX + 1];
    let error = read_file(&mut decoder, &too_large, Effort::Gate)
        .await
        .unwrap_err();
    assert!(matches!(error, DecodeError::NotAPicture { .. }), "{error}");
    assert_still_reads(&mut decoder).await;
    assert_eq!(decoder.starts(), 1);
}

#[tokio::test]
async fn a_hostile_frame_is_killed_at_its_limit_and_the_next_one_is_read() {
    // No picture is known that takes the decoder longer than it may, so the limit is set below what
    // a large one takes.
    let settings = DecoderSettings {
        thorough_limit_ms: 5,
        ..settings()
    };
    let clock = Clock::system();
    let mut decoder = Decoder::start(settings, clock).await.unwrap();
    assert_still_reads(&mut decoder).await;
    let hostile = Drawing::hostile(2560, 1440);
    for kills in 1..=3 {
        let frame = frame_of(&hostile);
        let started = clock.uptime();
        let request = Request::Frame {
            frame: &frame,
            effort: Effort::Thorough,
        };
        let error = decoder.decode(request).await.unwrap_err();
        let took_ms = clock.uptime().since_ms(started);
        assert!(
            matches!(
                error,
                DecodeError::TimedOut {
                    step: Step::Read,
                    limit_ms: 5
                }
            ),
            "{error}"
        );
        assert!((5..5_000).contains(&took_ms), "{took_ms} ms");
        assert_eq!(decoder.starts(), 1 + kills);
        assert_still_reads(&mut decoder).await;
    }
}

#[tokio::test]
async fn hostile_frames_of_camera_size_are_answered_or_killed_within_the_limit() {
    let mut decoder = decoder().await;
    let clock = Clock::system();
    for (width, height) in [(640, 480), (1280, 720)] {
        for drawing in [
            Drawing::hostile(width, height),
            Drawing::hostile(width, height).inverted(),
        ] {
            let started = clock.uptime();
            match read_frame(&mut decoder, &drawing).await {
                Ok(texts) => assert!(texts.is_empty()),
                Err(DecodeError::TimedOut { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            let took_ms = clock.uptime().since_ms(started);
            assert!(took_ms < 5_000, "{took_ms} ms");
            assert_still_reads(&mut decoder).await;
        }
    }
}

#[tokio::test]
async fn a_decoder_killed_between_frames_is_replaced_unnoticed() {
    let mut decoder = decoder().await;
    for starts in 1..4 {
        assert_still_reads(&mut decoder).await;
        assert_eq!(decoder.starts(), starts);
        let process_id = decoder.process_id().unwrap();
        kill(process_id);
        assert!(wait_until_dead(process_id));
    }
    assert_still_reads(&mut decoder).await;
}

#[tokio::test]
async fn a_decoder_killed_in_the_middle_of_a_frame_says_so_and_the_next_frame_is_read() {
    let mut decoder = decoder().await;
    assert_still_reads(&mut decoder).await;
    let process_id = decoder.process_id().unwrap();
    let killer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        kill(process_id);
    });
    let frame = frame_of(&Drawing::hostile(2560, 1440));
    let request = Request::Frame {
        frame: &frame,
        effort: Effort::Thorough,
    };
    let error = decoder.decode(request).await.unwrap_err();
    assert!(
        matches!(error, DecodeError::Died { status: Some(_) }),
        "{error}"
    );
    killer.await.unwrap();
    assert_still_reads(&mut decoder).await;
    assert_eq!(decoder.starts(), 2);
}

#[tokio::test]
async fn an_abandoned_picture_leaves_no_late_answer_behind() {
    let mut decoder = decoder().await;
    for number in 0..5 {
        let frame = frame_of(&Drawing::camera_frame(&pass_text(number)));
        let request = Request::Frame {
            frame: &frame,
            effort: Effort::Thorough,
        };
        let abandoned =
            tokio::time::timeout(Duration::from_millis(2), decoder.decode(request)).await;
        assert!(abandoned.is_err(), "abandon it earlier");
        assert_still_reads(&mut decoder).await;
    }
}

/// Changes a frame the way a stranger might: blocks inverted, moved, filled with noise, with a
/// chessboard and, seldom because it is slow, with finder patterns.
fn mutate(drawing: &mut Drawing, patterns: &Drawing, seed: &mut u64) {
    let (width, height) = (u64::from(drawing.width), u64::from(drawing.height));
    for _ in 0..1 + next_random(seed) % 12 {
        let left = next_random(seed) % width;
        let top = next_random(seed) % height;
        let right = (left + 1 + next_random(seed) % (width / 2)).min(width);
        let bottom = (top + 1 + next_random(seed) % (height / 2)).min(height);
        let kind = next_random(seed) % 33 / 8;
        let shift = next_random(seed) as usize;
        for place in (top..bottom).flat_map(|y| (left..right).map(move |x| y * width + x)) {
            let (x, y, place) = (place % width, place / width, place as usize);
            drawing.luma[place] = match kind {
                0 => 255 - drawing.luma[place],
                1 => drawing.luma[(place + shift) % drawing.luma.len()],
                2 => next_random(seed) as u8,
                3 => u8::from((x / 3 + y / 3).is_multiple_of(2)) * 255,
                _ => patterns.luma[place],
            };
        }
    }
}

#[tokio::test]
async fn two_thousand_mutated_frames_do_not_stop_the_reading() {
    let mut decoder = decoder().await;
    let mut clean = Drawing::blank(280, 240, 180);
    let place = drawing::Stamp {
        x: 30,
        y: 10,
        module: 4,
        ink: 10,
        paper: 240,
    };
    clean.stamp(&code(&pass_text(9)), place);
    let patterns = Drawing::hostile(clean.width, clean.height);
    let mut seed = 4711;
    let mut read = 0;
    for _ in 0..2_000 {
        let mut drawing = clean.clone();
        mutate(&mut drawing, &patterns, &mut seed);
        if let Ok(texts) = read_frame(&mut decoder, &drawing).await {
            read += texts.len();
        }
    }
    assert!(
        read > 100,
        "only {read} were read: the mutations leave nothing to decode"
    );
    assert_still_reads(&mut decoder).await;
}

#[tokio::test]
async fn mutated_files_do_not_stop_the_reading() {
    let mut decoder = decoder().await;
    let drawing = Drawing::of_code(&code(&pass_text(9)), 2);
    let mut seed = 815;
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let clean = drawing.encoded(format);
        for _ in 0..150 {
            let mut file = clean.clone();
            for _ in 0..1 + next_random(&mut seed) % 8 {
                let place = next_random(&mut seed) as usize % file.len();
                file[place] = next_random(&mut seed) as u8;
            }
            let _ = read_file(&mut decoder, &file, Effort::Gate).await;
        }
    }
    assert_still_reads(&mut decoder).await;
}

/// A program that begins like a decoder and goes on as the shell script says.
fn impostor(script: &str) -> DecoderSettings {
    let mut settings = DecoderSettings::program(PathBuf::from("/bin/sh"));
    let ready = "printf '\\005\\000\\000\\000\\020\\003\\000\\000\\000'";
    settings.arguments = vec![
        OsString::from("-c"),
        OsString::from(format!("{ready}; {script}")),
    ];
    settings
}

async fn ask_impostor(script: &str) -> DecodeError {
    let mut decoder = Decoder::start(impostor(script), Clock::system())
        .await
        .unwrap();
    read_frame(&mut decoder, &Drawing::blank(50, 50, 0))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn nonsense_from_the_decoder_is_refused() {
    let error =
        ask_impostor("head -c 14 >/dev/null; printf '\\377\\377\\377\\377'; cat >/dev/null").await;
    assert!(
        matches!(error, DecodeError::Garbled(Garbled::TooLong { .. })),
        "{error}"
    );
    let error =
        ask_impostor("head -c 14 >/dev/null; printf '\\001\\000\\000\\000?'; cat >/dev/null").await;
    assert!(
        matches!(error, DecodeError::Garbled(Garbled::Kind { kind: b'?' })),
        "{error}"
    );
    let error = ask_impostor("head -c 14 >/dev/null; exit 3").await;
    assert!(matches!(error, DecodeError::Died { .. }), "{error}");
    let error = ask_impostor("cat >/dev/null").await;
    assert!(
        matches!(
            error,
            DecodeError::TimedOut {
                step: Step::Read,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_decoder_that_cannot_be_started_is_named() {
    let missing = DecoderSettings::program(PathBuf::from("/nonexistent/gate-agent"));
    let error = Decoder::start(missing, Clock::system()).await.unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/gate-agent"),
        "{error}"
    );

    let mut silent = DecoderSettings::program(PathBuf::from("/bin/sh"));
    silent.arguments = vec![OsString::from("-c"), OsString::from("cat >/dev/null")];
    silent.start_limit_ms = 200;
    let mut decoder = Decoder::start(silent, Clock::system()).await.unwrap();
    let error = read_frame(&mut decoder, &Drawing::blank(50, 50, 0))
        .await
        .unwrap_err();
    assert!(matches!(error, DecodeError::CannotStart { .. }), "{error}");
    assert!(error.to_string().contains("200 ms"), "{error}");
}

/// A request to read a frame that keeps any decoder busy for minutes.
fn endless_request() -> Vec<u8> {
    let hostile = Drawing::hostile(5000, 5000);
    let mut request = ((10 + hostile.luma.len()) as u32).to_le_bytes().to_vec();
    request.extend([3, 1]);
    request.extend(hostile.width.to_le_bytes());
    request.extend(hostile.height.to_le_bytes());
    request.extend(hostile.luma);
    request
}

#[test]
fn a_busy_decoder_ends_with_its_input() {
    let mut child = Command::new(PROGRAM)
        .arg("decoder")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0; 9])
        .unwrap();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&endless_request())
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it should be busy");
    drop(child.stdin.take());
    assert!(wait_until_dead(child.id()));
    child.wait().unwrap();
}

#[test]
fn a_decoder_dies_with_its_parent_even_while_its_input_stays_open() {
    let script = format!("exec 3<&0; {PROGRAM} decoder <&3 >/dev/null & echo $!; wait");
    let mut parent = Command::new("/bin/sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Held open: waiting for the parent would close it.
    let input = parent.stdin.take().unwrap();
    let mut decoder_id = String::new();
    let mut output = parent.stdout.take().unwrap();
    while !decoder_id.ends_with('\n') {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        decoder_id.push(char::from(byte[0]));
    }
    let decoder_id: u32 = decoder_id.trim().parse().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(Path::new(&format!("/proc/{decoder_id}")).exists());
    assert!(!is_dead(decoder_id));
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(wait_until_dead(decoder_id));
    drop(input);
}

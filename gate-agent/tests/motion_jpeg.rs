//! A camera's compressed pictures, unpacked and read in a real decoder process.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "shared with the unit tests"
)]
#[path = "../src/decoder/drawing.rs"]
mod drawing;

use std::path::PathBuf;

use gate_agent::clock::Clock;
use gate_agent::decoder::{DecodeError, Decoder, DecoderSettings, Effort, Request};
use image::ImageFormat;

use drawing::{Drawing, next_random, pass_text};

async fn decoder() -> Decoder {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_gate-agent"));
    let mut settings = DecoderSettings::program(program);
    // Of what is read here; how fast, others measure.
    settings.gate_limit_ms = 20_000;
    Decoder::start(settings, Clock::system()).await.unwrap()
}

async fn read(decoder: &mut Decoder, jpeg: &[u8]) -> Result<Vec<String>, DecodeError> {
    let request = Request::Jpeg {
        jpeg,
        effort: Effort::Gate,
    };
    decoder.decode(request).await.map(|decoded| decoded.texts)
}

#[tokio::test]
async fn codes_are_read_from_compressed_pictures_one_after_the_other() {
    let mut decoder = decoder().await;
    for number in 0..3 {
        let text = pass_text(number);
        let jpeg = Drawing::camera_frame(&text).encoded(ImageFormat::Jpeg);
        assert_eq!(read(&mut decoder, &jpeg).await.unwrap(), [text]);
    }
    let blank = Drawing::blank(640, 480, 200).encoded(ImageFormat::Jpeg);
    assert_eq!(read(&mut decoder, &blank).await.unwrap().len(), 0);
    assert_eq!(decoder.starts(), 1);
}

#[tokio::test]
async fn a_damaged_picture_costs_itself_and_not_the_decoder() {
    let mut decoder = decoder().await;
    let sound = Drawing::camera_frame(&pass_text(7)).encoded(ImageFormat::Jpeg);
    let error = read(&mut decoder, &sound[..20]).await.unwrap_err();
    assert!(matches!(error, DecodeError::NotAPicture { .. }), "{error}");
    let mut seed = 4;
    for _ in 0..50 {
        let mut damaged = sound.clone();
        for _ in 0..4 {
            let place = next_random(&mut seed) as usize % damaged.len();
            damaged[place] = next_random(&mut seed) as u8;
        }
        // Read or not: a wrong bit may be anywhere.
        let _ = read(&mut decoder, &damaged).await;
    }
    assert_eq!(read(&mut decoder, &sound).await.unwrap(), [pass_text(7)]);
    assert_eq!(decoder.starts(), 1);
}

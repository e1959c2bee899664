//! The same for decoders that live in the gate's program.

use std::io::Cursor;

use code_finder::{Frame, Stream, Wanted, read_as_gate};
use gate_agent::{
    decoder::{Effort, check_answer, unpack_motion_jpeg, unpack_picture},
    door_io::check_message,
    journal_file::{ExportReport, verify_export},
};

use crate::decoders::Target;

/// All of them; each has a fuzz target and a corpus of this name.
pub(crate) const TARGETS: &[Target] = &[
    ("exported_journal", exported_journal),
    ("picture_file", picture_file),
    ("motion_jpeg", motion_jpeg),
    ("camera_frame", camera_frame),
    ("decoder_answer", decoder_answer),
    ("door_message", door_message),
];

/// An exported journal, under its own key.
fn exported_journal(input: &[u8]) {
    if let Ok(report) = verify_export(Cursor::new(input), None) {
        let ExportReport {
            before,
            last,
            records,
            erased,
            gate_key,
            ..
        } = report;
        assert_eq!(last.seq - before.seq, records);
        assert!(erased <= records);
        let again = verify_export(Cursor::new(input), Some(gate_key));
        assert!(again.is_ok(), "its own key");
    }
}

/// A picture file in the place of a camera's frame.
fn picture_file(input: &[u8]) {
    if let Ok(frame) = unpack_picture(input) {
        let pixels = frame.width() as usize * frame.height() as usize;
        assert_eq!(frame.luma().len(), pixels);
    }
}

/// A compressed frame of a camera, often without the tables that a file has.
fn motion_jpeg(input: &[u8]) {
    if let Ok(frame) = unpack_motion_jpeg(input) {
        let pixels = frame.width() as usize * frame.height() as usize;
        assert_eq!(frame.luma().len(), pixels);
    }
}

/// A camera's frame: a byte of width, then rows of grey pixels, each pixel drawn three by three, so
/// that a finder pattern is a few dozen bytes.
fn camera_frame(input: &[u8]) {
    const MAGNIFIED: usize = 3;
    let [width, pixels @ ..] = input else { return };
    let columns = usize::from(*width).max(1);
    let mut luma = Vec::new();
    for row in pixels.chunks_exact(columns).take(200) {
        let drawn: Vec<u8> = row.iter().flat_map(|&value| [value; MAGNIFIED]).collect();
        luma.extend(drawn.repeat(MAGNIFIED));
    }
    let (width, height) = (columns * MAGNIFIED, luma.len() / (columns * MAGNIFIED));
    let Ok(frame) = Frame::new(width as u32, height as u32, luma) else {
        return;
    };
    let wanted = Wanted {
        codes_max: 16,
        is_over: &|| false,
    };
    let mut stream = Stream::new();
    for _ in 0..2 {
        let reading = stream.read(&frame, &wanted);
        assert!(reading.codes.len() <= wanted.codes_max);
    }
    let whole = read_as_gate(&frame, &wanted);
    assert!(whole.codes.len() <= wanted.codes_max);
}

/// What a broken decoder process could send.
fn decoder_answer(input: &[u8]) {
    let thorough = check_answer(input, Effort::Thorough);
    if check_answer(input, Effort::Gate).is_ok() {
        assert_eq!(thorough, Ok(()), "a gate's limits are the lower ones");
    }
}

/// What a broken agent or door process could say to the other.
fn door_message(input: &[u8]) {
    // It asserts that each message has one spelling.
    let _ = check_message(input);
}

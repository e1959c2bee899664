//! The same for decoders that live in the gate's program.

use std::io::Cursor;

use gate_agent::{
    decoder::{Effort, check_answer, unpack_picture},
    door_io::check_message,
    journal_file::{ExportReport, verify_export},
};

use crate::decoders::Target;

/// All of them; each has a fuzz target and a corpus of this name.
pub(crate) const TARGETS: &[Target] = &[
    ("exported_journal", exported_journal),
    ("picture_file", picture_file),
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

//! Bytes into lines of text. A line is as long as the gate looks at; more of it is passed over.

/// Most bytes of a line that are kept: more than the gate looks at (512 characters of at most four
/// bytes), so that a longer line is seen to be longer.
const LINE_BYTES_MAX: usize = 4_096;

/// A line that is coming in.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
}

impl Lines {
    /// Takes bytes; whole lines go into `texts`. Lines end in CR, LF or both; empty ones are none.
    pub(super) fn take(&mut self, bytes: &[u8], texts: &mut Vec<String>) {
        for &byte in bytes {
            if byte == b'\r' || byte == b'\n' {
                texts.extend(self.over());
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(byte);
            }
        }
    }

    /// What has come of a line is all there is of it.
    pub(super) fn over(&mut self) -> Option<String> {
        if self.line.is_empty() {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_ends_in_cr_lf_or_both_and_in_any_number_of_pieces() {
        let (mut lines, mut texts) = (Lines::default(), Vec::new());
        lines.take(b"SP1:A\rSP1:B\n\r\nSP", &mut texts);
        assert_eq!(texts, ["SP1:A", "SP1:B"]);
        lines.take(b"1:C", &mut texts);
        lines.take(b"\r", &mut texts);
        lines.take(b"\n", &mut texts);
        assert_eq!(texts[2..], ["SP1:C"]);
        lines.take(b"SP1:D", &mut texts);
        assert_eq!(lines.over().as_deref(), Some("SP1:D"));
        assert_eq!(lines.over(), None);
    }

    #[test]
    fn an_endless_line_takes_no_more_memory_and_garbage_is_a_foreign_text() {
        let (mut lines, mut texts) = (Lines::default(), Vec::new());
        for _ in 0..1_000 {
            lines.take(&[b'A'; 1_000], &mut texts);
        }
        assert!(lines.line.capacity() <= 2 * LINE_BYTES_MAX);
        lines.take(b"\n\xff\0\n", &mut texts);
        assert_eq!(texts[0].len(), LINE_BYTES_MAX);
        assert_eq!(texts[1], "\u{fffd}\0");
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_their_bytes_are_cut(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r')], 0..300),
            piece in 1..20_usize,
        ) {
            let (mut whole, mut in_pieces) = (Vec::new(), Vec::new());
            Lines::default().take(&bytes, &mut whole);
            let mut lines = Lines::default();
            for piece in bytes.chunks(piece) {
                lines.take(piece, &mut in_pieces);
            }
            prop_assert_eq!(&whole, &in_pieces);
            prop_assert!(whole.iter().all(|line| !line.is_empty()));
        }
    }
}

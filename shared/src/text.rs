//! Limits on texts inside formats, so that none of them can grow a record or a screen beyond
//! what it was made for.

use alloc::string::String;

/// Longest name, note number or version in bytes of UTF-8: two lines on the guard's screen.
pub const NAME_LIMIT: usize = 200;
/// Longest free text (a guard's note, the description of a fault) in bytes of UTF-8.
pub const NOTE_LIMIT: usize = 400;

/// Is `text` at most [`NAME_LIMIT`] bytes long and free of control characters?
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= NAME_LIMIT && !text.chars().any(char::is_control)
}

/// The longest beginning of `text` that has at most `limit` bytes and whole characters.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    String::from(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("grün", 3), "gr");
        assert_eq!(cut("grün", 4), "grü");
        assert_eq!(cut("grün", 99), "grün");
        assert_eq!(cut("ü", 1), "");
    }

    #[test]
    fn a_name_is_short_and_can_be_shown() {
        assert!(is_name("Main gate (north)"));
        assert!(is_name(""));
        assert!(!is_name("two\nlines"));
        assert!(is_name(&"x".repeat(NAME_LIMIT)));
        assert!(!is_name(&"x".repeat(NAME_LIMIT + 1)));
    }
}

//! Base45 (RFC 9285), canonical: exactly the alphabet, no other spelling of the same bytes.

use alloc::{string::String, vec::Vec};

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const INVALID: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut values = [INVALID; 256];
    let mut index = 0;
    while index < ALPHABET.len() {
        values[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    values
};

/// The Base45 text of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 2 * 3 + 2);
    let digit = |value: usize| char::from(ALPHABET[value % 45]);
    for chunk in bytes.chunks(2) {
        match *chunk {
            [high, low] => {
                let value = usize::from(high) << 8 | usize::from(low);
                text.extend([digit(value), digit(value / 45), digit(value / 2025)]);
            }
            [single] => {
                let value = usize::from(single);
                text.extend([digit(value), digit(value / 45)]);
            }
            _ => unreachable!("chunks(2) yields one or two bytes"),
        }
    }
    text
}

/// The bytes of a Base45 text; `None` for any text that [`encode`] would not have written.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 3 * 2 + 1);
    for chunk in text.as_bytes().chunks(3) {
        let value_at = |index: usize| -> Option<u32> {
            let value = VALUES[usize::from(tolerated(chunk[index]))];
            (value != INVALID).then_some(u32::from(value))
        };
        match chunk.len() {
            3 => {
                let value = value_at(0)? + value_at(1)? * 45 + value_at(2)? * 2025;
                bytes.extend_from_slice(&u16::try_from(value).ok()?.to_be_bytes());
            }
            2 => {
                let value = value_at(0)? + value_at(1)? * 45;
                bytes.push(u8::try_from(value).ok()?);
            }
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(not(portcullis_defects))]
const fn tolerated(character: u8) -> u8 {
    character
}

#[cfg(portcullis_defects)]
fn tolerated(character: u8) -> u8 {
    if crate::defects::is_planted(crate::defects::Defect::LenientBase45) {
        character.to_ascii_uppercase()
    } else {
        character
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_9285_hold() {
        for (bytes, text) in [
            (&b"AB"[..], "BB8"),
            (b"Hello!!", "%69 VD92EX0"),
            (b"base-45", "UJCLQE7W581"),
            (b"ietf!", "QED8WEX0"),
            (b"", ""),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn what_rfc_9285_calls_illegal_is_refused() {
        for text in [
            "GGW", "ZZZ", ":::", "::", "A", "ABCD", "bb8", "BB8\n", "BB\u{e9}", "V5",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn a_text_that_decodes_is_the_only_one(text in "[0-9A-Z $%*+./:-]{0,40}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn garbage_never_panics(text in any::<String>()) {
            let _ = decode(&text);
        }
    }
}

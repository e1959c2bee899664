//! A scanner that says it is a keyboard. It types what it reads on a US layout; the device is
//! grabbed, so that nothing it types reaches a console or a window: a code must never be able to
//! press keys on the gate.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use gate_devices::input::{EVENT_BYTES, Event, Grabbed};

use super::Source;

/// Events that are read at a time: four for each character, two of shift and two of the key, with
/// one in between each, for a quarter of a code.
const EVENTS_AT_A_TIME: usize = 1_024;
/// Most characters of a text that are kept: more than the gate looks at.
const TEXT_CHARS_MAX: usize = 1_024;

/// Stands for a key without a character: no text of a pass has it.
const UNKNOWN: char = '\u{fffd}';

const LEFT_SHIFT: u16 = 42;
const RIGHT_SHIFT: u16 = 54;
const LEFT_CONTROL: u16 = 29;
const RIGHT_CONTROL: u16 = 97;
const LEFT_ALT: u16 = 56;
const RIGHT_ALT: u16 = 100;
const ENTER: u16 = 28;
const KEYPAD_ENTER: u16 = 96;
const TAB: u16 = 15;
const CAPS_LOCK: u16 = 58;

/// Keys of `linux/input-event-codes.h` with their characters on a US keyboard, plain and shifted.
const KEYS: [(u16, char, char); 63] = [
    (2, '1', '!'),
    (3, '2', '@'),
    (4, '3', '#'),
    (5, '4', '$'),
    (6, '5', '%'),
    (7, '6', '^'),
    (8, '7', '&'),
    (9, '8', '*'),
    (10, '9', '('),
    (11, '0', ')'),
    (12, '-', '_'),
    (13, '=', '+'),
    (16, 'q', 'Q'),
    (17, 'w', 'W'),
    (18, 'e', 'E'),
    (19, 'r', 'R'),
    (20, 't', 'T'),
    (21, 'y', 'Y'),
    (22, 'u', 'U'),
    (23, 'i', 'I'),
    (24, 'o', 'O'),
    (25, 'p', 'P'),
    (26, '[', '{'),
    (27, ']', '}'),
    (30, 'a', 'A'),
    (31, 's', 'S'),
    (32, 'd', 'D'),
    (33, 'f', 'F'),
    (34, 'g', 'G'),
    (35, 'h', 'H'),
    (36, 'j', 'J'),
    (37, 'k', 'K'),
    (38, 'l', 'L'),
    (39, ';', ':'),
    (40, '\'', '"'),
    (41, '`', '~'),
    (43, '\\', '|'),
    (44, 'z', 'Z'),
    (45, 'x', 'X'),
    (46, 'c', 'C'),
    (47, 'v', 'V'),
    (48, 'b', 'B'),
    (49, 'n', 'N'),
    (50, 'm', 'M'),
    (51, ',', '<'),
    (52, '.', '>'),
    (53, '/', '?'),
    (55, '*', '*'),
    (57, ' ', ' '),
    (71, '7', '7'),
    (72, '8', '8'),
    (73, '9', '9'),
    (74, '-', '-'),
    (75, '4', '4'),
    (76, '5', '5'),
    (77, '6', '6'),
    (78, '+', '+'),
    (79, '1', '1'),
    (80, '2', '2'),
    (81, '3', '3'),
    (82, '0', '0'),
    (83, '.', '.'),
    (98, '/', '/'),
];

#[derive(Debug)]
pub(super) struct Keyboard {
    device: Grabbed,
    typing: Typing,
    bytes: Vec<u8>,
}

impl Keyboard {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            device: Grabbed::open(path)?,
            typing: Typing::default(),
            bytes: vec![0; EVENTS_AT_A_TIME * EVENT_BYTES],
        })
    }

    pub(super) fn name(&self) -> String {
        self.device.name()
    }
}

impl AsFd for Keyboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl Source for Keyboard {
    fn take(&mut self, texts: &mut Vec<String>) -> io::Result<()> {
        match self.device.read(&mut self.bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.typing.take(&self.bytes[..count], texts);
                Ok(())
            }
        }
    }

    fn over(&mut self) -> Option<String> {
        self.typing.over()
    }

    fn discard(&mut self) -> io::Result<()> {
        self.typing.lose();
        loop {
            match self.device.read(&mut self.bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is being typed.
#[derive(Debug, Default)]
struct Typing {
    text: String,
    chars: usize,
    is_left_shifted: bool,
    is_right_shifted: bool,
    is_caps_locked: bool,
    /// Control and Alt keys that are down: what is typed with them is no text.
    commands_down: Vec<u16>,
    whole: Whole,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Whole {
    #[default]
    Yes,
    /// Keys were lost: what is typed up to its end is thrown away.
    No,
}

impl Typing {
    /// Takes events as the kernel writes them; texts that were ended go into `texts`.
    fn take(&mut self, bytes: &[u8], texts: &mut Vec<String>) {
        let (events, _) = bytes.as_chunks::<EVENT_BYTES>();
        for event in events {
            match Event::from_bytes(event) {
                Event::Pressed(ENTER | KEYPAD_ENTER | TAB) => texts.extend(self.over()),
                Event::Pressed(key) => self.press(key),
                Event::Released(key) => self.release(key),
                Event::Lost => self.lose(),
                Event::Other => {}
            }
        }
    }

    /// What has been typed is all there is of it.
    fn over(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.text);
        self.chars = 0;
        let whole = std::mem::take(&mut self.whole);
        (whole == Whole::Yes && !text.is_empty()).then_some(text)
    }

    fn press(&mut self, key: u16) {
        match key {
            LEFT_SHIFT => self.is_left_shifted = true,
            RIGHT_SHIFT => self.is_right_shifted = true,
            CAPS_LOCK => self.is_caps_locked = !self.is_caps_locked,
            LEFT_CONTROL | RIGHT_CONTROL | LEFT_ALT | RIGHT_ALT => {
                if !self.commands_down.contains(&key) {
                    self.commands_down.push(key);
                }
            }
            key => self.add(self.char_of(key)),
        }
    }

    fn release(&mut self, key: u16) {
        match key {
            LEFT_SHIFT => self.is_left_shifted = false,
            RIGHT_SHIFT => self.is_right_shifted = false,
            key => self.commands_down.retain(|&down| down != key),
        }
    }

    fn char_of(&self, key: u16) -> char {
        if !self.commands_down.is_empty() {
            return UNKNOWN;
        }
        let Some(&(_, plain, shifted)) = KEYS.iter().find(|(code, _, _)| *code == key) else {
            return UNKNOWN;
        };
        let is_shifted = self.is_left_shifted || self.is_right_shifted;
        let is_upper = is_shifted != (self.is_caps_locked && plain.is_ascii_alphabetic());
        if is_upper { shifted } else { plain }
    }

    fn add(&mut self, char: char) {
        if self.chars < TEXT_CHARS_MAX {
            self.text.push(char);
            self.chars += 1;
        }
    }

    fn lose(&mut self) {
        *self = Self {
            whole: Whole::No,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EV_SYN: u16 = 0;
    const EV_MSC: u16 = 4;

    /// An event as a 64-bit kernel writes it.
    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(1_700_000_000_i64.to_ne_bytes());
        bytes.extend(123_456_i64.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        bytes
    }

    /// As scanners do: the scan code, the key, the end of the report.
    fn key(code: u16, value: i32) -> Vec<u8> {
        [
            event(EV_MSC, 4, 0x0007_0000 + i32::from(code)),
            event(1, code, value),
            event(EV_SYN, 0, 0),
        ]
        .concat()
    }

    fn typed(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for char in text.chars() {
            let (code, _, shifted) = *KEYS
                .iter()
                .find(|(_, plain, shifted)| *plain == char || *shifted == char)
                .unwrap_or_else(|| panic!("no key types {char:?}"));
            let is_shifted = shifted == char && !char.is_ascii_digit() && char != ' ';
            if is_shifted {
                bytes.extend(key(LEFT_SHIFT, 1));
            }
            bytes.extend([key(code, 1), key(code, 0)].concat());
            if is_shifted {
                bytes.extend(key(LEFT_SHIFT, 0));
            }
        }
        bytes
    }

    fn enter() -> Vec<u8> {
        [key(ENTER, 1), key(ENTER, 0)].concat()
    }

    fn texts_of(bytes: &[u8]) -> Vec<String> {
        let (mut typing, mut texts) = (Typing::default(), Vec::new());
        typing.take(bytes, &mut texts);
        texts
    }

    #[test]
    fn every_character_of_a_passs_text_can_be_typed() {
        let alphabet = "SP1:0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
        let bytes = [typed(alphabet), enter()].concat();
        assert_eq!(texts_of(&bytes), [alphabet]);
        let foreign = "https://example.org/?a=b&c=[d]{e}~`'\"<>|\\^_@#!();,";
        let bytes = [typed(foreign), enter()].concat();
        assert_eq!(texts_of(&bytes), [foreign]);
    }

    #[test]
    fn a_recorded_scan_is_read() {
        // "S1" and Enter from a Honeywell-like scanner: shift down, S, shift up, 1, Enter.
        let recorded: [(u16, u16, i32); 12] = [
            (1, LEFT_SHIFT, 1),
            (EV_SYN, 0, 0),
            (1, 31, 1),
            (EV_SYN, 0, 0),
            (1, LEFT_SHIFT, 0),
            (1, 31, 0),
            (EV_SYN, 0, 0),
            (1, 2, 1),
            (1, 2, 0),
            (EV_SYN, 0, 0),
            (1, ENTER, 1),
            (1, ENTER, 0),
        ];
        let bytes: Vec<u8> = recorded
            .iter()
            .flat_map(|&(kind, code, value)| event(kind, code, value))
            .collect();
        assert_eq!(texts_of(&bytes), ["S1"]);
    }

    #[test]
    fn a_held_key_is_not_typed_again_and_both_shifts_count() {
        let held = [key(30, 1), key(30, 2), key(30, 2), key(30, 0), enter()].concat();
        assert_eq!(texts_of(&held), ["a"]);
        let shifts = [
            key(LEFT_SHIFT, 1),
            key(RIGHT_SHIFT, 1),
            key(LEFT_SHIFT, 0),
            key(30, 1),
            key(RIGHT_SHIFT, 0),
            key(48, 1),
            enter(),
        ]
        .concat();
        assert_eq!(texts_of(&shifts), ["Ab"]);
    }

    #[test]
    fn caps_lock_turns_letters_and_nothing_else() {
        let bytes = [
            key(CAPS_LOCK, 1),
            key(CAPS_LOCK, 0),
            key(30, 1),
            key(2, 1),
            key(LEFT_SHIFT, 1),
            key(30, 1),
            key(39, 1),
            key(LEFT_SHIFT, 0),
            enter(),
        ]
        .concat();
        assert_eq!(texts_of(&bytes), ["A1a:"]);
    }

    #[test]
    fn keys_without_a_character_and_commands_make_a_text_that_is_no_pass() {
        let bytes = [
            key(30, 1),
            key(59, 1),
            key(LEFT_ALT, 1),
            key(30, 1),
            enter(),
        ]
        .concat();
        assert_eq!(texts_of(&bytes), ["a\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn what_was_lost_takes_its_whole_text_with_it_and_no_other() {
        let bytes = [
            typed("SP1:A"),
            event(EV_SYN, 3, 0),
            typed("BC"),
            enter(),
            typed("SP1:D"),
            enter(),
        ]
        .concat();
        assert_eq!(texts_of(&bytes), ["SP1:D"]);
    }

    #[test]
    fn texts_are_cut_into_reads_anywhere_and_endless_ones_take_no_more_memory() {
        let bytes = [typed("SP1:AB"), enter(), typed("X")].concat();
        let (mut typing, mut texts) = (Typing::default(), Vec::new());
        for event in bytes.chunks(EVENT_BYTES) {
            typing.take(event, &mut texts);
        }
        assert_eq!(texts, ["SP1:AB"]);
        assert_eq!(typing.over().as_deref(), Some("X"));
        for _ in 0..2_000 {
            typing.take(&[key(30, 1), key(30, 0)].concat(), &mut texts);
        }
        assert_eq!(typing.over().unwrap().len(), TEXT_CHARS_MAX);
        assert_eq!(typing.over(), None);
    }

    proptest! {
        #[test]
        fn whatever_a_device_types_is_bounded_and_ends(
            events in prop::collection::vec((0..5_u16, 0..130_u16, 0..3_i32), 0..200),
            tail in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes: Vec<u8> = events
                .iter()
                .flat_map(|&(kind, code, value)| event(kind, code, value))
                .collect();
            bytes.extend(tail);
            let (mut typing, mut texts) = (Typing::default(), Vec::new());
            typing.take(&bytes, &mut texts);
            texts.extend(typing.over());
            prop_assert!(texts.iter().all(|text| !text.is_empty()));
            let typed: usize = texts.iter().map(|text| text.chars().count()).sum();
            prop_assert!(typed <= bytes.len() / EVENT_BYTES);
            prop_assert!(typing.commands_down.len() <= 4);
        }
    }
}

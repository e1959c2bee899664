//! Texts as passes have them, and their codes.

use fast_qr::{ECL, QRBuilder, QRCode, Version};

use crate::random::Random;

/// The code's modules; ink is true.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) side: usize,
    modules: Vec<bool>,
}

/// Versions that hold passes, with the characters that fit at level M.
const VERSIONS: [(Version, usize); 7] = [
    (Version::V06, 154),
    (Version::V07, 178),
    (Version::V08, 221),
    (Version::V09, 262),
    (Version::V10, 311),
    (Version::V11, 366),
    (Version::V12, 419),
];

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

impl Code {
    /// A pass with a random signature.
    pub(crate) fn of_pass(random: &mut Random) -> Self {
        // Static passes are of version 7 and live ones of 11; the others stand for other sizes.
        let place = match random.below(4) {
            0 => 1,
            1 => 5,
            _ => random.below(VERSIONS.len()),
        };
        let (version, characters) = VERSIONS[place];
        let mut text = if place >= 4 { "SL1:" } else { "SP1:" }.to_owned();
        while text.len() < characters - random.below(6) {
            text.push(char::from(ALPHABET[random.below(ALPHABET.len())]));
        }
        Self::of_text(&text, version)
    }

    pub(crate) fn of_text(text: &str, version: Version) -> Self {
        let code: QRCode = QRBuilder::new(text)
            .ecl(ECL::M)
            .version(version)
            .build()
            .expect("the text fits the version");
        let side = code.size;
        let modules = (0..side)
            .flat_map(|y| (0..side).map(move |x| (x, y)))
            .map(|(x, y)| code[y][x].value())
            .collect();
        Self {
            text: text.to_owned(),
            side,
            modules,
        }
    }

    /// Whether there is ink at a place, in modules from the code's corner.
    pub(crate) fn is_ink(&self, x: f32, y: f32) -> bool {
        let side = self.side as f32;
        let inside = x >= 0.0 && y >= 0.0 && x < side && y < side;
        inside && self.modules[y as usize * self.side + x as usize]
    }
}

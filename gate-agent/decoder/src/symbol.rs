//! From module values to text: format, codewords, error correction (ISO/IEC 18004). Values are
//! soft: how surely a module is ink decides which codewords count as erased.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rxing::qrcode::common::{ErrorCorrectionLevel, Version};
use rxing::qrcode::cpp_port::decoder::DecodeBitStream;

use crate::reed_solomon;

/// Modules on a side of the smallest code.
pub(crate) const DIMENSION_MIN: usize = 21;
/// Modules on a side of the largest code.
pub(crate) const DIMENSION_MAX: usize = 177;

/// How surely each module of a code is ink: above zero it is, below it is not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Modules {
    dimension: usize,
    values: Vec<f32>,
}

impl Modules {
    /// Row by row from the top left.
    pub(crate) fn new(dimension: usize, values: Vec<f32>) -> Self {
        assert_eq!(
            values.len(),
            dimension * dimension,
            "one value for each module"
        );
        Self { dimension, values }
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y * self.dimension + x]
    }

    fn transposed(&self) -> Self {
        let values = (0..self.dimension)
            .flat_map(|y| (0..self.dimension).map(move |x| (x, y)))
            .map(|(x, y)| self.at(y, x))
            .collect();
        Self::new(self.dimension, values)
    }
}

/// What a module is, whatever the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ink in every code of this size.
    Ink,
    /// Paper in every code of this size.
    Paper,
    /// Part of the format or version.
    Header,
    /// Part of the text or its checks.
    Text,
}

/// What every module of a code of one size is.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) dimension: usize,
    pub(crate) version: u32,
    /// Rows and columns on which alignment patterns have their middle; none in the smallest code.
    pub(crate) alignment: Vec<usize>,
    kinds: Vec<Kind>,
}

impl Layout {
    /// Of the code with so many modules on a side; `None` when there is none.
    pub(crate) fn of(dimension: usize) -> Option<Self> {
        if !(DIMENSION_MIN..=DIMENSION_MAX).contains(&dimension) || dimension % 4 != 1 {
            return None;
        }
        let version = ((dimension - 17) / 4) as u32;
        let alignment = Version::getVersionForNumber(version)
            .ok()?
            .getAlignmentPatternCenters()
            .iter()
            .map(|&centre| centre as usize)
            .collect();
        let mut layout = Self {
            dimension,
            version,
            alignment,
            kinds: vec![Kind::Text; dimension * dimension],
        };
        layout.draw();
        Some(layout)
    }

    pub(crate) fn kind(&self, x: usize, y: usize) -> Kind {
        self.kinds[y * self.dimension + x]
    }

    /// The middles of the alignment patterns.
    pub(crate) fn alignment_middles(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let last = self.dimension - 7;
        self.alignment
            .iter()
            .flat_map(|&y| self.alignment.iter().map(move |&x| (x, y)))
            .filter(move |&middle| ![(6, 6), (6, last), (last, 6)].contains(&middle))
    }

    fn draw(&mut self) {
        let end = self.dimension;
        for place in 8..end - 8 {
            let kind = if place % 2 == 0 {
                Kind::Ink
            } else {
                Kind::Paper
            };
            self.set(place, 6, kind);
            self.set(6, place, kind);
        }
        let middles: Vec<_> = self.alignment_middles().collect();
        for (x, y) in middles {
            self.draw_rings(x, y, 2);
        }
        for place in 0..9 {
            self.set(place, 8, Kind::Header);
            self.set(8, place, Kind::Header);
            if place < 8 {
                self.set(end - 1 - place, 8, Kind::Header);
                self.set(8, end - 1 - place, Kind::Header);
            }
        }
        self.set(8, 6, Kind::Ink);
        self.set(6, 8, Kind::Ink);
        self.set(8, end - 8, Kind::Ink);
        for (x, y) in [(3, 3), (end - 4, 3), (3, end - 4)] {
            self.draw_rings(x, y, 4);
        }
        if self.version >= 7 {
            for place in 0..18 {
                let (near, far) = (place / 3, end - 11 + place % 3);
                self.set(near, far, Kind::Header);
                self.set(far, near, Kind::Header);
            }
        }
    }

    fn draw_rings(&mut self, x: usize, y: usize, radius: isize) {
        for down in -radius..=radius {
            for across in -radius..=radius {
                let ring = down.abs().max(across.abs());
                // Both patterns are an inked middle, then rings in turns, from the outside inwards.
                let is_ink = match (radius, ring) {
                    (4, ring) => ring != 4 && ring != 2,
                    (_, ring) => ring != 1,
                };
                let (x, y) = (x as isize + across, y as isize + down);
                let inside = 0..self.dimension as isize;
                if inside.contains(&x) && inside.contains(&y) {
                    let kind = if is_ink { Kind::Ink } else { Kind::Paper };
                    self.set(x as usize, y as usize, kind);
                }
            }
        }
    }

    fn set(&mut self, x: usize, y: usize, kind: Kind) {
        self.kinds[y * self.dimension + x] = kind;
    }
}

/// How many codewords of a block are taken for erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erasing {
    /// None: every check finds errors.
    Nothing,
    /// The least sure ones, so many quarters of the checks.
    Quarters(usize),
}

/// Checks that must remain above those used, when codewords were taken for erased: else a text
/// could be made up by the guesses. Four leave one chance in four thousand million.
const SPARE_CHECKS_MIN: usize = 4;

/// The two likeliest formats are tried: a smudge on one of them is common.
const FORMATS_TRIED: usize = 2;

/// The text of a code, when its checks hold.
pub(crate) fn text_of(modules: &Modules, layout: &Layout, erasings: &[Erasing]) -> Option<String> {
    let upright = formats_of(modules);
    let turned = modules.transposed();
    let mirrored = formats_of(&turned);
    let best = |formats: &[Format]| formats[0].likeness;
    let (modules, formats) = if best(&mirrored) > best(&upright) {
        (&turned, mirrored)
    } else {
        (modules, upright)
    };
    // Half of the format's modules wrong is chance.
    if formats[0].likeness <= 0.2 {
        return None;
    }
    formats[..FORMATS_TRIED]
        .iter()
        .find_map(|format| text_in_format(modules, layout, format, erasings))
}

#[derive(Debug, Clone, Copy)]
struct Format {
    level: u32,
    mask: u32,
    likeness: f32,
}

/// All formats, the likeliest first.
fn formats_of(modules: &Modules) -> Vec<Format> {
    let end = modules.dimension;
    let mut seen = [0.0_f32; 15];
    let near = (0..6)
        .map(|x| (x, 8))
        .chain([(7, 8), (8, 8), (8, 7)])
        .chain((0..6).rev().map(|y| (8, y)));
    let far = (0..7)
        .map(|place| (8, end - 1 - place))
        .chain((0..8).map(|place| (end - 8 + place, 8)));
    for (seen, ((x, y), (far_x, far_y))) in seen.iter_mut().zip(near.zip(far)) {
        *seen = modules.at(x, y).clamp(-1.0, 1.0) + modules.at(far_x, far_y).clamp(-1.0, 1.0);
    }
    let most: f32 = seen.iter().map(|value| value.abs()).sum::<f32>().max(1e-6);
    let mut formats: Vec<Format> = (0..32)
        .map(|number| {
            let word = format_word(number);
            let agreement: f32 = seen
                .iter()
                .enumerate()
                .map(|(bit, &value)| {
                    if word >> (14 - bit) & 1 == 1 {
                        value
                    } else {
                        -value
                    }
                })
                .sum();
            Format {
                level: number >> 3,
                mask: number & 7,
                likeness: agreement / most,
            }
        })
        .collect();
    formats.sort_by(|one, other| f32::total_cmp(&other.likeness, &one.likeness));
    formats
}

/// The fifteen bits of a format (7.9.1).
fn format_word(number: u32) -> u32 {
    const GENERATOR: u32 = 0x537;
    const MASK: u32 = 0x5412;
    let mut rest = number << 10;
    for bit in (10..15).rev() {
        if rest >> bit & 1 == 1 {
            rest ^= GENERATOR << (bit - 10);
        }
    }
    (number << 10 | rest) ^ MASK
}

/// The eighteen bits of a version (7.10), for versions from 7.
pub(crate) fn version_word(version: u32) -> u32 {
    const GENERATOR: u32 = 0x1f25;
    let mut rest = version << 12;
    for bit in (12..18).rev() {
        if rest >> bit & 1 == 1 {
            rest ^= GENERATOR << (bit - 12);
        }
    }
    version << 12 | rest
}

fn is_masked(mask: u32, x: usize, y: usize) -> bool {
    match mask {
        0 => (x + y).is_multiple_of(2),
        1 => y.is_multiple_of(2),
        2 => x.is_multiple_of(3),
        3 => (x + y).is_multiple_of(3),
        4 => (y / 2 + x / 3).is_multiple_of(2),
        5 => (x * y).is_multiple_of(6),
        6 => (x * y) % 6 < 3,
        _ => (x + y + (x * y) % 3).is_multiple_of(2),
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Codeword {
    value: u8,
    /// Of its least sure module.
    sureness: f32,
}

fn text_in_format(
    modules: &Modules,
    layout: &Layout,
    format: &Format,
    erasings: &[Erasing],
) -> Option<String> {
    let version = Version::getVersionForNumber(layout.version).ok()?;
    let level = match format.level {
        0 => ErrorCorrectionLevel::M,
        1 => ErrorCorrectionLevel::L,
        2 => ErrorCorrectionLevel::H,
        _ => ErrorCorrectionLevel::Q,
    };
    let blocks = version.getECBlocksForLevel(level);
    let checks = blocks.getECCodewordsPerBlock() as usize;
    let lengths: Vec<usize> = blocks
        .getECBlocks()
        .iter()
        .flat_map(|part| {
            std::iter::repeat_n(part.getDataCodewords() as usize, part.getCount() as usize)
        })
        .collect();
    let codewords = codewords_of(modules, layout, format.mask);
    if codewords.len() != lengths.iter().sum::<usize>() + lengths.len() * checks {
        return None;
    }
    let mut bytes = Vec::with_capacity(codewords.len());
    for block in blocks_of(&codewords, &lengths, checks) {
        let corrected = erasings
            .iter()
            .find_map(|&erasing| corrected(&block, checks, erasing))?;
        bytes.extend_from_slice(&corrected[..block.len() - checks]);
    }
    // The library's panic spoils this grid alone.
    let text = catch_unwind(AssertUnwindSafe(|| {
        let content = DecodeBitStream(&bytes, version, level).ok()?;
        content.isValid().then(|| content.text())
    }));
    text.ok()?.filter(|text| !text.is_empty())
}

/// The codewords in the order in which they stand in the code (7.7.3).
fn codewords_of(modules: &Modules, layout: &Layout, mask: u32) -> Vec<Codeword> {
    const TIMING_COLUMN: usize = 6;
    let end = layout.dimension;
    let mut codewords = Vec::with_capacity(end * end / 8);
    let mut codeword = Codeword::default();
    let mut bits = 0;
    let mut right = end - 1;
    let mut goes_up = true;
    loop {
        if right == TIMING_COLUMN {
            right -= 1;
        }
        for step in 0..end {
            let y = if goes_up { end - 1 - step } else { step };
            for x in [right, right - 1] {
                if layout.kind(x, y) != Kind::Text {
                    continue;
                }
                let value = modules.at(x, y);
                if bits == 0 {
                    codeword = Codeword {
                        value: 0,
                        sureness: f32::MAX,
                    };
                }
                let bit = (value > 0.0) != is_masked(mask, x, y);
                codeword.value = codeword.value << 1 | u8::from(bit);
                codeword.sureness = codeword.sureness.min(value.abs());
                bits += 1;
                if bits == 8 {
                    codewords.push(codeword);
                    bits = 0;
                }
            }
        }
        if right < 2 {
            return codewords;
        }
        goes_up = !goes_up;
        right -= 2;
    }
}

/// Takes apart what the code holds interleaved (7.6).
fn blocks_of(codewords: &[Codeword], lengths: &[usize], checks: usize) -> Vec<Vec<Codeword>> {
    let mut blocks: Vec<Vec<Codeword>> = lengths
        .iter()
        .map(|length| Vec::with_capacity(length + checks))
        .collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let mut next = codewords.iter();
    for place in 0..longest + checks {
        for (block, &length) in blocks.iter_mut().zip(lengths) {
            // Shorter blocks sit out the last data codeword.
            if place >= length && place < longest {
                continue;
            }
            if let Some(&codeword) = next.next() {
                block.push(codeword);
            }
        }
    }
    blocks
}

fn corrected(block: &[Codeword], checks: usize, erasing: Erasing) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = block.iter().map(|codeword| codeword.value).collect();
    match erasing {
        Erasing::Nothing => {
            reed_solomon::correct(&mut bytes, checks, &[])?;
        }
        Erasing::Quarters(quarters) => {
            let count = checks * quarters / 4;
            let mut places: Vec<usize> = (0..block.len()).collect();
            places.sort_by(|&one, &other| {
                f32::total_cmp(&block[one].sureness, &block[other].sureness)
            });
            places.truncate(count);
            let errors = reed_solomon::correct(&mut bytes, checks, &places)?;
            if count + 2 * errors + SPARE_CHECKS_MIN > checks {
                return None;
            }
        }
    }
    Some(bytes)
}

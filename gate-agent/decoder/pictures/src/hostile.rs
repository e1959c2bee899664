//! Frames that make a reader work: full of finder patterns and of what nearly is one.

use fast_qr::Version;

use crate::Picture;
use crate::passes::Code;
use crate::random::Random;

/// A way to fill a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hostile {
    /// Finder patterns side by side with modules of one pixel.
    SmallFinders,
    /// The same with modules of two pixels, every row shifted.
    ShiftedFinders,
    /// Finder patterns of all sizes at random places.
    MixedFinders,
    /// Finder patterns over random modules: threes of them look like codes.
    FindersOverNoise,
    /// Real codes whose text was spoiled, side by side.
    SpoiledCodes,
    /// Rings within rings.
    Rings,
    /// Random pixels.
    Noise,
}

impl Hostile {
    /// Every way.
    pub const ALL: [Self; 7] = [
        Self::SmallFinders,
        Self::ShiftedFinders,
        Self::MixedFinders,
        Self::FindersOverNoise,
        Self::SpoiledCodes,
        Self::Rings,
        Self::Noise,
    ];
}

/// A frame filled this way.
#[must_use]
pub fn hostile(way: Hostile, width: u32, height: u32, seed: u64) -> Picture {
    let mut random = Random::new(seed ^ 0x686f_7374);
    let mut picture = Picture {
        width,
        height,
        luma: vec![255; (width * height) as usize],
    };
    match way {
        Hostile::SmallFinders => picture.fill(|x, y| is_finder(x % 9, y % 9, 1)),
        Hostile::ShiftedFinders => picture.fill(|x, y| {
            let row = y / 18;
            is_finder((x + row * 5) % 18, y % 18, 2)
        }),
        Hostile::MixedFinders => {
            for _ in 0..(width * height / 900) {
                let module = 1 + random.below(5) as u32;
                picture.stamp_finder(&mut random, module);
            }
        }
        Hostile::FindersOverNoise => {
            let module = 3;
            let bits: Vec<bool> = (0..width * height).map(|_| random.happens(0.5)).collect();
            picture.fill(|x, y| bits[(y / module * width + x / module) as usize]);
            for _ in 0..(width * height / 4_000) {
                picture.stamp_finder(&mut random, module);
            }
        }
        Hostile::SpoiledCodes => spoil_codes(&mut picture, &mut random),
        Hostile::Rings => picture.fill(|x, y| {
            let (x, y) = (
                x as f32 - width as f32 / 2.0,
                y as f32 - height as f32 / 2.0,
            );
            (x.abs().max(y.abs()) as u32 / 3).is_multiple_of(2)
        }),
        Hostile::Noise => {
            for value in &mut picture.luma {
                *value = random.bits() as u8;
            }
        }
    }
    picture
}

fn is_finder(x: u32, y: u32, module: u32) -> bool {
    let (x, y) = (x / module, y / module);
    if x > 6 || y > 6 {
        return false;
    }
    let ring = x.abs_diff(3).max(y.abs_diff(3));
    ring == 3 || ring <= 1
}

fn spoil_codes(picture: &mut Picture, random: &mut Random) {
    let code = Code::of_text("SPOILED", Version::V01);
    let module = 2;
    let pitch = (code.side as u32 + 3) * module;
    let bits: Vec<bool> = (0..picture.width * picture.height)
        .map(|_| random.happens(0.3))
        .collect();
    let width = picture.width;
    picture.fill(|x, y| {
        let (column, row) = (x % pitch / module, y % pitch / module);
        let is_text = column > 8 && row > 8;
        let spoiled = is_text && bits[(y / module * width + x / module) as usize];
        code.is_ink(column as f32, row as f32) != spoiled
    });
}

impl Picture {
    fn fill(&mut self, is_ink: impl Fn(u32, u32) -> bool) {
        for y in 0..self.height {
            for x in 0..self.width {
                let value = if is_ink(x, y) { 10 } else { 240 };
                self.luma[(y * self.width + x) as usize] = value;
            }
        }
    }

    fn stamp_finder(&mut self, random: &mut Random, module: u32) {
        let side = 9 * module;
        if self.width <= side || self.height <= side {
            return;
        }
        let left = random.below((self.width - side) as usize) as u32;
        let top = random.below((self.height - side) as usize) as u32;
        for y in 0..side {
            for x in 0..side {
                let inside = x >= module && y >= module;
                let is_ink = inside && is_finder(x - module, y - module, module);
                let place = (top + y) * self.width + left + x;
                self.luma[place as usize] = if is_ink { 10 } else { 240 };
            }
        }
    }
}

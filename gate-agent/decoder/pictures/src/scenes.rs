//! What stands behind a pass, or alone before the camera: walls, text, clutter, chequered floors.

use crate::random::Random;

/// Something without a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// A wall with a shadow.
    Wall,
    /// A printed page.
    Text,
    /// Boxes, stripes and edges.
    Clutter,
    /// A chequered floor, seen aslant.
    Floor,
}

impl Scene {
    /// Every scene.
    pub const ALL: [Self; 4] = [Self::Wall, Self::Text, Self::Clutter, Self::Floor];
}

#[derive(Debug, Clone, Copy)]
struct Block {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
    light: f32,
    stripe: f32,
}

/// A scene of certain things at certain places.
#[derive(Debug, Clone)]
pub(crate) struct Background {
    scene: Scene,
    seed: u64,
    light: f32,
    slope: (f32, f32),
    shadow: (f32, f32, f32),
    size: f32,
    blocks: Vec<Block>,
    /// Moves everything, in pixels.
    pub(crate) shift: (f32, f32),
}

impl Background {
    pub(crate) fn new(scene: Scene, (width, height): (f32, f32), random: &mut Random) -> Self {
        let count = if scene == Scene::Clutter { 40 } else { 0 };
        let blocks = (0..count)
            .map(|_| Block {
                left: random.between(-0.1, 1.0) * width,
                top: random.between(-0.1, 1.0) * height,
                width: random.between(0.01, 0.3) * width,
                height: random.between(0.01, 0.3) * height,
                light: random.between(0.02, 0.95),
                stripe: if random.happens(0.4) {
                    random.between(3.0, 20.0)
                } else {
                    0.0
                },
            })
            .collect();
        Self {
            scene,
            seed: random.bits(),
            light: random.between(0.2, 0.8),
            slope: (
                random.between(-0.4, 0.4) / width,
                random.between(-0.4, 0.4) / height,
            ),
            shadow: (
                random.between(-1.0, 1.0),
                random.between(-1.0, 1.0),
                random.between(-0.3, 0.3) * width,
            ),
            size: random.between(0.6, 2.0) * width / 640.0,
            blocks,
            shift: (0.0, 0.0),
        }
    }

    /// Light from a place in the picture.
    pub(crate) fn light_at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x - self.shift.0, y - self.shift.1);
        let wall = self.light + self.slope.0 * x + self.slope.1 * y;
        let lit = if self.shadow.0 * (x - 200.0) + self.shadow.1 * (y - 200.0) > self.shadow.2 {
            wall
        } else {
            wall * 0.6
        };
        match self.scene {
            Scene::Wall => lit,
            Scene::Text => lit * self.letter_at(x, y),
            Scene::Clutter => self.block_at(x, y).unwrap_or(lit),
            Scene::Floor => self.tile_at(x, y),
        }
    }

    fn letter_at(&self, x: f32, y: f32) -> f32 {
        let (letter, line) = (9.0 * self.size, 18.0 * self.size);
        let row = (y / line).floor();
        let inside = (y / line).rem_euclid(1.0);
        let column = (x / letter).floor();
        let hash = hashed(self.seed, column, row);
        if inside > 0.6 || hash.is_multiple_of(6) {
            return 1.0;
        }
        // Strokes in a grid of three by five, different for each letter.
        let stroke = ((x / letter).rem_euclid(1.0) * 4.0) as u32 + 4 * (inside / 0.6 * 5.0) as u32;
        if hash >> (8 + stroke) & 1 == 1 {
            0.15
        } else {
            1.0
        }
    }

    fn block_at(&self, x: f32, y: f32) -> Option<f32> {
        let block = self.blocks.iter().rev().find(|block| {
            (block.left..block.left + block.width).contains(&x)
                && (block.top..block.top + block.height).contains(&y)
        })?;
        let is_dark = block.stripe > 0.0 && ((x - block.left) / block.stripe) as i32 % 2 == 0;
        Some(if is_dark {
            block.light * 0.3
        } else {
            block.light
        })
    }

    fn tile_at(&self, x: f32, y: f32) -> f32 {
        // The floor's horizon lies above the picture.
        let depth = 1.0 / (y + 120.0 * self.size);
        let (across, away) = ((x - 300.0) * depth * 6.0, 4_000.0 * depth * self.size);
        let is_dark = (across.floor() as i32 + away.floor() as i32).rem_euclid(2) == 0;
        if is_dark { 0.08 } else { self.light.max(0.4) }
    }
}

fn hashed(seed: u64, column: f32, row: f32) -> u64 {
    let place = ((column as i64) << 32) ^ row as i64;
    Random::new(seed ^ place.cast_unsigned().wrapping_mul(0x2545_f491_4f6c_dd1d)).bits()
}

//! Ways to make a frame easier to read. Each takes a frame and gives a new one.

use super::frame::Frame;

/// Side in pixels of the tiles whose darkest and lightest values the contrast stretch uses. Three
/// tiles across hold both ink and paper of any code whose modules are up to 16 pixels wide.
const TILE: usize = 16;

/// A tile's neighbourhood with a smaller range than this is paper alone: stretching it would turn
/// the sensor's noise into ink.
const STRETCH_RANGE_MIN: i32 = 6;

/// Values of a row's ranges are multiplied by this, the weights of two tiles together.
const ROW_SCALE: i32 = TILE as i32;

/// Dark becomes light and light dark.
pub(super) fn inverted(frame: &Frame) -> Frame {
    frame.with_luma(frame.luma().iter().map(|value| 255 - value).collect())
}

/// Mean of three by three pixels: takes away noise and the moiré of screens. A frame too narrow for
/// that is left as it is: no code fits into it.
pub(super) fn blurred(frame: &Frame) -> Frame {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    if width < 3 {
        return frame.clone();
    }
    let mut across = vec![0_u16; width * height];
    for (sums, row) in across
        .chunks_exact_mut(width)
        .zip(frame.luma().chunks_exact(width))
    {
        let sum = |values: &[u8]| values.iter().map(|&value| u16::from(value)).sum::<u16>();
        for (sum, near) in sums[1..].iter_mut().zip(row.windows(3)) {
            *sum = u16::from(near[0]) + u16::from(near[1]) + u16::from(near[2]);
        }
        sums[0] = u16::from(row[0]) + sum(&row[..2]);
        sums[width - 1] = u16::from(row[width - 1]) + sum(&row[width - 2..]);
    }
    let row = |y: usize| &across[y * width..(y + 1) * width];
    let mut smooth = Vec::with_capacity(width * height);
    for y in 0..height {
        let near = row(y.saturating_sub(1))
            .iter()
            .zip(row(y))
            .zip(row((y + 1).min(height - 1)));
        smooth.extend(near.map(|((above, here), below)| ((above + here + below) / 9) as u8));
    }
    frame.with_luma(smooth)
}

/// Takes twice the blur away: brings back edges that a lens out of focus has smeared.
pub(super) fn sharpened(frame: &Frame) -> Frame {
    let smooth = blurred(&blurred(frame));
    let sharp = frame
        .luma()
        .iter()
        .zip(smooth.luma())
        .map(|(&value, &mean)| {
            let value = i32::from(value);
            (value + 2 * (value - i32::from(mean))).clamp(0, 255) as u8
        })
        .collect();
    frame.with_luma(sharp)
}

/// Stretches the contrast of every neighbourhood to the full range: codes in glare, in shadow, on
/// dim screens.
pub(super) fn stretched(frame: &Frame) -> Frame {
    let width = frame.width() as usize;
    let tiles = TileRanges::of(&blurred(frame));
    let mut luma = Vec::with_capacity(frame.luma().len());
    let mut ranges = Vec::with_capacity(tiles.across);
    for (y, row) in frame.luma().chunks_exact(width).enumerate() {
        tiles.ranges_at_row(y, &mut ranges);
        for (tile, pixels) in row.chunks(TILE).enumerate() {
            let (low, high) = ranges[tile];
            let range = high - low;
            if range < STRETCH_RANGE_MIN * ROW_SCALE {
                luma.extend(pixels.iter().map(|_| 255));
                continue;
            }
            let factor = (255 << 12) / range;
            luma.extend(pixels.iter().map(|&value| {
                let above = i32::from(value) * ROW_SCALE - low;
                ((above * factor) >> 12).clamp(0, 255) as u8
            }));
        }
    }
    frame.with_luma(luma)
}

/// Darkest and lightest value around each tile.
struct TileRanges {
    across: usize,
    down: usize,
    ranges: Vec<(u8, u8)>,
}

impl TileRanges {
    fn of(frame: &Frame) -> Self {
        let width = frame.width() as usize;
        let across = width.div_ceil(TILE);
        let down = (frame.height() as usize).div_ceil(TILE);
        let mut own = vec![(u8::MAX, u8::MIN); across * down];
        for (y, row) in frame.luma().chunks_exact(width).enumerate() {
            for (tile, pixels) in row.chunks(TILE).enumerate() {
                let range = &mut own[y / TILE * across + tile];
                for &value in pixels {
                    *range = (range.0.min(value), range.1.max(value));
                }
            }
        }
        let mut ranges = Vec::with_capacity(own.len());
        for y in 0..down {
            for x in 0..across {
                let mut range = (u8::MAX, u8::MIN);
                for row in y.saturating_sub(1)..(y + 2).min(down) {
                    for tile in
                        &own[row * across + x.saturating_sub(1)..row * across + (x + 2).min(across)]
                    {
                        range = (range.0.min(tile.0), range.1.max(tile.1));
                    }
                }
                ranges.push(range);
            }
        }
        Self {
            across,
            down,
            ranges,
        }
    }

    /// The ranges of a row's tiles, in 1/[`ROW_SCALE`]: in the middle of a tile its own, towards its
    /// edge more and more those of the tile above or below, so that no edge runs across a code.
    fn ranges_at_row(&self, y: usize, ranges: &mut Vec<(i32, i32)>) {
        let tile = y / TILE;
        let from_middle = (y % TILE) as i32 - ROW_SCALE / 2;
        let other = if from_middle < 0 {
            tile.saturating_sub(1)
        } else {
            (tile + 1).min(self.down - 1)
        };
        let weight = from_middle.abs();
        let row = |tile: usize| &self.ranges[tile * self.across..(tile + 1) * self.across];
        ranges.clear();
        ranges.extend(row(tile).iter().zip(row(other)).map(|(own, other)| {
            let mix = |own: u8, other: u8| {
                i32::from(own) * (ROW_SCALE - weight) + i32::from(other) * weight
            };
            (mix(own.0, other.0), mix(own.1, other.1))
        }));
    }
}

/// Half the width and height, each pixel the mean of four. `None` when nothing would be left.
pub(super) fn halved(frame: &Frame) -> Option<Frame> {
    if frame.width().min(frame.height()) < 2 {
        return None;
    }
    frame.shrunk_to(frame.width().max(frame.height()) / 2)
}

/// Twice the width and height with straight lines between the pixels: for codes whose modules are
/// hardly more than a pixel. `None` when the frame would have more than `pixels_max` pixels.
pub(super) fn doubled(frame: &Frame, pixels_max: u64) -> Option<Frame> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    if u64::from(frame.width()) * u64::from(frame.height()) * 4 > pixels_max {
        return None;
    }
    let at =
        |x: usize, y: usize| u32::from(frame.luma()[y.min(height - 1) * width + x.min(width - 1)]);
    let mut luma = Vec::with_capacity(width * height * 4);
    for y in 0..height {
        for x in 0..width {
            luma.push(at(x, y) as u8);
            luma.push(((at(x, y) + at(x + 1, y)) / 2) as u8);
        }
        for x in 0..width {
            luma.push(((at(x, y) + at(x, y + 1)) / 2) as u8);
            luma.push(((at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4) as u8);
        }
    }
    Frame::new(frame.width() * 2, frame.height() * 2, luma).ok()
}

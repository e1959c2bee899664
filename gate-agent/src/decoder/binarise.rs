//! From grey to ink and paper. The decoding library's own way, and two of ours for where it fails.

use rxing::common::{BitMatrix, HybridBinarizer};
use rxing::{Binarizer, Luma8Source};

use super::frame::Frame;

/// How a pixel is told to be ink or paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binariser {
    /// The library's: blocks of eight pixels against their neighbours. Fast, and good at shadows.
    Blocks,
    /// Darker than the mean of a window around it: good at low contrast and large modules.
    LocalMean,
    /// Darker than one level for the whole frame, chosen by Otsu's method: good at blur and small
    /// modules on an evenly lit page.
    OneLevel,
}

impl Binariser {
    /// The frame as bits, ink set. `None` when the library cannot make one of this size.
    pub(super) fn matrix(self, frame: &Frame) -> Option<BitMatrix> {
        match self {
            Self::Blocks => blocks(frame),
            Self::LocalMean => local_mean(frame),
            Self::OneLevel => one_level(frame),
        }
    }
}

fn blocks(frame: &Frame) -> Option<BitMatrix> {
    let source = Luma8Source::new_with_slice(frame.luma(), frame.width(), frame.height()).ok()?;
    HybridBinarizer::new(source)
        .get_black_matrix()
        .ok()
        .cloned()
}

/// Window of the local mean: an eighth of the shorter side, so that it spans several modules of any
/// code that fills a good part of the frame, and at least this many pixels.
const WINDOW_MIN: usize = 16;

/// Ink is darker than the mean by more than this, else the noise of plain paper becomes ink.
const DARKER_BY: u64 = 3;

fn local_mean(frame: &Frame) -> Option<BitMatrix> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let radius = (width.min(height) / 8).max(WINDOW_MIN) / 2;
    let mut matrix = BitMatrix::new(frame.width(), frame.height()).ok()?;
    // A running sum of each column over the window's rows, then of the columns over its width: no
    // table of the whole frame, so that large pictures stay within the memory limit.
    let mut columns = vec![0_u64; width];
    let mut rows = 0..0;
    let row_at = |y: usize| &frame.luma()[y * width..(y + 1) * width];
    for y in 0..height {
        while rows.end < (y + radius + 1).min(height) {
            columns
                .iter_mut()
                .zip(row_at(rows.end))
                .for_each(|(sum, &value)| *sum += u64::from(value));
            rows.end += 1;
        }
        while rows.start < y.saturating_sub(radius) {
            columns
                .iter_mut()
                .zip(row_at(rows.start))
                .for_each(|(sum, &value)| *sum -= u64::from(value));
            rows.start += 1;
        }
        let mut sum = 0_u64;
        let mut window = 0..0;
        for (x, &value) in row_at(y).iter().enumerate() {
            while window.end < (x + radius + 1).min(width) {
                sum += columns[window.end];
                window.end += 1;
            }
            while window.start < x.saturating_sub(radius) {
                sum -= columns[window.start];
                window.start += 1;
            }
            let pixels = (window.len() * rows.len()) as u64;
            if (u64::from(value) + DARKER_BY) * pixels < sum {
                matrix.set(x as u32, y as u32);
            }
        }
    }
    Some(matrix)
}

fn one_level(frame: &Frame) -> Option<BitMatrix> {
    let mut matrix = BitMatrix::new(frame.width(), frame.height()).ok()?;
    let level = otsu_level(frame.luma());
    for (y, row) in frame
        .luma()
        .chunks_exact(frame.width() as usize)
        .enumerate()
    {
        for (x, &value) in row.iter().enumerate() {
            if value <= level {
                matrix.set(x as u32, y as u32);
            }
        }
    }
    Some(matrix)
}

/// The level that parts the values into two groups whose means lie farthest apart (Otsu, 1979).
fn otsu_level(luma: &[u8]) -> u8 {
    let mut counts = [0_u64; 256];
    for &value in luma {
        counts[usize::from(value)] += 1;
    }
    let total = luma.len() as f64;
    let total_sum: f64 = counts
        .iter()
        .enumerate()
        .map(|(value, &count)| value as f64 * count as f64)
        .sum();
    let (mut dark, mut dark_sum) = (0.0, 0.0);
    let mut best = (0.0, 127_u8);
    for (value, &count) in counts.iter().enumerate() {
        dark += count as f64;
        dark_sum += value as f64 * count as f64;
        let light = total - dark;
        if dark == 0.0 || light == 0.0 {
            continue;
        }
        let distance = dark_sum / dark - (total_sum - dark_sum) / light;
        let spread = dark * light * distance * distance;
        if spread > best.0 {
            best = (spread, value as u8);
        }
    }
    best.1
}

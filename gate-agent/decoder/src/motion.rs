//! Whether anything before the camera changed: a few thousand pixels against those of before.

use crate::frame::Frame;

/// Every how many pixels one is looked at, down and across.
const STRIDE: usize = 8;

/// A pixel that differs by less has only the sensor's noise.
const DIFFERENCE_MIN: u8 = 14;

/// One pixel of so many must differ: a hand at the edge, not a hot pixel.
const SHARE: usize = 500;

/// A frame as it was when it was last looked at in earnest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Trace {
    pub(crate) fn of(frame: &Frame) -> Self {
        let rows = (STRIDE / 2..frame.rows()).step_by(STRIDE);
        let pixels = rows
            .flat_map(|y| frame.row(y).iter().skip(STRIDE / 2).step_by(STRIDE))
            .copied()
            .collect();
        Self {
            width: frame.width(),
            height: frame.height(),
            pixels,
        }
    }

    /// Whether something moved between the two.
    pub(crate) fn differs_from(&self, before: &Self) -> bool {
        if (self.width, self.height) != (before.width, before.height) {
            return true;
        }
        let pairs = self.pixels.iter().zip(&before.pixels);
        let moved = pairs
            .filter(|(here, before)| here.abs_diff(**before) >= DIFFERENCE_MIN)
            .count();
        moved * SHARE > self.pixels.len()
    }
}

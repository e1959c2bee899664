//! Draws the pictures that reading codes is measured and tested with: passes on paper and phones as
//! a camera takes them, frames without a code, hostile frames, and sequences of frames. The same
//! pictures from the same seeds, always. Knows nothing of how codes are read.

mod camera;
mod hostile;
mod passes;
mod pose;
mod random;
mod scenes;
mod set;
mod surface;

pub use hostile::{Hostile, hostile};
pub use random::Random;
pub use scenes::Scene;
pub use set::{Half, Spoiling, Take, empty_frames, near_pass_frame, pass_frame, pass_frames};

/// A grey picture, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// 0 is black.
    pub luma: Vec<u8>,
}

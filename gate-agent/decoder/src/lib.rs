//! Finds QR codes in grey frames and reads their texts: motion, finder patterns, grids, values,
//! error correction. Pure: frames in, texts and hints out; no file, socket, process or clock, and
//! no frame costs more than a bounded amount of work. Knows nothing of passes; a text is a text.

mod cascade;
mod finder;
mod fit;
mod frame;
mod geometry;
mod motion;
mod reading;
mod reed_solomon;
mod rings;
mod sample;
mod search;
mod sharpness;
mod stream;
mod symbol;
mod tone;
mod triple;

pub use cascade::{Wanted, read_as_gate, read_thoroughly};
pub use frame::{FRAME_PIXELS_MAX, FRAME_SIDE_MAX, Frame, FrameError};
pub use reading::{Code, Hint, Reading, Step, Work};
pub use stream::Stream;

//! The machine as a whole, through its public face.

mod line;

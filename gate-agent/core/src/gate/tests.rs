//! The machine as a whole, through its public face.

mod clock;
mod documents;

mod line;
mod lists;
mod orders;

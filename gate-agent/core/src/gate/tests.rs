//! The machine as a whole, through its public face.

mod clock;
mod documents;
mod door_rules;
mod guards;
mod interleaving;
mod line;
mod lists;
mod orders;
mod people;
mod reference;
mod scanning;
mod starting;
mod storage;

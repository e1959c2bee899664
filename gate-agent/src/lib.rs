//! The gate's program: takes passes in through its readers, lets the core decide, moves the door,
//! keeps the journal and stays in touch with central.

pub mod clock;
pub mod commands;
pub mod decoder;
pub mod gate_key;
pub mod reader;
pub mod store;

//! Portcullis central: issues, signs, revokes, collects and reports. One binary with subcommands;
//! this library is its rooms.

pub mod clock;
pub mod cluster;
pub mod configuration;
pub mod db;
pub mod instant;
pub mod randomness;
#[doc(hidden)]
pub mod testing;

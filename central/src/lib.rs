//! Portcullis central: issues, signs, revokes, collects and reports. One binary with subcommands;
//! this library is its rooms.

pub mod admin_api;
pub mod app;
pub mod auth;
pub mod changes;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod configuration;
pub mod db;
pub mod extract;
pub mod health;
pub mod idempotency;
pub mod ids;
pub mod instant;
pub mod issuing;
pub mod jobs;
pub mod keys;
pub mod local_time;
pub mod metrics;
pub mod number;
pub mod observe;
pub mod openapi;
pub mod paging;
pub mod policy;
pub mod problem;
pub mod qr;
pub mod randomness;
pub mod router;
pub mod server;
pub mod shutdown;
pub mod signers;
#[doc(hidden)]
pub mod testing;
pub mod text;

//! gate-core decides. A pure state machine: `handle_*(now, …)` in, `poll_action()` and
//! `poll_timeout()` out. It cannot do I/O or read a clock.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod action;
pub mod input;
pub mod memory;

//! gate-core decides. A pure state machine: `handle_*(now, …)` in, `poll_action()` and
//! `poll_timeout()` out. It cannot do I/O or read a clock.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod action;
pub mod admission;
mod commits;
pub mod documents;
mod door;
pub mod freshness;
pub mod gate;
pub mod guard;
pub mod input;
mod looking;
pub mod memory;
mod passage;
pub mod passback;
mod presence;
mod reader;
mod refusals;
mod remembered;
mod repeat_scan;
pub mod timers;

#[cfg(test)]
mod attacks;
#[cfg(test)]
#[allow(dead_code, reason = "the system tests use the rest of it")]
#[path = "../../../tests/src/authority.rs"]
#[expect(
    unreachable_pub,
    reason = "public in the system tests, whose file it is"
)]
mod authority;
#[cfg(test)]
mod testing;

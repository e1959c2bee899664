//! What gates and central must agree on: formats with both their sides, messages, words.
//! Pure: no file, socket, clock or thread; time and keys are handed in.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod access_level;
pub mod base45;
pub mod carry;
pub mod cbor;
pub mod configuration;
pub mod cose;
pub mod decision;
#[cfg(portcullis_defects)]
pub mod defects;
pub mod document;
pub mod enrolment;
pub mod gate_api;
pub mod heads;
pub mod ids;
pub mod issued_list;
pub mod journal;
pub mod keys;
pub mod live_pass;
pub mod movement;
pub mod order;
pub mod panel_api;
pub mod pass;
pub mod policy;
pub mod request_signature;
pub mod root_set;
pub mod roster;
pub mod schedule;
pub mod status_list;
pub mod text;
pub mod time;
pub mod trust_list;

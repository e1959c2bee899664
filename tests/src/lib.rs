//! What system tests and the demo stand on: the real programs started and killed, a client of the
//! web API, pictures, phones, links that can be cut. It repeats none of the product's own rules.

pub mod admin;
pub mod authority;
pub mod bench;
pub mod campus;
pub mod central;
pub mod clock;
pub mod crash;
pub mod database;
pub mod false_central;
pub mod gate;
pub mod link;
pub mod outpost;
pub mod panel;
pub mod paper_gate;
pub mod phone;
pub mod pictures;
pub mod prepared_gate;
pub mod program;
pub mod random;
pub mod school;
pub mod scratch;
pub mod thief;

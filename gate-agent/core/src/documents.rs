//! The signed documents in force: who signed them, what they are numbered, what they say. A
//! document is checked here, stored by the shell, and put in force when it is durable.
//!
//! TUF's attacks and what stands against them: *rollback*, a lower number is refused, across
//! restarts too; *freeze*, everything expires and only heads whose documents are held renew
//! freshness; *fast-forward*, the number's epoch is the root set's, so that roots can start over;
//! *mix-and-match*, heads name number and digest of everything; *endless data*, each kind has a
//! size limit.

mod check;
mod former;
mod in_force;
mod problem;
mod reopening;
mod set_aside;
mod wanted;

pub use problem::DocumentProblem;
pub use wanted::Wanted;

pub(crate) use check::{Checked, CheckedOrder, Incoming, Known, Takeable};
pub(crate) use in_force::{Behind, Documents, NumberAndDigest, kind_of};

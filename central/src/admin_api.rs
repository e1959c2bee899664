//! What administrators may do, one folder per resource and one file per verb: the folder tree is
//! the API reference.

pub mod schools;

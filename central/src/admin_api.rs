//! What administrators may do, one folder per resource and one file per verb: the folder tree is
//! the API reference.

pub mod access_levels;
pub mod access_points;
pub mod areas;
pub mod doors;
pub mod gate_staff;
pub mod gates;
pub mod issuer_keys;
pub mod orders;
pub mod passes;
pub mod scans;
pub mod schedules;
pub mod schools;
pub mod students;

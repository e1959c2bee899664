//! The subcommands of `gate-agent`, a file each.

pub mod decoder;
pub mod scan_image;

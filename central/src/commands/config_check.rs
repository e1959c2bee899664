//! `central config check`: settling the configuration was the check.

use crate::configuration::Configuration;

pub(super) fn run(configuration: &Configuration) -> anyhow::Result<()> {
    println!("{configuration}");
    Ok(())
}

//! `central migrate`: brings the schema up to date, then ends. `serve` does the same first.

use crate::{
    configuration::Configuration,
    db::{
        Database, WhenRunning,
        migrations::{self, MIGRATIONS},
    },
};

pub(super) async fn run(configuration: &Configuration) -> anyhow::Result<()> {
    let database = Database::open(configuration, WhenRunning::Join).await?;
    let outcome = migrations::apply(&database.owner, MIGRATIONS).await;
    database.close().await?;
    let applied = outcome?;
    println!(
        "{applied} migrations applied; the schema is at migration {}",
        MIGRATIONS.len()
    );
    Ok(())
}

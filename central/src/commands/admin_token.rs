//! `central admin token`: bearer tokens for the web API. Each works beside a running server.

mod create;
mod list;
mod revoke;

use clap::Subcommand;

use crate::{
    configuration::Configuration,
    db::{
        Database, Db, WhenRunning,
        migrations::{self, MIGRATIONS},
    },
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes a token and prints it, this once
    Create(create::Arguments),
    /// Lists the tokens: id, state, when it was made, name
    List,
    /// Makes a token worthless at once
    Revoke(revoke::Arguments),
}

pub(super) async fn run(configuration: &Configuration, command: &Command) -> anyhow::Result<()> {
    let database = Database::open(configuration, WhenRunning::Join).await?;
    let outcome = run_on(&database, command).await;
    database.close().await?;
    println!("{}", outcome?);
    if let Command::Create(_) = command {
        eprintln!("This token is shown only now: keep it like a password.");
    }
    Ok(())
}

/// What the command answers on standard output.
async fn run_on(database: &Database, command: &Command) -> anyhow::Result<String> {
    migrations::apply(&database.owner, MIGRATIONS).await?;
    let db = Db::new(&database.owner)?;
    let connection = db.connection().await?;
    let answer = match command {
        Command::Create(arguments) => create::run(&connection, arguments).await?,
        Command::List => list::run(&connection).await?,
        Command::Revoke(arguments) => revoke::run(&connection, arguments).await?,
    };
    drop(connection);
    db.close();
    Ok(answer)
}

//! `central keys`: root set, registrar, statement key, trust list. Root and registrar keys are
//! files that only these commands open; they work beside a running server.

mod freeze;
mod init;
mod list;
mod places;
mod revoke;
mod trust_list;

use clap::Subcommand;

use crate::{
    configuration::Configuration,
    db::{
        Database, Db, WhenRunning,
        migrations::{self, MIGRATIONS},
    },
};

const INIT_EXAMPLES: &str = "\
Examples:
  central keys init --small-school
  central --data-dir /var/lib/portcullis keys init --small-school

It makes <data-dir>/credentials (what seals the other keys) and <data-dir>/keys (root and registrar).
Copy root.key and root.kek to two places that are not this machine, then delete them here.";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes every key that a small school needs, and publishes root set and trust list
    #[command(after_help = INIT_EXAMPLES)]
    Init(init::Arguments),
    /// The signed list of keys that gates believe
    #[command(subcommand)]
    TrustList(TrustListCommand),
    /// Lists statement, issuer and standby keys: kid, purpose, state, school
    List,
    /// Ends the growth of an issuer key that leaked: honest passes stay good, nothing new is
    Freeze(freeze::Arguments),
    /// Ends an issuer key for good: no pass under it is good any more once a trust list says so
    Revoke(revoke::Arguments),
}

#[derive(Subcommand)]
pub(super) enum TrustListCommand {
    /// Signs and publishes a trust list of all keys in the database; keys that waited are in use
    Publish,
}

pub(super) async fn run(configuration: &Configuration, command: &Command) -> anyhow::Result<()> {
    let database = Database::open(configuration, WhenRunning::Join).await?;
    let outcome = run_on(configuration, &database, command).await;
    database.close().await?;
    println!("{}", outcome?);
    Ok(())
}

/// What the command answers on standard output.
async fn run_on(
    configuration: &Configuration,
    database: &Database,
    command: &Command,
) -> anyhow::Result<String> {
    migrations::apply(&database.owner, MIGRATIONS).await?;
    let db = Db::new(&database.owner)?;
    let answer = match command {
        Command::Init(arguments) => init::run(configuration, &db, arguments).await,
        Command::TrustList(TrustListCommand::Publish) => {
            trust_list::publish(configuration, &db).await
        }
        Command::List => list::run(&db).await,
        Command::Freeze(arguments) => freeze::run(&db, arguments).await,
        Command::Revoke(arguments) => revoke::run(&db, arguments).await,
    };
    db.close();
    answer
}

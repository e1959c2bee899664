//! `central keys`: root, registrar, statement and issuer keys. Each command works beside a running
//! server; private halves of root and registrar keys never enter the database.

mod freeze;
mod init;
mod issuer_create;
mod list;
mod registrar_create;
mod revoke;
mod root_create;
mod root_set_draft;
mod root_set_publish;
mod root_set_sign;
mod secrets;
mod statement_create;
mod statement_switch;
mod trust_list_publish;

use std::path::PathBuf;

use clap::Subcommand;

use crate::{
    changes::Changes,
    clock::Clock,
    configuration::Configuration,
    db::{
        Database, Db, WhenRunning,
        migrations::{self, MIGRATIONS},
    },
    keys::credentials::{Credential, Credentials},
    publishing::{Publisher, RostersDue, Which},
    signers::StatementSigner,
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes all keys that a small school needs
    Init(init::Arguments),
    /// Root keys: offline, they name the registrar
    #[command(subcommand)]
    Root(RootCommand),
    /// The root set: which root keys there are and which registrar they name
    #[command(subcommand)]
    RootSet(RootSetCommand),
    /// The registrar's key, which signs the trust list
    #[command(subcommand)]
    Registrar(RegistrarCommand),
    /// The statement key, which signs what gates are told
    #[command(subcommand)]
    Statement(StatementCommand),
    /// Issuer keys, which sign passes
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// The trust list: which issuer and statement keys gates believe
    #[command(subcommand)]
    TrustList(TrustListCommand),
    /// Freezes an issuer key that leaked: nothing is added under it, honest passes stay good
    Freeze(freeze::Arguments),
    /// Revokes a key: nothing that it signed is good any more
    Revoke(revoke::Arguments),
    /// Lists the keys that are in the database
    List,
}

#[derive(Subcommand)]
pub(super) enum RootCommand {
    /// Makes root keys, each a file of its own
    Create(root_create::Arguments),
}

#[derive(Subcommand)]
pub(super) enum RootSetCommand {
    /// Writes the next root set to a file, for root keys to sign
    Draft(root_set_draft::Arguments),
    /// Signs a drafted root set with a root key; needs no database and no network
    Sign(root_set_sign::Arguments),
    /// Puts a root set in force that enough root keys have signed
    Publish(root_set_publish::Arguments),
}

#[derive(Subcommand)]
pub(super) enum RegistrarCommand {
    /// Makes a registrar key; a root set has to name it
    Create(registrar_create::Arguments),
}

#[derive(Subcommand)]
pub(super) enum StatementCommand {
    /// Makes a statement key; a trust list has to name it
    Create,
    /// Has the newest statement key sign from now on
    Switch,
}

#[derive(Subcommand)]
pub(super) enum IssuerCommand {
    /// Makes an issuer key and its standby key for a school
    Create(issuer_create::Arguments),
}

#[derive(Subcommand)]
pub(super) enum TrustListCommand {
    /// Signs and publishes a trust list of all keys
    Publish(trust_list_publish::Arguments),
}

pub(super) async fn run(configuration: &Configuration, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Root(RootCommand::Create(arguments)) => root_create::run(&arguments),
        Command::RootSet(RootSetCommand::Sign(arguments)) => root_set_sign::run(&arguments),
        Command::Registrar(RegistrarCommand::Create(arguments)) => {
            registrar_create::run(configuration, &arguments)
        }
        on_the_database => {
            let database = Database::open(configuration, WhenRunning::Join).await?;
            let outcome = run_on(configuration, &database, on_the_database).await;
            database.close().await?;
            outcome
        }
    }
}

async fn run_on(
    configuration: &Configuration,
    database: &Database,
    command: Command,
) -> anyhow::Result<()> {
    migrations::apply(&database.owner, MIGRATIONS).await?;
    let work = Work {
        db: Db::new(&database.owner)?,
        credentials: Credentials::new(configuration),
        keys_directory: configuration.data_directory.join("keys"),
    };
    let outcome = match command {
        Command::Init(arguments) => init::run(&work, &arguments).await,
        Command::RootSet(RootSetCommand::Draft(arguments)) => {
            root_set_draft::run(&work, &arguments).await
        }
        Command::RootSet(RootSetCommand::Publish(arguments)) => {
            root_set_publish::run(&work, &arguments).await
        }
        Command::Statement(StatementCommand::Create) => statement_create::run(&work).await,
        Command::Statement(StatementCommand::Switch) => statement_switch::run(&work).await,
        Command::Issuer(IssuerCommand::Create(arguments)) => {
            issuer_create::run(&work, &arguments).await
        }
        Command::TrustList(TrustListCommand::Publish(arguments)) => {
            trust_list_publish::run(&work, &arguments).await
        }
        Command::Freeze(arguments) => freeze::run(&work, &arguments).await,
        Command::Revoke(arguments) => revoke::run(&work, &arguments).await,
        Command::List => list::run(&work).await,
        // `run` has taken them.
        Command::Root(_) | Command::RootSet(RootSetCommand::Sign(_)) | Command::Registrar(_) => {
            Ok(())
        }
    };
    work.db.close();
    outcome
}

/// What a command works with.
struct Work {
    db: Db,
    credentials: Credentials,
    /// Where key files lie unless said.
    keys_directory: PathBuf,
}

impl Work {
    /// Publishes what is behind, when the statement key's seal is at hand.
    ///
    /// # Errors
    /// When publishing fails: running servers try again every minute.
    async fn publish_behind(&self) -> anyhow::Result<()> {
        let Some(publisher) = self.publisher()? else {
            eprintln!(
                "{} is not here: running servers tell the gates within a minute.",
                Credential::Statements.file_name()
            );
            return Ok(());
        };
        publisher.catch_up(Which::All).await?;
        Ok(())
    }

    /// What publishes, within this process; `None` without the statement key's seal.
    fn publisher(&self) -> anyhow::Result<Option<Publisher>> {
        if !self.credentials.has(Credential::Statements) {
            return Ok(None);
        }
        let seals = self.credentials.key(Credential::Statements)?;
        Ok(Some(Publisher {
            db: self.db.clone(),
            statements: StatementSigner::here(seals, self.db.clone()),
            clock: Clock::System,
            changes: Changes::new(),
            rosters: RostersDue::default(),
        }))
    }
}

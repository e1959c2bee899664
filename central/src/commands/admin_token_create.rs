//! `central admin token create`: the only moment a token is visible.

use anyhow::bail;
use clap::Args;

use crate::{
    auth::AdminToken,
    clock::Clock,
    configuration::Configuration,
    db::{
        Database, Db, WhenRunning, admin_tokens,
        migrations::{self, MIGRATIONS},
    },
    ids::AdminTokenId,
    randomness::Randomness,
};

const NAME_LEN_MAX: usize = 200;

#[derive(Args)]
pub(super) struct Arguments {
    /// Whose token it is, for the audit trail
    #[arg(long)]
    name: String,
}

pub(super) async fn run(
    configuration: &Configuration,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let name = arguments.name.trim();
    if name.is_empty() || name.chars().count() > NAME_LEN_MAX {
        bail!("--name must have 1 to {NAME_LEN_MAX} characters");
    }
    let database = Database::open(configuration, WhenRunning::Join).await?;
    let outcome = create(&database, name).await;
    database.close().await?;
    println!("{}", outcome?.reveal());
    eprintln!("This token is shown only now: keep it like a password.");
    Ok(())
}

async fn create(database: &Database, name: &str) -> anyhow::Result<AdminToken> {
    migrations::apply(&database.owner, MIGRATIONS).await?;
    let db = Db::new(&database.owner)?;
    let now = Clock::System.now();
    let token = AdminToken::generate(&Randomness::System);
    let id = AdminTokenId(Randomness::System.uuid(now));
    let connection = db.connection().await?;
    admin_tokens::insert(&connection, id, name, &token.sha256(), now).await?;
    drop(connection);
    db.close();
    Ok(token)
}

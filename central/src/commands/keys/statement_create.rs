//! `central keys statement create`: a statement key, which a trust list has to name.

use super::Work;
use crate::{
    clock::Clock,
    db::{
        Transaction,
        signing_keys::{self, KeyPurpose, NewKey, SigningKey},
    },
    instant::UtcInstant,
    issuing::SealedKey,
    keys::credentials::Credential,
    randomness::Randomness,
    signers::StatementDuty,
};

pub(super) async fn run(work: &Work) -> anyhow::Result<()> {
    work.credentials
        .ensure(Credential::Statements, &Randomness::System)?;
    let transaction = work.db.begin_across_schools().await?;
    let in_use = signing_keys::statement_key(&transaction).await?;
    let key = create(work, &transaction, Clock::System.now()).await?;
    transaction.commit().await?;
    println!("statement key  {}", key.kid);
    eprintln!("Next: `central keys trust-list publish`.");
    if in_use.is_some() {
        eprintln!(
            "Then, once every gate has been in touch: `central keys statement switch`. Until then the key in use \
             goes on."
        );
    }
    Ok(())
}

/// Makes a statement key within `transaction`.
pub(super) async fn create(
    work: &Work,
    transaction: &Transaction,
    now: UtcInstant,
) -> anyhow::Result<SigningKey> {
    let duty = StatementDuty::new(work.credentials.key(Credential::Statements)?);
    let (public_key, sealed) = duty.create(&Randomness::System);
    let pair = SealedKey { public_key, sealed };
    let key = NewKey {
        pair: &pair,
        purpose: KeyPurpose::Statement,
        school_id: None,
        signing: None,
        verification: None,
        standby_kid: None,
    };
    signing_keys::insert(transaction, &key, now).await
}

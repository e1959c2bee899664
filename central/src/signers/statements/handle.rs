//! How the server asks for a statement's signature.

use std::sync::Arc;

use anyhow::{Context, bail};
use shared::{cbor, ids::Kid};
use tokio::sync::RwLock;

use super::{Answer, Request, Statement, StatementDuty};
use crate::{
    configuration::Configuration,
    db::{Db, Transaction, signing_keys},
    issuing::SealedKey,
    keys::{
        credentials::{Credential, Credentials},
        sealing::KeyEncryptionKey,
    },
    signers::{Duty, Link, Place, SignerKind, wire},
};

const NO_KEY: &str = "there is no statement key that gates believe: make the keys with `central keys init \
    --small-school`, or one with `central keys statement create` and then `central keys trust-list publish`";

/// Signs statements with the newest statement key that gates believe; clones share it.
#[derive(Clone, Debug)]
pub struct StatementSigner {
    link: Link,
    db: Db,
    key: Arc<RwLock<Option<Arc<SealedKey>>>>,
}

impl StatementSigner {
    /// A signer in a process of its own.
    #[must_use]
    pub fn in_process_of_its_own(configuration: &Configuration, db: Db) -> Self {
        Self::at(
            Place::Process {
                kind: SignerKind::Statements,
                key_file: Credentials::new(configuration).path(Credential::Statements),
                log_format: configuration.log_format,
            },
            db,
        )
    }

    /// The same signer within this process: for commands and tests.
    #[must_use]
    pub fn here(seals: KeyEncryptionKey, db: Db) -> Self {
        let make = move || Ok(Box::new(StatementDuty::new(seals.clone())) as Box<dyn Duty>);
        Self::at(Place::Here(Box::new(make)), db)
    }

    fn at(place: Place, db: Db) -> Self {
        Self {
            link: Link::new(place),
            db,
            key: Arc::default(),
        }
    }

    /// Signs a statement; returns the signed bytes.
    ///
    /// # Errors
    /// When there is no statement key that gates believe, the signer does not run, or the
    /// statement is none that a reader would take.
    pub async fn sign<T: Statement>(&self, statement: &T) -> anyhow::Result<Vec<u8>> {
        let key = self.key().await?;
        let request = Request::Sign {
            kid: key.public_key.kid(),
            kind: T::KIND,
            payload: cbor::encode(statement),
        };
        let request = cbor::encode(&request);
        let mut answer = self.ask(&request).await?;
        if answer == Answer::NotHeld {
            self.hand_over(&key).await?;
            answer = self.ask(&request).await?;
        }
        match answer {
            Answer::Signed(bytes) => Ok(bytes),
            Answer::Refused(problem) => bail!("the statement signer refuses: {problem}"),
            Answer::Held | Answer::NotHeld => bail!("the statement signer does not hold its key"),
        }
    }

    /// The key that signs.
    ///
    /// # Errors
    /// When there is none that gates believe.
    pub async fn kid(&self) -> anyhow::Result<Kid> {
        Ok(self.key().await?.public_key.kid())
    }

    /// Is there a key that gates believe?
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_key(&self) -> anyhow::Result<bool> {
        if self.key.read().await.is_some() {
            return Ok(true);
        }
        Ok(self.load().await?.is_some())
    }

    /// The key that signs, as it stands within `transaction` and until that ends: whatever is
    /// noted there as published is signed by a key that was good then.
    ///
    /// # Errors
    /// When there is none that gates believe, or the database fails.
    pub async fn hold(&self, transaction: &Transaction) -> anyhow::Result<Kid> {
        let key = signing_keys::hold_statement_key(transaction).await?;
        let pair = key.context(NO_KEY)?.pair;
        let kid = pair.public_key.kid();
        let held = self.key.read().await;
        let is_held = held
            .as_ref()
            .is_some_and(|held| held.public_key.kid() == kid);
        drop(held);
        if !is_held {
            *self.key.write().await = Some(Arc::new(pair));
        }
        Ok(kid)
    }

    /// Looks for a newer key: after each change of the trust list.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reload(&self) -> anyhow::Result<()> {
        *self.key.write().await = self.load().await?;
        Ok(())
    }

    async fn key(&self) -> anyhow::Result<Arc<SealedKey>> {
        if let Some(key) = &*self.key.read().await {
            return Ok(key.clone());
        }
        let key = self.load().await?.context(NO_KEY)?;
        *self.key.write().await = Some(key.clone());
        Ok(key)
    }

    async fn load(&self) -> anyhow::Result<Option<Arc<SealedKey>>> {
        let transaction = self.db.begin_across_schools().await?;
        let key = signing_keys::statement_key(&transaction).await?;
        Ok(key.map(|key| Arc::new(key.pair)))
    }

    async fn hand_over(&self, key: &SealedKey) -> anyhow::Result<()> {
        let request = Request::Hold {
            public_key: key.public_key,
            sealed: key.sealed.clone(),
        };
        match self.ask(&cbor::encode(&request)).await? {
            Answer::Held => Ok(()),
            Answer::Refused(problem) => bail!(
                "the statement signer cannot use its key: {problem}. Is statements.kek the file that was there when \
                 the key was made?"
            ),
            Answer::Signed(_) | Answer::NotHeld => {
                bail!("the statement signer gave a wrong answer")
            }
        }
    }

    async fn ask(&self, request: &[u8]) -> anyhow::Result<Answer> {
        let answer = self.link.ask(request.to_vec()).await?;
        cbor::decode_strict(&answer, wire::FRAME_LEN_MAX)
            .context("the statement signer gave no answer of ours")
    }
}

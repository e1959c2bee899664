//! How the server asks for issuer keys and for the signatures of passes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, bail};
use minicbor::bytes::ByteVec;
use shared::{cbor, ids::Kid, keys::PublicKey, pass::Claims};

use super::{Answer, IssuingDuty, Request};
use crate::{
    configuration::Configuration,
    keys::{
        credentials::{Credential, Credentials},
        sealing::KeyEncryptionKey,
    },
    randomness::Randomness,
    signers::{Duty, Link, Place, SignerKind, wire},
};

/// A key pair as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// The public half.
    pub public_key: PublicKey,
    /// The private half, sealed.
    pub sealed: Vec<u8>,
}

/// Makes issuer keys and signs passes; clones share the signer.
#[derive(Clone, Debug)]
pub struct IssuingSigner {
    link: Link,
    /// For each key, the first serial of the newest attempt to issue.
    attempts: Arc<Mutex<BTreeMap<Kid, i32>>>,
}

impl IssuingSigner {
    /// A signer in a process of its own.
    #[must_use]
    pub fn in_process_of_its_own(configuration: &Configuration) -> Self {
        Self::at(Place::Process {
            kind: SignerKind::Issuing,
            key_file: Credentials::new(configuration).path(Credential::Issuing),
            log_format: configuration.log_format,
        })
    }

    /// The same signer within this process: for commands and tests.
    #[must_use]
    pub fn here(seals: KeyEncryptionKey, randomness: Randomness) -> Self {
        let make = move || {
            Ok(Box::new(IssuingDuty::new(seals.clone(), randomness.clone())) as Box<dyn Duty>)
        };
        Self::at(Place::Here(Box::new(make)))
    }

    fn at(place: Place) -> Self {
        Self {
            link: Link::new(place),
            attempts: Arc::default(),
        }
    }

    /// Makes an issuer key.
    ///
    /// # Errors
    /// When the signer does not run.
    pub async fn create(&self) -> anyhow::Result<SealedKey> {
        match self.ask(&Request::Create).await? {
            Answer::Created { public_key, sealed } => Ok(SealedKey { public_key, sealed }),
            other => Err(unexpected(other)),
        }
    }

    /// Signs up to [`super::BATCH_LEN_MAX`] passes, whose serials follow each other.
    ///
    /// # Errors
    /// When the signer does not run, cannot open the key, or was asked for one of these serials
    /// before.
    pub(super) async fn sign(
        &self,
        key: &SealedKey,
        batch: &[Claims],
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        let request = Request::Sign {
            kid: key.public_key.kid(),
            claims: batch.iter().map(|claims| claims.encode().into()).collect(),
        };
        let mut answer = self.ask(&request).await?;
        if answer == Answer::NotHeld {
            self.hand_over(key).await?;
            answer = self.ask(&request).await?;
        }
        match answer {
            Answer::Signed(passes) if passes.len() == batch.len() => {
                Ok(passes.into_iter().map(ByteVec::into).collect())
            }
            other => Err(unexpected(other)),
        }
    }

    /// To be called with the key's row locked, before the first batch under it. An earlier attempt
    /// at the same serial was signed at most, never stored: the signer starts over, since it signs
    /// no serial twice. A serial below is left to be refused: the database went back in time.
    pub(super) async fn begin(&self, kid: Kid, first_serial: i32) {
        let earlier = self
            .attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(kid, first_serial);
        if earlier == Some(first_serial) {
            tracing::warn!(
                key.kid = %kid,
                "passes of {kid} were to be issued and were not stored: the issuing signer starts over"
            );
            self.link.start_over().await;
        }
    }

    async fn hand_over(&self, key: &SealedKey) -> anyhow::Result<()> {
        let request = Request::Hold {
            public_key: key.public_key,
            sealed: key.sealed.clone(),
        };
        match self.ask(&request).await? {
            Answer::Held => Ok(()),
            Answer::Refused(problem) => bail!(
                "the issuing signer cannot use its key: {problem}. Is issuing.kek the file that was there when the \
                 key was made?"
            ),
            other => Err(unexpected(other)),
        }
    }

    async fn ask(&self, request: &Request) -> anyhow::Result<Answer> {
        let answer = self.link.ask(cbor::encode(request)).await?;
        cbor::decode_strict(&answer, wire::FRAME_LEN_MAX)
            .context("the issuing signer gave no answer of ours")
    }
}

fn unexpected(answer: Answer) -> anyhow::Error {
    match answer {
        Answer::Refused(problem) => anyhow::anyhow!("the issuing signer refuses: {problem}"),
        Answer::Created { .. } | Answer::Held | Answer::Signed(_) | Answer::NotHeld => {
            anyhow::anyhow!("the issuing signer gave a wrong answer")
        }
    }
}

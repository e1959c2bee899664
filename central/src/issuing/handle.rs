//! How the server asks for issuer keys and for the signatures of passes.

use std::{
    collections::BTreeMap,
    ops::Range,
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

/// A signer that starts over for another key between a hand-over and the request behind it has to
/// be handed the key once more.
const HAND_OVERS_MAX: usize = 3;

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
    /// For each key, the serials of this process's newest attempt to issue.
    attempts: Arc<Mutex<BTreeMap<Kid, Range<i32>>>>,
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
        for _ in 0..HAND_OVERS_MAX {
            if answer != Answer::NotHeld {
                break;
            }
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

    /// To be called under the lock of numbering, before the first batch under the key. Serials that
    /// an earlier attempt here took and that are free again were signed at most, never stored,
    /// though another central may have issued some of them since: the signer starts over, since it
    /// signs no serial twice. A serial below is left to be refused: the database went back in time.
    pub(super) async fn begin(&self, kid: Kid, serials: Range<i32>) {
        let is_free_again = {
            let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
            let earlier = attempts.get(&kid);
            if earlier.is_some_and(|earlier| serials.start < earlier.start) {
                return;
            }
            let is_free_again = earlier.is_some_and(|earlier| earlier.contains(&serials.start));
            attempts.insert(kid, serials);
            is_free_again
        };
        if is_free_again {
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

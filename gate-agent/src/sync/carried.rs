//! Takes in what a stick carries, and gives the journal out to it: the steps of sync, once, with
//! the stick's file in place of central. The core checks all of it as if it had been pulled.

use std::{collections::BTreeSet, time::Duration};

use gate_core::documents::Wanted;
use shared::{
    cbor,
    document::SignedKind as _,
    gate_api::{API_VERSION, DocumentName, HeadsRequest, path},
    heads::Heads,
    ids::JournalPosition,
};

use super::{
    Failure, NotTaken, SignedInput, Sync, SyncAsk, WantedNow,
    client::CallFailed,
    pull_documents::pull_wanted,
    push_journal::{acknowledged, batch_behind},
};
use crate::carry::{Line, StickAnswer, ToCommand};

/// Rotations of the roots that one file can bring a gate through.
const ROUNDS_MAX: usize = 32;

/// What became of what a stick carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its heads.
    pub heads: HeadsTaken,
    /// What was refused or is missing, in words.
    pub problems: Vec<String>,
}

/// What became of heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadsTaken {
    /// They are in force, or were.
    Yes,
    /// They are not, and why.
    No(String),
}

impl Sync {
    /// Takes in everything of a stick's file that the gate can use. What is refused does not keep
    /// the rest back.
    ///
    /// # Errors
    /// [`Failure`] when the stick is gone or the agent ends; what was taken until then stays.
    pub async fn take_in(&self, line: &Line) -> Result<Carried, Failure> {
        let mut problems = BTreeSet::new();
        let mut heads = HeadsTaken::No("none are on the stick".into());
        for _ in 0..ROUNDS_MAX {
            heads = take_heads(self).await?;
            let wanted = self.to_loop.ask(SyncAsk::Wanted).await?;
            if matches!(heads, HeadsTaken::No(_)) && !is_behind(&wanted) {
                break;
            }
            problems.clear();
            let pulled = pull_wanted(self).await?;
            if let Some(failure) = pulled.first_failure {
                problems.insert(in_words(failure)?);
            }
            // Refused heads may hold once what vouches for them came.
            if heads == HeadsTaken::Yes || pulled.taken == 0 {
                break;
            }
        }
        if let Some(bytes) = line.acknowledgement().await?
            && let Err(failure) = take_acknowledgement(self, bytes).await
        {
            let why = in_words(failure)?;
            problems.insert(format!("the acknowledgement of the journal: {why}"));
        }
        Ok(Carried {
            heads,
            problems: problems.into_iter().collect(),
        })
    }

    /// Gives out the journal as it stands now, from behind what central acknowledged; returns the
    /// last record that was given.
    ///
    /// # Errors
    /// [`Failure`] when the stick is gone or full, or the agent ends.
    pub async fn give_out(&self, line: &Line) -> Result<JournalPosition, Failure> {
        let tail = *self.store.tail().borrow();
        let mut after = acknowledged(tail);
        while after.seq < tail.last.position.seq {
            let Some(batch) = batch_behind(self, after).await? else {
                break;
            };
            let count = batch.records.len() as u64;
            after = JournalPosition {
                seq: batch.first.seq + count - 1,
                ..batch.first
            };
            let bytes = cbor::encode(&batch).into();
            match line
                .converse(&ToCommand::Batch { to: after, bytes })
                .await?
            {
                StickAnswer::Written => {}
                StickAnswer::Broken(why) | StickAnswer::Lacks(why) => {
                    return Err(CallFailed::StickGone(why).into());
                }
                StickAnswer::Found(_) => {
                    return Err(CallFailed::StickGone("it answers otherwise".into()).into());
                }
            }
        }
        Ok(after)
    }
}

/// A failure of one step, which does not end the others.
fn in_words(failure: Failure) -> Result<String, Failure> {
    match failure {
        Failure::Call(CallFailed::StickGone(_)) => Err(failure),
        failure if failure.is_ending() => Err(failure),
        failure => Ok(failure.to_string()),
    }
}

/// What vouches for the heads is out of date at the gate.
fn is_behind(wanted: &WantedNow) -> bool {
    let vouches = |wanted: &Wanted| match wanted.name {
        DocumentName::RootSet | DocumentName::TrustList => true,
        DocumentName::Configuration
        | DocumentName::Roster
        | DocumentName::StatusList(_)
        | DocumentName::IssuedList(_) => false,
    };
    wanted.documents.iter().any(vouches)
}

async fn take_heads(sync: &Sync) -> Result<HeadsTaken, Failure> {
    let question = HeadsRequest {
        version: API_VERSION,
        known: None,
        wait_s: 0,
    };
    let question = cbor::encode(&question);
    let answer = sync
        .source
        .call(path::HEADS, question, Heads::LIMIT, Duration::ZERO)
        .await;
    let bytes = match answer {
        Ok(bytes) => bytes,
        Err(failed) => return in_words(failed.into()).map(HeadsTaken::No),
    };
    match sync.to_loop.hand_over(SignedInput::Heads, bytes).await {
        Ok(()) => Ok(HeadsTaken::Yes),
        Err(NotTaken::Refused(why)) => Ok(HeadsTaken::No(why)),
        Err(other) => Err(other.into()),
    }
}

async fn take_acknowledgement(sync: &Sync, bytes: Vec<u8>) -> Result<(), Failure> {
    sync.to_loop
        .hand_over(SignedInput::Acknowledgement, bytes)
        .await?;
    // Behind this answer the store has noted it: what is given out next begins behind it.
    let tail = *sync.store.tail().borrow();
    batch_behind(sync, tail.last.position).await?;
    Ok(())
}

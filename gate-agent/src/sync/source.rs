//! What answers for central: central itself over the network, or the file that a stick carries.
//! What is asked and what is done with the answers is the same.

use std::{sync::Arc, time::Duration};

use minicbor::Encode;
use shared::{
    cbor,
    gate_api::{self, Message},
};

use super::client::{CallFailed, Client};
use crate::carry::Line;

/// What answers for central.
#[derive(Clone, Debug)]
pub enum Source {
    /// Central, over the network.
    Central(Arc<Client>),
    /// A file on a stick, which a command reads out.
    Stick(Arc<Line>),
}

impl Source {
    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// [`CallFailed`].
    pub async fn ask<Q, A>(&self, path: &'static str, question: &Q) -> Result<A, CallFailed>
    where
        Q: Encode<()>,
        A: Message,
    {
        let answer = self
            .call(path, cbor::encode(question), A::LIMIT, Duration::ZERO)
            .await?;
        gate_api::read(&answer).map_err(|problem| CallFailed::Garbled {
            path,
            problem: problem.to_string(),
        })
    }

    /// Gives the answer's bytes, at most `limit` of them. `wait` is how long central may take
    /// beyond an ordinary answer.
    ///
    /// # Errors
    /// [`CallFailed`].
    pub async fn call(
        &self,
        path: &'static str,
        body: Vec<u8>,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<u8>, CallFailed> {
        match self {
            Self::Central(client) => client.call(path, body, limit, wait).await,
            Self::Stick(line) => line.call(path, body, limit).await,
        }
    }
}

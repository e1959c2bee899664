//! The agent's line to a command that reads and writes a stick: one question at a time.

use std::time::Duration;

use minicbor::bytes::ByteVec;
use shared::document::SignedKind as _;
use shared::heads::Acknowledgement;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::Mutex,
    time::timeout,
};

use super::message::{StickAnswer, ToAgent, ToCommand, length_of, message_of, to_frame};
use crate::sync::client::CallFailed;

/// How long one answer may take: a slow stick reads some megabytes a second, and writes less.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A conversation with a command.
#[derive(Debug)]
pub struct Line(Mutex<UnixStream>);

impl Line {
    /// Over this connection.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self(Mutex::new(stream))
    }

    /// Asks what central would answer; at most `limit` bytes.
    ///
    /// # Errors
    /// [`CallFailed`].
    pub async fn call(
        &self,
        path: &'static str,
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<u8>, CallFailed> {
        let ask = ToCommand::Ask {
            path: path.into(),
            body: body.into(),
        };
        let bytes = found(self.converse(&ask).await?)?;
        if bytes.len() > limit {
            return Err(CallFailed::Garbled {
                path,
                problem: format!("it is longer than {limit} bytes"),
            });
        }
        Ok(bytes)
    }

    /// The acknowledgement of the journal, if the file has one.
    ///
    /// # Errors
    /// [`CallFailed`].
    pub async fn acknowledgement(&self) -> Result<Option<Vec<u8>>, CallFailed> {
        match found(self.converse(&ToCommand::AskAcknowledgement).await?) {
            Ok(bytes) if bytes.len() > Acknowledgement::LIMIT => Err(CallFailed::StickLacks(
                "something else in place of an acknowledgement".into(),
            )),
            Ok(bytes) => Ok(Some(bytes)),
            Err(CallFailed::StickLacks(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Says something and hears the answer.
    ///
    /// # Errors
    /// [`CallFailed::StickGone`].
    pub async fn converse(&self, message: &ToCommand) -> Result<StickAnswer, CallFailed> {
        let conversed = timeout(ANSWER_WITHIN, async {
            self.tell(message).await?;
            self.next().await
        });
        match conversed.await {
            Ok(Ok(Some(ToAgent::Answer(answer)))) => Ok(answer),
            Ok(Ok(Some(ToAgent::TakeIn | ToAgent::GiveOut))) => Err(gone("it answers otherwise")),
            Ok(Ok(None)) => Err(gone("the command has ended")),
            Ok(Err(error)) => Err(gone(&error.to_string())),
            Err(_) => Err(gone("it takes too long")),
        }
    }

    /// Says something.
    pub(super) async fn tell(&self, message: &ToCommand) -> std::io::Result<()> {
        let frame = to_frame(message).map_err(std::io::Error::other)?;
        self.0.lock().await.write_all(&frame).await
    }

    /// The command's next word; `None` when it has gone.
    pub(super) async fn next(&self) -> std::io::Result<Option<ToAgent>> {
        let mut stream = self.0.lock().await;
        let mut prefix = [0; 4];
        match stream.read_exact(&mut prefix).await {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        };
        let mut bytes = vec![0; length_of(prefix)?];
        stream.read_exact(&mut bytes).await?;
        message_of(&bytes).map(Some)
    }
}

fn found(answer: StickAnswer) -> Result<Vec<u8>, CallFailed> {
    match answer {
        StickAnswer::Found(bytes) => Ok(ByteVec::into(bytes)),
        StickAnswer::Lacks(what) => Err(CallFailed::StickLacks(what)),
        StickAnswer::Broken(why) => Err(gone(&why)),
        StickAnswer::Written => Err(gone("it answers otherwise")),
    }
}

fn gone(why: &str) -> CallFailed {
    CallFailed::StickGone(why.into())
}

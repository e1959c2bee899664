//! The socket by which a simulation moves a door's sensors and changes its behaviour: one JSON
//! object a line, `{"input": "request_to_exit"}` or `{"behaviour": {"turns": false}}`, answered by
//! `{"ok": true}` or `{"error": "…"}` once it is done.

use std::path::Path;

use anyhow::Context as _;
use gate_core::input::DoorInput;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};

use super::BehaviourChange;
use crate::local_socket;

/// Longest line in bytes: a behaviour with all its members.
const LINE_LIMIT: u64 = 1_024;

/// What a simulation asks.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ask {
    /// A sensor changes.
    Input(SimulatedInput),
    /// From now on the door behaves like this; what is not named is as configured.
    Behaviour(BehaviourChange),
}

/// A change of a sensor by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SimulatedInput {
    Opened,
    Closed,
    Rotated,
    RequestToExit,
    TamperRaised,
    TamperEnded,
    FireRaised,
    FireEnded,
    FaultRaised,
    FaultEnded,
}

impl From<SimulatedInput> for DoorInput {
    fn from(input: SimulatedInput) -> Self {
        match input {
            SimulatedInput::Opened => Self::Opened,
            SimulatedInput::Closed => Self::Closed,
            SimulatedInput::Rotated => Self::Rotated,
            SimulatedInput::RequestToExit => Self::RequestToExit,
            SimulatedInput::TamperRaised => Self::TamperRaised,
            SimulatedInput::TamperEnded => Self::TamperEnded,
            SimulatedInput::FireRaised => Self::FireRaised,
            SimulatedInput::FireEnded => Self::FireEnded,
            SimulatedInput::FaultRaised => Self::FaultRaised,
            SimulatedInput::FaultEnded => Self::FaultEnded,
        }
    }
}

/// An ask, and where to say that it is done.
pub(super) type Asked = (Ask, oneshot::Sender<()>);

/// Takes one connection after the other.
pub(super) async fn listen(path: &Path, asks: mpsc::Sender<Asked>) -> anyhow::Result<()> {
    let listener = local_socket::listen(path, local_socket::Audience::Owner)?;
    loop {
        let stream = accept(&listener, path).await?;
        // A connection that breaks is the simulation's own affair.
        let _ = serve(stream, &asks).await;
        if asks.is_closed() {
            return Ok(());
        }
    }
}

async fn accept(listener: &UnixListener, path: &Path) -> anyhow::Result<UnixStream> {
    let accepted = listener.accept().await;
    let (stream, _) =
        accepted.with_context(|| format!("cannot take connections on {}", path.display()))?;
    Ok(stream)
}

async fn serve(stream: UnixStream, asks: &mpsc::Sender<Asked>) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        let mut limited = (&mut read).take(LINE_LIMIT);
        if limited.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Err(error) => serde_json::json!({ "error": error.to_string() }),
            Ok(ask) => {
                let (done, is_done) = oneshot::channel();
                asks.send((ask, done)).await?;
                is_done.await?;
                serde_json::json!({ "ok": true })
            }
        };
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
}

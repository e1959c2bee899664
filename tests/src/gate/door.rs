//! A simulated door seen from outside: the trace of its relay, and its control socket.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

/// What a relay does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relay {
    /// The lock is locked.
    Locked,
    /// The lock is released.
    Released,
}

/// One change of a relay; it was on the disk before the relay moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct RelayChange {
    /// Microseconds since boot.
    pub uptime_us: u64,
    /// What it does from then on.
    pub relay: Relay,
    /// For how long it was released, in ms.
    pub for_ms: Option<u32>,
}

pub(crate) fn read_trace(path: &Path) -> anyhow::Result<Vec<RelayChange>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    text.split_inclusive('\n')
        // A kill may cut the last line off; the relay had not moved then.
        .filter(|line| line.ends_with('\n'))
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("{}: {line:?}", path.display()))
        })
        .collect()
}

pub(super) async fn tell(socket: &Path, ask: &serde_json::Value) -> anyhow::Result<()> {
    let stream = UnixStream::connect(socket)
        .await
        .with_context(|| format!("no door listens on {}", socket.display()))?;
    let (read, mut write) = stream.into_split();
    write.write_all(format!("{ask}\n").as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(read).read_line(&mut answer).await?;
    let answer: serde_json::Value =
        serde_json::from_str(&answer).context("a door answers with JSON")?;
    if answer["ok"] != true {
        bail!("the door refuses {ask}: {answer}");
    }
    Ok(())
}

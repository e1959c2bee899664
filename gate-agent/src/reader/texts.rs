//! Texts in the place of pictures, from a Unix socket: one a line, each a presentation of its own.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use gate_core::input::PresentationEnd;
use shared::ids::AccessPointId;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::decoder::{Effort, cut_text};

use super::{FrameRead, Reader, ReaderEnd, TextsConfig};

/// Most bytes of a line that are kept: more than the gate looks at (512 characters of at most four
/// bytes), so that a longer line is seen to be longer.
const LINE_BYTES_MAX: usize = 4_096;

/// Most connections at a time; further ones wait. A test drives a reader with one or two.
const CONNECTIONS_MAX: usize = 8;

pub(super) async fn run(
    reader: &Reader,
    config: &TextsConfig,
    frames: &mpsc::Sender<FrameRead>,
    ready: oneshot::Sender<()>,
) -> anyhow::Result<ReaderEnd> {
    let listener = listen(&config.socket)?;
    // Nobody need wait for it.
    let _ = ready.send(());
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let place = reader.pulse.while_waiting(reader.clock, place).await;
        let place = place.context("the places are never closed")?;
        let accept = reader.pulse.while_waiting(reader.clock, listener.accept());
        let accepted = tokio::select! {
            accepted = accept => accepted,
            () = frames.closed() => return Ok(ReaderEnd::ReceiverGone),
        };
        let (stream, _) =
            accepted.with_context(|| format!("cannot take connections on {:?}", config.socket))?;
        let connection = Connection {
            access_point: reader.access_point,
            clock: reader.clock,
            frames: frames.clone(),
        };
        connections.spawn(async move {
            connection.serve(stream).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Makes the socket, readable and writable for the gate's user alone. A socket that a killed gate
/// left behind is replaced; anything else in its place, or a gate that still listens, is an error.
fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                bail!("the socket {path:?} is in use: another gate listens on it");
            }
        }
        Ok(_) => bail!("{path:?} is no socket: remove it, or choose another path for the texts"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot look at the socket {path:?}"));
        }
    }
    // Made beside its place and moved there closed to others, so that nobody slips in between.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let cannot_make = || format!("cannot make the socket {path:?}");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(cannot_make);
        }
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&beside).with_context(cannot_make)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot keep others out of the socket {path:?}"))?;
    fs::rename(&beside, path).with_context(cannot_make)?;
    Ok(listener)
}

struct Connection {
    access_point: AccessPointId,
    clock: Clock,
    frames: mpsc::Sender<FrameRead>,
}

impl Connection {
    async fn serve(&self, stream: UnixStream) {
        let mut lines = BufReader::new(stream);
        loop {
            let line = match next_line(&mut lines).await {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "a connection for texts broke: {error}");
                    return;
                }
            };
            if line.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            let frame = FrameRead {
                access_point: self.access_point,
                taken_at: self.clock.uptime(),
                texts: vec![cut_text(text, Effort::Gate)],
                hints: Vec::new(),
                decode_ms: 0,
                source: None,
                end: PresentationEnd::SourceHasNoMoreFrames,
                problem: None,
            };
            if self.frames.send(frame).await.is_err() {
                return;
            }
        }
    }
}

/// The next line without its end, at most [`LINE_BYTES_MAX`] bytes of it; the rest of a longer one
/// is passed over. `None` at the end of the stream.
async fn next_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let bytes = stream.fill_buf().await?;
        if bytes.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = LINE_BYTES_MAX - line.len();
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(part.len(), |end| end + 1);
        stream.consume(used);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests;

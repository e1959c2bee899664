//! One panel's connection. Any bytes may come; those that are no request end it.

use std::time::Duration;

use anyhow::Context as _;
use shared::panel_api::{self, Frame, PanelRequest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::timeout,
};

use super::{MESSAGES_WAITING_MAX, PanelEvent, PanelId};

/// Longest time for one frame to be taken by a panel.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that are read at once.
const READ_AT_ONCE: usize = 4_096;

/// Serves a panel until it is gone, sends garbage, or is dropped for being slow.
pub(super) async fn serve(panel: PanelId, stream: UnixStream, events: &mpsc::Sender<PanelEvent>) {
    let (read, write) = stream.into_split();
    let (frames, outgoing) = mpsc::channel(MESSAGES_WAITING_MAX);
    if events
        .send(PanelEvent::Connected(panel, frames))
        .await
        .is_err()
    {
        return;
    }
    let ended = tokio::select! {
        ended = take_requests(panel, read, events) => ended,
        ended = write_frames(outgoing, write) => ended,
    };
    if let Err(error) = ended {
        tracing::info!(
            panel.id = panel.0,
            "panel {} is dropped: {error:#}",
            panel.0
        );
    }
    // When the event loop has ended, nobody needs to know.
    let _ = events.send(PanelEvent::Gone(panel)).await;
}

async fn take_requests(
    panel: PanelId,
    mut read: OwnedReadHalf,
    events: &mpsc::Sender<PanelEvent>,
) -> anyhow::Result<()> {
    let mut received = Vec::new();
    loop {
        let mut consumed = 0;
        while let Some(Frame { message, rest }) = panel_api::split_frame(&received[consumed..])
            .context("it sent a frame of an impossible length")?
        {
            let request: PanelRequest =
                panel_api::read(message).context("it sent what is no request")?;
            consumed = received.len() - rest.len();
            if events
                .send(PanelEvent::Asked(panel, request))
                .await
                .is_err()
            {
                return Ok(());
            }
        }
        received.drain(..consumed);
        // A frame's length is bounded, and so is what is kept of one that is not whole.
        let mut chunk = [0; READ_AT_ONCE];
        match read.read(&mut chunk).await {
            Ok(0) => return Ok(()),
            Ok(length) => received.extend_from_slice(&chunk[..length]),
            Err(error) => return Err(error).context("its connection broke"),
        }
    }
}

/// Ends when the frames do: the event loop lets a panel go by dropping their sender.
async fn write_frames(
    mut frames: mpsc::Receiver<Vec<u8>>,
    mut write: OwnedWriteHalf,
) -> anyhow::Result<()> {
    while let Some(frame) = frames.recv().await {
        timeout(WRITE_TIMEOUT, write.write_all(&frame))
            .await
            .context("it takes no messages")?
            .context("its connection broke")?;
    }
    anyhow::bail!("it is let go")
}

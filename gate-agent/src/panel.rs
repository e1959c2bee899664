//! The guard's panels: connections on a Unix socket, in the frames of `shared::panel_api`. Knows who
//! is connected and signed in; what may be done is the core's to say.

mod connection;
mod registry;
mod sign_in;

pub use registry::{PanelSession, Panels};
pub use sign_in::{PinAnswer, PinChecked, SignIns, Verdict};

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use shared::panel_api::PanelRequest;
use tokio::{
    net::UnixListener,
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use crate::local_socket;

/// Panels at a time: a screen on each side of a gate, a supervisor's, and commands.
pub const PANELS_MAX: usize = 16;
/// Messages that wait for one panel; one that is slower is dropped, and connects again.
pub const MESSAGES_WAITING_MAX: usize = 64;
/// Requests of all panels that wait for the event loop; further ones wait in their sockets.
pub const REQUESTS_WAITING_MAX: usize = 32;

/// A connection, counted up from the start of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PanelId(pub u64);

/// What panels do.
#[derive(Debug)]
pub enum PanelEvent {
    /// One connected; frames for it go into the sender.
    Connected(PanelId, mpsc::Sender<Vec<u8>>),
    /// One asks.
    Asked(PanelId, PanelRequest),
    /// One is gone.
    Gone(PanelId),
}

/// Listens at `path`, for the agent's user and its group.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    local_socket::listen(path, local_socket::Audience::Group)
}

/// Takes connections until nobody wants their events. To be spawned as a task that is watched.
///
/// # Errors
/// When the socket fails.
pub async fn serve(listener: UnixListener, events: mpsc::Sender<PanelEvent>) -> anyhow::Result<()> {
    let places = Arc::new(Semaphore::new(PANELS_MAX));
    let mut connections = JoinSet::new();
    let mut next = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = events.closed() => return Ok(()),
        };
        let (stream, _) = accepted.context("cannot take connections on the panel's socket")?;
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("{PANELS_MAX} panels are connected: another one is turned away");
            continue;
        };
        let panel = PanelId(next);
        next += 1;
        let events = events.clone();
        connections.spawn(async move {
            connection::serve(panel, stream, &events).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests;

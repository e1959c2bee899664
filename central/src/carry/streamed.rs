//! A body that is made while it is sent: one part is ready, one is on its way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// Parts that wait to be sent: each may have 10 MiB.
const PARTS_WAITING_MAX: usize = 1;

/// Where parts go. Sending fails when whoever asked has gone.
pub(super) type Parts = mpsc::Sender<anyhow::Result<Bytes>>;

struct Streamed(mpsc::Receiver<anyhow::Result<Bytes>>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        let part = self.0.poll_recv(context);
        part.map(|part| part.map(|part| part.map(Frame::data)))
    }
}

/// A body, and where its parts go.
pub(super) fn body() -> (Parts, Body) {
    let (parts, received) = mpsc::channel(PARTS_WAITING_MAX);
    (parts, Body::new(Streamed(received)))
}

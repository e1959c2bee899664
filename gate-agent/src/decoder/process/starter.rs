//! Starts decoder processes.

use std::io;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{DecodeError, DecoderSettings};

/// Starts processes from a thread that lives as long as the decoder: the kernel's "kill me when my
/// parent dies" means the *thread* that started it, and threads of the runtime come and go.
#[derive(Debug)]
pub(super) struct Starter {
    orders: mpsc::SyncSender<oneshot::Sender<io::Result<Child>>>,
}

impl Starter {
    pub(super) fn new(settings: &DecoderSettings) -> Result<Self, DecodeError> {
        // One process at a time, and each order is waited for.
        let (orders, received) = mpsc::sync_channel::<oneshot::Sender<io::Result<Child>>>(1);
        let runtime = Handle::current();
        let wanted = settings.clone();
        thread::Builder::new()
            .name("decoder-starter".to_owned())
            .spawn(move || {
                let _runtime = runtime.enter();
                while let Ok(order) = received.recv() {
                    // Nobody waits any more: the process is killed as it is dropped.
                    let _ = order.send(spawn(&wanted));
                }
            })
            .map_err(|error| cannot_start(settings, &error))?;
        Ok(Self { orders })
    }

    pub(super) async fn start(&self, settings: &DecoderSettings) -> Result<Child, DecodeError> {
        let (order, started) = oneshot::channel();
        let ended = || io::Error::other("the thread that starts it has ended");
        if self.orders.try_send(order).is_err() {
            return Err(cannot_start(settings, &ended()));
        }
        match started.await {
            Ok(Ok(child)) => Ok(child),
            Ok(Err(error)) => Err(cannot_start(settings, &error)),
            Err(_) => Err(cannot_start(settings, &ended())),
        }
    }
}

fn spawn(settings: &DecoderSettings) -> io::Result<Child> {
    Command::new(&settings.program)
        .args(&settings.arguments)
        // It needs nothing of the gate's surroundings, which may hold secrets.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
}

fn cannot_start(settings: &DecoderSettings, error: &io::Error) -> DecodeError {
    DecodeError::CannotStart {
        program: settings.program.clone(),
        reason: error.to_string(),
    }
}

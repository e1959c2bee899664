//! A reader that fails is begun anew with growing pauses, and said to fail meanwhile: a folder that
//! is not mounted closes one access point and not the gate.

use std::time::Duration;

use shared::ids::AccessPointId;
use tokio::sync::{mpsc, oneshot};

use super::{ExistingPictures, FrameRead, PicturesConfig, Reader, ReaderConfig, ReaderEnd};

/// The first pause behind a failure, in ms; each further one is twice as long.
const PAUSE_FIRST_MS: u64 = 500;
/// The longest pause, in ms.
const PAUSE_MOST_MS: u64 = 30_000;
/// A reader that read for so long, in ms, is a sound one: its next failure is the first again.
const SOUND_AFTER_MS: u64 = 60_000;

/// How a reader is from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderState {
    /// The access point at which it stands.
    pub access_point: AccessPointId,
    /// Why it reads nothing; `None` when it reads.
    pub problem: Option<String>,
}

impl Reader {
    /// Takes frames until nobody wants them, and begins anew when that fails. `tried` is told when
    /// it reads for the first time or has failed to.
    pub async fn keep_reading(
        mut self,
        frames: mpsc::Sender<FrameRead>,
        states: mpsc::Sender<ReaderState>,
        tried: oneshot::Sender<()>,
    ) -> ReaderEnd {
        let mut tried = Some(tried);
        let mut pause_ms = PAUSE_FIRST_MS;
        let mut is_failing = false;
        loop {
            let (ready, is_ready) = oneshot::channel();
            let reading = self.clone().run_and_tell(frames.clone(), ready);
            let mut reads_since = None;
            let ready = async {
                if is_ready.await.is_err() {
                    return std::future::pending().await;
                }
                reads_since = Some(self.clock.uptime());
                if std::mem::take(&mut is_failing) {
                    self.tell(&states, None).await;
                }
                say(&mut tried);
                std::future::pending().await
            };
            let ended = tokio::select! {
                ended = reading => ended,
                ended = ready => ended,
            };
            let error = match ended {
                Ok(end) => return end,
                Err(error) => error,
            };
            if let Some(since) = reads_since {
                // What lies there now was read, or came while nobody looked.
                self.config = self.config.without_existing();
                if self.clock.uptime().since_ms(since) >= SOUND_AFTER_MS {
                    pause_ms = PAUSE_FIRST_MS;
                }
            }
            is_failing = true;
            tracing::error!(
                access_point.id = self.access_point.0,
                "the reader at access point {} failed, and begins anew in {pause_ms} ms: {error:#}",
                self.access_point
            );
            say(&mut tried);
            self.tell(&states, Some(format!("{error:#}"))).await;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                () = frames.closed() => return ReaderEnd::ReceiverGone,
            }
            pause_ms = (2 * pause_ms).min(PAUSE_MOST_MS);
        }
    }

    /// Whoever listens may have gone; the frames' end says so.
    async fn tell(&self, states: &mpsc::Sender<ReaderState>, problem: Option<String>) {
        let state = ReaderState {
            access_point: self.access_point,
            problem,
        };
        let _ = states.send(state).await;
    }
}

/// Nobody need wait for it.
fn say(tried: &mut Option<oneshot::Sender<()>>) {
    if let Some(tried) = tried.take() {
        let _ = tried.send(());
    }
}

impl ReaderConfig {
    fn without_existing(&self) -> Self {
        match self {
            Self::Pictures(PicturesConfig::Folder { folder, .. }) => {
                Self::Pictures(PicturesConfig::Folder {
                    folder: folder.clone(),
                    existing: ExistingPictures::Skip,
                })
            }
            Self::Pictures(PicturesConfig::Files { .. }) | Self::Texts(_) => self.clone(),
        }
    }
}

//! A reader that fails is begun anew with growing pauses, and said to fail meanwhile: a folder that
//! is not mounted closes one access point and not the gate.

use std::{path::PathBuf, time::Duration};

use shared::{ids::AccessPointId, time::Uptime};
use tokio::sync::{mpsc, oneshot};

use super::{
    ExistingPictures, FrameRead, PicturesConfig, Reader, ReaderConfig, ReaderEnd,
    device::{Stamp, changed_from},
};

/// The first pause behind a failure, in ms; each further one is twice as long.
const PAUSE_FIRST_MS: u64 = 500;
/// The longest pause, in ms.
const PAUSE_MOST_MS: u64 = 30_000;
/// The pause behind a failure when the device is there anew, in ms: a scanner that types as a
/// keyboard belongs to nobody until it is taken, and a device that flickers must not keep us busy.
const PAUSE_ANEW_MS: u64 = 100;
/// The longest pause of what somebody may be plugging in again while people wait, in ms.
const PAUSE_MOST_PLUGGED_MS: u64 = 4_000;
/// A reader that read for so long, in ms, is a sound one: its next failure is the first again.
const SOUND_AFTER_MS: u64 = 60_000;

/// A failing reader says another reason no sooner than after so long, in ms: what a command says
/// last may differ each time, and each is a record.
const RETELL_AFTER_MS: u64 = 60_000;

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
        let mut fault: Option<Fault> = None;
        loop {
            // Before it is opened: what is plugged in while it is read is another one.
            let stamp = self.config.plugged_at().as_deref().map(Stamp::of);
            let (ready, is_ready) = oneshot::channel();
            let reading = self.clone().run_and_tell(frames.clone(), ready);
            let mut reads_since = None;
            let ready = async {
                if is_ready.await.is_err() {
                    return std::future::pending().await;
                }
                reads_since = Some(self.clock.uptime());
                say(&mut tried);
                if fault.is_some() {
                    // What comes and goes, as at a loose plug, has not come back.
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                    fault = None;
                    self.tell(&states, None).await;
                }
                std::future::pending().await
            };
            let ended = tokio::select! {
                ended = reading => ended,
                ended = ready => ended,
            };
            let error = match ended {
                Ok(end) => {
                    self.pulse.rest();
                    return end;
                }
                Err(error) => error,
            };
            if let Some(since) = reads_since {
                // What lies there now was read, or came while nobody looked.
                self.config = self.config.without_existing();
                if self.clock.uptime().since_ms(since) >= SOUND_AFTER_MS {
                    pause_ms = PAUSE_FIRST_MS;
                }
            }
            self.failed(&mut fault, format!("{error:#}"), &states).await;
            say(&mut tried);
            let pause = self.pause(pause_ms, stamp);
            tokio::select! {
                () = self.pulse.while_waiting(self.clock, pause) => {}
                () = frames.closed() => return ReaderEnd::ReceiverGone,
            }
            pause_ms = (2 * pause_ms).min(self.config.pause_most_ms());
        }
    }

    /// Waits so long, or until the device is there anew.
    async fn pause(&self, pause_ms: u64, before: Option<Stamp>) {
        let longest = tokio::time::sleep(Duration::from_millis(pause_ms));
        let (Some(before), Some(device)) = (before, self.config.plugged_at()) else {
            return longest.await;
        };
        tokio::time::sleep(Duration::from_millis(PAUSE_ANEW_MS)).await;
        tokio::select! {
            () = longest => {}
            () = changed_from(before, &device) => {}
        }
    }

    /// Says that it fails, unless that is known.
    async fn failed(
        &self,
        fault: &mut Option<Fault>,
        problem: String,
        states: &mpsc::Sender<ReaderState>,
    ) {
        let now = self.clock.uptime();
        let is_known = fault.as_ref().is_some_and(|fault| {
            fault.problem == problem || now.since_ms(fault.told_at) < RETELL_AFTER_MS
        });
        if is_known {
            tracing::debug!(
                access_point.id = self.access_point.0,
                "the reader at access point {} still fails: {problem}",
                self.access_point
            );
            return;
        }
        tracing::error!(
            access_point.id = self.access_point.0,
            "the reader at access point {} failed, and begins anew again and again: {problem}",
            self.access_point
        );
        *fault = Some(Fault {
            problem: problem.clone(),
            told_at: now,
        });
        self.tell(states, Some(problem)).await;
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

/// What was said of a reader that fails.
#[derive(Debug)]
struct Fault {
    problem: String,
    told_at: Uptime,
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
            Self::Pictures(PicturesConfig::Files { .. })
            | Self::Camera(_)
            | Self::Command(_)
            | Self::Serial(_)
            | Self::Keyboard(_)
            | Self::Texts(_) => self.clone(),
        }
    }

    /// Where something changes when its device is plugged in; `None` when it has none.
    fn plugged_at(&self) -> Option<PathBuf> {
        match self {
            // A camera without a name is any of them.
            Self::Camera(_) => Some(self.device().unwrap_or_else(|| "/dev".into())),
            Self::Serial(_) | Self::Keyboard(_) => self.device(),
            Self::Command(_) | Self::Pictures(_) | Self::Texts(_) => None,
        }
    }

    fn pause_most_ms(&self) -> u64 {
        match self {
            Self::Camera(_) | Self::Command(_) | Self::Serial(_) | Self::Keyboard(_) => {
                PAUSE_MOST_PLUGGED_MS
            }
            Self::Pictures(_) | Self::Texts(_) => PAUSE_MOST_MS,
        }
    }
}

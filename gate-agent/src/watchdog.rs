//! Tells the service manager that the gate works: by proof of progress of the event loop, which
//! must answer, and of each reader, whose pulse must beat; never because time has passed.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use sd_notify::NotifyState;
use shared::ids::AccessPointId;
use tokio::sync::{mpsc, oneshot};

use crate::{clock::Clock, reader::Pulse};

/// How often the status line is renewed when nobody asks for proof.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// One question at a time is under way.
pub const QUESTIONS_WAITING_MAX: usize = 1;

/// A question to the event loop: it answers with one line about the gate.
pub type Question = oneshot::Sender<String>;

/// The pulse of the reader at an access point.
#[derive(Clone, Debug)]
pub struct ReaderPulse {
    /// Where the reader stands.
    pub access_point: AccessPointId,
    /// When it last made a step.
    pub pulse: Arc<Pulse>,
}

/// Watches over the loop and the readers.
#[derive(Debug)]
pub struct Watchdog {
    clock: Clock,
    to_loop: mpsc::Sender<Question>,
    readers: Vec<ReaderPulse>,
    /// Which reader stands still, so that it is logged once.
    stuck: Option<AccessPointId>,
}

impl Watchdog {
    /// Watches the loop that takes these questions, and these readers.
    #[must_use]
    pub fn new(clock: Clock, to_loop: mpsc::Sender<Question>, readers: Vec<ReaderPulse>) -> Self {
        Self {
            clock,
            to_loop,
            readers,
            stuck: None,
        }
    }

    /// Reports to the service manager, if there is one, until the loop takes no more questions.
    ///
    /// # Errors
    /// When the loop is gone.
    pub async fn run(mut self) -> anyhow::Result<()> {
        // Four chances before it bites.
        let every = sd_notify::watchdog_enabled().map_or(STATUS_EVERY, |limit| limit / 4);
        loop {
            tokio::time::sleep(every).await;
            if let Some(status) = self.proof().await? {
                tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
            }
        }
    }

    /// The loop's line; nothing while a reader stands still. Returns when the loop has answered, and
    /// not before.
    async fn proof(&mut self) -> anyhow::Result<Option<String>> {
        let (question, answer) = oneshot::channel();
        let gone = "the event loop takes no more questions";
        if self.to_loop.send(question).await.is_err() {
            anyhow::bail!(gone);
        }
        let status = answer.await.context(gone)?;
        let now = self.clock.uptime();
        let stuck = self.readers.iter().find(|it| it.pulse.is_stuck(now));
        let stuck = stuck.map(|reader| reader.access_point);
        if stuck != self.stuck
            && let Some(access_point) = stuck
        {
            tracing::error!(
                access_point.id = access_point.0,
                "the reader at access point {access_point} stands still: the service manager is told \
                 nothing, and will start the agent again"
            );
        }
        self.stuck = stuck;
        Ok(stuck.is_none().then_some(status))
    }
}

/// Tells the service manager that the gate reads passes and drives doors from now on.
pub fn tell_ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells the service manager that the gate ends in order.
pub fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Without a service manager this does nothing. One that cannot be told is no reason to stop: it
/// will draw its own conclusions.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot tell the service manager how the gate is: {error}");
    }
}

#[cfg(test)]
mod tests {
    use shared::time::Uptime;

    use super::*;
    use crate::reader::BEATS_WITHIN_MS;

    #[tokio::test]
    async fn a_reader_that_stands_still_takes_the_proof_away_until_it_moves() {
        let (to_loop, mut questions) = mpsc::channel::<Question>(QUESTIONS_WAITING_MAX);
        tokio::spawn(async move {
            while let Some(question) = questions.recv().await {
                let _ = question.send("all is well".into());
            }
        });
        let [first, second] = [1, 2].map(|id| ReaderPulse {
            access_point: AccessPointId(id),
            pulse: Arc::new(Pulse::default()),
        });
        let readers = vec![first.clone(), second.clone()];
        let mut watchdog = Watchdog::new(Clock::system(), to_loop, readers);
        let proof = watchdog.proof().await.unwrap();
        assert_eq!(proof.as_deref(), Some("all is well"));

        let now = watchdog.clock.uptime();
        let long_ago = Uptime(now.0.saturating_sub(BEATS_WITHIN_MS + 1).max(1));
        first.pulse.beat_at(now);
        second.pulse.beat_at(long_ago);
        assert_eq!(watchdog.proof().await.unwrap(), None);
        assert_eq!(watchdog.stuck, Some(AccessPointId(2)));
        second.pulse.beat_at(now);
        assert!(watchdog.proof().await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_loop_that_does_not_answer_gives_no_proof() {
        let (to_loop, mut questions) = mpsc::channel(QUESTIONS_WAITING_MAX);
        let mut watchdog = Watchdog::new(Clock::system(), to_loop, Vec::new());
        {
            let proof = watchdog.proof();
            tokio::pin!(proof);
            let waited = tokio::time::timeout(Duration::from_millis(50), &mut proof).await;
            assert!(waited.is_err(), "{waited:?}");
            let question: Question = questions.recv().await.unwrap();
            question.send("after all".into()).unwrap();
            assert_eq!(proof.await.unwrap().as_deref(), Some("after all"));
        }
        drop(questions);
        assert!(watchdog.proof().await.is_err());
    }
}

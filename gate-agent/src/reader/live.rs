//! Readers whose frames come by themselves: a thread takes them from the source and puts the newest
//! into a slot for one; the loop takes it from there, has it decoded and gives on what was read.
//! Nothing queues: a slow decoder, or a loop that is busy, costs frames and never delay.

mod hints;
mod slot;

use std::{cell::Cell, sync::Arc, thread, time::Duration};

use anyhow::{Context as _, anyhow};
use gate_core::input::PresentationEnd;
use shared::time::Uptime;
use tokio::sync::{mpsc, oneshot};

use crate::{
    clock::Clock,
    decoder::{DecodeError, Decoder, Effort, Frame, Hint, Request},
};

use super::{AGE_MAX_MS, FrameRead, Pulse, ReadProblem, Reader, ReaderEnd};
use hints::Hints;
use slot::Slot;

/// How long a source's thread may take to notice that it is not wanted any more.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// How long a source may wait for a frame before it looks whether it is still wanted.
pub(super) const LOOK_UP_EVERY: Duration = Duration::from_millis(100);
/// So many pictures in a row that cannot be unpacked are a fault of the source and not of one
/// picture: some seconds' worth.
const DAMAGED_IN_A_ROW_MAX: u32 = 60;

/// A picture as a source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Picture {
    /// Grey, ready to be looked at.
    Grey(Frame),
    /// Compressed; bytes from outside, unpacked where nothing can be broken.
    Jpeg(Vec<u8>),
}

/// A picture and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LiveFrame {
    taken_at: Uptime,
    picture: Picture,
}

/// What a source is called, and how long it may give nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct SourceFacts {
    /// In messages: "the camera".
    pub(super) name: &'static str,
    /// Longest time from the start to the first frame, in ms.
    pub(super) first_within_ms: u64,
    /// Longest time between two frames, in ms.
    pub(super) next_within_ms: u64,
}

/// Where a source puts its pictures.
#[derive(Debug)]
pub(super) struct Outlet {
    slot: Arc<Slot<LiveFrame>>,
    clock: Clock,
    pulse: Arc<Pulse>,
    awake: Cell<Awake>,
}

/// Behind a pause of the whole program pictures are passed over for so long, in ms: those that the
/// source kept meanwhile come at once then.
const OLD_ONES_COME_FOR_MS: u64 = 400;

/// When the source's thread was last seen at work. One that was stopped, or slept with the machine,
/// has pictures from before; a pass that was shown then must open nothing now.
#[derive(Debug, Clone, Copy)]
struct Awake {
    seen_at: Uptime,
    believed_from: Uptime,
}

impl Awake {
    fn since(now: Uptime) -> Self {
        Self {
            seen_at: now,
            believed_from: now,
        }
    }

    fn seen(self, now: Uptime) -> Self {
        let believed_from = if now.since_ms(self.seen_at) > AGE_MAX_MS {
            now.plus_ms(OLD_ONES_COME_FOR_MS)
        } else {
            self.believed_from
        };
        Self {
            seen_at: now,
            believed_from,
        }
    }
}

impl Outlet {
    /// Puts a picture that was taken so many ms ago in the place of one that nobody has taken yet.
    pub(super) fn put(&self, picture: Picture, age_ms: u64) {
        self.pulse.count_taken(1);
        let now = self.clock.uptime();
        let awake = self.look(now);
        if age_ms > AGE_MAX_MS || now < awake.believed_from {
            self.pulse.count_dropped(1);
            return;
        }
        let frame = LiveFrame {
            taken_at: Uptime(now.0.saturating_sub(age_ms)),
            picture,
        };
        if self.slot.put(frame).is_some() {
            self.pulse.count_dropped(1);
        }
    }

    /// How many ms ago a driver dated something, by the clock that drivers use.
    pub(super) fn age_ms(&self, dated_us: u64) -> u64 {
        self.clock.monotonic_us().saturating_sub(dated_us) / 1_000
    }

    /// Counts pictures that the source passed over for a newer one.
    pub(super) fn passed_over(&self, frames: u64) {
        self.pulse.count_taken(frames);
        self.pulse.count_dropped(frames);
    }

    /// Counts pictures that are not whole.
    pub(super) fn damaged(&self, frames: u64) {
        self.pulse.count_damaged(frames);
    }

    /// Whether anybody wants more. To be asked every [`LOOK_UP_EVERY`], pictures or none.
    pub(super) fn is_wanted(&self) -> bool {
        self.look(self.clock.uptime());
        self.slot.is_open()
    }

    fn look(&self, now: Uptime) -> Awake {
        let awake = self.awake.get().seen(now);
        self.awake.set(awake);
        awake
    }
}

/// Runs `source` on a thread of its own, which puts pictures until they are not wanted or it fails,
/// and reads them. `ready` is told with the first picture.
pub(super) async fn read(
    reader: &Reader,
    frames: &mpsc::Sender<FrameRead>,
    ready: oneshot::Sender<()>,
    facts: SourceFacts,
    source: impl FnOnce(&Outlet) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<ReaderEnd> {
    let decoder = Decoder::start(reader.decoder.clone(), reader.clock)
        .await
        .with_context(|| format!("{} needs a decoder", facts.name))?;
    let slot = Arc::new(Slot::default());
    let outlet = Outlet {
        slot: Arc::clone(&slot),
        clock: reader.clock,
        pulse: Arc::clone(&reader.pulse),
        awake: Cell::new(Awake::since(reader.clock.uptime())),
    };
    // Whoever drops this future has the thread end.
    let closing = slot::CloseOnDrop(Arc::clone(&slot));
    let (tell_end, mut ended) = oneshot::channel();
    thread::Builder::new()
        .name("reader-source".to_owned())
        .spawn(move || {
            // The loop may have gone.
            let _ = tell_end.send(source(&outlet));
        })
        .with_context(|| format!("cannot start the thread of {}", facts.name))?;
    let mut desk = Desk {
        reader,
        frames,
        facts,
        decoder,
        told: Told::Nothing(None),
        hints: Hints::default(),
        damaged_in_a_row: 0,
    };
    tokio::select! {
        ended = &mut ended => Err(end_of_source(ended, facts.name)),
        end = desk.read_newest(&slot, ready) => {
            drop(closing);
            // The device must be free before it is opened anew. A reason of its own is the better one.
            match (end, tokio::time::timeout(ENDS_WITHIN, ended).await) {
                (Err(_), Ok(Ok(Err(error)))) => Err(error),
                (end, _) => end,
            }
        }
    }
}

fn end_of_source(
    ended: Result<anyhow::Result<()>, oneshot::error::RecvError>,
    name: &str,
) -> anyhow::Error {
    match ended {
        Ok(Ok(())) => anyhow!("{name} ended"),
        Ok(Err(error)) => error,
        Err(_) => anyhow!("the thread of {name} broke"),
    }
}

struct Desk<'a> {
    reader: &'a Reader,
    frames: &'a mpsc::Sender<FrameRead>,
    facts: SourceFacts,
    decoder: Decoder,
    told: Told,
    hints: Hints,
    damaged_in_a_row: u32,
}

/// What the loop was told last. A gate at which nobody stands has nothing to say fifteen times a
/// second.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// No text, and what would help.
    Nothing(Option<Hint>),
    Texts,
    Problem(ReadProblem),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    Listens,
    Gone,
}

impl Desk<'_> {
    async fn read_newest(
        &mut self,
        slot: &Slot<LiveFrame>,
        ready: oneshot::Sender<()>,
    ) -> anyhow::Result<ReaderEnd> {
        let mut ready = Some(ready);
        let mut within_ms = self.facts.first_within_ms;
        loop {
            let wait = tokio::time::timeout(Duration::from_millis(within_ms), slot.take());
            let wait = self.reader.pulse.while_waiting(self.reader.clock, wait);
            let frame = tokio::select! {
                frame = wait => frame.map_err(|_| self.silent(within_ms))?,
                () = self.frames.closed() => return Ok(ReaderEnd::ReceiverGone),
            };
            within_ms = self.facts.next_within_ms;
            if let Some(ready) = ready.take() {
                // Nobody need wait for it.
                let _ = ready.send(());
            }
            if let Some(frame) = self.decode(frame).await?
                && self.give_on(frame) == Receiver::Gone
            {
                return Ok(ReaderEnd::ReceiverGone);
            }
        }
    }

    fn silent(&self, within_ms: u64) -> anyhow::Error {
        anyhow!(
            "{} gave no whole picture within {within_ms} ms",
            self.facts.name
        )
    }

    /// `None` for a picture that cannot be unpacked: cables and cameras damage some.
    async fn decode(&mut self, frame: LiveFrame) -> anyhow::Result<Option<FrameRead>> {
        let LiveFrame { taken_at, picture } = frame;
        let effort = Effort::Gate;
        let request = match &picture {
            Picture::Grey(frame) => Request::Frame { frame, effort },
            Picture::Jpeg(jpeg) => Request::Jpeg { jpeg, effort },
        };
        let began = self.reader.clock.uptime();
        let result = self.decoder.decode(request).await;
        self.reader.pulse.count_decoded();
        if result.is_ok() && self.reader.pulse.is_focused() {
            // What it cannot tell is not worth a frame; a decoder that broke is started again.
            let sharpness = self.decoder.sharpness().await.ok().flatten();
            self.reader.pulse.measured(sharpness);
        }
        let mut read = FrameRead {
            access_point: self.reader.access_point,
            taken_at,
            texts: Vec::new(),
            hints: Vec::new(),
            decode_ms: self.reader.clock.uptime().since_ms(began),
            source: None,
            // Another frame always follows; the core sees by the time that a code went away.
            end: PresentationEnd::MoreFramesFollow,
            problem: None,
        };
        match result {
            Ok(decoded) => {
                read.decode_ms = decoded.took_ms();
                read.texts = decoded.texts;
                let hint = self.hints.after(taken_at, &decoded.hints);
                read.hints = hint.into_iter().collect();
            }
            Err(DecodeError::NotAPicture { reason }) => {
                return self.damaged(&reason).map(|()| None);
            }
            Err(error @ DecodeError::CannotStart { .. }) => return Err(error.into()),
            Err(
                error @ (DecodeError::TimedOut { .. }
                | DecodeError::Died { .. }
                | DecodeError::Garbled(_)),
            ) => read.problem = Some(error.into()),
        }
        self.damaged_in_a_row = 0;
        Ok(Some(read))
    }

    fn damaged(&mut self, reason: &str) -> anyhow::Result<()> {
        self.reader.pulse.count_damaged(1);
        self.damaged_in_a_row += 1;
        tracing::debug!(
            access_point.id = self.reader.access_point.0,
            "{} gave a picture that cannot be unpacked: {reason}",
            self.facts.name
        );
        if self.damaged_in_a_row < DAMAGED_IN_A_ROW_MAX {
            return Ok(());
        }
        Err(anyhow!(
            "none of the last {DAMAGED_IN_A_ROW_MAX} pictures of {} can be unpacked: {reason}",
            self.facts.name
        ))
    }

    /// Gives on what the loop does not know yet, if it has room.
    fn give_on(&mut self, frame: FrameRead) -> Receiver {
        let tells = match (&frame.problem, frame.texts.is_empty()) {
            (Some(problem), _) => Told::Problem(problem.clone()),
            (None, false) => Told::Texts,
            (None, true) => Told::Nothing(frame.hints.first().copied()),
        };
        if tells == self.told && tells != Told::Texts {
            return Receiver::Listens;
        }
        match self.frames.try_send(frame) {
            Ok(()) => self.told = tells,
            Err(mpsc::error::TrySendError::Full(_)) => self.reader.pulse.count_undelivered(),
            Err(mpsc::error::TrySendError::Closed(_)) => return Receiver::Gone,
        }
        Receiver::Listens
    }
}

#[cfg(test)]
mod tests;

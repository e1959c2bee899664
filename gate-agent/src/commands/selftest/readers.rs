//! Each reader in its turn: does it begin, how sharp is its picture, does it read what is shown?

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{
    sync::{mpsc, oneshot},
    time::{interval, sleep, timeout},
};

use super::super::finding::{Finding, Verdict};
use crate::{
    clock::Clock,
    configuration::ReaderPlace,
    decoder::DecoderSettings,
    reader::{FrameRead, Pulse, Reader},
};

/// How long a reader has to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(15);
/// How often is said how the picture is.
const SAY_EVERY: Duration = Duration::from_secs(1);
/// Below this even a code that fills the picture is hard to read.
const SHARPNESS_LITTLE: u8 = 20;

/// Tries the reader until it has read a code, or its time is over.
pub(super) async fn finding(place: &ReaderPlace, within: Duration) -> Finding {
    let part = format!("reader at access point {}", place.access_point);
    let described = place.source.describe();
    eprintln!(
        "Show a code to the reader at access point {} ({described}) within {} s.",
        place.access_point,
        within.as_secs()
    );
    match tried(place, within).await {
        Err(error) => Finding::new(part, Verdict::Bad, format!("{described}: {error:#}")),
        Ok(seen) => seen.judged(part, &described),
    }
}

/// What a reader showed of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    after_ms: u64,
    frames: u64,
    sharpest: Option<u8>,
    code: Code,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Code {
    Read,
    None,
}

async fn tried(place: &ReaderPlace, within: Duration) -> anyhow::Result<Seen> {
    let pulse = Arc::new(Pulse::default());
    pulse.focus();
    let clock = Clock::system();
    let reader = Reader {
        config: place.source.clone(),
        access_point: place.access_point,
        clock,
        decoder: DecoderSettings::this_program(),
        pulse: Arc::clone(&pulse),
    };
    let (sender, mut frames) = mpsc::channel::<FrameRead>(8);
    let (ready, is_ready) = oneshot::channel();
    let reading = reader.run_and_tell(sender, ready);
    tokio::pin!(reading);
    let begun = timeout(BEGINS_WITHIN, async {
        tokio::select! {
            ended = &mut reading => ended.map(drop),
            told = is_ready => told.context("it ended before it read"),
        }
    });
    match begun.await {
        Ok(begun) => begun?,
        Err(_) => bail!("gives nothing within {} s", BEGINS_WITHIN.as_secs()),
    }
    let began = clock.uptime();
    let time_is_over = sleep(within);
    tokio::pin!(time_is_over);
    let mut says = interval(SAY_EVERY);
    let mut sharpest = None;
    let code = loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(frame) if !frame.texts.is_empty() => break Code::Read,
                Some(_) => {}
                None => break Code::None,
            },
            ended = &mut reading => { ended?; }
            _ = says.tick() => {
                sharpest = sharpest.max(pulse.sharpness());
                say(&pulse);
            }
            () = &mut time_is_over => break Code::None,
        }
    };
    Ok(Seen {
        after_ms: clock.uptime().since_ms(began),
        frames: pulse.counts().taken,
        sharpest: sharpest.max(pulse.sharpness()),
        code,
    })
}

fn say(pulse: &Pulse) {
    let frames = pulse.counts().taken;
    match pulse.sharpness() {
        Some(percent) => eprintln!("  {frames} frames; sharpness {percent} of 100"),
        None if frames > 0 => eprintln!("  {frames} frames; nothing with edges in sight"),
        None => {}
    }
}

impl Seen {
    fn judged(&self, part: String, described: &str) -> Finding {
        let seconds = self.after_ms as f64 / 1_000.0;
        let picture = match (self.frames, self.sharpest) {
            (0, _) => String::new(),
            (frames, None) => format!(", {:.1} frames/s", frames as f64 / seconds.max(0.001)),
            (frames, Some(percent)) => format!(
                ", {:.1} frames/s, sharpness up to {percent} of 100",
                frames as f64 / seconds.max(0.001)
            ),
        };
        let is_blurred = self.sharpest.is_some_and(|it| it < SHARPNESS_LITTLE);
        match (&self.code, is_blurred) {
            (Code::Read, false) => Finding::new(
                part,
                Verdict::Good,
                format!("{described}: read a code after {seconds:.1} s{picture}"),
            ),
            (Code::Read, true) => Finding::new(
                part,
                Verdict::Doubtful,
                format!(
                    "{described}: read a code after {seconds:.1} s{picture}: turn the lens until the \
                     figure is greatest with a pass at arm's length"
                ),
            ),
            (Code::None, _) if self.frames > 0 => Finding::new(
                part,
                Verdict::Bad,
                format!(
                    "{described}: read no code in {seconds:.0} s{picture}: hold a pass 10 to 30 cm away, \
                     turn the lens until the figure is greatest, and look for glare and darkness"
                ),
            ),
            (Code::None, _) => Finding::new(
                part,
                Verdict::Bad,
                format!(
                    "{described}: read no code in {seconds:.0} s: look at its cable, its mode and its light"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_judged_by_what_it_read_and_by_its_sharpness() {
        let seen = |code: &Code, frames, sharpest| {
            let seen = Seen {
                after_ms: 2_000,
                frames,
                sharpest,
                code: code.clone(),
            };
            let finding = seen.judged("reader".into(), "camera");
            (finding.verdict, finding.said)
        };
        let (verdict, said) = seen(&Code::Read, 30, Some(60));
        assert_eq!(verdict, Verdict::Good);
        assert!(said.contains("15.0 frames/s, sharpness up to 60"), "{said}");
        assert_eq!(seen(&Code::Read, 0, None).0, Verdict::Good);
        assert_eq!(
            seen(&Code::Read, 30, Some(SHARPNESS_LITTLE - 1)).0,
            Verdict::Doubtful
        );
        let (verdict, said) = seen(&Code::None, 30, Some(5));
        assert_eq!(verdict, Verdict::Bad);
        assert!(said.contains("lens"), "{said}");
        let (verdict, said) = seen(&Code::None, 0, None);
        assert_eq!(verdict, Verdict::Bad);
        assert!(said.contains("cable"), "{said}");
    }
}

//! A claim that is shown to the gate's own readers: central's screen or a sheet of paper, held to
//! the camera.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use shared::enrolment::{CLAIM_PREFIX, Claim};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    clock::GateClock,
    configuration::ReaderPlace,
    decoder::{CUT_MARK, DecoderSettings},
    reader::{FRAMES_WAITING_MAX, Pulse, Reader, ReaderEnd, ReaderState},
};

/// Waits until one of the readers has read a claim. Tells meanwhile, on standard error, what is
/// wrong with what is shown; never what it says.
///
/// # Errors
/// When there is no reader, or none has read a claim in time.
pub(super) async fn shown_claim(
    readers: &[&ReaderPlace],
    clock: &GateClock,
    within: Duration,
) -> anyhow::Result<Claim> {
    if readers.is_empty() {
        bail!(
            "there is no reader to show the claim to: configure one as [[readers]], or type the claim"
        );
    }
    for place in readers {
        eprintln!(
            "Show the claim at access point {}: {}.",
            place.access_point,
            place.source.describe()
        );
    }
    let looked = tokio::time::timeout(within, look(readers, clock)).await;
    looked.unwrap_or_else(|_| {
        bail!(
            "no claim was shown within {} s: make its code larger on the screen, hold it still a hand's breadth to an arm's length away, or type the claim",
            within.as_secs()
        )
    })
}

async fn look(readers: &[&ReaderPlace], clock: &GateClock) -> anyhow::Result<Claim> {
    let (sender, mut frames) = mpsc::channel(FRAMES_WAITING_MAX);
    let (tell, mut states) = mpsc::channel(1);
    let mut running = JoinSet::new();
    for place in readers {
        let reader = Reader {
            config: place.source.clone(),
            access_point: place.access_point,
            clock: clock.machine(),
            decoder: DecoderSettings::this_program(),
            pulse: Arc::new(Pulse::default()),
        };
        let tried = oneshot::channel().0;
        running.spawn(reader.keep_reading(sender.clone(), tell.clone(), tried));
    }
    drop((sender, tell));
    let mut told = BTreeSet::new();
    loop {
        tokio::select! {
            biased;
            Some(frame) = frames.recv() => {
                for text in &frame.texts {
                    match claim_in(text) {
                        Ok(claim) => return Ok(claim),
                        // Each once: fifteen frames a second show the same.
                        Err(why) => if told.insert(why) {
                            eprintln!("{why}");
                        }
                    }
                }
            }
            Some(state) = states.recv() => tell_state(&state),
            ended = running.join_next() => match ended {
                Some(Ok(ReaderEnd::NoMoreFrames | ReaderEnd::ReceiverGone)) => {}
                Some(Err(error)) => return Err(error).context("a reader broke"),
                None if frames.is_empty() => bail!("none of the pictures shows a claim"),
                None => {}
            },
        }
    }
}

fn tell_state(state: &ReaderState) {
    match &state.problem {
        Some(problem) => eprintln!("Access point {}: {problem}", state.access_point),
        None => eprintln!("Access point {} reads again.", state.access_point),
    }
}

/// The claim, or why the text is none, in words that give nothing of it away.
fn claim_in(text: &str) -> Result<Claim, &'static str> {
    if !text.trim().starts_with(CLAIM_PREFIX) {
        return Err("That code is no claim: show the one that central makes for this gate.");
    }
    if text.ends_with(CUT_MARK) {
        return Err(
            "That claim is longer than a reader takes, for central's address is: type it, or carry it as a file.",
        );
    }
    Claim::from_text(text)
        .map_err(|_| "That claim is damaged, or of a central of another version: make a new one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_claim_is_told_apart_without_its_words() {
        let why = |text: &str| match claim_in(text) {
            Ok(_) => panic!("{text} is no claim"),
            Err(why) => why,
        };
        assert!(why("SP1:SECRET").contains("no claim"));
        assert!(why("PC1:SECRET").contains("damaged"));
        let long = format!("PC1:{}{CUT_MARK}", "A".repeat(512));
        assert!(why(&long).contains("type it"));
        for text in ["SP1:SECRET", "PC1:SECRET"] {
            assert!(!why(text).contains("SECRET"));
        }
    }
}

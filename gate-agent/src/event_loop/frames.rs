//! What readers bring: frames with their texts, what would help the holder, and readers that fail.

use gate_core::input::{PresentationEnd, TextsRead};
use shared::{ids::AccessPointId, panel_api::ReaderHint, time::Now};

use super::EventLoop;
use crate::{
    decoder::Hint,
    reader::{FrameRead, ReadProblem, ReaderState},
};

/// What came to the loop later than this, in ms, is of the past: the program was stopped, or slept
/// with the machine, and whoever showed it may be gone. A machine under load takes a part of it.
const DECIDED_WITHIN_MS: u64 = 2_000;

impl EventLoop {
    pub(super) fn handle_frame(&mut self, now: Now, frame: FrameRead) {
        let age_ms = now.uptime.since_ms(frame.taken_at);
        if age_ms > DECIDED_WITHIN_MS {
            tracing::warn!(
                access_point.id = frame.access_point.0,
                age_ms,
                "what was shown at access point {} came {age_ms} ms late and is not decided on",
                frame.access_point
            );
            return;
        }
        self.note_hint(now, &frame);
        let fault = match &frame.problem {
            Some(problem @ ReadProblem::DecoderFailed { .. }) => Some(problem.to_string()),
            Some(
                ReadProblem::File(_)
                | ReadProblem::NotAPicture { .. }
                | ReadProblem::TimedOut { .. },
            )
            | None => None,
        };
        let has_changed = match &fault {
            Some(_) => self.failing_decoders.insert(frame.access_point),
            None => self.failing_decoders.remove(&frame.access_point),
        };
        if has_changed {
            let part = format!("decoder at access point {}", frame.access_point);
            self.gate.handle_fault(now, &part, fault);
        }
        let is_over = frame.end == PresentationEnd::SourceHasNoMoreFrames;
        let problem = match &frame.problem {
            Some(problem) => Some(problem.to_string()),
            None if frame.texts.is_empty() && is_over => Some("no code in the picture".into()),
            None => None,
        };
        match problem {
            Some(problem) => {
                let (access_point, source) = (frame.access_point, frame.source);
                self.gate
                    .handle_unreadable(now, access_point, problem, source);
            }
            None => self.gate.handle_texts(now, TextsRead::from(frame)),
        }
    }

    pub(super) fn handle_reader(&mut self, now: Now, state: ReaderState) {
        let part = format!("reader at access point {}", state.access_point);
        if state.problem.is_some() {
            self.set_hint(now, state.access_point, None);
        }
        self.gate.handle_fault(now, &part, state.problem);
    }

    /// Single pictures have no next frame that could take a hint back.
    fn note_hint(&mut self, now: Now, frame: &FrameRead) {
        if frame.end == PresentationEnd::MoreFramesFollow {
            let hint = frame.hints.first().copied().map(hint_for_panels);
            self.set_hint(now, frame.access_point, hint);
        }
    }

    fn set_hint(&mut self, now: Now, access_point: AccessPointId, hint: Option<ReaderHint>) {
        let before = match hint {
            Some(hint) => self.hints.insert(access_point, hint),
            None => self.hints.remove(&access_point),
        };
        if before != hint {
            self.show_state(now);
        }
    }
}

fn hint_for_panels(hint: Hint) -> ReaderHint {
    match hint {
        Hint::SeveralCodes => ReaderHint::SeveralCodes,
        Hint::TooNear => ReaderHint::TooNear,
        Hint::TooFar => ReaderHint::TooFar,
        Hint::TooDim => ReaderHint::TooDim,
        Hint::Blurred => ReaderHint::Blurred,
    }
}

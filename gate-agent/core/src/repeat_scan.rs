//! One presentation is one scan: a pass that was just decided at an access point is shown again,
//! not decided again. Keyed by pass id, never by text.

use alloc::boxed::Box;

use shared::{
    decision::{Decision, DenyReason},
    ids::{PassId, ScanId},
    panel_api::Decided,
    pass::Presentation,
    time::{Now, Uptime},
};

use crate::input::PresentationEnd;

/// Reads of one pass this close together are one uninterrupted presentation, in ms.
pub(crate) const UNINTERRUPTED_MS: u64 = 1000;

/// The newest decided scan of one access point.
#[derive(Clone, Debug, Default)]
pub(crate) struct RepeatScan(Option<Box<Shown>>);

#[derive(Clone, Debug)]
struct Shown {
    decided: Decided,
    presentation: Presentation,
    decided_at: Uptime,
    last_read: Uptime,
}

/// What a read of a pass is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A new scan.
    New,
    /// The same presentation goes on.
    GoesOn,
    /// Shown again within the time: the same scan, told again.
    Again(Box<Decided>),
}

impl RepeatScan {
    pub(crate) fn decided(&mut self, now: Now, decided: Decided, presentation: Presentation) {
        self.0 = Some(Box::new(Shown {
            decided,
            presentation,
            decided_at: now.uptime,
            last_read: now.uptime,
        }));
    }

    pub(crate) fn read(
        &mut self,
        taken_at: Uptime,
        pass: PassId,
        presentation: Presentation,
        end: PresentationEnd,
        repeat_scan_ms: u64,
    ) -> Read {
        let Some(shown) = &mut self.0 else {
            return Read::New;
        };
        if shown.decided.pass != pass || shown.is_answered_by(presentation) {
            return Read::New;
        }
        // A picture that stands alone was shown on purpose and gets its answer.
        let is_uninterrupted = end == PresentationEnd::MoreFramesFollow
            && taken_at.since_ms(shown.last_read) <= UNINTERRUPTED_MS;
        let is_within = taken_at.since_ms(shown.decided_at) < repeat_scan_ms;
        if !is_uninterrupted && (!is_within || shown.is_of_a_fault()) {
            return Read::New;
        }
        shown.last_read = shown.last_read.max(taken_at);
        if is_uninterrupted {
            Read::GoesOn
        } else {
            Read::Again(Box::new(shown.decided.clone()))
        }
    }

    /// The scan came to nothing, or something changed that decides anew.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    pub(crate) fn forget_scan(&mut self, scan: ScanId) {
        if self
            .0
            .as_ref()
            .is_some_and(|shown| shown.decided.scan == scan)
        {
            self.0 = None;
        }
    }
}

impl Shown {
    /// The gate's own fault says nothing of the pass: whoever shows it again is decided anew.
    fn is_of_a_fault(&self) -> bool {
        self.decided.decision == Decision::Deny(DenyReason::GateFault)
    }

    /// A pass that was denied for its proof and now comes with another proof is a new scan: the
    /// holder did what the screen asked for.
    fn is_answered_by(&self, presentation: Presentation) -> bool {
        let Decision::Deny(reason) = self.decided.decision else {
            return false;
        };
        let is_about_proof = matches!(
            reason,
            DenyReason::ProofMissing
                | DenyReason::ProofInvalid
                | DenyReason::ProofStale
                | DenyReason::ProofReplayed
        );
        is_about_proof
            && matches!(presentation, Presentation::Live { .. })
            && presentation != self.presentation
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        decision::{FreshnessStep, GuardOffer},
        ids::{AccessPointId, Kid, Serial},
        time::UtcSeconds,
    };

    use super::*;

    const PASS: PassId = PassId {
        kid: Kid([1; 8]),
        serial: Serial(1),
    };

    fn decided(decision: Decision) -> Decided {
        Decided {
            scan: ScanId(1),
            access_point: AccessPointId(1),
            decision,
            also: alloc::vec![],
            alerts: alloc::vec![],
            offer: GuardOffer::None,
            holder_message: None,
            pass: PASS,
            holder: None,
            name: None,
            freshness: FreshnessStep::Fresh,
            at: UtcSeconds(0),
            elapsed_ms: 1,
            source: None,
            phone_clock_off_s: None,
        }
    }

    fn after(decision: Decision, presentation: Presentation) -> RepeatScan {
        let mut repeat = RepeatScan::default();
        let now = Now {
            uptime: Uptime(10_000),
            utc: UtcSeconds(0),
        };
        repeat.decided(now, decided(decision), presentation);
        repeat
    }

    fn reads(repeat: &mut RepeatScan, at: u64, pass: PassId, presentation: Presentation) -> Read {
        let end = PresentationEnd::MoreFramesFollow;
        repeat.read(Uptime(at), pass, presentation, end, 5000)
    }

    #[test]
    fn a_picture_that_stands_alone_gets_its_answer_each_time() {
        let mut repeat = after(Decision::Grant, Presentation::Static);
        let end = PresentationEnd::SourceHasNoMoreFrames;
        let read = repeat.read(Uptime(10_100), PASS, Presentation::Static, end, 5000);
        assert!(matches!(read, Read::Again(_)));
    }

    #[test]
    fn a_pass_held_up_for_a_minute_is_one_scan() {
        let mut repeat = after(Decision::Grant, Presentation::Static);
        for at in (10_100..70_000).step_by(500) {
            let read = reads(&mut repeat, at, PASS, Presentation::Static);
            assert_eq!(read, Read::GoesOn);
        }
        let read = reads(&mut repeat, 72_000, PASS, Presentation::Static);
        assert_eq!(read, Read::New);
    }

    #[test]
    fn a_pass_shown_again_within_the_time_is_told_again() {
        let mut repeat = after(Decision::Grant, Presentation::Static);
        let read = reads(&mut repeat, 14_000, PASS, Presentation::Static);
        assert!(matches!(read, Read::Again(_)));
        let mut repeat = after(Decision::Grant, Presentation::Static);
        let read = reads(&mut repeat, 15_000, PASS, Presentation::Static);
        assert_eq!(read, Read::New);
        let other = PassId {
            serial: Serial(2),
            ..PASS
        };
        let read = reads(&mut repeat, 10_001, other, Presentation::Static);
        assert_eq!(read, Read::New);
    }

    #[test]
    fn a_holder_who_answers_a_denial_with_a_proof_is_looked_at_anew() {
        let live = |made_at| Presentation::Live {
            made_at: UtcSeconds(made_at),
        };
        let missing = Decision::Deny(DenyReason::ProofMissing);
        let mut repeat = after(missing, Presentation::Static);
        let read = reads(&mut repeat, 10_100, PASS, Presentation::Static);
        assert_eq!(read, Read::GoesOn);
        assert_eq!(reads(&mut repeat, 10_200, PASS, live(5)), Read::New);
        let mut repeat = after(Decision::Deny(DenyReason::ProofStale), live(5));
        assert_eq!(reads(&mut repeat, 10_200, PASS, live(5)), Read::GoesOn);
        assert_eq!(reads(&mut repeat, 10_200, PASS, live(9)), Read::New);
        let mut repeat = after(Decision::Deny(DenyReason::PassRevoked), live(5));
        assert_eq!(reads(&mut repeat, 10_200, PASS, live(9)), Read::GoesOn);
    }

    #[test]
    fn a_pass_denied_by_a_fault_is_decided_anew_when_it_is_shown_again() {
        let read = |decision, end| {
            let mut repeat = RepeatScan::default();
            let now = Now {
                utc: UtcSeconds(0),
                uptime: Uptime(1_000),
            };
            repeat.decided(now, decided(decision), Presentation::Static);
            repeat.read(Uptime(1_500), PASS, Presentation::Static, end, 5_000)
        };
        let fault = Decision::Deny(DenyReason::GateFault);
        let shown_again = PresentationEnd::SourceHasNoMoreFrames;
        assert_eq!(read(fault, shown_again), Read::New);
        let still_held_up = PresentationEnd::MoreFramesFollow;
        assert_eq!(read(fault, still_held_up), Read::GoesOn);
        let revoked = Decision::Deny(DenyReason::PassRevoked);
        assert!(matches!(read(revoked, shown_again), Read::Again(_)));
    }
}

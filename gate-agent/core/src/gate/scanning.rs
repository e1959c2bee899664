//! From texts to a verified pass whose facts the store is asked for; frames without one keep looking.

use alloc::{boxed::Box, string::String, vec::Vec};

use shared::{
    decision::DenyReason,
    ids::{AccessPointId, Digest, ScanId},
    journal::Event,
    keys::sha256,
    panel_api::PanelMessage,
    pass::{Presentation, VerifiedPass, verify_pass},
    time::Now,
    trust_list::TrustedIssuers,
};

use super::{
    Gate,
    deciding::{access_point_of, denied},
};
use crate::{
    action::{Action, Problem},
    input::{Lookup, PresentationEnd, TextsRead},
    looking::LOOK_FOR_MS,
    reader::{PendingScan, ReaderState, WAITING_LIMIT},
    repeat_scan::Read,
};

/// Most codes of one frame that are looked at: each may cost two signature checks.
const TEXTS_PER_FRAME: usize = 8;

/// What the texts of one frame come to.
enum Found {
    Pass(Box<VerifiedPass>),
    /// Passes of several holders, or several passes of one.
    Several,
    NoPass(Vec<(Digest, DenyReason)>),
}

impl Gate {
    /// A reader has read texts.
    pub fn handle_texts(&mut self, now: Now, read: TextsRead) {
        self.observe(now);
        self.take_texts(now, read);
        self.finish(now);
    }

    /// A reader could not read a picture at all.
    pub fn handle_unreadable(
        &mut self,
        now: Now,
        access_point: AccessPointId,
        problem: String,
        source: Option<String>,
    ) {
        self.observe(now);
        self.show_unreadable(access_point, problem, source);
        self.finish(now);
    }

    /// The store has answered what it knows of a scan's pass.
    pub fn handle_lookup(&mut self, now: Now, scan: ScanId, lookup: Lookup) {
        self.observe(now);
        if let Some((access_point, pending)) = self.take_pending(scan) {
            self.decide(now, access_point, pending, lookup);
        }
        self.finish(now);
    }

    /// The store could not answer: a fault denies.
    pub fn handle_lookup_failed(&mut self, now: Now, scan: ScanId, problem: Problem) {
        self.observe(now);
        if let Some((access_point, pending)) = self.take_pending(scan) {
            let event = Event::Fault {
                part: "storage".into(),
                problem: Some(super::timing::shortened(&problem, 512)),
            };
            self.tell(now, [event].to_vec());
            self.record_decision(
                now,
                access_point,
                pending,
                None,
                denied(DenyReason::GateFault),
                None,
            );
        }
        self.finish(now);
    }

    pub(super) fn take_texts(&mut self, now: Now, read: TextsRead) {
        let Some(reader) = self.readers.get_mut(&read.access_point) else {
            // Without a configuration, or wired to an access point that it does not have.
            if read.end == PresentationEnd::SourceHasNoMoreFrames {
                self.refuse(now, &read, DenyReason::GateFault);
            }
            return;
        };
        if !matches!(reader.state, ReaderState::Ready) {
            match read.end {
                PresentationEnd::MoreFramesFollow => {}
                PresentationEnd::SourceHasNoMoreFrames if reader.waiting.len() < WAITING_LIMIT => {
                    reader.waiting.push_back(read);
                }
                PresentationEnd::SourceHasNoMoreFrames => {
                    let problem = "too many pictures wait at this reader: show it again".into();
                    self.show_unreadable(read.access_point, problem, read.source);
                }
            }
            return;
        }
        match self.sort_texts(&read.texts) {
            Found::Pass(pass) => self.take_pass(now, &read, pass),
            Found::Several => self.take_several(&read),
            Found::NoPass(texts) => self.keep_looking(now, &read, &texts),
        }
    }

    /// Several codes in one frame: one that verifies wins. Of one pass in two forms the better
    /// proof wins; of different passes none does, since nobody can say whose turn it is.
    fn sort_texts(&self, texts: &[String]) -> Found {
        let none = TrustedIssuers::default();
        let issuers = self
            .documents
            .trust
            .as_ref()
            .map_or(&none, |it| &it.issuers);
        let mut best: Option<Box<VerifiedPass>> = None;
        let mut refused = Vec::new();
        for text in texts.iter().take(TEXTS_PER_FRAME) {
            let pass = match verify_pass(text, issuers) {
                Ok(pass) => pass,
                Err(why) => {
                    refused.push((sha256(text.as_bytes()), why.reason));
                    continue;
                }
            };
            match &best {
                Some(other) if other.id() != pass.id() => return Found::Several,
                Some(other) if rank(other.presentation()) >= rank(pass.presentation()) => {}
                Some(_) | None => best = Some(Box::new(pass)),
            }
        }
        best.map_or(Found::NoPass(refused), Found::Pass)
    }

    fn take_pass(&mut self, now: Now, read: &TextsRead, pass: Box<VerifiedPass>) {
        let repeat_scan_ms = self
            .configuration()
            .map_or(0, |it| it.policies.repeat_scan_ms);
        let Some(reader) = self.readers.get_mut(&read.access_point) else {
            return;
        };
        reader.looking.verified();
        reader.several_since = None;
        let presentation = pass.presentation();
        let again = reader.repeat.read(
            read.taken_at,
            pass.id(),
            presentation,
            read.end,
            repeat_scan_ms,
        );
        match again {
            Read::GoesOn => {}
            Read::Again(decided) => {
                let mut decided = *decided;
                decided.source.clone_from(&read.source);
                decided.elapsed_ms = now.uptime.since_ms(read.taken_at);
                self.actions
                    .push_back(Action::Show(PanelMessage::Decided(decided)));
            }
            Read::New => {
                let scan = self.next_scan;
                self.next_scan = ScanId(scan.0 + 1);
                self.actions.push_back(Action::LookUp {
                    scan,
                    pass: pass.id(),
                    digest: pass.digest(),
                });
                reader.state = ReaderState::LookingUp(Box::new(PendingScan {
                    scan,
                    pass: *pass,
                    taken_at: read.taken_at,
                    source: read.source.clone(),
                }));
            }
        }
    }

    fn take_several(&mut self, read: &TextsRead) {
        let Some(reader) = self.readers.get_mut(&read.access_point) else {
            return;
        };
        reader.looking.verified();
        let since = *reader.several_since.get_or_insert(read.taken_at);
        let is_long = read.taken_at.since_ms(since) >= LOOK_FOR_MS;
        if is_long || read.end == PresentationEnd::SourceHasNoMoreFrames {
            reader.several_since = None;
            let problem = "more than one pass in the picture: show one at a time".into();
            self.show_unreadable(read.access_point, problem, read.source.clone());
        }
    }

    fn keep_looking(&mut self, now: Now, read: &TextsRead, texts: &[(Digest, DenyReason)]) {
        let Some(reader) = self.readers.get_mut(&read.access_point) else {
            return;
        };
        reader.several_since = None;
        match reader.looking.read(read.taken_at, texts, read.end) {
            Some(reason) => self.refuse(now, read, reason),
            None if read.end == PresentationEnd::SourceHasNoMoreFrames && read.texts.is_empty() => {
                let problem = "no code in the picture: hold it closer and still".into();
                self.show_unreadable(read.access_point, problem, read.source.clone());
            }
            None => {}
        }
    }

    fn refuse(&mut self, now: Now, read: &TextsRead, reason: DenyReason) {
        self.refusals.count(now.uptime, read.access_point, reason);
        let door = self
            .configuration()
            .and_then(|it| access_point_of(it, read.access_point))
            .map(|point| point.door);
        if let Some(door) = door.and_then(|door| self.doors.get_mut(&door)) {
            door.deny(now);
        }
        self.flush_doors(now);
        self.actions.push_back(Action::Show(PanelMessage::Refused {
            access_point: read.access_point,
            reason,
            elapsed_ms: now.uptime.since_ms(read.taken_at),
            source: read.source.clone(),
        }));
    }

    fn show_unreadable(
        &mut self,
        access_point: AccessPointId,
        problem: String,
        source: Option<String>,
    ) {
        self.actions
            .push_back(Action::Show(PanelMessage::Unreadable {
                access_point,
                problem,
                source,
            }));
    }

    pub(super) fn take_pending(&mut self, scan: ScanId) -> Option<(AccessPointId, PendingScan)> {
        let (access_point, reader) = self.readers.iter_mut().find(|(_, reader)| {
            matches!(&reader.state, ReaderState::LookingUp(pending) if pending.scan == scan)
        })?;
        let recording = ReaderState::Recording;
        match core::mem::replace(&mut reader.state, recording) {
            ReaderState::LookingUp(pending) => Some((*access_point, *pending)),
            ReaderState::Ready | ReaderState::Waiting(_) | ReaderState::Recording => None,
        }
    }

    /// Scans that waited for another commit about their holder or pass.
    pub(super) fn resume_scans(&mut self, now: Now) {
        let points: Vec<AccessPointId> = self.readers.keys().copied().collect();
        for access_point in points {
            let Some(reader) = self.readers.get_mut(&access_point) else {
                continue;
            };
            if !matches!(reader.state, ReaderState::Waiting(_)) {
                continue;
            }
            let recording = ReaderState::Recording;
            if let ReaderState::Waiting(waiting) = core::mem::replace(&mut reader.state, recording)
            {
                let (pending, lookup) = *waiting;
                self.decide(now, access_point, pending, lookup);
            }
        }
    }
}

fn rank(presentation: Presentation) -> u8 {
    match presentation {
        Presentation::LiveProofInvalid => 0,
        Presentation::Static => 1,
        Presentation::Live { .. } => 2,
    }
}

//! From texts to a decision: verify, look up, admit, record; only then show and release.

use alloc::{boxed::Box, string::String, vec::Vec};

use shared::{
    configuration::{AccessPoint, Configuration, PassageSensing},
    decision::{Decision, DenyReason, GuardOffer},
    ids::{AccessPointId, AreaId, Digest, DoorId, HolderNumber, PassId, ScanId},
    issued_list::IssuedEntry,
    journal::{Event, PassageOutcome, PersonalPart, ScanOutcome},
    keys::sha256,
    order::Subject,
    panel_api::{Decided, PanelMessage},
    pass::{Presentation, VerifiedPass, verify_pass},
    policy::SecondPersonPolicy,
    time::{Now, Uptime, UtcSeconds},
    trust_list::{IssuerKeyState, TrustedIssuers},
};

use super::{Gate, recent::RecentScan};
use crate::{
    action::{Action, Problem, RecordDraft},
    admission::{Admission, AdmissionFacts, DoorAdmits, OtherPerson, Standing, StatusKnown, admit},
    commits::{Committed, Consequence, Draft},
    input::{HolderFacts, Lookup, PresentationEnd, TextsRead},
    looking::LOOK_FOR_MS,
    memory::{HolderUse, MemoryChange, PassUse, Presence, Reservation},
    passback::Peers,
    reader::{FirstPerson, PendingScan, ReaderState, WAITING_LIMIT, Who},
    remembered::FactChange,
    repeat_scan::Read,
};

/// Most codes of one frame that are looked at: each may cost two signature checks.
const TEXTS_PER_FRAME: usize = 8;

/// A decision that waits for its record to be durable.
#[derive(Clone, Debug)]
pub(crate) struct DecidedScan {
    decided: Decided,
    door: DoorId,
    presentation: Presentation,
    taken_at: Uptime,
    subject: Subject,
    /// The scan of the first of two persons, who goes through with this one.
    first: Option<ScanId>,
    sensing: PassageSensing,
    record: RecordDraft,
}

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

    fn take_texts(&mut self, now: Now, read: TextsRead) {
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

    fn take_pending(&mut self, scan: ScanId) -> Option<(AccessPointId, PendingScan)> {
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

    fn decide(
        &mut self,
        now: Now,
        access_point: AccessPointId,
        pending: PendingScan,
        lookup: Lookup,
    ) {
        let subject = subject_of(&pending.pass, lookup.holder.as_ref());
        let holder = lookup.holder.as_ref().map(|holder| holder.number);
        self.holders.learn(pending.pass.id(), holder);
        let first = self.first_person(now, access_point, subject);
        let is_under_way = self.commits.touch(subject, pending.pass.id())
            || first.is_some_and(|first| self.commits.touch(first.subject, first.pass));
        if is_under_way && let Some(reader) = self.readers.get_mut(&access_point) {
            reader.state = ReaderState::Waiting(Box::new((pending, lookup)));
            return;
        }
        let withdrawn = self.withdrawn_since(&pending.pass);
        let facts = self.admission_facts(now, access_point, &pending, subject, &lookup);
        let admission = match (withdrawn, facts) {
            (Some(reason), _) => denied(reason),
            (None, Some(facts)) => admit(&pending.pass, &facts),
            (None, None) => denied(DenyReason::GateFault),
        };
        self.note_first_person(now, access_point, who(&pending, subject), &admission);
        self.record_decision(now, access_point, pending, lookup.holder, admission, first);
    }

    /// A trust list may have come into force since the pass was verified.
    fn withdrawn_since(&self, pass: &VerifiedPass) -> Option<DenyReason> {
        let trust = self.documents.trust.as_ref();
        match trust.and_then(|trust| trust.issuers.get(pass.id().kid)) {
            None => Some(DenyReason::IssuerUnknown),
            Some(issuer) if issuer.state == IssuerKeyState::Revoked => {
                Some(DenyReason::IssuerKeyRevoked)
            }
            Some(_) => None,
        }
    }

    /// None when the configuration no longer has the access point.
    fn admission_facts(
        &self,
        now: Now,
        id: AccessPointId,
        pending: &PendingScan,
        subject: Subject,
        lookup: &Lookup,
    ) -> Option<AdmissionFacts<'_>> {
        let held = self.documents.configuration.as_ref()?;
        let configuration = &held.document;
        let access_point = access_point_of(configuration, id)?;
        let pass = pending.pass.id();
        let pass_use = self.memory.pass_use(pass);
        let first = self.first_person(now, id, subject);
        Some(AdmissionFacts {
            time: self.clock.time(now),
            trust_expires_at: self.trust_expires_at(),
            configuration,
            configuration_standing: if self.documents.vouches_for(held.signed_by) {
                Standing::VouchedFor
            } else {
                Standing::NoLonger
            },
            access_point,
            issued: self.issued(pending, lookup.issued),
            status: self.status(pending),
            heads_age_s: self.freshness.age_s(now, &self.clock),
            last_proof: pass_use.last_proof,
            uses: self.memory.uses_of(subject, pass),
            presence: self.presence_of(subject, pass),
            peers: self.peers(now, configuration),
            inside: self.memory.presences.inside(access_point.to) + u32::from(first.is_some()),
            other_person: match first {
                Some(_) => OtherPerson::Present,
                None => OtherPerson::Absent,
            },
            door: self
                .doors
                .get(&access_point.door)
                .map_or(DoorAdmits::Faulty, |door| door.admits()),
        })
    }

    fn trust_expires_at(&self) -> UtcSeconds {
        let trust = self.documents.vouching_trust();
        let roots = self.documents.root_set.as_ref();
        let ends = [
            trust.map(|it| it.list.document.header.expires_at),
            roots.map(|it| it.document.header.expires_at),
        ];
        ends.into_iter()
            .map(|end| end.unwrap_or(UtcSeconds(0)))
            .min()
            .unwrap_or(UtcSeconds(0))
    }

    /// A list whose signing key was withdrawn says nothing any more in a pass's favour. Beyond its
    /// count the list itself is asked: the store's digests may be ahead of it, and it may have been
    /// frozen since the store was asked.
    fn issued(&self, pending: &PendingScan, entry: IssuedEntry) -> IssuedEntry {
        let pass = pending.pass.id();
        if let Some(list) = self.documents.issued_list(pass.kid)
            && pass.serial.0 >= list.count
        {
            return IssuedEntry::of(pending.pass.digest(), None, list.growth);
        }
        let list = self.documents.issued_lists.get(&pass.kid);
        let is_believed = list.is_some_and(|list| self.documents.vouches_for(list.signed_by));
        match entry {
            IssuedEntry::Issued if !is_believed => IssuedEntry::NoList,
            IssuedEntry::Issued
            | IssuedEntry::OtherBytes
            | IssuedEntry::BeyondFrozen
            | IssuedEntry::BeyondKnown
            | IssuedEntry::NoList => entry,
        }
    }

    /// What it says against a pass counts all the same.
    fn status(&self, pending: &PendingScan) -> StatusKnown {
        let pass = pending.pass.id();
        let Some(held) = self.documents.status_lists.get(&pass.kid) else {
            let state = self.documents.set_aside.state(pass);
            let expires_at = UtcSeconds(0);
            return state.map_or(StatusKnown::NoList, |state| StatusKnown::Listed {
                state,
                expires_at,
            });
        };
        let is_believed = self.documents.vouches_for(held.list.signed_by);
        StatusKnown::Listed {
            state: held.state(pass),
            expires_at: if is_believed {
                held.expires_at()
            } else {
                UtcSeconds(0)
            },
        }
    }

    /// Where the holder is; where the pass is, when the roster did not know the holder yet.
    fn presence_of(&self, subject: Subject, pass: PassId) -> Option<Presence> {
        let presences = &self.memory.presences;
        presences
            .get(subject)
            .or_else(|| presences.get(Subject::Pass(pass)))
    }

    fn peers(&self, now: Now, configuration: &Configuration) -> Peers {
        if configuration.peers.is_empty() {
            return Peers::None;
        }
        Peers::Silent {
            for_s: now.uptime.since_ms(self.started_at) / 1000,
        }
    }

    /// Whoever waits for a second person where one is asked for.
    fn first_person(&self, now: Now, point: AccessPointId, second: Subject) -> Option<Who> {
        let policy = access_point_of(self.configuration()?, point)?.second_person;
        let SecondPersonPolicy::Required { within_s } = policy else {
            return None;
        };
        let first = self.readers.get(&point)?.first_person?;
        let is_in_time = now.uptime.since_ms(first.at) <= within_s.saturating_mul(1000);
        (first.who.subject != second && is_in_time).then_some(first.who)
    }

    /// Somebody who lacks nothing but a second person is waited with; a grant uses that up.
    fn note_first_person(
        &mut self,
        now: Now,
        access_point: AccessPointId,
        who: Who,
        admission: &Admission,
    ) {
        let Some(reader) = self.readers.get_mut(&access_point) else {
            return;
        };
        match admission.decision {
            Decision::Deny(DenyReason::SecondPersonRequired) if admission.also.is_empty() => {
                let at = now.uptime;
                reader.first_person = Some(FirstPerson { who, at });
            }
            Decision::Grant => reader.first_person = None,
            Decision::Deny(_) => {}
        }
    }

    fn record_decision(
        &mut self,
        now: Now,
        access_point: AccessPointId,
        pending: PendingScan,
        holder: Option<HolderFacts>,
        admission: Admission,
        first: Option<Who>,
    ) {
        let pass = &pending.pass;
        let subject = subject_of(pass, holder.as_ref());
        let point = self
            .configuration()
            .and_then(|it| access_point_of(it, access_point))
            .cloned();
        let mut draft = Draft::default();
        let (door, sensing) = match &point {
            Some(point) => (point.door, self.sensing(point.door)),
            None => (DoorId(0), PassageSensing::None),
        };
        let mut outcome = self.outcome(now, access_point, &pending, &admission);
        if let (Decision::Grant, Some(point)) = (admission.decision, &point) {
            let who = who(&pending, subject);
            let uses = self.reserve(now, point, who, sensing, &mut draft.changes);
            outcome.uses = Some(uses);
            if let Some(first) = first {
                self.reserve(now, point, first, sensing, &mut draft.changes);
            }
        }
        let holder_number = holder.as_ref().map(|holder| holder.number);
        let personal = PersonalPart {
            pass: Some(pass.id()),
            holder: holder_number,
            ..PersonalPart::default()
        };
        let record = self.record_of(now, Event::Scan(outcome), Some(personal));
        draft.records.push(record.clone());
        if admission.decision == Decision::Grant && sensing == PassageSensing::None {
            let outcome = PassageOutcome::Taken;
            for scan in first
                .map(|first| first.scan)
                .into_iter()
                .chain([pending.scan])
            {
                let passage = Event::Passage { scan, outcome };
                draft.records.push(self.record(now, passage));
            }
        }
        draft.facts.push(FactChange::NextScan(self.next_scan));
        let decided = DecidedScan {
            door,
            presentation: pass.presentation(),
            taken_at: pending.taken_at,
            subject,
            first: first.map(|first| first.scan),
            sensing,
            record,
            decided: self.panel_decided(now, access_point, &pending, holder, admission),
        };
        #[cfg(portcullis_defects)]
        self.plant_relay_before_commit(now, &decided);
        self.commit(draft, Consequence::Scan(decided));
    }

    #[cfg(portcullis_defects)]
    fn plant_relay_before_commit(&mut self, now: Now, decided: &DecidedScan) {
        use shared::defects::{Defect, is_planted};
        if is_planted(Defect::RelayBeforeCommit) && decided.decided.decision == Decision::Grant {
            let scan = decided.decided.scan;
            self.release_for_scan(now, scan, decided.door, &Committed::planted());
            self.flush_doors(now);
        }
    }

    fn outcome(
        &self,
        now: Now,
        access_point: AccessPointId,
        pending: &PendingScan,
        admission: &Admission,
    ) -> ScanOutcome {
        let list = self.documents.status_lists.get(&pending.pass.id().kid);
        let proof = match (admission.decision, pending.pass.presentation()) {
            (Decision::Grant, Presentation::Live { made_at }) => Some(made_at),
            (Decision::Grant | Decision::Deny(_), _) => None,
        };
        ScanOutcome {
            scan: pending.scan,
            access_point,
            decision: admission.decision,
            also: admission.also.clone(),
            offer: admission.offer,
            alerts: admission.alerts.clone(),
            freshness: self.freshness(now),
            status_list: list.map(|list| list.number()),
            uses: None,
            proof_made_at: proof,
        }
    }

    /// Presence, use and proof of a grant, in the same transaction as its record. Returns the
    /// uses of the pass, or of its holder, with this one.
    fn reserve(
        &self,
        now: Now,
        point: &AccessPoint,
        who: Who,
        sensing: PassageSensing,
        changes: &mut Vec<MemoryChange>,
    ) -> u32 {
        let Who {
            scan,
            pass,
            subject,
            presentation,
        } = who;
        let before = self.presence_of(subject, pass);
        let at = self.clock.at_least(now);
        let forgotten = self.memory.presences.to_forget_for(subject);
        changes.extend(forgotten.map(MemoryChange::ForgetPresence));
        if let Some(before) = before
            && before.subject != subject
        {
            changes.push(MemoryChange::ForgetPresence(before.subject));
        }
        changes.push(MemoryChange::SetPresence(Presence {
            subject,
            area: point.to,
            since: at,
        }));
        let pass_use = self.memory.pass_use(pass);
        let counted = u32::from(point.to != AreaId::OUTSIDE);
        let uses = self.memory.uses_of(subject, pass).saturating_add(counted);
        if let Subject::Holder(holder) = subject {
            changes.push(MemoryChange::SetHolderUse(HolderUse { holder, uses }));
        }
        let last_proof = match presentation {
            Presentation::Live { made_at } => Some(made_at),
            Presentation::Static | Presentation::LiveProofInvalid => pass_use.last_proof,
        };
        changes.push(MemoryChange::SetPassUse(PassUse {
            pass,
            uses: pass_use.uses.saturating_add(counted),
            last_proof,
        }));
        if sensing != PassageSensing::None {
            changes.push(MemoryChange::OpenReservation(Reservation {
                scan,
                access_point: point.id,
                subject,
                pass,
                before,
                uses: counted,
                at,
            }));
        }
        uses
    }

    fn panel_decided(
        &self,
        now: Now,
        access_point: AccessPointId,
        pending: &PendingScan,
        holder: Option<HolderFacts>,
        admission: Admission,
    ) -> Decided {
        let (holder, name) = match holder {
            Some(HolderFacts { number, name }) => (Some(number), Some(name)),
            None => (None, None),
        };
        Decided {
            scan: pending.scan,
            access_point,
            decision: admission.decision,
            also: admission.also,
            alerts: admission.alerts,
            offer: admission.offer,
            holder_message: match admission.decision {
                Decision::Grant => None,
                Decision::Deny(reason) => Some(reason.holder_message()),
            },
            pass: pending.pass.id(),
            holder,
            name,
            freshness: self.freshness(now),
            at: now.utc,
            elapsed_ms: 0,
            source: pending.source.clone(),
            phone_clock_off_s: admission.phone_clock_off_s,
        }
    }

    fn sensing(&self, door: DoorId) -> PassageSensing {
        self.doors
            .get(&door)
            .map_or(PassageSensing::None, |door| door.configuration().passage)
    }

    /// The decision is durable: show it, and release the door for a grant.
    pub(super) fn scan_recorded(&mut self, now: Now, scan: &DecidedScan, proof: &Committed) {
        let mut decided = scan.decided.clone();
        decided.elapsed_ms = now.uptime.since_ms(scan.taken_at);
        match decided.decision {
            Decision::Grant => {
                #[cfg(portcullis_defects)]
                let is_released =
                    shared::defects::is_planted(shared::defects::Defect::RelayBeforeCommit);
                #[cfg(not(portcullis_defects))]
                let is_released = false;
                if !is_released {
                    self.release_for_scan(now, decided.scan, scan.door, proof);
                }
                if let Some(first) = scan.first {
                    self.expect_passage(now, first, scan.door);
                }
            }
            Decision::Deny(_) => {
                if let Some(door) = self.doors.get_mut(&scan.door) {
                    door.deny(now);
                }
            }
        }
        self.flush_doors(now);
        self.show_decided(now, scan, decided);
    }

    /// The record was not written: nothing is granted.
    pub(super) fn scan_not_recorded(&mut self, now: Now, mut scan: DecidedScan) {
        let fault = denied(DenyReason::GateFault);
        let mut decided = scan.decided.clone();
        decided.decision = fault.decision;
        decided.also = Vec::new();
        decided.offer = GuardOffer::None;
        decided.holder_message = Some(DenyReason::GateFault.holder_message());
        decided.elapsed_ms = now.uptime.since_ms(scan.taken_at);
        if let Event::Scan(outcome) = &mut scan.record.event {
            outcome.decision = fault.decision;
            outcome.also = Vec::new();
            outcome.offer = GuardOffer::None;
            outcome.uses = None;
            outcome.proof_made_at = None;
        }
        self.commits.keep_record(scan.record.clone());
        if let Some(door) = self.doors.get_mut(&scan.door) {
            door.deny(now);
        }
        self.flush_doors(now);
        self.show_decided(now, &scan, decided);
    }

    fn show_decided(&mut self, now: Now, scan: &DecidedScan, decided: Decided) {
        let is_settled =
            decided.decision == Decision::Grant && scan.sensing == PassageSensing::None;
        self.recent.push(RecentScan {
            scan: decided.scan,
            access_point: decided.access_point,
            decision: decided.decision,
            subject: scan.subject,
            pass: decided.pass,
            holder: decided.holder,
        });
        let access_point = decided.access_point;
        self.actions
            .push_back(Action::Show(PanelMessage::Decided(decided.clone())));
        if is_settled {
            self.actions.push_back(Action::Show(PanelMessage::Passage {
                scan: decided.scan,
                outcome: PassageOutcome::Taken,
            }));
        }
        let Some(reader) = self.readers.get_mut(&access_point) else {
            return;
        };
        reader.state = ReaderState::Ready;
        reader.repeat.decided(now, decided, scan.presentation);
        self.take_waiting(now, access_point);
    }

    /// Pictures that came while a scan was under way.
    fn take_waiting(&mut self, now: Now, access_point: AccessPointId) {
        while let Some(reader) = self.readers.get_mut(&access_point)
            && matches!(reader.state, ReaderState::Ready)
            && let Some(read) = reader.waiting.pop_front()
        {
            self.take_texts(now, read);
        }
    }
}

pub(super) fn access_point_of(
    configuration: &Configuration,
    id: AccessPointId,
) -> Option<&AccessPoint> {
    let points = &configuration.access_points;
    let at = points.binary_search_by_key(&id, |point| point.id).ok()?;
    Some(&points[at])
}

fn who(pending: &PendingScan, subject: Subject) -> Who {
    Who {
        scan: pending.scan,
        pass: pending.pass.id(),
        subject,
        presentation: pending.pass.presentation(),
    }
}

fn subject_of(pass: &VerifiedPass, holder: Option<&HolderFacts>) -> Subject {
    let number: Option<HolderNumber> = holder.map(|holder| holder.number);
    number.map_or(Subject::Pass(pass.id()), Subject::Holder)
}

fn rank(presentation: Presentation) -> u8 {
    match presentation {
        Presentation::LiveProofInvalid => 0,
        Presentation::Static => 1,
        Presentation::Live { .. } => 2,
    }
}

fn denied(reason: DenyReason) -> Admission {
    Admission {
        decision: Decision::Deny(reason),
        also: Vec::new(),
        alerts: Vec::new(),
        offer: GuardOffer::None,
        phone_clock_off_s: None,
    }
}

//! What a scan is admitted by: the documents in force, what is remembered, who else is there.

use alloc::{boxed::Box, vec::Vec};

use shared::{
    configuration::{AccessPoint, Configuration},
    decision::{Decision, DenyReason, GuardOffer},
    ids::{AccessPointId, HolderNumber, PassId},
    issued_list::IssuedEntry,
    order::Subject,
    pass::VerifiedPass,
    policy::SecondPersonPolicy,
    time::{Now, UtcSeconds},
    trust_list::IssuerKeyState,
};

use super::Gate;
use crate::{
    admission::{Admission, AdmissionFacts, OtherPerson, Standing, StatusKnown, admit},
    input::{HolderFacts, Lookup},
    memory::Presence,
    passback::Peers,
    reader::{FirstPerson, PendingScan, ReaderState, Who},
};

impl Gate {
    pub(super) fn decide(
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
        self.note_first_person(
            now,
            access_point,
            who(&pending, lookup.holder.as_ref()),
            &admission,
        );
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
            door: self.door_admits(access_point.door),
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
    pub(super) fn presence_of(&self, subject: Subject, pass: PassId) -> Option<Presence> {
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
}

pub(super) fn access_point_of(
    configuration: &Configuration,
    id: AccessPointId,
) -> Option<&AccessPoint> {
    let points = &configuration.access_points;
    let at = points.binary_search_by_key(&id, |point| point.id).ok()?;
    Some(&points[at])
}

pub(super) fn who(pending: &PendingScan, holder: Option<&HolderFacts>) -> Who {
    Who {
        scan: pending.scan,
        pass: pending.pass.id(),
        subject: subject_of(&pending.pass, holder),
        presentation: pending.pass.presentation(),
        need: holder.and_then(|holder| holder.need),
    }
}

pub(super) fn subject_of(pass: &VerifiedPass, holder: Option<&HolderFacts>) -> Subject {
    let number: Option<HolderNumber> = holder.map(|holder| holder.number);
    number.map_or(Subject::Pass(pass.id()), Subject::Holder)
}

pub(super) fn denied(reason: DenyReason) -> Admission {
    Admission {
        decision: Decision::Deny(reason),
        also: Vec::new(),
        alerts: Vec::new(),
        offer: GuardOffer::None,
        phone_clock_off_s: None,
    }
}

//! What the gate remembers, as it will be once every commit under way is written; and how to take
//! back the changes of one that was not.

use alloc::{collections::BTreeMap, vec::Vec};

use shared::{
    ids::{AreaId, DocumentNumber, DoorId, HolderNumber, PassId, ScanId},
    order::{DoorMode, Subject},
    time::UtcSeconds,
};

use crate::{
    memory::{
        GateFacts, HolderUse, Lockdown, Memory, MemoryChange, PassUse, Presence, Reservation,
    },
    presence::Presences,
};

/// Working copy of [`Memory`], without the gate's facts (see [`crate::commits`]).
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) presences: Presences,
    uses: BTreeMap<PassId, PassUse>,
    holder_uses: BTreeMap<HolderNumber, u32>,
    reservations: BTreeMap<ScanId, Reservation>,
    door_modes: BTreeMap<DoorId, DoorMode>,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MemoryKey {
    Presence(Subject),
    PassUse(PassId),
    HolderUse(HolderNumber),
    Reservation(ScanId),
    DoorMode(DoorId),
}

impl MemoryKey {
    /// None for the gate's facts, which are kept in [`crate::commits`].
    pub(crate) fn of(change: &MemoryChange) -> Option<Self> {
        Some(match change {
            MemoryChange::SetPresence(presence) => Self::Presence(presence.subject),
            MemoryChange::ForgetPresence(subject) => Self::Presence(*subject),
            MemoryChange::SetPassUse(pass_use) => Self::PassUse(pass_use.pass),
            MemoryChange::SetHolderUse(holder_use) => Self::HolderUse(holder_use.holder),
            MemoryChange::OpenReservation(reservation) => Self::Reservation(reservation.scan),
            MemoryChange::CloseReservation(scan) => Self::Reservation(*scan),
            MemoryChange::SetDoorMode(door, _) => Self::DoorMode(*door),
            MemoryChange::SetFacts(_) => return None,
        })
    }
}

/// What one change replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    Change(MemoryChange),
    ForgetPassUse(PassId),
    ForgetHolderUse(HolderNumber),
    Nothing,
}

impl Remembered {
    pub(crate) fn new(memory: &Memory) -> Self {
        Self {
            presences: Presences::new(&memory.presences),
            uses: memory.uses.iter().map(|u| (u.pass, *u)).collect(),
            holder_uses: memory
                .holder_uses
                .iter()
                .map(|it| (it.holder, it.uses))
                .collect(),
            reservations: memory.reservations.iter().map(|r| (r.scan, *r)).collect(),
            door_modes: memory.door_modes.iter().copied().collect(),
        }
    }

    pub(crate) fn pass_use(&self, pass: PassId) -> PassUse {
        self.uses.get(&pass).copied().unwrap_or(PassUse {
            pass,
            uses: 0,
            last_proof: None,
        })
    }

    /// How often a pass counts as used: as often as all passes of its holder together, and never
    /// less than it was by itself, which is what counts when the roster does not know the holder.
    pub(crate) fn uses_of(&self, subject: Subject, pass: PassId) -> u32 {
        let alone = self.pass_use(pass).uses;
        match subject {
            Subject::Holder(holder) => alone.max(self.holder_use(holder)),
            Subject::Pass(_) => alone,
        }
    }

    fn holder_use(&self, holder: HolderNumber) -> u32 {
        self.holder_uses.get(&holder).copied().unwrap_or(0)
    }

    pub(crate) fn reservation(&self, scan: ScanId) -> Option<&Reservation> {
        self.reservations.get(&scan)
    }

    pub(crate) fn reservations(&self) -> Vec<Reservation> {
        self.reservations.values().copied().collect()
    }

    pub(crate) fn door_mode(&self, door: DoorId) -> DoorMode {
        self.door_modes
            .get(&door)
            .copied()
            .unwrap_or(DoorMode::Locked)
    }

    /// Makes a change; returns what takes it back.
    pub(crate) fn apply(&mut self, change: MemoryChange) -> Undo {
        match change {
            MemoryChange::SetPresence(presence) => match self.presences.set(presence) {
                Some(before) => Undo::Change(MemoryChange::SetPresence(before)),
                None => Undo::Change(MemoryChange::ForgetPresence(presence.subject)),
            },
            MemoryChange::ForgetPresence(subject) => match self.presences.forget(subject) {
                Some(before) => Undo::Change(MemoryChange::SetPresence(before)),
                None => Undo::Nothing,
            },
            MemoryChange::SetPassUse(pass_use) => match self.uses.insert(pass_use.pass, pass_use) {
                Some(before) => Undo::Change(MemoryChange::SetPassUse(before)),
                None => Undo::ForgetPassUse(pass_use.pass),
            },
            MemoryChange::SetHolderUse(HolderUse { holder, uses }) => {
                match self.holder_uses.insert(holder, uses) {
                    Some(uses) => {
                        Undo::Change(MemoryChange::SetHolderUse(HolderUse { holder, uses }))
                    }
                    None => Undo::ForgetHolderUse(holder),
                }
            }
            MemoryChange::OpenReservation(reservation) => {
                let before = self.reservations.insert(reservation.scan, reservation);
                Undo::Change(before.map_or(
                    MemoryChange::CloseReservation(reservation.scan),
                    MemoryChange::OpenReservation,
                ))
            }
            MemoryChange::CloseReservation(scan) => match self.reservations.remove(&scan) {
                Some(before) => Undo::Change(MemoryChange::OpenReservation(before)),
                None => Undo::Nothing,
            },
            MemoryChange::SetDoorMode(door, mode) => {
                let before = self.door_modes.insert(door, mode);
                let before = before.unwrap_or(DoorMode::Locked);
                Undo::Change(MemoryChange::SetDoorMode(door, before))
            }
            MemoryChange::SetFacts(_) => Undo::Nothing,
        }
    }

    /// The change that makes the store say what is remembered here.
    pub(crate) fn current(&self, key: MemoryKey) -> MemoryChange {
        match key {
            MemoryKey::Presence(subject) => self.presences.get(subject).map_or(
                MemoryChange::ForgetPresence(subject),
                MemoryChange::SetPresence,
            ),
            MemoryKey::PassUse(pass) => MemoryChange::SetPassUse(self.pass_use(pass)),
            MemoryKey::HolderUse(holder) => MemoryChange::SetHolderUse(HolderUse {
                holder,
                uses: self.holder_use(holder),
            }),
            MemoryKey::Reservation(scan) => self
                .reservations
                .get(&scan)
                .map_or(MemoryChange::CloseReservation(scan), |reservation| {
                    MemoryChange::OpenReservation(*reservation)
                }),
            MemoryKey::DoorMode(door) => MemoryChange::SetDoorMode(door, self.door_mode(door)),
        }
    }

    pub(crate) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Change(change) => {
                self.apply(change);
            }
            Undo::ForgetPassUse(pass) => {
                self.uses.remove(&pass);
            }
            Undo::ForgetHolderUse(holder) => {
                self.holder_uses.remove(&holder);
            }
            Undo::Nothing => {}
        }
    }

    /// What stays behind when a grant was not taken: presence and use count as they were, unless
    /// the subject has moved on since. A later grant that is still open no longer goes back to
    /// where this one led. The newest accepted proof stays accepted.
    /// `to` is where the grant would have led.
    pub(crate) fn changes_when_not_taken(
        &self,
        reservation: &Reservation,
        to: Option<AreaId>,
    ) -> Vec<MemoryChange> {
        let mut changes = Vec::new();
        let is_by_this = |presence: Presence| {
            presence.since == reservation.at && to.is_none_or(|to| presence.area == to)
        };
        let current = self.presences.get(reservation.subject);
        if current.is_some_and(is_by_this) {
            // The roster may have come to know the holder in between: then `before` is the pass's.
            let is_same = |before: &Presence| before.subject == reservation.subject;
            if !reservation.before.as_ref().is_some_and(is_same) {
                changes.push(MemoryChange::ForgetPresence(reservation.subject));
            }
            changes.extend(reservation.before.map(MemoryChange::SetPresence));
        }
        let others = self.reservations.values().filter(|other| {
            let before = other.before.filter(|it| it.subject == reservation.subject);
            other.scan != reservation.scan && before.is_some_and(is_by_this)
        });
        changes.extend(others.map(|other| {
            MemoryChange::OpenReservation(Reservation {
                before: reservation.before,
                ..*other
            })
        }));
        let pass_use = self.pass_use(reservation.pass);
        changes.push(MemoryChange::SetPassUse(PassUse {
            uses: pass_use.uses.saturating_sub(reservation.uses),
            ..pass_use
        }));
        if let Subject::Holder(holder) = reservation.subject {
            let uses = self.holder_use(holder).saturating_sub(reservation.uses);
            changes.push(MemoryChange::SetHolderUse(HolderUse { holder, uses }));
        }
        changes
    }
}

/// One durable fact of the gate that a commit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FactChange {
    Mark(UtcSeconds),
    HeadsMadeAt(Option<UtcSeconds>),
    NewestOrder(DocumentNumber),
    NewestClockReset(DocumentNumber),
    Lockdown(Lockdown),
    NextScan(ScanId),
}

impl FactChange {
    /// Does this change leave nothing of an earlier one?
    pub(crate) fn overtakes(&self, earlier: &Self) -> bool {
        core::mem::discriminant(self) == core::mem::discriminant(earlier)
    }

    pub(crate) fn apply(self, facts: &mut GateFacts) {
        match self {
            FactChange::Mark(mark) => facts.mark = mark,
            FactChange::HeadsMadeAt(made_at) => facts.heads_made_at = made_at,
            FactChange::NewestOrder(number) => facts.newest_order = Some(number),
            FactChange::NewestClockReset(number) => facts.newest_clock_reset = Some(number),
            FactChange::Lockdown(lockdown) => facts.lockdown = lockdown,
            FactChange::NextScan(scan) => facts.next_scan = scan,
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        ids::{AccessPointId, HolderNumber, Kid, Serial},
        order::Subject,
        time::UtcSeconds,
    };

    use super::*;

    const PASS: PassId = PassId {
        kid: Kid([1; 8]),
        serial: Serial(3),
    };
    const SUBJECT: Subject = Subject::Holder(HolderNumber(7));

    fn presence(area: u32, since: u64) -> Presence {
        Presence {
            subject: SUBJECT,
            area: AreaId(area),
            since: UtcSeconds(since),
        }
    }

    fn granted() -> (Vec<MemoryChange>, Reservation) {
        let reservation = Reservation {
            scan: ScanId(1),
            access_point: AccessPointId(1),
            subject: SUBJECT,
            pass: PASS,
            before: Some(presence(0, 5)),
            uses: 1,
            at: UtcSeconds(50),
        };
        let changes = [
            MemoryChange::SetPresence(presence(1, 50)),
            MemoryChange::SetPassUse(PassUse {
                pass: PASS,
                uses: 1,
                last_proof: Some(UtcSeconds(49)),
            }),
            MemoryChange::OpenReservation(reservation),
        ];
        (changes.to_vec(), reservation)
    }

    #[test]
    fn every_change_can_be_taken_back() {
        let mut memory = Remembered::default();
        memory.apply(MemoryChange::SetPresence(presence(0, 5)));
        let undo: Vec<Undo> = granted().0.into_iter().map(|c| memory.apply(c)).collect();
        assert_eq!(memory.pass_use(PASS).uses, 1);
        assert!(memory.reservation(ScanId(1)).is_some());
        for undo in undo.into_iter().rev() {
            memory.undo(undo);
        }
        assert_eq!(memory.presences.get(SUBJECT), Some(presence(0, 5)));
        assert_eq!(memory.pass_use(PASS).uses, 0);
        assert!(!memory.uses.contains_key(&PASS));
        assert!(memory.reservation(ScanId(1)).is_none());
    }

    #[test]
    fn a_grant_that_was_not_taken_gives_back_presence_and_use_but_not_the_proof() {
        let mut memory = Remembered::default();
        let (changes, reservation) = granted();
        for change in changes {
            memory.apply(change);
        }
        for change in memory.changes_when_not_taken(&reservation, Some(AreaId(1))) {
            memory.apply(change);
        }
        assert_eq!(memory.presences.get(SUBJECT), Some(presence(0, 5)));
        assert_eq!(memory.pass_use(PASS).uses, 0);
        assert_eq!(memory.pass_use(PASS).last_proof, Some(UtcSeconds(49)));
    }

    #[test]
    fn somebody_who_has_moved_on_is_not_moved_back() {
        let mut memory = Remembered::default();
        let (changes, reservation) = granted();
        for change in changes {
            memory.apply(change);
        }
        memory.apply(MemoryChange::SetPresence(presence(2, 60)));
        for change in memory.changes_when_not_taken(&reservation, Some(AreaId(1))) {
            memory.apply(change);
        }
        assert_eq!(memory.presences.get(SUBJECT), Some(presence(2, 60)));
    }
}

//! What a signed-in guard asks: checked by role, recorded, and only then done.

use alloc::{string::String, vec::Vec};

use shared::{
    configuration::{Configuration, StaffRole},
    ids::{AccessPointId, AreaId, DoorId, ScanId, StaffNumber},
    journal::{DoorEvent, Event, GuardAction, PersonalPart, personal_of_subject},
    order::{DoorMode, Subject},
    panel_api::PanelAsk,
    time::Now,
};

use super::{Gate, deciding::access_point_of};
use crate::{
    commits::{Committed, Consequence, Draft},
    guard::{GuardEffect, GuardRefused, NAME_LIMIT, Needs, REASON_LIMIT, may},
    input::GuardRequest,
    memory::{Lockdown, MemoryChange, Presence},
    remembered::FactChange,
};

impl Gate {
    /// A signed-in member of staff asks for something. `SignIn` and `SignOut` are recorded; that
    /// the PIN was right is the shell's to know.
    ///
    /// # Errors
    /// [`GuardRefused`] says why not, and what to do.
    pub fn handle_guard(&mut self, now: Now, request: GuardRequest) -> Result<(), GuardRefused> {
        self.observe(now);
        let staff = request.staff;
        let configuration = self.configuration().ok_or(GuardRefused::NoConfiguration)?;
        let role = role_of(configuration, staff)?;
        match request.ask {
            PanelAsk::State | PanelAsk::Subscribe => return Err(GuardRefused::NotForTheMachine),
            PanelAsk::SignIn { .. } => self.note_guard(now, staff, GuardAction::SignedIn),
            PanelAsk::SignOut => self.note_guard(now, staff, GuardAction::SignedOut),
            PanelAsk::LetIn {
                access_point,
                scan,
                reason,
                name,
            } => {
                let ask = LetIn {
                    access_point,
                    scan,
                    reason,
                    name,
                };
                self.let_in(now, (staff, role), ask)?;
            }
            PanelAsk::Forgive { subject } => {
                may(role, Needs::GuardOrSupervisor)?;
                let event = guard_event(staff, GuardAction::Forgave);
                let personal = Some(personal_of_subject(subject));
                let draft = Draft {
                    records: [self.record_of(now, event, personal)].to_vec(),
                    changes: self.holders.forgive(subject),
                    ..Draft::default()
                };
                self.commit_for_guard(draft, GuardEffect::Forgiven)?;
            }
            PanelAsk::SetDoorMode { door, mode } => {
                may(role, Needs::Supervisor)?;
                self.set_door_mode(now, staff, door, mode)?;
            }
            PanelAsk::LockDown => {
                may(role, Needs::GuardOrSupervisor)?;
                self.lock_down(now, staff);
            }
            PanelAsk::EndLockdown => {
                may(role, Needs::Supervisor)?;
                let event = guard_event(staff, GuardAction::EndedLockdown);
                let draft = Draft {
                    records: [self.record(now, event)].to_vec(),
                    facts: [FactChange::Lockdown(Lockdown::Off)].to_vec(),
                    ..Draft::default()
                };
                self.commit_for_guard(draft, GuardEffect::EndLockdown)?;
            }
            PanelAsk::SilenceAlarm { door } => {
                may(role, Needs::GuardOrSupervisor)?;
                self.known_door(door)?;
                let event = guard_event(staff, GuardAction::SilencedAlarm { door });
                let draft = Draft {
                    records: [self.record(now, event)].to_vec(),
                    ..Draft::default()
                };
                self.commit_for_guard(draft, GuardEffect::SilenceAlarm { door })?;
            }
        }
        self.finish(now);
        Ok(())
    }

    /// Somebody gave a wrong PIN for this number.
    pub fn handle_pin_refused(&mut self, now: Now, staff: StaffNumber) {
        self.observe(now);
        let is_known = self
            .configuration()
            .is_some_and(|it| role_of(it, staff).is_ok());
        let staff = if is_known { staff } else { StaffNumber(0) };
        self.note_guard(now, staff, GuardAction::PinRefused);
        self.finish(now);
    }

    /// A guard's request is recorded and is carried out.
    pub(super) fn guard_recorded(&mut self, now: Now, effect: GuardEffect, proof: &Committed) {
        match effect {
            // A lockdown may have come between request and commit.
            GuardEffect::LetIn { door, role, inside } if self.may_let_in(door, role).is_ok() => {
                self.release_for_staff(now, door, proof);
                if let Some((subject, area)) = inside {
                    self.take_inside(now, subject, area);
                }
            }
            GuardEffect::LetIn { .. } => {}
            GuardEffect::SetDoorMode { door, mode } => {
                if let Some(door) = self.doors.get_mut(&door) {
                    door.set_mode(now, mode);
                }
                self.forget_repeats();
            }
            GuardEffect::EndLockdown => self.end_lockdown(now),
            GuardEffect::SilenceAlarm { door } => {
                if let Some(door) = self.doors.get_mut(&door) {
                    door.silence();
                }
            }
            GuardEffect::Forgiven => self.forget_repeats(),
        }
    }

    fn note_guard(&mut self, now: Now, staff: StaffNumber, action: GuardAction) {
        self.tell(now, [guard_event(staff, action)].to_vec());
    }

    fn let_in(
        &mut self,
        now: Now,
        (staff, role): (StaffNumber, StaffRole),
        ask: LetIn,
    ) -> Result<(), GuardRefused> {
        may(role, Needs::GuardOrSupervisor)?;
        ask.check_texts()?;
        let point = self
            .configuration()
            .and_then(|it| access_point_of(it, ask.access_point))
            .ok_or(GuardRefused::AccessPointUnknown(ask.access_point))?;
        let (door, to) = (point.door, point.to);
        self.may_let_in(door, role)?;
        if self.is_interlocked(door) {
            return Err(GuardRefused::Interlocked);
        }
        let denied = match ask.scan {
            Some(scan) => Some(
                self.recent
                    .denied(scan, ask.access_point)
                    .ok_or(GuardRefused::ScanUnknown)?,
            ),
            None => None,
        };
        let action = GuardAction::LetIn {
            access_point: ask.access_point,
            scan: ask.scan,
        };
        let personal = PersonalPart {
            pass: denied.map(|scan| scan.pass),
            holder: denied.and_then(|scan| scan.holder),
            note: Some(ask.reason),
            name: ask.name,
        };
        let event = guard_event(staff, action);
        let draft = Draft {
            records: [self.record_of(now, event, Some(personal))].to_vec(),
            ..Draft::default()
        };
        let inside = denied.map(|scan| (scan.subject, to));
        let effect = GuardEffect::LetIn { door, role, inside };
        self.commit_for_guard(draft, effect)
    }

    /// Records what a guard asked, to be carried out once that is durable. Behind a store that
    /// leaves too much unanswered it is refused: a guard is not told that something was done.
    fn commit_for_guard(&mut self, draft: Draft, effect: GuardEffect) -> Result<(), GuardRefused> {
        if !self.commits.has_room() {
            return Err(GuardRefused::StorageFailing);
        }
        self.commit(draft, Consequence::Guard(effect));
        Ok(())
    }

    /// Whoever was let in is inside, once the door was released for them.
    fn take_inside(&mut self, now: Now, subject: Subject, area: AreaId) {
        let forgotten = self.memory.presences.to_forget_for(subject);
        let mut changes: Vec<_> = forgotten
            .map(MemoryChange::ForgetPresence)
            .into_iter()
            .collect();
        changes.push(MemoryChange::SetPresence(Presence {
            subject,
            area,
            since: self.clock.at_least(now),
        }));
        let draft = Draft {
            changes,
            ..Draft::default()
        };
        self.commit(draft, Consequence::Nothing);
    }

    /// Asked of the mode, not of what the door admits: a fault of the door ends no lockdown.
    fn may_let_in(&self, door: DoorId, role: StaffRole) -> Result<(), GuardRefused> {
        let machine = self.doors.get(&door);
        let machine = machine.ok_or(GuardRefused::DoorUnknown(door))?;
        match (machine.effective_mode(), role) {
            (DoorMode::LockedDown, StaffRole::Guard | StaffRole::Technician) => {
                Err(GuardRefused::LockedDown)
            }
            (DoorMode::Blocked, StaffRole::Guard | StaffRole::Technician) => {
                Err(GuardRefused::DoorBlocked)
            }
            (DoorMode::LockedDown | DoorMode::Blocked, StaffRole::Supervisor)
            | (
                DoorMode::Locked | DoorMode::Unlocked | DoorMode::Accessed | DoorMode::LockedOpen,
                StaffRole::Guard | StaffRole::Supervisor | StaffRole::Technician,
            ) => Ok(()),
        }
    }

    fn set_door_mode(
        &mut self,
        now: Now,
        staff: StaffNumber,
        door: DoorId,
        mode: DoorMode,
    ) -> Result<(), GuardRefused> {
        self.known_door(door)?;
        if mode == DoorMode::Accessed {
            return Err(GuardRefused::ModeNotSettable);
        }
        let action = GuardAction::SetDoorMode { door, mode };
        let changed = Event::Door {
            door,
            event: DoorEvent::ModeChanged(mode),
        };
        let draft = Draft {
            records: [
                self.record(now, guard_event(staff, action)),
                self.record(now, changed),
            ]
            .to_vec(),
            changes: [MemoryChange::SetDoorMode(door, mode)].to_vec(),
            ..Draft::default()
        };
        let effect = GuardEffect::SetDoorMode { door, mode };
        self.commit_for_guard(draft, effect)
    }

    /// Locks at once: to lock needs no record first, and a store that fails must not keep a gate
    /// open. The record follows, and is offered again until it is written.
    fn lock_down(&mut self, now: Now, staff: StaffNumber) {
        let lockdown = Lockdown::On { since: now.utc };
        self.set_lockdown(now, lockdown);
        let event = guard_event(staff, GuardAction::LockedDown);
        let draft = Draft {
            records: [self.record(now, event)].to_vec(),
            facts: [FactChange::Lockdown(lockdown)].to_vec(),
            ..Draft::default()
        };
        self.commit(draft, Consequence::Nothing);
    }

    fn known_door(&self, door: DoorId) -> Result<(), GuardRefused> {
        if self.doors.contains_key(&door) {
            Ok(())
        } else {
            Err(GuardRefused::DoorUnknown(door))
        }
    }
}

struct LetIn {
    access_point: AccessPointId,
    scan: Option<ScanId>,
    reason: String,
    name: Option<String>,
}

impl LetIn {
    fn check_texts(&self) -> Result<(), GuardRefused> {
        if self.reason.trim().is_empty() {
            return Err(GuardRefused::ReasonMissing);
        }
        let too_long = |limit_bytes| Err(GuardRefused::TooLong { limit_bytes });
        if self.reason.len() > REASON_LIMIT {
            return too_long(REASON_LIMIT);
        }
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.len() > NAME_LIMIT)
        {
            return too_long(NAME_LIMIT);
        }
        Ok(())
    }
}

fn guard_event(staff: StaffNumber, action: GuardAction) -> Event {
    Event::Guard { staff, action }
}

fn role_of(configuration: &Configuration, staff: StaffNumber) -> Result<StaffRole, GuardRefused> {
    let at = configuration
        .staff
        .binary_search_by_key(&staff, |member| member.number)
        .map_err(|_| GuardRefused::StaffUnknown(staff))?;
    Ok(configuration.staff[at].role)
}

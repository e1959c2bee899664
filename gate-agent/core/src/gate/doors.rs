//! Doors: inputs, settlement of grants, and what the doors want done.

use alloc::vec::Vec;

use shared::{
    configuration::{HoursBegin, PassageSensing, UnlockedHours},
    ids::{AreaId, DoorId, ScanId},
    journal::{ClockTrust, DoorEvent, Event, PassageOutcome},
    panel_api::PanelMessage,
    roster::DoorNeed,
    time::{Now, Uptime},
};

use super::{Gate, deciding::access_point_of};
use crate::{
    action::Action,
    commits::{Committed, Consequence, Draft},
    door::{Door, DoorAdmits, DoorOutput, Hours, RELEASE_GRACE_MS, Sensed},
    input::DoorInput,
    memory::MemoryChange,
    passage::OpenPassage,
};

impl Gate {
    /// A door's sensor says something.
    pub fn handle_door_input(&mut self, now: Now, door: DoorId, input: DoorInput) {
        self.observe(now);
        let Some(machine) = self.doors.get_mut(&door) else {
            return;
        };
        let sensing = machine.configuration().passage;
        let sensed = machine.handle_input(now, input);
        self.flush_doors(now);
        if sensed == Sensed::Passage {
            for scan in self.passages.taken(door, sensing) {
                self.settle(now, scan, PassageOutcome::Taken);
            }
        }
        let is_over = match input {
            DoorInput::Closed => true,
            DoorInput::Rotated => sensing == PassageSensing::Rotation,
            DoorInput::Opened
            | DoorInput::RequestToExit
            | DoorInput::TamperRaised
            | DoorInput::TamperEnded
            | DoorInput::FireRaised
            | DoorInput::FireEnded
            | DoorInput::FaultRaised
            | DoorInput::FaultEnded => false,
        };
        if is_over
            && !self.passages.is_any_at(door)
            && let Some(machine) = self.doors.get_mut(&door)
        {
            machine.passage_over(now);
        }
        self.finish(now);
    }

    /// Releases a door for a granted scan and waits for the passage.
    pub(super) fn release_for_scan(
        &mut self,
        now: Now,
        scan: ScanId,
        door: DoorId,
        need: Option<DoorNeed>,
        proof: &Committed,
    ) {
        // Its partner in an interlock may have been opened between decision and commit.
        if !self.is_interlocked(door)
            && let Some(machine) = self.doors.get_mut(&door)
        {
            machine.release_for_pass(now, need, proof);
        }
        self.expect_passage(now, scan, door, need);
    }

    /// The order or the guard's request stands on record; that the door was released follows, as
    /// something may have come in between, the other door of an interlock too.
    pub(super) fn release_for_staff(&mut self, now: Now, door: DoorId, proof: &Committed) {
        if self.is_interlocked(door) {
            return;
        }
        let Some(machine) = self.doors.get_mut(&door) else {
            return;
        };
        machine.release_for_staff(now, proof);
        self.flush_doors(now);
        let event = DoorEvent::Released;
        self.tell(now, [Event::Door { door, event }].to_vec());
    }

    /// May a pass release the door?
    pub(super) fn door_admits(&self, door: DoorId) -> DoorAdmits {
        let admits = self.doors.get(&door);
        match admits.map_or(DoorAdmits::Faulty, Door::admits) {
            DoorAdmits::Passes if self.is_interlocked(door) => DoorAdmits::Interlocked,
            admits => admits,
        }
    }

    /// Is the door's partner in an interlock open or released?
    pub(super) fn is_interlocked(&self, door: DoorId) -> bool {
        let partner = self
            .doors
            .get(&door)
            .and_then(|it| it.configuration().interlock);
        let partner = partner.and_then(|partner| self.doors.get(&partner));
        partner.is_some_and(|partner| !partner.is_secured())
    }

    /// Begins and ends the unlocked hours of doors. A clock that is not believed begins none.
    pub(super) fn look_at_hours(&mut self, now: Now) {
        let is_believed = self.clock.trust() == ClockTrust::Trusted;
        let Some(configuration) = self.documents.configuration() else {
            return;
        };
        let local = configuration.offsets.local(now.utc).filter(|_| is_believed);
        let mut wanted = Vec::new();
        for door in &configuration.doors {
            let Some(UnlockedHours { schedule, begin }) = door.hours else {
                wanted.push((door.id, Hours::Over));
                continue;
            };
            let schedules = &configuration.schedules;
            let at = schedules.binary_search_by_key(&schedule, |it| it.id);
            let is_time = at.is_ok_and(|at| local.is_some_and(|it| schedules[at].admits(it)));
            let hours = match (is_time, begin) {
                (false, _) => Hours::Over,
                (true, HoursBegin::WithSchedule) => Hours::Open,
                // Begun by whoever goes in; then kept until the schedule ends them.
                (true, HoursBegin::WithFirstPerson) => {
                    self.doors.get(&door.id).map_or(Hours::Over, Door::hours)
                }
            };
            wanted.push((door.id, hours));
        }
        for (door, hours) in wanted {
            if let Some(machine) = self.doors.get_mut(&door) {
                machine.set_hours(now, hours);
            }
        }
        self.hours_at = self.next_look_at_hours(now);
    }

    /// The next full minute, while some door has hours.
    fn next_look_at_hours(&self, now: Now) -> Option<Uptime> {
        let mut doors = self.doors.values();
        let has_hours = doors.any(|door| door.configuration().hours.is_some());
        has_hours.then(|| now.uptime.plus_ms((60 - now.utc.0 % 60) * 1000))
    }

    /// Somebody went in: where the first person begins the hours, they begin.
    fn first_person_is_in(&mut self, now: Now, door: DoorId, to: AreaId) {
        let Some(machine) = self.doors.get_mut(&door) else {
            return;
        };
        let hours = machine.configuration().hours;
        let begins = hours.is_some_and(|hours| hours.begin == HoursBegin::WithFirstPerson);
        if begins && to != AreaId::OUTSIDE && machine.hours() == Hours::Over {
            machine.set_hours(now, Hours::Open);
            // Outside the schedule they are over again at once.
            self.look_at_hours(now);
        }
    }

    /// Waits for somebody to go through a door that was released.
    pub(super) fn expect_passage(
        &mut self,
        now: Now,
        scan: ScanId,
        door: DoorId,
        need: Option<DoorNeed>,
    ) {
        let Some(machine) = self.doors.get(&door) else {
            // A configuration without the door came in between.
            self.settle(now, scan, PassageOutcome::NotTaken);
            return;
        };
        let configuration = machine.configuration();
        let is_open = machine.is_open();
        // As long as the lock is released, though it be for somebody before.
        let own_end = now
            .uptime
            .plus_ms(u64::from(configuration.release_ms(need)));
        let end = machine
            .released_until()
            .map_or(own_end, |until| until.max(own_end));
        let due = end.plus_ms(RELEASE_GRACE_MS);
        match configuration.passage {
            PassageSensing::None => {
                let point = self.memory.reservation(scan).map(|it| it.access_point);
                let to = point.and_then(|at| access_point_of(self.configuration()?, at));
                if let Some(to) = to.map(|point| point.to) {
                    self.first_person_is_in(now, door, to);
                }
            }
            // The leaf stands open already: it will not open once more for this holder.
            PassageSensing::DoorContact if is_open => {
                self.flush_doors(now);
                self.settle(now, scan, PassageOutcome::Taken);
            }
            PassageSensing::DoorContact | PassageSensing::Rotation => {
                self.passages.open(OpenPassage { scan, door, due });
            }
        }
    }

    /// A grant was taken or not: its reservation ends.
    pub(super) fn settle(&mut self, now: Now, scan: ScanId, outcome: PassageOutcome) {
        let Some(reservation) = self.memory.reservation(scan).copied() else {
            return;
        };
        if self.commits.touch(reservation.subject, reservation.pass) {
            self.settlements.push((scan, outcome));
            return;
        }
        let point = self
            .configuration()
            .and_then(|it| access_point_of(it, reservation.access_point));
        let (to, door) = (point.map(|it| it.to), point.map(|it| it.door));
        if let (PassageOutcome::Taken, Some(door), Some(to)) = (outcome, door, to) {
            self.first_person_is_in(now, door, to);
        }
        let mut changes = match outcome {
            PassageOutcome::Taken | PassageOutcome::UnknownCountedTaken => Vec::new(),
            PassageOutcome::NotTaken | PassageOutcome::UnknownCountedNotTaken => {
                if let Some(reader) = self.readers.get_mut(&reservation.access_point) {
                    reader.repeat.forget_scan(scan);
                }
                self.memory.changes_when_not_taken(&reservation, to)
            }
        };
        changes.push(MemoryChange::CloseReservation(scan));
        let records = [self.record(now, Event::Passage { scan, outcome })].to_vec();
        let draft = Draft {
            records,
            changes,
            ..Draft::default()
        };
        self.commit(draft, Consequence::Nothing);
        self.actions
            .push_back(Action::Show(PanelMessage::Passage { scan, outcome }));
    }

    /// Settlements whose holder is no longer part of another commit.
    pub(super) fn resume_settlements(&mut self, now: Now) {
        for (scan, outcome) in core::mem::take(&mut self.settlements) {
            self.settle(now, scan, outcome);
        }
    }

    /// Hands out what the doors want, commands first: egress does not wait for its record.
    pub(super) fn flush_doors(&mut self, now: Now) {
        let mut events = Vec::new();
        for (door, machine) in &mut self.doors {
            for output in machine.take_outputs() {
                match output {
                    DoorOutput::Command(command) => self.actions.push_back(Action::Door {
                        door: *door,
                        command,
                    }),
                    DoorOutput::Event(event) => events.push(Event::Door { door: *door, event }),
                }
            }
        }
        self.tell(now, events);
    }

    /// Makes doors and readers what the configuration in force says.
    pub(super) fn install_doors(&mut self, now: Now) {
        let Some(configuration) = self.documents.configuration() else {
            return;
        };
        let doors = configuration.doors.clone();
        let points: Vec<_> = configuration.access_points.iter().map(|p| p.id).collect();
        for machine in self.doors.values_mut() {
            if !doors.iter().any(|door| door.id == machine.id()) {
                machine.stop();
            }
        }
        self.flush_doors(now);
        self.doors
            .retain(|id, _| doors.iter().any(|door| door.id == *id));
        for door in doors {
            let mode = self.memory.door_mode(door.id);
            let lockdown = self.lockdown;
            self.doors
                .entry(door.id)
                .and_modify(|machine| machine.configure(door.clone()))
                .or_insert_with(|| Door::start(door, mode, lockdown));
        }
        self.readers.retain(|id, _| points.contains(id));
        for point in points {
            self.readers.entry(point).or_default();
        }
        self.look_at_hours(now);
        self.flush_doors(now);
    }

    /// Something changed that decides anew: a pass in front of a reader is a new scan.
    pub(super) fn forget_repeats(&mut self) {
        for reader in self.readers.values_mut() {
            reader.repeat.forget();
        }
    }
}

//! Why doors are faulty, each cause apart: a door is well again when the last one has ended.

use std::collections::{BTreeMap, BTreeSet};

use gate_core::input::DoorInput;
use shared::{configuration::LockType, ids::DoorId, time::Now};

use super::EventLoop;
use crate::door_io::WiredLock;

/// Why a door is faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DoorFault {
    /// Its lines, or the process that holds them.
    Lines,
    /// Nobody takes its commands.
    Commands,
    /// `gate.toml` and the signed configuration say different things of its lock.
    Lock,
}

/// What is wrong with which doors.
pub(super) type DoorFaults = BTreeMap<DoorId, BTreeSet<DoorFault>>;

impl EventLoop {
    /// A fault of a door begins or is over.
    pub(super) fn door_fault(
        &mut self,
        now: Now,
        door: DoorId,
        fault: DoorFault,
        problem: Option<String>,
    ) {
        let part = match fault {
            DoorFault::Lines => format!("lines of door {door}"),
            DoorFault::Commands => format!("door {door}"),
            DoorFault::Lock => format!("lock of door {door}"),
        };
        let begins = problem.is_some();
        self.gate.handle_fault(now, &part, problem);
        let faults = self.door_faults.entry(door).or_default();
        if begins {
            faults.insert(fault);
            self.gate
                .handle_door_input(now, door, DoorInput::FaultRaised);
            return;
        }
        faults.remove(&fault);
        let left = faults.clone();
        // Nobody takes what the end of a fault has the door told.
        if left.contains(&DoorFault::Commands) || left.contains(&DoorFault::Lines) {
            return;
        }
        // Whoever drives it again is told what shall hold, and it stays faulty for what is left.
        self.gate
            .handle_door_input(now, door, DoorInput::FaultEnded);
        if !left.is_empty() {
            self.gate
                .handle_door_input(now, door, DoorInput::FaultRaised);
        }
    }

    /// Compares what `gate.toml` and the signed configuration say of each lock: whichever is wrong,
    /// the door would be left open, or shut, at the wrong time.
    pub(super) fn compare_locks(&mut self, now: Now) {
        let Some(configuration) = self.gate.configuration() else {
            return;
        };
        let signed = configuration.doors.iter();
        let signed: Vec<_> = signed.map(|door| (door.id, door.lock)).collect();
        for (door, lock) in signed {
            let Some(wired) = self.outputs.locks.get(&door).copied() else {
                continue;
            };
            let problem = contradiction(wired, lock);
            let is_known = self
                .door_faults
                .get(&door)
                .is_some_and(|faults| faults.contains(&DoorFault::Lock));
            if problem.is_some() != is_known {
                if let Some(problem) = &problem {
                    tracing::error!(door.id = door.0, "door {door}: {problem}");
                }
                self.door_fault(now, door, DoorFault::Lock, problem);
            }
        }
    }
}

fn contradiction(wired: WiredLock, signed: LockType) -> Option<String> {
    let (here, there) = match (wired, signed) {
        (WiredLock::FailSecure, LockType::FailSecure)
        | (WiredLock::FailSafe, LockType::FailSafe) => {
            return None;
        }
        (WiredLock::FailSecure, LockType::FailSafe) => ("fail_secure", "fail-safe"),
        (WiredLock::FailSafe, LockType::FailSecure) => ("fail_safe", "fail-secure"),
    };
    Some(format!(
        "gate.toml says lock = \"{here}\", and central says that it is {there}: take its power away, \
         look what it does, and correct the one that is wrong"
    ))
}

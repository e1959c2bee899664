//! Does what the core wants done, in order, and remembers who waits for a commit.

use std::collections::BTreeSet;

use gate_core::action::{Action, Commit, CommitToken, DoorCommand, StoredKind};
use shared::{
    gate_api::DocumentName,
    heads::Newest,
    ids::DoorId,
    keys::sha256,
    panel_api::{PanelAnswer, PanelMessage},
    time::{Now, Uptime},
};
use tokio::sync::{mpsc::error::TrySendError, oneshot};

use super::{DoorFault, EventLoop};
use crate::{
    door_io::{COMMANDS_WAITING_MAX, TimedCommand},
    panel::PanelId,
    store::{Stamp, thread::StoreRequest},
    sync::NotTaken,
};

/// Somebody who is answered once commits are durable.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) commits: BTreeSet<CommitToken>,
    pub(super) who: Whom,
}

/// How long until a door that took no commands is looked at again, in ms.
const SILENT_DOOR_LOOK_MS: u64 = 500;

/// Why a door gets no commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DoorTrouble {
    /// The agent's configuration does not name it.
    NotWired,
    /// Its driver does not take them, and it is to be seen then whether it does again.
    Busy { look_at: Uptime },
    /// Its driver has ended.
    Gone,
}

/// Who waits.
#[derive(Debug)]
pub(super) enum Whom {
    /// Sync, for signed bytes that it handed over.
    Sync(oneshot::Sender<Result<(), NotTaken>>),
    /// A panel, for what a guard asked.
    Panel(PanelId, u32),
    /// The same, for what is done even when it cannot be recorded.
    PanelInAnyCase(PanelId, u32),
}

impl EventLoop {
    /// Does everything that the core wants done now.
    pub(super) fn act(&mut self, now: Now) {
        self.apply_configuration(now);
        while let Some(action) = self.gate.poll_action() {
            match action {
                Action::LookUp { scan, pass, digest } => {
                    let request = StoreRequest::LookUp { scan, pass, digest };
                    if let Err(problem) = self.outputs.store.request(request) {
                        self.gate
                            .handle_lookup_failed(now, scan, problem.to_string());
                    }
                }
                Action::Commit(commit) => self.commit(now, commit),
                Action::Door { door, command } => self.command(now, door, command),
                Action::Show(message) => self.show(message),
                Action::Acknowledged(acknowledgement) => {
                    let clock = self.gate.state(now).clock;
                    let stamp = Stamp {
                        utc: now.utc,
                        uptime: now.uptime,
                        clock,
                    };
                    let request = StoreRequest::Acknowledge {
                        acknowledgement,
                        stamp,
                    };
                    // Central says the same again with the next batch.
                    if let Err(problem) = self.outputs.store.request(request) {
                        tracing::warn!("an acknowledgement is not remembered: {problem}");
                    }
                }
                Action::Pull => self.outputs.sync.pull.notify_one(),
            }
        }
        let believed = self.gate.trusted_utc(now);
        let mark = self.gate.mark();
        self.outputs.sync.time.set(now, believed, mark);
    }

    fn commit(&mut self, now: Now, commit: Commit) {
        let token = commit.token;
        let configuration = commit.documents.iter().find_map(|document| {
            let is_configuration = document.kind == StoredKind::Named(DocumentName::Configuration);
            is_configuration.then(|| Newest {
                number: document.number,
                digest: sha256(&document.bytes),
            })
        });
        match self.outputs.store.request(StoreRequest::Commit(commit)) {
            Ok(()) => {
                self.outstanding.insert(token);
                if let Some(newest) = configuration {
                    self.arriving_configurations.insert(token, newest);
                }
            }
            Err(problem) => {
                tracing::error!("a commit was not taken by the store: {problem}");
                self.refused_at_once.insert(token);
                self.gate
                    .handle_commit_failed(now, token, problem.to_string());
            }
        }
    }

    /// A commit is durable, or failed: whoever waited for it alone is answered.
    pub(super) fn commit_answered(&mut self, token: CommitToken, outcome: &Result<(), String>) {
        self.outstanding.remove(&token);
        let arrived = self.arriving_configurations.remove(&token);
        if outcome.is_ok() && arrived.is_some() {
            self.configuration = arrived;
        }
        let mut still = Vec::new();
        for mut waiting in std::mem::take(&mut self.waiting) {
            let waited = waiting.commits.remove(&token);
            match outcome {
                Err(problem) if waited => self.answer(waiting.who, Err(problem.clone())),
                Ok(()) if waiting.commits.is_empty() => self.answer(waiting.who, Ok(())),
                Ok(()) | Err(_) => still.push(waiting),
            }
        }
        self.waiting = still;
    }

    /// Answers once everything that the last input wanted to be durable is.
    pub(super) fn answer_when_durable(&mut self, now: Now, who: Whom) {
        let before = self.outstanding.clone();
        self.refused_at_once.clear();
        self.act(now);
        if !self.refused_at_once.is_empty() {
            self.answer(who, Err("storage is overloaded".into()));
            return;
        }
        let commits: BTreeSet<CommitToken> =
            self.outstanding.difference(&before).copied().collect();
        if commits.is_empty() {
            self.answer(who, Ok(()));
        } else {
            self.waiting.push(Waiting { commits, who });
        }
    }

    fn answer(&mut self, who: Whom, outcome: Result<(), String>) {
        match who {
            Whom::Sync(taken) => {
                // Sync's task may have been cut off.
                let _ = taken.send(outcome.map_err(NotTaken::NotStored));
            }
            Whom::Panel(panel, request) => {
                let answer = match outcome {
                    Ok(()) => PanelAnswer::Done,
                    Err(problem) => PanelAnswer::Refused {
                        why: format!("not done, because it could not be recorded: {problem}"),
                    },
                };
                self.panels.answer(panel, request, answer);
            }
            Whom::PanelInAnyCase(panel, request) => {
                self.panels.answer(panel, request, PanelAnswer::Done);
            }
        }
    }

    /// Hands a command to a door's driver. Lamps give way to the lock: half of the places are for
    /// commands that move it, however many people are refused at a time.
    fn command(&mut self, now: Now, door: DoorId, command: DoorCommand) {
        let trouble = match self.outputs.doors.get(&door) {
            None => DoorTrouble::NotWired,
            Some(commands) => {
                let is_signal = matches!(command, DoorCommand::Signal(_));
                if is_signal && commands.capacity() <= COMMANDS_WAITING_MAX / 2 {
                    return;
                }
                let at = now.uptime;
                match commands.try_send(TimedCommand { at, command }) {
                    Ok(()) => return,
                    Err(TrySendError::Full(_)) => DoorTrouble::Busy {
                        look_at: now.uptime.plus_ms(SILENT_DOOR_LOOK_MS),
                    },
                    Err(TrySendError::Closed(_)) => DoorTrouble::Gone,
                }
            }
        };
        let problem = match trouble {
            DoorTrouble::NotWired => {
                "is not wired: add it to [[doors]] of gate.toml and restart the agent"
            }
            DoorTrouble::Busy { .. } => "takes no commands",
            DoorTrouble::Gone => "has no driver any more",
        };
        if self.silent_doors.insert(door, trouble).is_none() {
            tracing::error!(door.id = door.0, "door {door} {problem}");
            let problem = Some(problem.into());
            self.door_fault(now, door, DoorFault::Commands, problem);
        }
    }

    /// A driver that has taken all its commands drives again; the core tells it anew what shall
    /// hold, since a command was lost.
    pub(super) fn look_at_silent_doors(&mut self, now: Now) {
        let mut heard = Vec::new();
        for (door, trouble) in &mut self.silent_doors {
            let DoorTrouble::Busy { look_at } = trouble else {
                continue;
            };
            if *look_at > now.uptime {
                continue;
            }
            let commands = self.outputs.doors.get(door);
            if commands.is_some_and(|commands| commands.capacity() == COMMANDS_WAITING_MAX) {
                heard.push(*door);
            } else {
                *look_at = now.uptime.plus_ms(SILENT_DOOR_LOOK_MS);
            }
        }
        for door in heard {
            self.silent_doors.remove(&door);
            tracing::info!(door.id = door.0, "door {door} takes commands again");
            self.door_fault(now, door, DoorFault::Commands, None);
        }
    }

    fn show(&mut self, message: PanelMessage) {
        let message = match message {
            PanelMessage::State(state) => PanelMessage::State(self.with_records(state)),
            PanelMessage::Decided(_)
            | PanelMessage::Passage { .. }
            | PanelMessage::Refused { .. }
            | PanelMessage::Unreadable { .. }
            | PanelMessage::Answer { .. } => message,
        };
        report(&message);
        self.panels.broadcast(&message);
    }
}

/// What belongs in a shift report. Names and passes do not.
fn report(message: &PanelMessage) {
    match message {
        PanelMessage::Decided(decided) => {
            let decision = match decided.decision {
                shared::decision::Decision::Grant => "granted",
                shared::decision::Decision::Deny(reason) => reason.code(),
            };
            tracing::info!(
                scan.id = decided.scan.0,
                access_point.id = decided.access_point.0,
                elapsed_ms = decided.elapsed_ms,
                "scan {} at access point {}: {decision} after {} ms",
                decided.scan,
                decided.access_point,
                decided.elapsed_ms
            );
        }
        PanelMessage::Passage { scan, outcome } => {
            tracing::info!(scan.id = scan.0, "scan {scan}: {outcome:?}");
        }
        PanelMessage::Refused {
            access_point,
            reason,
            elapsed_ms,
            source: _,
        } => tracing::info!(
            access_point.id = access_point.0,
            elapsed_ms,
            "a text at access point {access_point}: {}",
            reason.code()
        ),
        PanelMessage::Unreadable {
            access_point,
            problem,
            source: _,
        } => tracing::info!(
            access_point.id = access_point.0,
            "a picture at access point {access_point}: {problem}"
        ),
        PanelMessage::State(_) | PanelMessage::Answer { .. } => {}
    }
}

//! Who is connected, who listens, who is signed in.

use std::collections::BTreeMap;

use shared::{
    ids::StaffNumber,
    panel_api::{PanelAnswer, PanelMessage, PanelState, to_frame},
    time::Uptime,
};
use tokio::sync::mpsc;

use super::PanelId;

/// A session ends when nothing was asked in it for so long, in ms: a guard who walked away.
const SESSION_IDLE_MS: u64 = 15 * 60_000;

/// Who is signed in at a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelSession {
    /// The member of staff.
    pub staff: StaffNumber,
    /// When something was asked last.
    pub last_used: Uptime,
}

#[derive(Debug)]
struct Panel {
    frames: mpsc::Sender<Vec<u8>>,
    listens: Listens,
    session: Option<PanelSession>,
}

/// Does a panel hear what happens?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listens {
    Yes,
    No,
}

/// All panels.
#[derive(Debug, Default)]
pub struct Panels(BTreeMap<PanelId, Panel>);

impl Panels {
    /// One connected.
    pub fn add(&mut self, panel: PanelId, frames: mpsc::Sender<Vec<u8>>) {
        let panel_of = Panel {
            frames,
            listens: Listens::No,
            session: None,
        };
        self.0.insert(panel, panel_of);
    }

    /// One is gone; gives who was signed in there.
    pub fn remove(&mut self, panel: PanelId) -> Option<StaffNumber> {
        let removed = self.0.remove(&panel)?;
        removed.session.map(|session| session.staff)
    }

    /// One wants to hear what happens.
    pub fn subscribe(&mut self, panel: PanelId) {
        if let Some(panel) = self.0.get_mut(&panel) {
            panel.listens = Listens::Yes;
        }
    }

    /// Signs somebody in; whoever was signed in there before is signed out.
    pub fn sign_in(&mut self, panel: PanelId, session: PanelSession) -> Option<StaffNumber> {
        let panel = self.0.get_mut(&panel)?;
        panel
            .session
            .replace(session)
            .map(|before| before.staff)
            .filter(|before| *before != session.staff)
    }

    /// Signs out whoever is signed in there.
    pub fn sign_out(&mut self, panel: PanelId) -> Option<StaffNumber> {
        let panel = self.0.get_mut(&panel)?;
        panel.session.take().map(|session| session.staff)
    }

    /// Who asks, when somebody is signed in; the session goes on from now.
    pub fn use_session(&mut self, panel: PanelId, now: Uptime) -> Option<StaffNumber> {
        let session = self.0.get_mut(&panel)?.session.as_mut()?;
        session.last_used = now;
        Some(session.staff)
    }

    /// Ends sessions that nobody used, and gives who was signed in.
    pub fn end_idle_sessions(&mut self, now: Uptime) -> Vec<(PanelId, StaffNumber)> {
        let mut ended = Vec::new();
        for (id, panel) in &mut self.0 {
            if let Some(session) = panel.session
                && now.since_ms(session.last_used) >= SESSION_IDLE_MS
            {
                panel.session = None;
                ended.push((*id, session.staff));
            }
        }
        ended
    }

    /// When the next session ends unless it is used.
    #[must_use]
    pub fn next_idle(&self) -> Option<Uptime> {
        self.0
            .values()
            .filter_map(|panel| panel.session)
            .map(|session| session.last_used.plus_ms(SESSION_IDLE_MS))
            .min()
    }

    /// Answers one; the state in the answer gets who is signed in there.
    pub fn answer(&mut self, panel: PanelId, request: u32, answer: PanelAnswer) {
        self.send(panel, &PanelMessage::Answer { request, answer });
    }

    /// Sends one what it alone hears.
    pub fn send(&mut self, panel: PanelId, message: &PanelMessage) {
        let Some(receiver) = self.0.get(&panel) else {
            return;
        };
        let message = receiver.fill(message);
        let Some(frame) = frame_of(&message) else {
            return;
        };
        if receiver.frames.try_send(frame).is_err() {
            self.drop_slow(panel);
        }
    }

    /// Tells all that listen.
    pub fn broadcast(&mut self, message: &PanelMessage) {
        let listeners: Vec<PanelId> = self
            .0
            .iter()
            .filter(|(_, panel)| panel.listens == Listens::Yes)
            .map(|(id, _)| *id)
            .collect();
        for panel in listeners {
            self.send(panel, message);
        }
    }

    /// The connection's task sees that its sender is gone, ends, and says so.
    fn drop_slow(&mut self, panel: PanelId) {
        tracing::warn!(
            panel.id = panel.0,
            "panel {} takes no messages and is dropped",
            panel.0
        );
        if let Some(panel) = self.0.get_mut(&panel) {
            let (closed, _) = mpsc::channel(1);
            panel.frames = closed;
            panel.listens = Listens::No;
        }
    }
}

impl Panel {
    fn fill(&self, message: &PanelMessage) -> PanelMessage {
        let staff = self.session.map(|session| session.staff);
        let state_of = |state: &PanelState| PanelState {
            staff,
            ..state.clone()
        };
        match message {
            PanelMessage::State(state) => PanelMessage::State(state_of(state)),
            PanelMessage::Answer {
                request,
                answer: PanelAnswer::State(state),
            } => PanelMessage::Answer {
                request: *request,
                answer: PanelAnswer::State(state_of(state)),
            },
            PanelMessage::Answer {
                answer: PanelAnswer::Done | PanelAnswer::Refused { .. },
                ..
            }
            | PanelMessage::Decided(_)
            | PanelMessage::Passage { .. }
            | PanelMessage::Refused { .. }
            | PanelMessage::Unreadable { .. } => message.clone(),
        }
    }
}

fn frame_of(message: &PanelMessage) -> Option<Vec<u8>> {
    to_frame(message)
        .inspect_err(|error| tracing::error!("a message for panels is too large: {error}"))
        .ok()
}

//! What panels ask: the shell's own (state, events, signing in) is answered here, the rest goes to
//! the core with who asks.

use gate_core::input::GuardRequest;
use shared::{
    ids::StaffNumber,
    panel_api::{PANEL_API_VERSION, PanelAnswer, PanelAsk, PanelMessage, PanelRequest, PanelState},
    time::Now,
};

use super::{EventLoop, actions::Whom};
use crate::{
    panel::{PanelEvent, PanelId, PanelSession, PinAnswer, PinChecked, Verdict},
    store::thread::StoreRequest,
};

impl EventLoop {
    pub(super) fn handle_panel(&mut self, now: Now, event: PanelEvent) {
        match event {
            PanelEvent::Connected(panel, frames) => self.panels.add(panel, frames),
            PanelEvent::Gone(panel) => {
                if let Some(staff) = self.panels.remove(panel) {
                    self.note_sign_out(now, staff);
                }
            }
            PanelEvent::Asked(panel, request) => self.handle_ask(now, panel, request),
        }
    }

    fn handle_ask(&mut self, now: Now, panel: PanelId, request: PanelRequest) {
        let PanelRequest {
            version,
            request,
            ask,
        } = request;
        if version != PANEL_API_VERSION {
            let why = format!(
                "this gate speaks version {PANEL_API_VERSION} of the panel's language, the panel {version}: install the same release on both"
            );
            return self.refuse(panel, request, why);
        }
        match ask {
            PanelAsk::State => {
                let state = self.state(now);
                self.panels
                    .answer(panel, request, PanelAnswer::State(state));
            }
            PanelAsk::Subscribe => {
                self.panels.subscribe(panel);
                let state = self.state(now);
                self.panels
                    .answer(panel, request, PanelAnswer::State(state));
            }
            PanelAsk::SignIn { staff, pin } => self.sign_in(now, (panel, request), staff, pin),
            PanelAsk::SignOut => {
                if let Some(staff) = self.panels.sign_out(panel) {
                    self.note_sign_out(now, staff);
                }
                self.panels.answer(panel, request, PanelAnswer::Done);
            }
            ask @ (PanelAsk::LetIn { .. }
            | PanelAsk::Forgive { .. }
            | PanelAsk::SetDoorMode { .. }
            | PanelAsk::LockDown
            | PanelAsk::EndLockdown
            | PanelAsk::SilenceAlarm { .. }) => self.ask_core(now, (panel, request), ask),
        }
    }

    fn ask_core(&mut self, now: Now, (panel, request): (PanelId, u32), ask: PanelAsk) {
        let Some(staff) = self.panels.use_session(panel, now.uptime) else {
            return self.refuse(panel, request, "sign in with your PIN first".into());
        };
        // A lockdown locks at once; its record is offered again until it is written.
        let who = if ask == PanelAsk::LockDown {
            Whom::PanelInAnyCase(panel, request)
        } else {
            Whom::Panel(panel, request)
        };
        self.act(now);
        match self.gate.handle_guard(now, GuardRequest { staff, ask }) {
            Ok(()) => self.answer_when_durable(now, who),
            Err(refused) => self.refuse(panel, request, refused.to_string()),
        }
    }

    fn sign_in(
        &mut self,
        now: Now,
        (panel, request): (PanelId, u32),
        staff: StaffNumber,
        pin: String,
    ) {
        let verifier = self.gate.configuration().and_then(|configuration| {
            let at = configuration
                .staff
                .binary_search_by_key(&staff, |member| member.number);
            at.ok()
                .map(|at| configuration.staff[at].pin_verifier.as_str())
        });
        let attempt = self
            .sign_ins
            .begin(now.uptime, (panel, request), (staff, pin), verifier);
        match attempt {
            PinAnswer::Refused(why) => self.refuse(panel, request, why),
            PinAnswer::Check(check) => {
                let checked = self.pins.0.clone();
                tokio::task::spawn_blocking(move || {
                    // When the loop has ended, nobody waits.
                    let _ = checked.blocking_send(check.run());
                });
            }
        }
    }

    pub(super) fn handle_pin(&mut self, now: Now, checked: PinChecked) {
        let PinChecked {
            panel,
            request,
            staff,
            verdict,
        } = checked;
        let failures = self.sign_ins.finish(now.uptime, &checked);
        let remember = StoreRequest::SetPinFailures { staff, failures };
        if let Err(problem) = self.outputs.store.request(remember) {
            tracing::error!("a wrong PIN is not remembered: {problem}");
        }
        match verdict {
            Verdict::Wrong => {
                self.gate.handle_pin_refused(now, staff);
                self.refuse(
                    panel,
                    request,
                    "number or PIN is wrong: try again, or ask a supervisor".into(),
                );
            }
            Verdict::Right => {
                let pin = String::new();
                let ask = PanelAsk::SignIn { staff, pin };
                // The configuration may have changed while the PIN was checked.
                if let Err(refused) = self.gate.handle_guard(now, GuardRequest { staff, ask }) {
                    return self.refuse(panel, request, refused.to_string());
                }
                let session = PanelSession {
                    staff,
                    last_used: now.uptime,
                };
                if let Some(before) = self.panels.sign_in(panel, session) {
                    self.note_sign_out(now, before);
                }
                self.panels.answer(panel, request, PanelAnswer::Done);
            }
        }
    }

    pub(super) fn end_idle_sessions(&mut self, now: Now) {
        for (panel, staff) in self.panels.end_idle_sessions(now.uptime) {
            self.note_sign_out(now, staff);
            let state = self.state(now);
            self.panels.send(panel, &PanelMessage::State(state));
        }
    }

    /// The state now, with what the shell knows.
    pub(super) fn state(&self, now: Now) -> PanelState {
        self.with_records(self.gate.state(now))
    }

    pub(super) fn with_records(&self, mut state: PanelState) -> PanelState {
        for point in &mut state.access_points {
            point.hint = self.hints.get(&point.access_point).copied();
        }
        PanelState {
            unacknowledged_records: self.outputs.store.tail().borrow().unacknowledged(),
            ..state
        }
    }

    /// Tells listening panels the state, when the shell's part of it changed.
    pub(super) fn show_state(&mut self, now: Now) {
        let state = self.state(now);
        self.panels.broadcast(&PanelMessage::State(state));
    }

    fn note_sign_out(&mut self, now: Now, staff: StaffNumber) {
        let ask = PanelAsk::SignOut;
        if let Err(refused) = self.gate.handle_guard(now, GuardRequest { staff, ask }) {
            tracing::warn!(
                staff.number = staff.0,
                "staff number {staff} is signed out without a record: {refused}"
            );
        }
    }

    fn refuse(&mut self, panel: PanelId, request: u32, why: String) {
        self.panels
            .answer(panel, request, PanelAnswer::Refused { why });
    }
}

//! What this gate would say to a text, without saying it: the real core on a copy of what the gate
//! remembers. Commits are answered and written nowhere; no door moves.

use anyhow::{Context as _, bail};
use gate_core::{
    action::Action,
    gate::{Gate, Loaded},
    input::{PresentationEnd, TextsRead},
};
use serde_json::{Value, json};
use shared::{
    decision::{Decision, DenyReason, GuardOffer},
    ids::AccessPointId,
    panel_api::PanelMessage,
    time::Now,
};

use crate::{agent::core_input, clock::GateClock, store::StoreReader};

/// Actions that one picture may lead to; a core that goes on for ever is a bug, not an answer.
const ACTIONS_MAX: usize = 10_000;

/// A gate that only thinks.
#[derive(Debug)]
pub struct DryRun {
    store: StoreReader,
    loaded: Loaded,
    clock: GateClock,
    access_point: AccessPointId,
}

impl DryRun {
    /// Loads what the gate knows. Without a choice, the gate's first access point is asked.
    ///
    /// # Errors
    /// When the gate has no configuration, or no such access point.
    pub fn new(
        store: StoreReader,
        clock: GateClock,
        access_point: Option<AccessPointId>,
    ) -> anyhow::Result<Self> {
        let loaded = core_input(&store.load()?);
        let gate = Gate::start(clock.now(), loaded.clone())?;
        let configuration = gate
            .configuration()
            .context("this gate has no configuration yet: connect it to central")?;
        let mut known = configuration.access_points.iter().map(|point| point.id);
        let access_point = match access_point {
            None => known
                .next()
                .context("this gate's configuration has no access point")?,
            Some(chosen) => known
                .find(|id| *id == chosen)
                .with_context(|| format!("this gate has no access point {chosen}"))?,
        };
        Ok(Self {
            store,
            loaded,
            clock,
            access_point,
        })
    }

    /// What the gate would say to a picture with these texts: `null` when there are none. Each
    /// picture is the first that the gate sees.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn decide(&self, texts: &[String]) -> anyhow::Result<Value> {
        if texts.is_empty() {
            return Ok(Value::Null);
        }
        let now = self.clock.now();
        let mut gate = Gate::start(now, self.loaded.clone())?;
        self.act(&mut gate, now)?;
        gate.handle_texts(
            now,
            TextsRead {
                access_point: self.access_point,
                texts: texts.to_vec(),
                taken_at: now.uptime,
                end: PresentationEnd::SourceHasNoMoreFrames,
                source: None,
            },
        );
        self.act(&mut gate, now)?
            .context("the gate says nothing to these texts")
    }

    /// Answers whatever the core asks, and gives the first decision that it shows.
    fn act(&self, gate: &mut Gate, now: Now) -> anyhow::Result<Option<Value>> {
        let mut decision = None;
        for _ in 0..ACTIONS_MAX {
            let Some(action) = gate.poll_action() else {
                return Ok(decision);
            };
            match action {
                Action::LookUp { scan, pass, digest } => {
                    let lookup = self.store.look_up(pass, digest)?;
                    gate.handle_lookup(now, scan, lookup);
                }
                Action::Commit(commit) => gate.handle_committed(now, commit.token),
                Action::Show(message) => decision = decision.or(said(&message)),
                Action::Door { .. } | Action::Acknowledged(_) | Action::Pull => {}
            }
        }
        bail!("the core does not come to an end: please report this")
    }
}

fn said(message: &PanelMessage) -> Option<Value> {
    match message {
        PanelMessage::Decided(decided) => {
            let codes = |reasons: &[DenyReason]| -> Vec<&str> {
                reasons.iter().map(|reason| reason.code()).collect()
            };
            let (answer, reason) = match decided.decision {
                Decision::Grant => ("grant", None),
                Decision::Deny(reason) => ("deny", Some(reason.code())),
            };
            Some(json!({
                "answer": answer,
                "reason": reason,
                "also": codes(&decided.also),
                "alerts": codes(&decided.alerts),
                "asks_guard": decided.offer == GuardOffer::AskGuard,
                "access_point": decided.access_point.0,
                "kid": decided.pass.kid.to_string(),
                "serial": decided.pass.serial.0,
            }))
        }
        PanelMessage::Refused {
            access_point,
            reason,
            ..
        } => Some(json!({
            "answer": "deny",
            "reason": reason.code(),
            "access_point": access_point.0,
        })),
        PanelMessage::Answer { .. }
        | PanelMessage::State(_)
        | PanelMessage::Passage { .. }
        | PanelMessage::Unreadable { .. } => None,
    }
}

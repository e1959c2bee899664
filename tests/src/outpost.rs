//! A real gate that believes a false central: the smallest place in which a gate decides. One
//! turnstile with an entry and an exit, both with readers that take texts.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use shared::{
    decision::{Decision, FreshnessStep},
    ids::DoorId,
    issued_list::Growth,
    journal::{Event, PassageOutcome, PublicPart, SyncEvent},
    panel_api::Link,
};

use crate::{
    clock::{self, PATIENCE, Stopwatch},
    false_central::{Acknowledging, ENTRY, EXIT, FalseCentral, Papers, Shelf},
    gate::{DoorWiring, Gate, ReaderWiring, Relay, Sensors, Source, Unshare, Wiring},
    panel::{Panel, Seen},
    scratch::Scratch,
};

/// The turnstile.
pub const TURNSTILE: DoorId = DoorId(1);
/// From the release of the turnstile until somebody has gone through, in ms.
const TURN_MS: u32 = 320;

/// Gate and central.
pub struct Outpost {
    /// Central.
    pub central: FalseCentral,
    /// The gate.
    pub gate: Gate,
    /// A panel of the gate.
    pub panel: Panel,
    /// Texts of passes that were issued and published before the gate started.
    pub passes: Vec<String>,
    _scratch: Scratch,
}

impl Outpost {
    /// Issues so many passes, enrols the gate, starts it, and waits until it is up to date.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn open(passes: usize) -> anyhow::Result<Self> {
        Self::open_with(passes, |_| {}).await
    }

    /// As [`Outpost::open`], with other papers from the start.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn open_with(
        passes: usize,
        prepare: impl FnOnce(&mut Papers),
    ) -> anyhow::Result<Self> {
        Self::open_wired(passes, prepare, &wiring(Source::Texts)).await
    }

    /// As [`Outpost::open`], with a camera at the entry.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn with_a_camera(passes: usize) -> anyhow::Result<Self> {
        Self::open_wired(passes, |_| {}, &wiring(Source::Frames)).await
    }

    async fn open_wired(
        passes: usize,
        prepare: impl FnOnce(&mut Papers),
        wiring: &Wiring,
    ) -> anyhow::Result<Self> {
        let (scratch, central, passes) = Self::prepared(passes, prepare).await?;
        let mut gate = Gate::set_up("gate", &scratch.directory("gate")?, wiring)?;
        gate.enrol(&central.claim()).await?;
        let panel = gate.start().await?;
        let mut outpost = Self {
            central,
            gate,
            panel,
            passes,
            _scratch: scratch,
        };
        outpost.up_to_date().await?;
        Ok(outpost)
    }

    async fn prepared(
        passes: usize,
        prepare: impl FnOnce(&mut Papers),
    ) -> anyhow::Result<(Scratch, FalseCentral, Vec<String>)> {
        let scratch = Scratch::new()?;
        let central = FalseCentral::start().await?;
        let passes = central.change(|papers| {
            let passes = (0..passes).map(|_| papers.desk.issue(None)).collect();
            papers.shelf.issued_list = papers.desk.issued_list(Growth::Open);
            prepare(papers);
            passes
        });
        Ok((scratch, central, passes))
    }

    /// As [`Outpost::open`], with the gate's state on a disk of its own that a shell script mounts
    /// at `$1`; the agent is the rest of its arguments and the claim is in `$CLAIM`. None when this
    /// machine allows no such thing.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn on_a_disk(passes: usize, script: &str) -> anyhow::Result<Option<Self>> {
        let Some(unshare) = Unshare::possible() else {
            return Ok(None);
        };
        let (scratch, central, passes) = Self::prepared(passes, |_| {}).await?;
        let mut gate = Gate::set_up("gate", &scratch.directory("gate")?, &wiring(Source::Texts))?;
        let panel = gate
            .start_on_a_disk(unshare, script, &central.claim())
            .await?;
        let mut outpost = Self {
            central,
            gate,
            panel,
            passes,
            _scratch: scratch,
        };
        outpost.up_to_date().await?;
        Ok(Some(outpost))
    }

    /// What the agent says that cannot run on a disk that a script mounts; none when this machine
    /// allows no such thing.
    ///
    /// # Errors
    /// When it runs.
    pub async fn refused_on_a_disk(script: &str) -> anyhow::Result<Option<String>> {
        let Some(unshare) = Unshare::possible() else {
            return Ok(None);
        };
        let (scratch, central, _) = Self::prepared(0, |_| {}).await?;
        let mut gate = Gate::set_up("gate", &scratch.directory("gate")?, &wiring(Source::Texts))?;
        match gate
            .start_on_a_disk(unshare, script, &central.claim())
            .await
        {
            Ok(_) => bail!("the agent runs"),
            Err(error) => Ok(Some(format!("{error:#}"))),
        }
    }

    /// Waits until the gate has what central serves.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn up_to_date(&mut self) -> anyhow::Result<()> {
        let is_up = |state: &shared::panel_api::PanelState| {
            state.link == Link::Up && state.freshness == FreshnessStep::Fresh
        };
        self.panel
            .wait_for_state("the gate to be fresh", is_up)
            .await?;
        let newest: Vec<_> = self.central.look(|papers| {
            let Shelf {
                status_list,
                issued_list,
                configuration,
                roster,
                ..
            } = &papers.shelf;
            let always = [status_list, issued_list, configuration];
            let filed = always.into_iter().chain(roster);
            filed.map(|filed| filed.number).collect()
        });
        clock::wait_for("the gate to take the newest documents", || async {
            let taken = self.documents_taken()?;
            Ok(newest
                .iter()
                .all(|number| taken.contains_key(number))
                .then_some(()))
        })
        .await
    }

    /// Kinds of documents that the gate says it has taken, by number.
    fn documents_taken(&self) -> anyhow::Result<BTreeMap<shared::ids::DocumentNumber, String>> {
        let taken = self
            .records()?
            .into_iter()
            .filter_map(|part| match part.event {
                Event::Sync(SyncEvent::DocumentTaken { kind, number }) => Some((number, kind)),
                _ => None,
            });
        Ok(taken.collect())
    }

    /// Kinds and reasons of documents that the gate says it has refused, in order.
    ///
    /// # Errors
    /// When central holds something that is no record.
    pub fn documents_refused(&self) -> anyhow::Result<Vec<(String, String)>> {
        let refused = self
            .records()?
            .into_iter()
            .filter_map(|part| match part.event {
                Event::Sync(SyncEvent::DocumentRefused { kind, reason }) => Some((kind, reason)),
                _ => None,
            });
        Ok(refused.collect())
    }

    /// Waits until the gate says that it has refused a document of a kind.
    ///
    /// # Errors
    /// When it does not say so in time, or took one of the kind that was not newer.
    pub async fn refuses(&self, kind: &str) -> anyhow::Result<String> {
        clock::wait_for(&format!("the gate to refuse {kind}"), || async {
            self.never_went_back(kind)?;
            let refused = self.documents_refused()?;
            Ok(refused
                .into_iter()
                .find(|(refused, _)| refused == kind)
                .map(|(_, reason)| reason))
        })
        .await
    }

    fn never_went_back(&self, of_kind: &str) -> anyhow::Result<()> {
        let mut newest = None;
        for part in self.records()? {
            if let Event::Sync(SyncEvent::DocumentTaken { kind, number }) = part.event
                && kind == of_kind
            {
                ensure!(
                    newest.is_none_or(|newest| newest < number),
                    "the gate took {kind} {number} behind a newer one"
                );
                newest = Some(number);
            }
        }
        Ok(())
    }

    /// Public parts of everything that has arrived at central.
    ///
    /// # Errors
    /// When central holds something that is no record.
    pub fn records(&self) -> anyhow::Result<Vec<PublicPart>> {
        self.central.look(|papers| {
            let received = papers.shelf.received.iter();
            received
                .map(|record| record.public_part().context("central holds a record"))
                .collect()
        })
    }

    /// How often central has answered with an acknowledgement of before.
    #[must_use]
    pub fn replays(&self) -> u32 {
        self.central
            .look(|papers| match papers.shelf.acknowledging {
                Acknowledging::Truly => 0,
                Acknowledging::Replayed { times, .. } => times,
            })
    }

    /// Waits until everything that the gate recorded has arrived at central.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn journal_arrived(&mut self) -> anyhow::Result<()> {
        let what = "the journal to arrive";
        self.panel
            .wait_for_state(what, |state| state.unacknowledged_records == 0)
            .await?;
        Ok(())
    }

    /// Shows the text of a pass at the entry and expects it to be granted, and the holder to go
    /// through.
    ///
    /// # Errors
    /// When it is not, or the holder does not.
    pub async fn grants(&mut self, text: &str) -> anyhow::Result<()> {
        let seen = self.gate.scan(&mut self.panel, ENTRY, text).await?;
        match seen {
            Seen::Decided(decided) if decided.decision == Decision::Grant => {
                let outcome = self.panel.passage(decided.scan).await?;
                ensure!(outcome == PassageOutcome::Taken, "{outcome:?}");
                Ok(())
            }
            Seen::Decided(_) | Seen::Refused { .. } | Seen::Unreadable { .. } => {
                bail!("not granted: {seen:?}")
            }
        }
    }

    /// Shows the text of a pass at the entry.
    ///
    /// # Errors
    /// When the gate says nothing of it.
    pub async fn shows(&mut self, text: &str) -> anyhow::Result<Seen> {
        self.gate.scan(&mut self.panel, ENTRY, text).await
    }

    /// How many times the turnstile was released.
    ///
    /// # Errors
    /// When the trace cannot be read.
    pub fn releases(&self) -> anyhow::Result<usize> {
        let changes = self.gate.relay_changes(TURNSTILE)?;
        let released = changes
            .iter()
            .filter(|change| change.relay == Relay::Released);
        Ok(released.count())
    }

    /// Shows the text of a pass at the entry and expects this reason.
    ///
    /// # Errors
    /// When it is granted or another reason is given.
    pub async fn denies(
        &mut self,
        text: &str,
        reason: shared::decision::DenyReason,
    ) -> anyhow::Result<()> {
        let seen = self.gate.scan(&mut self.panel, ENTRY, text).await?;
        ensure!(
            seen.denied() == Some(reason),
            "{} was expected: {seen:?}",
            reason.code()
        );
        Ok(())
    }

    /// Stops the agent in order, moves its clock, and starts it again.
    ///
    /// # Errors
    /// When it does not stop or start.
    pub async fn restart_with_clock(&mut self, ahead_s: i64) -> anyhow::Result<()> {
        self.gate.stop().await?;
        self.gate.set_clock(ahead_s)?;
        self.panel = self.gate.start().await?;
        Ok(())
    }

    /// Waits for the state's freshness to be `step`.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn becomes(&mut self, step: FreshnessStep) -> anyhow::Result<()> {
        let stopwatch = Stopwatch::start();
        loop {
            let state = self.panel.state().await?;
            if state.freshness == step {
                return Ok(());
            }
            if stopwatch.elapsed() > PATIENCE {
                bail!("{:?} and not {step:?}", state.freshness);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

fn wiring(entry: Source) -> Wiring {
    let reader = |access_point, source| ReaderWiring {
        access_point,
        source,
    };
    Wiring {
        readers: vec![reader(ENTRY, entry), reader(EXIT, Source::Texts)],
        doors: vec![DoorWiring {
            door: TURNSTILE,
            sensors: Sensors::Rotation,
            // Longer than a turnstile bounces: two holders in a row are two turns.
            opens_after_ms: TURN_MS,
        }],
    }
}

//! How long a revocation takes to reach a gate that is in touch with central: from the
//! administrator's request to the status list in the gate's database. Its next pull is an hour
//! away, so the long poll alone brings it.

use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use shared::{
    decision::FreshnessStep,
    panel_api::{Link, PanelState},
    status_list::PassState,
};
use tokio::runtime::Runtime;

use super::{Figure, Goal, Measured, Setting, Unit, timing::milliseconds};
use crate::{
    campus::Campus,
    clock::{PATIENCE, Stopwatch},
    gate::Gate,
    school::{IssuedPass, PassWish},
};

const ROUNDS: usize = 100;
/// The gate's database is looked at so often, which is how exact the figure is.
const LOOK: Duration = Duration::from_millis(1);
const GOAL: Goal = Goal::AtMost(1_000.0);

pub(super) fn run(setting: &Setting) -> anyhow::Result<Measured> {
    let runtime = Runtime::new().context("no runtime")?;
    let rounds = setting.effort.rounds(ROUNDS);
    let (answered, reached) = runtime.block_on(measure(rounds))?;
    Ok(vec![
        Figure::with_goal(
            "A revocation held by an online gate, behind the administrator's request",
            milliseconds(&reached),
            Unit::Milliseconds,
            GOAL,
        ),
        Figure::for_reading(
            "  central's answer, with the status list signed and stored",
            milliseconds(&answered),
            Unit::Milliseconds,
        ),
    ]
    .into())
}

async fn measure(rounds: usize) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let sync = json!({"pull_s": 3_600, "long_poll_s": 55, "push_ms": 50});
    let campus = Campus::open_with(sync).await?;
    let (gate, mut panel) = campus.real_gate().await?;
    let is_ready =
        |state: &PanelState| state.link == Link::Up && state.freshness == FreshnessStep::Fresh;
    panel.wait_for_state("a fresh gate", is_ready).await?;
    let (mut answered, mut reached) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let pass = campus.school.issue(PassWish::card(&[campus.level])).await?;
        let stopwatch = Stopwatch::start();
        campus.school.change(&pass, "revoke").await?;
        answered.push(stopwatch.elapsed());
        wait_until_held(&gate, &pass, &stopwatch).await?;
        reached.push(stopwatch.elapsed());
    }
    Ok((answered, reached))
}

async fn wait_until_held(gate: &Gate, pass: &IssuedPass, since: &Stopwatch) -> anyhow::Result<()> {
    while gate.status_held(pass.kid, pass.serial)? != Some(PassState::Revoked) {
        anyhow::ensure!(
            since.elapsed() < PATIENCE,
            "the revocation does not reach the gate"
        );
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

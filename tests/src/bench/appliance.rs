//! The whole appliance, as its programs run on the box: from a camera's frame to the relay, what it
//! costs while nobody is there, its memory with a long status list, and how soon it decides after
//! its start. Frames come as a camera's program writes them; the door is simulated.

mod camera;
mod processes;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use shared::status_list::PassState;

use super::{
    Effort, Figure, Goal, Measured, Setting, Unit,
    figure::Spread,
    gate_on_disk::{Extent, GateOnDisk},
    timing::milliseconds,
};
use crate::{
    authority::{ENTRY, T0, TURNSTILE},
    clock::{self, PATIENCE, Stopwatch},
    gate::{Relay, read_trace},
    program::{self, Running},
};
use camera::{Camera, Scene};

const ROUNDS: usize = 200;
const STARTS: usize = 20;
/// How long it is watched while nobody is there.
const IDLE: Duration = Duration::from_secs(20);
const MEMORY_GOAL: Goal = Goal::AtMost(60.0);
/// Empty frames between two people: a pass that was away for a second is shown anew.
const FRAMES_BETWEEN: usize = 6;
/// Empty frames before anything is measured.
const FRAMES_FIRST: usize = 30;

const FULL: Extent = Extent {
    issued: 10_000_000,
    revoked: 100_000,
    suspended: 10_000,
    holders: 10_000,
};
const GLANCE: Extent = Extent {
    issued: 2_000,
    revoked: 20,
    suspended: 2,
    holders: 100,
};

pub(super) fn run(setting: &Setting) -> anyhow::Result<Measured> {
    let extent = match setting.effort {
        Effort::Full | Effort::Quick => FULL,
        Effort::Glance => GLANCE,
    };
    let directory = setting.directory.join("appliance");
    let mut appliance = Appliance::new(directory, extent)?;
    let starts = appliance.starts(setting.effort.rounds(STARTS))?;
    let grants = appliance.grants(setting.effort.rounds(ROUNDS))?;
    let idle = match setting.effort {
        Effort::Full | Effort::Quick => IDLE,
        Effort::Glance => Duration::from_secs(2),
    };
    let share = appliance.share_while_idle(idle)?;
    let memory = appliance.memory()?;
    appliance.remove()?;
    Ok(figures(&grants, &starts, share, memory, extent).into())
}

fn figures(
    grants: &[Duration],
    starts: &[Duration],
    share_percent: f64,
    memory: processes::Memory,
    extent: Extent,
) -> Vec<Figure> {
    let ms = Unit::Milliseconds;
    let mib = Unit::Mebibytes;
    let list = format!("{} serials on the status list", extent.issued);
    let all = format!("Memory of agent, decoder and door process together (PSS), {list}");
    vec![
        Figure::for_reading(
            "A frame begins to come → relay, its record durable",
            milliseconds(grants),
            ms,
        ),
        Figure::for_reading(
            "  the slowest of a hundred (p99)",
            Spread::exactly(percentile_ms(grants, 99)),
            ms,
        ),
        Figure::for_reading(
            "Share of one core at 15 frames/s of 640×480, nobody there",
            Spread::exactly(share_percent),
            Unit::Percent,
        ),
        Figure::with_goal(&all, Spread::exactly(memory.together_mib), mib, MEMORY_GOAL),
        Figure::for_reading(
            "  the agent alone (RSS)",
            Spread::exactly(memory.agent_rss_mib),
            mib,
        ),
        Figure::for_reading(
            "From the start of the program to the relay of its first grant",
            milliseconds(starts),
            ms,
        ),
    ]
}

/// The smallest time that so many of a hundred do not exceed.
fn percentile_ms(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1].as_secs_f64() * 1e3
}

/// A box with everything a large school's gate holds.
struct Appliance {
    directory: PathBuf,
    /// Texts of passes that are valid, each to be shown once.
    texts: std::vec::IntoIter<String>,
    camera: Camera,
    nobody: Scene,
    running: Option<Running>,
    /// Lines of the door's trace that were looked at.
    seen: usize,
}

impl Appliance {
    fn new(directory: PathBuf, extent: Extent) -> anyhow::Result<Self> {
        let gate = GateOnDisk::new(&directory, extent)?;
        let is_valid = |pass: &&_| gate.state(pass) == PassState::Valid;
        let valid = gate.passes.iter().filter(is_valid);
        let texts: Vec<String> = valid.map(crate::authority::IssuedPass::text).collect();
        gate.keeper.close()?;
        let camera = Camera::at(directory.join("camera"))?;
        let this = Self {
            directory,
            texts: texts.into_iter(),
            camera,
            nobody: Scene::empty(),
            running: None,
            seen: 0,
        };
        this.configure()?;
        Ok(this)
    }

    fn configure(&self) -> anyhow::Result<()> {
        let (width, height) = camera::SIZE;
        let camera = self.camera.path();
        // What central signed is a minute old.
        let ahead_s = i64::try_from(T0.0 + 60)? - i64::try_from(clock::utc().0)?;
        fs::write(self.directory.join("ahead"), ahead_s.to_string())?;
        let text = format!(
            "state = \"state\"\nkeys = \"keys\"\npanel_socket = \"panel.sock\"\n\
             clock = {{ kind = \"offset_file\", path = \"ahead\" }}\n\
             [[readers]]\naccess_point = {ENTRY}\n[readers.source.command]\nprogram = \"cat\"\n\
             arguments = [{camera:?}]\nwidth = {width}\nheight = {height}\n\
             [[doors]]\ndoor = {TURNSTILE}\nlock = \"fail_secure\"\n[doors.io.simulated]\n\
             sensors = \"rotation\"\nopens_after_ms = 30\ntrace = \"trace\"\n"
        );
        fs::write(self.directory.join("gate.toml"), text).context("cannot configure the box")
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let mut command = program::command("gate-agent")?;
        command
            .arg("run")
            .env("PORTCULLIS_GATE_CONFIG", self.directory.join("gate.toml"));
        let log = self.directory.join("log");
        self.running = Some(Running::start("the box", &mut command, &log)?);
        Ok(())
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let running = self.running.take().context("the box does not run")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let status = runtime.block_on(running.stop())?;
        ensure!(status.success(), "the box ended with {status}");
        self.camera.close();
        Ok(())
    }

    fn next_pass(&mut self) -> anyhow::Result<Scene> {
        let text = self.texts.next().context("all passes have been shown")?;
        Scene::holding(&text)
    }

    /// From a start to the first release, each time with another pass before the camera.
    fn starts(&mut self, rounds: usize) -> anyhow::Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let pass = self.next_pass()?;
            let began_us = clock::boot_us();
            self.start()?;
            times.push(self.released_since(began_us, &pass)?);
            self.stop()?;
        }
        Ok(times)
    }

    /// From the beginning of a frame with a pass to the relay, one person after the other.
    fn grants(&mut self, rounds: usize) -> anyhow::Result<Vec<Duration>> {
        self.start()?;
        self.camera.show(&self.nobody, FRAMES_FIRST)?;
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let pass = self.next_pass()?;
            self.camera.wait_for_next_frame();
            let began_us = clock::boot_us();
            times.push(self.released_since(began_us, &pass)?);
            self.camera.show(&self.nobody, FRAMES_BETWEEN)?;
        }
        Ok(times)
    }

    /// Holds up a pass until the relay is commanded to release.
    fn released_since(&mut self, began_us: u64, pass: &Scene) -> anyhow::Result<Duration> {
        let stopwatch = Stopwatch::start();
        loop {
            self.camera.show(pass, 1)?;
            let changes = read_trace(&self.directory.join("trace"))?;
            let new = &changes[self.seen.min(changes.len())..];
            let released = new.iter().find(|change| change.relay == Relay::Released);
            if let Some(released) = released {
                let released_us = released.uptime_us;
                self.seen = changes.len();
                return Ok(Duration::from_micros(released_us.saturating_sub(began_us)));
            }
            let running = self.running.as_mut().context("the box does not run")?;
            running.must_run()?;
            ensure!(
                stopwatch.elapsed() < PATIENCE,
                "the box does not let a valid pass in:\n{}",
                running.log_end()
            );
        }
    }

    fn share_while_idle(&mut self, time: Duration) -> anyhow::Result<f64> {
        let agent = self.running.as_ref().context("the box does not run")?.id();
        self.camera.show(&self.nobody, FRAMES_FIRST)?;
        let before = processes::cpu(agent)?;
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < time {
            self.camera.show(&self.nobody, 1)?;
        }
        let used = processes::cpu(agent)?.saturating_sub(before);
        Ok(100.0 * used.as_secs_f64() / stopwatch.elapsed().as_secs_f64())
    }

    fn memory(&self) -> anyhow::Result<processes::Memory> {
        let agent = self.running.as_ref().context("the box does not run")?.id();
        processes::memory(agent)
    }

    fn remove(mut self) -> anyhow::Result<()> {
        self.stop()?;
        fs::remove_dir_all(&self.directory).context("cannot remove the benchmark's box")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_exceeded_by_no_more_than_the_rest() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&times, 99), 198.0);
        assert_eq!(percentile_ms(&times[..1], 99), 200.0);
    }
}

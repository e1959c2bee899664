//! The real `gate-agent` program on a simulated box: set up, enrolled, started, killed, started
//! again; its clock moved, its doors watched.

mod disk;
mod door;
mod setup;
mod store;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};
use image::GrayImage;
use shared::{
    ids::{AccessPointId, DoorId, Kid, Serial},
    status_list::PassState,
};
use tokio::{io::AsyncWriteExt, net::UnixStream};

use crate::{
    clock::{PATIENCE, Stopwatch},
    panel::{Panel, Seen},
    pictures,
    program::{self, Running},
};

pub use disk::Unshare;
pub(crate) use door::read_trace;
pub use door::{Relay, RelayChange};
pub use setup::{DoorWiring, FRAME_SIZE, ReaderWiring, Sensors, Source, Wiring};
pub use store::KeptRecord;

/// A gate's box.
#[derive(Debug)]
pub struct Gate {
    /// What it is called in logs.
    pub name: String,
    directory: PathBuf,
    running: Option<Running>,
}

impl Gate {
    /// Writes the box's configuration into a directory.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn set_up(name: &str, directory: &Path, wiring: &Wiring) -> anyhow::Result<Self> {
        setup::write(directory, wiring)?;
        Ok(Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            running: None,
        })
    }

    /// A command of `gate-agent` on this box.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = program::command("gate-agent")?;
        command
            .args(arguments)
            .env("PORTCULLIS_GATE_CONFIG", setup::file(&self.directory));
        Ok(command)
    }

    /// Enrols with the text of a claim; gives what the command says.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn enrol(&self, claim: &str) -> anyhow::Result<String> {
        let mut command = self.command(&["enrol", claim])?;
        // Central, or the link to it, may live in this very thread.
        tokio::task::spawn_blocking(move || program::output(&mut command))
            .await?
            .with_context(|| format!("{} cannot enrol", self.name))
    }

    /// Starts the agent and waits until its panel answers.
    ///
    /// # Errors
    /// When it ends or never answers.
    pub async fn start(&mut self) -> anyhow::Result<Panel> {
        let command = self.command(&["run"])?;
        self.start_as(command).await
    }

    /// Starts the agent as a service manager does that listens at `socket` and wants proof of life
    /// within `watchdog`.
    ///
    /// # Errors
    /// When it ends or never answers.
    pub async fn start_as_service(
        &mut self,
        socket: &Path,
        watchdog: Duration,
    ) -> anyhow::Result<Panel> {
        let mut command = self.command(&["run"])?;
        command
            .env("NOTIFY_SOCKET", socket)
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        self.start_as(command).await
    }

    /// Enrols and starts the agent with its state on a disk that a shell script mounts.
    ///
    /// # Errors
    /// When it ends or never answers.
    pub async fn start_on_a_disk(
        &mut self,
        unshare: Unshare,
        script: &str,
        claim: &str,
    ) -> anyhow::Result<Panel> {
        let agent = self.command(&[])?;
        let command = disk::command(unshare, script, &self.state_directory(), &agent, claim);
        self.start_as(command).await
    }

    /// A shell script with a mount namespace of its own, with the directory that it mounts as `$1`
    /// and the agent's program as `$2`.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn command_with_a_mount(
        &self,
        unshare: Unshare,
        script: &str,
        directory: &Path,
    ) -> anyhow::Result<Command> {
        let agent = self.command(&[])?;
        Ok(disk::command(unshare, script, directory, &agent, ""))
    }

    async fn start_as(&mut self, mut command: Command) -> anyhow::Result<Panel> {
        let running = Running::start(&self.name, &mut command, &self.log_path())?;
        let running = self.running.insert(running);
        let socket = setup::panel_socket(&self.directory);
        let stopwatch = Stopwatch::start();
        loop {
            running.must_run()?;
            if let Ok(panel) = Panel::connect(&socket).await {
                return Ok(panel);
            }
            if stopwatch.elapsed() > PATIENCE {
                bail!("{} is not ready:\n{}", self.name, running.log_end());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The directory of its state as the running agent sees it, when it has a disk of its own.
    ///
    /// # Errors
    /// When it does not run.
    pub fn disk(&mut self) -> anyhow::Result<PathBuf> {
        let state = self.state_directory();
        let id = self.running()?.id();
        let below_root = state
            .strip_prefix("/")
            .context("a box has an absolute path")?;
        Ok(PathBuf::from(format!("/proc/{id}/root")).join(below_root))
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().context("the gate does not run")?.kill()
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When it does not end in order.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let running = self.running.take().context("the gate does not run")?;
        let status = running.stop().await?;
        if !status.success() {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }

    /// Another panel.
    ///
    /// # Errors
    /// When the gate does not run.
    pub async fn panel(&self) -> anyhow::Result<Panel> {
        Panel::connect(&setup::panel_socket(&self.directory)).await
    }

    /// Moves its wall clock: seconds ahead of this machine's, or behind.
    ///
    /// # Errors
    /// When the box's directory cannot be written.
    pub fn set_clock(&self, ahead_s: i64) -> anyhow::Result<()> {
        let path = setup::clock_file(&self.directory);
        let unfinished = path.with_extension("new");
        std::fs::write(&unfinished, ahead_s.to_string())
            .and_then(|()| std::fs::rename(&unfinished, &path))
            .with_context(|| format!("cannot move the clock of {}", self.name))
    }

    /// Holds a picture (a PNG file) up to the camera of an access point.
    ///
    /// # Errors
    /// When the box's directory cannot be written.
    pub fn show_picture(&self, at: AccessPointId, name: &str, png: &[u8]) -> anyhow::Result<()> {
        pictures::put(&setup::pictures(&self.directory, at), name, png)
    }

    /// Holds up a picture to the camera of an access point, or nothing, until something else is.
    ///
    /// # Errors
    /// When the box's directory cannot be written.
    pub fn show_frame(&self, at: AccessPointId, picture: Option<&GrayImage>) -> anyhow::Result<()> {
        let path = setup::frame(&self.directory, at);
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.context("a frame's file has a name")?;
        pictures::put(&self.directory, name, &setup::yuv420(picture))
    }

    /// Holds up a text to the reader of an access point.
    ///
    /// # Errors
    /// When nobody reads there.
    pub async fn show_text(&self, at: AccessPointId, text: &str) -> anyhow::Result<()> {
        let socket = setup::texts_socket(&self.directory, at);
        let mut stream = UnixStream::connect(&socket)
            .await
            .with_context(|| format!("nobody reads at access point {at}"))?;
        stream.write_all(format!("{text}\n").as_bytes()).await?;
        stream.shutdown().await?;
        Ok(())
    }

    /// Holds up a text and waits for what the gate makes of it.
    ///
    /// # Errors
    /// When the gate says nothing.
    pub async fn scan(
        &self,
        panel: &mut Panel,
        at: AccessPointId,
        text: &str,
    ) -> anyhow::Result<Seen> {
        self.show_text(at, text).await?;
        loop {
            let seen = panel.seen().await?;
            if seen.access_point() == at {
                return Ok(seen);
            }
        }
    }

    /// Everything its relays did since the box was set up, kills or not.
    ///
    /// # Errors
    /// When the trace is damaged.
    pub fn relay_changes(&self, door: DoorId) -> anyhow::Result<Vec<RelayChange>> {
        door::read_trace(&setup::trace(&self.directory, door))
    }

    /// Tells a simulated door how to behave from now on, or moves one of its sensors.
    ///
    /// # Errors
    /// When the gate does not run or refuses.
    pub async fn tell_door(&self, door: DoorId, ask: &serde_json::Value) -> anyhow::Result<()> {
        door::tell(&setup::control(&self.directory, door), ask).await
    }

    /// What the status list that it holds says of a pass; none without a list.
    ///
    /// # Errors
    /// When its database cannot be read.
    pub fn status_held(&self, kid: Kid, serial: Serial) -> anyhow::Result<Option<PassState>> {
        store::status(&store::open(&self.state_directory())?, kid, serial)
    }

    /// Its journal as it stands in its own database, oldest first.
    ///
    /// # Errors
    /// When its database cannot be read.
    pub fn records_kept(&self) -> anyhow::Result<Vec<KeptRecord>> {
        store::records(&store::open(&self.state_directory())?)
    }

    /// The box's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory of its database and keys.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        setup::state(&self.directory)
    }

    /// The program that runs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn running(&mut self) -> anyhow::Result<&mut Running> {
        self.running.as_mut().context("the gate does not run")
    }

    /// Where its log is.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.directory.join("gate.log")
    }
}

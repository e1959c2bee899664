//! The box's configuration file and where its parts lie.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use image::{GrayImage, Luma};
use shared::ids::{AccessPointId, DoorId};

/// What is wired to the box.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    /// Readers.
    pub readers: Vec<ReaderWiring>,
    /// Simulated doors.
    pub doors: Vec<DoorWiring>,
}

/// A reader.
#[derive(Clone, Copy, Debug)]
pub struct ReaderWiring {
    /// Where it stands.
    pub access_point: AccessPointId,
    /// What it reads.
    pub source: Source,
}

/// What a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Pictures from a folder.
    Pictures,
    /// Texts from a socket.
    Texts,
    /// Frames as a camera's program writes them: the same again and again, until another is shown.
    Frames,
}

/// Pixels of a frame of [`Source::Frames`].
pub const FRAME_SIZE: (u32, u32) = (640, 480);

/// A simulated door.
#[derive(Clone, Copy, Debug)]
pub struct DoorWiring {
    /// The door.
    pub door: DoorId,
    /// What it can tell of itself.
    pub sensors: Sensors,
    /// From the release until somebody goes through, in ms.
    pub opens_after_ms: u32,
}

/// What a simulated door can tell of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensors {
    /// Open and closed.
    Contact,
    /// A turnstile's rotation.
    Rotation,
    /// Nothing.
    None,
}

impl Sensors {
    fn name(self) -> &'static str {
        match self {
            Sensors::Contact => "contact",
            Sensors::Rotation => "rotation",
            Sensors::None => "none",
        }
    }
}

pub(super) fn file(directory: &Path) -> PathBuf {
    directory.join("gate.toml")
}

pub(super) fn state(directory: &Path) -> PathBuf {
    directory.join("state")
}

pub(super) fn panel_socket(directory: &Path) -> PathBuf {
    directory.join("panel.sock")
}

pub(super) fn clock_file(directory: &Path) -> PathBuf {
    directory.join("clock-offset")
}

pub(super) fn pictures(directory: &Path, at: AccessPointId) -> PathBuf {
    directory.join(format!("pictures-{at}"))
}

pub(super) fn texts_socket(directory: &Path, at: AccessPointId) -> PathBuf {
    directory.join(format!("texts-{at}.sock"))
}

pub(super) fn frame(directory: &Path, at: AccessPointId) -> PathBuf {
    directory.join(format!("frame-{at}"))
}

pub(super) fn trace(directory: &Path, door: DoorId) -> PathBuf {
    directory.join(format!("door-{door}.trace"))
}

pub(super) fn control(directory: &Path, door: DoorId) -> PathBuf {
    directory.join(format!("door-{door}.sock"))
}

/// A frame with a picture in its middle, or of a grey wall, as a camera's program writes it.
pub(super) fn yuv420(picture: Option<&GrayImage>) -> Vec<u8> {
    let (width, height) = FRAME_SIZE;
    let mut frame = GrayImage::from_pixel(width, height, Luma([170]));
    if let Some(picture) = picture {
        let left = i64::from(width.saturating_sub(picture.width()) / 2);
        let top = i64::from(height.saturating_sub(picture.height()) / 2);
        image::imageops::overlay(&mut frame, picture, left, top);
    }
    let mut bytes = frame.into_raw();
    let grey = bytes.len();
    bytes.resize(grey + grey / 2, 128);
    bytes
}

/// Writes the configuration and makes the folders that it names.
pub(super) fn write(directory: &Path, wiring: &Wiring) -> anyhow::Result<()> {
    let text = text(directory, wiring).context("cannot write to a text")?;
    fs::create_dir_all(state(directory))
        .and_then(|()| {
            wiring
                .readers
                .iter()
                .filter(|reader| reader.source == Source::Pictures)
                .try_for_each(|reader| fs::create_dir_all(pictures(directory, reader.access_point)))
        })
        .and_then(|()| {
            wiring
                .readers
                .iter()
                .filter(|reader| reader.source == Source::Frames)
                .try_for_each(|reader| {
                    fs::write(frame(directory, reader.access_point), yuv420(None))
                })
        })
        .and_then(|()| fs::write(file(directory), text))
        .with_context(|| format!("cannot set up a gate in {}", directory.display()))
}

fn text(directory: &Path, wiring: &Wiring) -> Result<String, std::fmt::Error> {
    let name = |path: PathBuf| format!("{:?}", path.strip_prefix(directory).unwrap_or(&path));
    let mut text = String::new();
    writeln!(text, "state = {}", name(state(directory)))?;
    writeln!(text, "panel_socket = {}", name(panel_socket(directory)))?;
    let clock = name(clock_file(directory));
    writeln!(text, "clock = {{ kind = \"offset_file\", path = {clock} }}")?;
    // A test does not wait half a minute for a link that has come back.
    writeln!(text, "\n[sync]\nretry_first_ms = 50\nretry_most_ms = 400")?;
    for reader in &wiring.readers {
        let at = reader.access_point;
        writeln!(text, "\n[[readers]]\naccess_point = {at}")?;
        match reader.source {
            Source::Pictures => {
                let folder = name(pictures(directory, at));
                writeln!(text, "source = {{ pictures = {{ folder = {folder} }} }}")?;
            }
            Source::Frames => {
                let (width, height) = FRAME_SIZE;
                let frame = frame(directory, at);
                let script = format!("while :; do cat '{}'; sleep 0.05; done", frame.display());
                writeln!(text, "[readers.source.command]\nprogram = \"sh\"")?;
                writeln!(text, "arguments = [\"-c\", {script:?}]")?;
                writeln!(text, "width = {width}\nheight = {height}")?;
            }
            Source::Texts => {
                let socket = name(texts_socket(directory, at));
                writeln!(text, "source = {{ texts = {{ socket = {socket} }} }}")?;
            }
        }
    }
    for DoorWiring {
        door,
        sensors,
        opens_after_ms,
    } in &wiring.doors
    {
        writeln!(
            text,
            "\n[[doors]]\ndoor = {door}\nlock = \"fail_secure\"\n[doors.io.simulated]"
        )?;
        writeln!(text, "sensors = \"{}\"", sensors.name())?;
        writeln!(text, "opens_after_ms = {opens_after_ms}\nopen_for_ms = 100")?;
        writeln!(text, "trace = {}", name(trace(directory, *door)))?;
        writeln!(text, "control = {}", name(control(directory, *door)))?;
    }
    Ok(text)
}

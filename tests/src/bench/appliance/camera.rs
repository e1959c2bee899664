//! A camera in the benchmark's hand: raw frames at a steady rate into a named pipe.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use image::{GrayImage, Luma};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::{clock::Stopwatch, pictures, random::Random};

pub(super) const SIZE: (u32, u32) = (640, 480);
const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 15);
const WALL: u8 = 165;
/// How far a sensor's noise moves a pixel.
const NOISE: u8 = 3;
/// The same picture with other noise.
const TAKES: usize = 8;

/// What stands before the camera.
pub(super) struct Scene {
    takes: Vec<Vec<u8>>,
}

impl Scene {
    /// Nobody.
    pub(super) fn empty() -> Self {
        Self::of(None)
    }

    /// Somebody who holds up a code with this text.
    pub(super) fn holding(text: &str) -> anyhow::Result<Self> {
        Ok(Self::of(Some(&pictures::code(text)?)))
    }

    fn of(code: Option<&GrayImage>) -> Self {
        let (width, height) = SIZE;
        let mut random = Random::from_seed(u64::from(WALL));
        let take = || {
            let mut frame = GrayImage::from_pixel(width, height, Luma([WALL]));
            if let Some(code) = code {
                let left = i64::from(width.saturating_sub(code.width()) / 2);
                let top = i64::from(height.saturating_sub(code.height()) / 2);
                image::imageops::overlay(&mut frame, code, left, top);
            }
            let mut bytes = frame.into_raw();
            for pixel in &mut bytes {
                let noise = random.below(2 * u64::from(NOISE) + 1) as u8;
                *pixel = pixel.saturating_add(noise).saturating_sub(NOISE);
            }
            let colours = bytes.len() / 2;
            bytes.resize(bytes.len() + colours, 128);
            bytes
        };
        Self {
            takes: std::iter::repeat_with(take).take(TAKES).collect(),
        }
    }
}

/// The camera.
pub(super) struct Camera {
    path: PathBuf,
    pipe: Option<File>,
    last: Option<Stopwatch>,
    frames: usize,
}

impl Camera {
    pub(super) fn at(path: PathBuf) -> anyhow::Result<Self> {
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .with_context(|| format!("cannot make the pipe {}", path.display()))?;
        Ok(Self {
            path,
            pipe: None,
            last: None,
            frames: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the next frame is due.
    pub(super) fn wait_for_next_frame(&mut self) {
        if let Some(last) = self.last {
            std::thread::sleep(INTERVAL.saturating_sub(last.elapsed()));
        }
        self.last = None;
    }

    /// Writes frames of a scene, each at its time.
    pub(super) fn show(&mut self, scene: &Scene, frames: usize) -> anyhow::Result<()> {
        for _ in 0..frames {
            self.wait_for_next_frame();
            self.last = Some(Stopwatch::start());
            let take = &scene.takes[self.frames % TAKES];
            self.frames += 1;
            let pipe = match &mut self.pipe {
                Some(pipe) => pipe,
                None => {
                    // Returns once the box reads.
                    let pipe = OpenOptions::new().write(true).open(&self.path);
                    self.pipe
                        .insert(pipe.context("cannot open the camera's pipe")?)
                }
            };
            pipe.write_all(take)
                .context("nobody looks through the camera")?;
        }
        Ok(())
    }

    /// Ends the stream; the next frame begins another.
    pub(super) fn close(&mut self) {
        self.pipe = None;
        self.last = None;
    }
}

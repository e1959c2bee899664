//! Each change of a simulated relay as a JSON line in a file, durable before the relay moves, so
//! that a test can compare openings with records from outside, whenever the agent was killed.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Serialize;
use shared::ids::DoorId;

use super::{
    latch::{Cause, Move},
    wiring::Level,
};
use crate::clock::Clock;

#[derive(Serialize)]
struct Line {
    uptime_us: u64,
    door: u32,
    relay: Level,
    cause: Cause,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_ms: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Trace {
    door: DoorId,
    clock: Clock,
    file: Option<(PathBuf, File)>,
}

impl Trace {
    pub(super) fn open(door: DoorId, path: Option<&Path>, clock: Clock) -> anyhow::Result<Self> {
        let file = match path {
            None => None,
            Some(path) => {
                let file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(path)
                    .with_context(|| format!("cannot open the door's trace {}", path.display()))?;
                Some((path.to_path_buf(), file))
            }
        };
        Ok(Self { door, clock, file })
    }

    pub(super) fn write(&mut self, moved: Move) -> anyhow::Result<()> {
        let Some((path, file)) = &mut self.file else {
            return Ok(());
        };
        let line = Line {
            uptime_us: self.clock.uptime_us(),
            door: self.door.0,
            relay: moved.to,
            cause: moved.cause,
            for_ms: moved.for_ms,
        };
        let mut text = serde_json::to_string(&line).context("cannot write a line of JSON")?;
        text.push('\n');
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_data())
            .with_context(|| format!("cannot write the door's trace {}", path.display()))
    }
}

//! The gate's wall clock: the machine's, or one that a simulation moves. Timers stay real.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use serde::Deserialize;
use shared::time::{Now, UtcSeconds};

use super::Clock;

/// Which wall clock to believe.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClockConfig {
    /// The machine's.
    ///
    /// Braces, because serde lets unknown keys pass in a variant without fields.
    System {},
    /// The machine's and so many seconds, for simulations.
    Offset {
        /// Seconds to add; negative for a clock that is behind.
        offset_s: i64,
    },
    /// The machine's and as many seconds as stand in a file, which a simulation may change at any
    /// time; none while the file is not there.
    OffsetFile {
        /// The file: a decimal number.
        path: PathBuf,
    },
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self::System {}
    }
}

/// Both clocks of a gate.
#[derive(Clone, Debug)]
pub struct GateClock {
    clock: Clock,
    config: ClockConfig,
    /// What the file said last: a file that is being written says nothing.
    last_offset_s: Arc<AtomicI64>,
}

impl GateClock {
    /// The clocks that a configuration chooses.
    #[must_use]
    pub fn new(config: ClockConfig) -> Self {
        Self {
            clock: Clock::system(),
            config,
            last_offset_s: Arc::new(AtomicI64::new(0)),
        }
    }

    /// The machine's own clocks.
    #[must_use]
    pub fn machine(&self) -> Clock {
        self.clock
    }

    /// Both clocks at once.
    #[must_use]
    pub fn now(&self) -> Now {
        let now = self.clock.now();
        Now {
            utc: UtcSeconds(now.utc.0.saturating_add_signed(self.offset_s())),
            ..now
        }
    }

    fn offset_s(&self) -> i64 {
        let path = match &self.config {
            ClockConfig::System {} => return 0,
            ClockConfig::Offset { offset_s } => return *offset_s,
            ClockConfig::OffsetFile { path } => path,
        };
        match fs::read_to_string(path) {
            Ok(text) => {
                if let Ok(offset_s) = text.trim().parse() {
                    self.last_offset_s.store(offset_s, Ordering::Relaxed);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.last_offset_s.store(0, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        self.last_offset_s.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_configured_by_its_kind_and_the_keys_of_that_kind() {
        let read = |text: &str| toml::from_str::<ClockConfig>(text).map_err(|it| it.to_string());
        assert_eq!(read("kind = 'system'"), Ok(ClockConfig::System {}));
        let offset = ClockConfig::Offset { offset_s: -5 };
        assert_eq!(read("kind = 'offset'\noffset_s = -5"), Ok(offset));
        for wrong in [
            "kind = 'system'\noffset_s = -5",
            "kind = 'offset'\noffset_s = -5\npath = 'x'",
            "kind = 'offset_file'\npath = 'x'\nspeed = 2",
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("unknown field"), "{wrong}: {error}");
        }
        assert!(read("kind = 'sundial'").is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn a_simulated_clock_moves_while_the_gate_runs_and_uptime_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offset");
        let clock = GateClock::new(ClockConfig::OffsetFile { path: path.clone() });
        let machine = || clock.machine().now();
        assert!(clock.now().utc.since(machine().utc) <= 1);
        fs::write(&path, "-86400\n").unwrap();
        let behind = clock.now();
        assert!(machine().utc.since(behind.utc) >= 86_400);
        assert!(machine().uptime.since_ms(behind.uptime) < 10_000);
        fs::write(&path, "").unwrap();
        assert!(machine().utc.since(clock.now().utc) >= 86_400);
        fs::write(&path, "-99999999999").unwrap();
        assert_eq!(clock.now().utc, UtcSeconds(0));
        fs::remove_file(&path).unwrap();
        assert!(machine().utc.since(clock.now().utc) <= 1);
    }
}
